"""Results from their run to a published board, and cells run again: real data, real commands, liars included."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fflbench.leaderboard.submissions.folder import add_submission
from fflbench.leaderboard.submissions.records import stated_digests
from fflbench.leaderboard.submissions.rules import new_board
from fflbench.leaderboard.submissions.submission import Submission, read_submission, submission_of
from fflbench.records import Record, RecordStore
from tests.end_to_end.test_command_line import fflbench
from tests.runner.conftest import write_tiny

PLUGIN = '''
from dataclasses import dataclass
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register

@register("halved-mean")
@dataclass
class HalvedMean(Aggregator):
    """Half of the mean."""

    def aggregate(self, upload, round):
        return Aggregate(upload.rows.mean(0) / 2)
'''


def write_key(file: Path, seed: int) -> Path:
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    return file


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny suite has run with a defense of the user's own, and both sides have submitted."""
    folder = tmp_path_factory.mktemp("work")
    write_tiny(folder, "halved-mean")
    (folder / "mine.py").write_text(PLUGIN)
    assert "16 ok" in fflbench("run", "tiny.toml", "--plugin", "mine.py", "--jobs", "2", folder=folder)
    write_key(folder / "key.pem", 1)
    fflbench("submit", "results/tiny", "--name", "baseline", "--only", "*/*/fedavg", "--pictures", "*", folder=folder)
    output = fflbench("submit", "results/tiny", "--name", "New team", "--only", "*/*/halved-mean", "--author", "A. Bee",
                      "--paper", "https://example.org/paper", "--key", "key.pem", folder=folder)  # fmt: skip
    assert "4 records in new-team.jsonl.xz" in output
    assert "signed by SHA256:" in output
    return folder


def forged(file: Path, change: Any) -> Submission:
    """A submission whose first record was changed, and all digests put right."""
    made = read_submission(file)
    first, *others = made.records
    first = change(first)
    first = first.model_copy(update={"digest": stated_digests(first)[0]})
    return submission_of(made.about, [first, *others], made.pictures)


def test_the_same_results_give_the_same_file(work: Path) -> None:
    words = (
        "submit",
        "results/tiny",
        "--name",
        "baseline",
        "--only",
        "*/*/fedavg",
        "--pictures",
        "*",
        "--out",
        "again.jsonl.xz",
    )
    fflbench(*words, folder=work)
    assert (work / "again.jsonl.xz").read_bytes() == (work / "baseline.jsonl.xz").read_bytes()


def test_the_digest_rule_is_that_of_the_runner(work: Path) -> None:
    records, problems = RecordStore(work / "results" / "tiny").read_all()
    assert len(records) == 16
    assert not problems
    assert all(record.digest == stated_digests(record)[0] for record in records)


def test_from_submission_to_published_board(work: Path) -> None:
    assert "written" in fflbench("leaderboard", "new", "board", "--title", "Who survives?", folder=work)
    line = fflbench("leaderboard", "add", "new-team.jsonl.xz", "--board", "board", folder=work, code=2)
    assert "this board has no submission of its baseline 'baseline' yet" in line
    fflbench("leaderboard", "add", "baseline.jsonl.xz", "--board", "board", folder=work)
    shutil.copytree(work / "board", work / "before")
    fflbench("leaderboard", "add", "new-team.jsonl.xz", "--board", "board", folder=work)
    output = fflbench("verify", "new-team.jsonl.xz", "--plugin", "mine.py", "--cells", "2", "--seed", "3", "--out",
                      "report.json", folder=work)  # fmt: skip
    assert "2 verified (2 bit for bit), 0 differ, 0 not verified" in output
    added = fflbench("leaderboard", "add", "new-team.jsonl.xz", "--board", "board", "--report", "report.json", folder=work)
    assert added.count("added ") == 1, "the submission is there already: only the report is new"
    line = fflbench("leaderboard", "add", "new-team.jsonl.xz", "--board", "board", "--report", "report.json", folder=work,
                    code=2)  # fmt: skip
    assert "report.json: is on the board already" in line
    assert "2 submissions with 10 records and 1 report: all in order" in fflbench(
        "leaderboard", "check", "board", "--before", "before", folder=work
    )
    output = fflbench("leaderboard", "board", folder=work)
    assert "New team: 4 records, signed by SHA256:" in output
    assert "2 cells verified" in output
    site = work / "board" / "site"
    page = (site / "index.html").read_text()
    assert "halved-mean" in page
    assert 'data-part="wall-0"' in page, "pictures came with the baseline"
    assert 'href="https://example.org/paper"' in page
    assert "2 cells verified" in page
    listed = json.loads((site / "submissions.json").read_text())["submissions"]
    assert [(one["name"], one["records"], one["verified"]) for one in listed] == [("baseline", 6, 0), ("New team", 4, 2)]
    assert "[paper](https://example.org/paper)" in (site / "submissions.md").read_text()
    assert read_submission(site / "submissions" / listed[1]["file"]) == read_submission(work / "new-team.jsonl.xz")


