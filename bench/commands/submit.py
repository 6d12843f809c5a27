"""`fflbench submit`: results to one file for a board."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fflbench.errors import UserError
from fflbench.leaderboard.submissions.about import About, slug
from fflbench.leaderboard.submissions.container import SUFFIX
from fflbench.leaderboard.submissions.making import make_submission
from fflbench.leaderboard.wording import count
from fflbench.records import write_atomically
from fflbench.signature import read_key


def submit_command(
    results: list[Path], about: About, only: tuple[str, ...], pictures: tuple[str, ...], key: Path | None, out: Path | None
) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    warnings = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    private = read_key(key) if key else None
    submission, problems = make_submission(results, about, only, pictures, private)
    for line in problems:
        warnings.print(line)
    file, data = out or Path(f"{slug(about.name)}{SUFFIX}"), submission.to_bytes()
    try:
        write_atomically(file, data)
    except OSError as error:
        raise UserError(f"--out: {file}: cannot be written ({error.strerror})") from None
    with_pictures = f" and {count(len(submission.pictures), 'picture')}" if pictures else ""
    console.print(f"{count(len(submission.records), 'record')}{with_pictures} in {file} ({len(data) / 1e3:.0f} kB)")
    console.print(f"digest {submission.digest}")
    console.print(f"signed by {submission.fingerprint}" if private else "not signed (--key signs it)")
    console.print(f"Next: fflbench verify {file}, or send the file to a board")
