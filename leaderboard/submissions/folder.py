"""A board: a folder that lives in git, with `board.toml`, `submissions/` and `reports/`. Files are added, never changed."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fflbench.errors import UserError
from fflbench.leaderboard.results import Results, assemble, load_results
from fflbench.leaderboard.submissions.about import slug
from fflbench.leaderboard.submissions.container import SUFFIX
from fflbench.leaderboard.submissions.holdings import Holdings
from fflbench.leaderboard.submissions.reports import check_report, report_name
from fflbench.leaderboard.submissions.rules import FILE, REPORTS, SUBMISSIONS, Rules, read_rules
from fflbench.leaderboard.submissions.submission import Submission, read_submission, read_whole
from fflbench.leaderboard.wording import plain
from fflbench.records import write_atomically
from fflbench.verification.report import SignedReport, read_report

MOST_FILES = 10_000
IGNORED = frozenset({".gitkeep"})


@dataclass(frozen=True)
class Shelf:
    """A board as it stands: its rules, every submission with its reports, and what they hold together."""

    folder: Path
    rules: Rules
    submissions: tuple[Submission, ...]
    reports: dict[str, tuple[SignedReport, ...]]
    holdings: Holdings


def is_board(folder: Path) -> bool:
    return (folder / FILE).is_file()


def open_board(folder: Path) -> Shelf:
    """Read a board and check everything on it. Raises `UserError` at the first thing that is wrong."""
    _check_kind(folder / FILE, stat.S_ISREG, "a file")
    rules = read_rules(folder)
    found = []
    for file in _files(folder / SUBMISSIONS, SUFFIX):
        submission = read_submission(file, rules.file_limits)
        if file.name != submission.file_name:
            raise UserError(plain(f"{file}: by its content its name is {submission.file_name}", 400))
        found.append((file, submission))
    holdings = Holdings(rules)
    first = slug(rules.baseline or "")
    for file, submission in sorted(found, key=lambda item: slug(item[1].about.name) != first):
        holdings.admit(submission, plain(str(file), 200))
    by_digest = {submission.digest: submission for _, submission in found}
    reports: dict[str, list[SignedReport]] = {}
    for file in _files(folder / REPORTS, ".json"):
        signed = _read_attached(file, by_digest, rules)
        reports.setdefault(signed.report.submission, []).append(signed)
    ordered = tuple(sorted(by_digest.values(), key=lambda s: (slug(s.about.name) != first, s.about.name.lower(), s.digest)))
    return Shelf(folder, rules, ordered, {digest: tuple(some) for digest, some in reports.items()}, holdings)


def load_any(folder: Path) -> Results:
    """What a results folder or a board holds. Raises `UserError` when it is neither, or nothing is in it."""
    if not is_board(folder):
        return load_results(folder)
    submissions = open_board(folder).submissions
    return assemble(folder, [record for submission in submissions for record in submission.records], [])


def add_submission(folder: Path, file: Path, report: Path | None = None) -> tuple[Submission, list[Path]]:
    """Check a file, and its report if there is one, against a board and put copies there. A submission that is there already
    only gets the report. Returns the submission and the files written; raises `UserError`, and writes nothing, when anything
    is wrong."""
    shelf = open_board(folder)
    data, submission = read_whole(file, shelf.rules.file_limits)
    place = folder / SUBMISSIONS / submission.file_name
    known = {one.digest for one in shelf.submissions}
    writes: list[tuple[Path, bytes]] = []
    if report is None or submission.digest not in known:
        shelf.holdings.admit(submission, plain(str(file), 200))
        writes.append((place, data))
    if report is not None:
        where = plain(str(report), 200)
        signed = read_report(report, where)
        check_report(signed, submission, shelf.rules, where)
        target = folder / REPORTS / report_name(submission, signed)
        if target.exists():
            raise UserError(f"{where}: is on the board already, as {target.name}")
        writes.append((target, signed.to_bytes()))
    for path, data in writes:
        try:
            write_atomically(path, data)
        except OSError as error:
            raise UserError(f"{plain(str(path), 200)}: cannot be written ({error.strerror})") from None
    return submission, [path for path, _ in writes]


def check_unchanged(folder: Path, before: Path) -> None:
    """Raises `UserError` unless everything that the board `before` holds stands unchanged in `folder`."""
    kept = [FILE, *(f"{room}/{file.name}" for room, suffix in ((SUBMISSIONS, SUFFIX), (REPORTS, ".json"))
                    for file in _files(before / room, suffix))]  # fmt: skip
    for name in kept:
        after = folder / name
        if not after.is_file():
            raise UserError(f"{name}: was removed; a board only grows")
        if after.read_bytes() != (before / name).read_bytes():
            why = "only the people who run the board change it" if name == FILE else "a board only grows"
            raise UserError(f"{name}: was changed; {why}")


def _read_attached(file: Path, submissions: dict[str, Submission], rules: Rules) -> SignedReport:
    where = plain(str(file), 200)
    signed = read_report(file, where)
    submission = submissions.get(signed.report.submission)
    if submission is None:
        raise UserError(f"{where}: speaks of submission {signed.report.submission[:12]}, which is not on this board")
    check_report(signed, submission, rules, where)
    if file.name != report_name(submission, signed):
        raise UserError(f"{where}: by its content its name is {report_name(submission, signed)}")
    return signed


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    """The files of a folder of the board, which holds nothing else: no folders, no links, no other names."""
    if not folder.exists() and not folder.is_symlink():
        return
    _check_kind(folder, stat.S_ISDIR, "a folder")
    paths = sorted(path for path in folder.iterdir() if path.name not in IGNORED)
    if len(paths) > MOST_FILES:
        raise UserError(f"{folder}: has {len(paths)} files, needs at most {MOST_FILES}")
    for path in paths:
        _check_kind(path, stat.S_ISREG, "a file")
        if not path.name.endswith(suffix):
            raise UserError(plain(f"{path}: found {path.name!a}, needs only files that end in {suffix}", 400))
        yield path


def _check_kind(path: Path, right: Callable[[int], bool], wanted: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise UserError(plain(f"{path}: cannot be read ({error.strerror})", 400)) from None
    if not right(mode):
        kinds = {"a symbolic link": stat.S_ISLNK, "a folder": stat.S_ISDIR, "a file": stat.S_ISREG}
        found = next((name for name, test in kinds.items() if test(mode)), "something else")
        raise UserError(plain(f"{path}: found {found}, needs {wanted}", 400))
