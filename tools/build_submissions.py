"""Writes the tables of docs/submissions.md from the hostile submissions of the tests: each is tried, what is said is shown.

python tools/build_submissions.py            # write the tables
python tools/build_submissions.py --check    # exit 1 if they are not up to date
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from marked import with_part, write_or_check

from fflbench.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "submissions.md"
sys.path.insert(0, str(ROOT / "tests" / "leaderboard"))

from hostile_submissions import HARMLESS, REFUSED, Case  # noqa: E402


def main() -> int:
    wanted = PAGE.read_text(encoding="utf-8")
    for name, table in (("refused", refused()), ("taken", taken())):
        begin, end = f"<!-- {name}: table by tools/build_submissions.py -->", f"<!-- end of {name} -->"
        wanted = with_part(wanted, begin, end, table)
    return write_or_check(PAGE, wanted, Path(__file__).name)


def refused() -> str:
    """One line a case: what is tried, and what is printed."""
    rows = [f"| {escaped(case.name)} | {code(line_of(case))} |" for case in REFUSED]
    return "\n".join(["| tried | printed |", "|---|---|", *rows])


def taken() -> str:
    rows = [f"| {escaped(case.name)} | {code(ascii(case.text)[1:-1])} |" for case in HARMLESS]
    return "\n".join(["| where | text |", "|---|---|", *rows])


def line_of(case: Case) -> str:
    """What a case is refused with, without the name of the folder that it was tried in."""
    with tempfile.TemporaryDirectory() as folder:
        shop = case.where(Path(folder))
        case.make(shop)
        try:
            shop.refuse()
        except UserError as error:
            return str(error).replace(f"{folder}/", "")
    raise SystemExit(f"{case.name}: was not refused")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def code(text: str) -> str:
    """Text as it is, in a cell of a table."""
    return f"<code>{escaped(text).replace('`', '&#96;').replace('*', '&#42;').replace('_', '&#95;')}</code>"


if __name__ == "__main__":
    sys.exit(main())
