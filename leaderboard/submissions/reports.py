"""Reports of verification on a board: which submission they speak of, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fflbench.errors import UserError
from fflbench.leaderboard.submissions.listing import ListedReport, ListedSubmission
from fflbench.leaderboard.submissions.rules import Rules
from fflbench.leaderboard.submissions.submission import Submission
from fflbench.leaderboard.wording import plain
from fflbench.records import digest_of
from fflbench.verification.report import SignedReport


def report_name(submission: Submission, report: SignedReport) -> str:
    """The file of a report on a board, from its content alone."""
    return f"{submission.file_name.partition('.')[0]}-{digest_of(report.model_dump(mode='json'))[:8]}.json"


def check_report(report: SignedReport, submission: Submission, rules: Rules, where: str) -> None:
    """Raises `UserError` that begins with `where` unless the report speaks of this submission and what it states, and comes
    from a verifier of the board."""
    if rules.verifiers and report.fingerprint not in rules.verifiers:
        raise UserError(f"{where}: found {report.fingerprint or 'no signature'}, needs a report signed by one of the "
                        "verifiers in board.toml")  # fmt: skip
    if report.report.submission != submission.digest:
        raise UserError(f"{where}: speaks of submission {report.report.submission[:12]}, found {submission.digest[:12]}")
    stated = {record.digest: record for record in submission.records}
    seen = set()
    for cell in report.report.cells:
        record = stated.get(cell.record)
        if record is None:
            raise UserError(f"{where}: record {cell.record[:12]}: is not in the submission")
        if cell.record in seen:
            raise UserError(f"{where}: record {cell.record[:12]}: is there twice, needs each once")
        if cell.stated != record.metrics:
            raise UserError(f"{where}: record {cell.record[:12]}: states other metrics than the submission")
        seen.add(cell.record)


def listed(submission: Submission, reports: Sequence[SignedReport]) -> ListedSubmission:
    """A submission as the page shows it. A cell that differs in one report counts as differing."""
    differing = _cells(reports, "differs")
    verified = _cells(reports, "same", "close") - differing
    about = submission.about
    return ListedSubmission(
        name=about.name,
        authors=list(about.authors),
        paper=about.paper,
        code=about.code,
        contact=about.contact,
        file=submission.file_name,
        digest=submission.digest,
        key=submission.fingerprint,
        records=len(submission.records),
        tasks=sorted({record.specification.task.label for record in submission.records}),
        defenses=sorted({record.specification.defense.label for record in submission.records}),
        verified=len(verified),
        differing=len(differing),
        reports=[_listed_report(report) for report in reports],
    )


def _cells(reports: Iterable[SignedReport], *outcomes: str) -> set[str]:
    return {cell.record for signed in reports for cell in signed.report.cells if cell.outcome in outcomes}


def _listed_report(signed: SignedReport) -> ListedReport:
    report = signed.report
    return ListedReport(
        same=report.count("same"),
        close=report.count("close"),
        differs=report.count("differs"),
        not_verified=report.count("not verified"),
        day=plain(report.day, 20),
        machine=plain(report.machine, 60),
        key=signed.fingerprint,
    )