def test_a_board_only_grows(work: Path) -> None:
    new_board(work / "grown", "T", "fedavg", "baseline")
    add_submission(work / "grown", work / "baseline.jsonl.xz")
    shutil.copytree(work / "grown", work / "shrunk")
    (file,) = (work / "shrunk" / "submissions").glob("*.xz")
    file.unlink()
    line = fflbench("leaderboard", "check", "shrunk", "--before", "grown", folder=work, code=2)
    assert "was removed; a board only grows" in line
    shutil.copytree(work / "grown", work / "bent")
    (work / "bent" / "board.toml").write_text('title = "Mine now"\n')
    line = fflbench("leaderboard", "check", "bent", "--before", "grown", folder=work, code=2)
    assert "board.toml: was changed; only the people who run the board change it" in line


def test_made_up_numbers_differ(work: Path) -> None:
    def better(record: Record) -> Record:
        name = "accuracy" if record.specification.track == "poisoning" else "psnr"
        value = record.metrics[name] or 0.0
        return record.model_copy(
            update={"metrics": {**record.metrics, name: value + 7 if name == "accuracy" else value - 4}}
        )

    (work / "liar.jsonl.xz").write_bytes(forged(work / "baseline.jsonl.xz", better).to_bytes())
    output = fflbench("verify", "liar.jsonl.xz", "--cells", "6", "--seed", "0", "--out", "liar.json", folder=work, code=1)
    assert "5 verified (5 bit for bit), 1 differs, 0 not verified" in output
    (differing,) = [
        cell for cell in json.loads((work / "liar.json").read_text())["report"]["cells"] if cell["outcome"] == "differs"
    ]
    assert "apart; by the same code, data and libraries" in differing["note"]


def test_a_small_lie_is_close_and_not_the_same_bits(work: Path) -> None:
    def nudged(record: Record) -> Record:
        metrics = {name: None if value is None else value * (1 + 1e-9) for name, value in record.metrics.items()}
        return record.model_copy(update={"metrics": metrics})

    (work / "nudge.jsonl.xz").write_bytes(forged(work / "baseline.jsonl.xz", nudged).to_bytes())
    words = ("verify", "nudge.jsonl.xz", "--cells", "6", "--seed", "0", "--results", "again")
    assert "6 verified (5 bit for bit)" in fflbench(*words, folder=work)
    assert "1 differs" in fflbench(*words, "--tolerance", "0", folder=work, code=1)


def test_another_picture_differs(work: Path) -> None:
    made = read_submission(work / "baseline.jsonl.xz")
    index = next(i for i, record in enumerate(made.records) if len(record.artefacts) > 1)
    record, files = made.records[index], [one.file for one in made.records[index].artefacts]
    pictures = {**made.pictures, files[0]: made.pictures[files[1]], files[1]: made.pictures[files[0]]}
    first, second = record.artefacts[:2]
    swapped = record.model_copy(update={"artefacts": (
        first.model_copy(update={"digest": second.digest}), second.model_copy(update={"digest": first.digest}),
        *record.artefacts[2:],
    )})  # fmt: skip
    records = [*made.records[:index], swapped, *made.records[index + 1 :]]
    (work / "swap.jsonl.xz").write_bytes(submission_of(made.about, records, pictures).to_bytes())
    output = fflbench("verify", "swap.jsonl.xz", "--cells", "6", "--seed", "0", "--results", "again", folder=work, code=1)
    assert "is not what this cell gives" in output
    assert "1 differs" in output


