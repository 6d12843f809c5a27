"""`fflbench verify`: runs sampled cells of a submission again and compares."""

from __future__ import annotations

import platform
import secrets
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from fflbench import __version__
from fflbench.errors import UserError
from fflbench.leaderboard.submissions.submission import Submission, read_submission
from fflbench.leaderboard.wording import count, plain
from fflbench.records import write_atomically
from fflbench.signature import read_key
from fflbench.verification.report import Report, VerifiedCell, signed
from fflbench.verification.rerun import Conditions, verify
from fflbench.verification.sample import sample


def verify_command(
    file: Path,
    cells: int,
    seed: int | None,
    conditions: Conditions,
    results: Path | None,
    key: Path | None,
    out: Path | None,
) -> int:
    """Returns the exit code: 0, or 1 when a cell differs or none could be verified."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    private = read_key(key) if key else None
    submission = read_submission(file)
    drawn_with = secrets.randbelow(2**31) if seed is None else seed
    records, left_out = sample(submission.records, cells, drawn_with, submission.digest, conditions.seconds)
    if not records:
        raise UserError(f"verify: {plain(str(file), 200)}: has no cell that could be run again within --limit")
    about = submission.about
    console.print(
        f"{about.name}: {count(len(records), 'cell')} of {len(submission.records)}, drawn with --seed {drawn_with}"
    )
    if left_out:
        console.print(f"{count(left_out, 'cell')} left out: said to take longer than --limit")
    with ExitStack() as stack:
        folder = results or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fflbench-verify-")))
        found = verify(records, submission.pictures, folder, conditions, lambda cell: console.print(_line(cell)))
    report = _report(submission, drawn_with, cells, left_out, conditions, found)
    if out is not None:
        try:
            write_atomically(out, signed(report, private).to_bytes())
        except OSError as error:
            raise UserError(f"--out: {out}: cannot be written ({error.strerror})") from None
    verified, differing = report.count("same", "close"), report.count("differs")
    console.print(f"{verified} verified ({report.count('same')} bit for bit), {differing} differ"
                  f"{'s' if differing == 1 else ''}, {report.count('not verified')} not verified")  # fmt: skip
    return int(differing > 0 or verified == 0)


def _line(cell: VerifiedCell) -> str:
    note = f": {plain(cell.note, 500)}" if cell.note else ""
    return f"{cell.outcome:<12} {plain(cell.name, 200)}{note}"


def _report(
    submission: Submission, seed: int, asked: int, left_out: int, conditions: Conditions, cells: list[VerifiedCell]
) -> Report:
    return Report(
        submission=submission.digest,
        submitter=submission.about.name,
        seed=seed,
        asked=asked,
        tolerance=conditions.tolerance,
        left_out=left_out,
        fflbench=__version__,
        machine=f"{platform.system()} {platform.machine()}",
        device=conditions.device,
        day=datetime.now(UTC).date().isoformat(),
        cells=tuple(cells),
    )
