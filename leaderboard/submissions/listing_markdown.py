"""`submissions.md` of a board."""

from __future__ import annotations

from collections.abc import Sequence

from fflbench.leaderboard.markdown import escaped
from fflbench.leaderboard.submissions.listing import ListedSubmission


def submissions_markdown(title: str, listed: Sequence[ListedSubmission]) -> str:
    """A table with a line for each submission."""
    lines = [
        f"# {escaped(title)}: submissions", "",
        "Numbers are the submitters' own, but for cells that somebody else has run again. A signature says whose key made a "
        "file, not that its numbers are right.", "",
        "| submission | defenses | records | signed by | verification | links |",
        "|---|---|---:|---|---|---|",
    ]  # fmt: skip
    return "\n".join([*lines, *map(_row, listed)]) + "\n"


def _row(one: ListedSubmission) -> str:
    who = f"{one.name} ({', '.join(one.authors)})" if one.authors else one.name
    links = [f"[{kind}]({_address(url)})" for kind, url in (("paper", one.paper), ("code", one.code)) if url]
    cells = (
        escaped(who), escaped(", ".join(one.defenses)), str(one.records), escaped(one.key) or "nobody", one.standing,
        ", ".join([*links, f"[file](submissions/{one.file})"]),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _address(url: str) -> str:
    """What would end a link or a table cell, by its code."""
    return "".join(f"%{ord(letter):02X}" if letter in "()*_[]~$!" else letter for letter in url).replace("&", "&amp;")