def test_what_cannot_be_run_here_is_said(work: Path) -> None:
    output = fflbench("verify", "new-team.jsonl.xz", "--cells", "1", "--seed", "0", folder=work, code=1)
    assert (
        "cannot be verified here: needs the defenses plug-in 'halved-mean', which is not installed here (--plugin)" in output
    )
    assert "0 verified (0 bit for bit), 0 differ, 1 not verified" in output


def respecified(part: str, **changes: Any) -> Any:
    def change(record: Record) -> Record:
        spec = record.specification
        task = spec.task.model_copy(update={part: {**getattr(spec.task, part), **changes}})
        return record.model_copy(update={"specification": spec.model_copy(update={"task": task}), "artefacts": ()})

    return change


@pytest.mark.parametrize(("change", "says"), [
    (respecified("dataset", name="image-folder", parameters={"path": "/etc", "size": 32, "channels": 3}),
     "datasets 'image-folder': path: names a file of the submitter's, which is not opened (--allow-paths)"),
    (respecified("dataset", name="table", parameters={"path": "~/secret.npz"}), "datasets 'table': path: names a file"),
    (respecified("model", parameters={"hidden": [8], "depth": 3}), "task.model.depth: is not a parameter here"),
    (respecified("model", parameters={}), "task: this version of fflbench makes another cell of it"),
    (respecified("model", parameters={"hidden": [10**7, 10**7]}), "did not end here: "),
])  # fmt: skip
def test_specifications_that_are_not_run_as_they_are(work: Path, change: Any, says: str) -> None:
    made = read_submission(work / "baseline.jsonl.xz")
    record = change(made.records[0])
    record = record.model_copy(update={"digest": stated_digests(record)[0]})
    (work / "odd.jsonl.xz").write_bytes(submission_of(made.about, [record], {}).to_bytes())
    output = fflbench("verify", "odd.jsonl.xz", "--cells", "1", "--seed", "0", "--memory", "4", folder=work, code=1)
    assert "0 verified (0 bit for bit), 0 differ, 1 not verified" in output
    assert says in output


@pytest.mark.parametrize(("words", "message"), [
    (("submit", "nowhere", "--name", "x"), "nowhere: found no such folder"),
    (("submit", "results/tiny", "--name", "<b>"), "--name: found '<b>', needs 1 to 60 letters"),
    (("submit", "results/tiny", "--name", "x", "--code", "javascript:x"), "--code: found 'javascript:x', needs an address"),
    (("submit", "results/tiny", "--name", "x", "--only", "nothing"), "--only: found 'nothing', which matches no cell"),
    (("submit", "results/tiny", "--name", "x", "--key", "tiny.toml"), "--key: tiny.toml: is not a private key"),
    (("leaderboard", "add", "baseline.jsonl.xz", "--board", "results"), "results/board.toml: cannot be read"),
    (("leaderboard", "check", "nowhere"), "nowhere/board.toml: cannot be read"),
    (("leaderboard", "new", "b", "--title", ""), "--title: found ''"),
    (("verify", "tiny.toml"), "tiny.toml: is not compressed with xz"),
    (("verify", "baseline.jsonl.xz", "--limit", "0.00001"), "has no cell that could be run again within --limit"),
])  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(work: Path, words: tuple[str, ...], message: str) -> None:
    before = sorted(work.rglob("*"))
    output = fflbench(*words, folder=work, code=2)
    assert message in output
    assert len(output.strip().splitlines()) == 1, output
    assert sorted(work.rglob("*")) == before


def test_a_results_folder_called_like_a_command_is_reached(work: Path) -> None:
    shutil.copytree(work / "results" / "tiny", work / "add")
    assert "add/leaderboard.md" in fflbench("leaderboard", "./add", folder=work)
    shutil.rmtree(work / "add")
