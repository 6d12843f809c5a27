"""Submissions and boards of people who mean well: what goes along, what stays behind, who owns a name, what a report counts."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leaderboard_records import png, record, write
from submission_workshop import KEY, OTHER_KEY, Workshop, cells, honest, newcomer, relabelled, sealed

from fflbench.errors import UserError
from fflbench.leaderboard.packed import NAME, read_packed
from fflbench.leaderboard.results import assemble
from fflbench.leaderboard.submissions.about import About, slug
from fflbench.leaderboard.submissions.folder import add_submission, open_board
from fflbench.leaderboard.submissions.listing import ListedSubmission
from fflbench.leaderboard.submissions.making import make_submission
from fflbench.leaderboard.submissions.records import stated_digests
from fflbench.leaderboard.submissions.reports import listed
from fflbench.leaderboard.submissions.rules import new_board, read_rules
from fflbench.leaderboard.submissions.site import write_site
from fflbench.leaderboard.submissions.submission import Submission, parse_submission, read_submission
from fflbench.records import Artefact, RecordStore
from fflbench.verification.report import Report, SignedReport, VerifiedCell, signed

RUNS = Path(__file__).parents[2] / "docs" / "runs"


def report(submission: Submission, outcomes: str = "ss", key: Any = None, **changes: Any) -> SignedReport:
    """A report of the first cells: s same, c close, d differs, n not verified."""
    names = {"s": "same", "c": "close", "d": "differs", "n": "not verified"}
    found = [
        VerifiedCell(record=one.digest, name="cell", outcome=names[letter], stated=one.metrics)
        for one, letter in zip(submission.records, outcomes, strict=False)
    ]
    values = {"submission": submission.digest, "submitter": "x", "seed": 0, "asked": len(found), "tolerance": 1.0,
              "fflbench": "0.1.0", "machine": "m", "device": "cpu", "day": "2026-11-26", "cells": found}  # fmt: skip
    return signed(Report.model_validate(values | changes), key)


def write_report(folder: Path, content: SignedReport) -> Path:
    file = folder / "report.json"
    file.write_bytes(content.to_bytes())
    return file


def test_committed_runs_become_a_submission_of_about_their_packed_size() -> None:
    """Records made before threads and precision counted are taken too."""
    made, _ = make_submission([RUNS / "attack-grounds"], About(name="attack grounds"))
    data = made.to_bytes()
    packed = RUNS / "attack-grounds" / NAME
    assert len(made.records) == 540
    assert len(data) < 1.1 * packed.stat().st_size
    again = parse_submission(data, "x")
    assert again == made
    before = {one.digest: one.metrics for one in read_packed(packed)[0]}
    assert {one.digest: one.metrics for one in again.records} == before


def test_the_second_digest_is_for_the_usual_way_of_computing_only() -> None:
    old = honest(provenance={"threads": 1, "precision": "float32"})
    assert len(stated_digests(old)) == 2
    assert len(stated_digests(honest(provenance={"threads": 4}))) == 1


def test_what_is_nobodys_business_stays_behind(tmp_path: Path) -> None:
    one = honest(output="/home/me/secret", provenance={"suite": "/home/me/mine.toml"})
    made, _ = make_submission([write(tmp_path, one)], About(name="x"))
    assert b"/home/me" not in b"".join(record.model_dump_json().encode() for record in made.records)
    assert made.records[0].provenance.suite == "mine.toml"


def test_records_go_along_as_they_are_and_not_as_a_page_shows_them(tmp_path: Path) -> None:
    one = honest().model_copy(update={"metrics": {"test-loss": 1e31}, "curves": {"test-loss": [2.5, 1e31]}})
    made, _ = make_submission([write(tmp_path, one)], About(name="x"))
    assert made.records == (one,)


def test_pictures_go_along_when_asked_and_changed_ones_stay(tmp_path: Path) -> None:
    store, one = RecordStore(tmp_path), sealed(record(track="reconstruction", metrics={"psnr": 20.0}))
    files = []
    for index in (0, 1):
        file, digest = store.write_artefact(one.digest, f"original-{index}.png", png(np.full((8, 8, 3), index / 2)))
        files.append(Artefact(file=file, digest=digest, role="original", index=index))
    store.write(one.model_copy(update={"artefacts": tuple(files)}))
    (tmp_path / files[1].file).write_bytes(png(np.zeros((8, 8, 3))))
    bare, _ = make_submission([tmp_path], About(name="x"))
    assert bare.pictures == {}
    assert bare.records[0].artefacts == ()
    made, problems = make_submission([tmp_path], About(name="x"), pictures=["*"])
    assert list(made.pictures) == [files[0].file]
    assert made.records[0].artefacts == (files[0],)
    assert any("original-1.png: does not fit its digest; left out" in line for line in problems)


def test_a_failed_write_leaves_the_board_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Workshop(tmp_path)
    shop.put(newcomer().to_bytes())
    before = sorted(shop.board.rglob("*"))

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(UserError, match="cannot be written \\(No space left on device\\)"):
            add_submission(shop.board, shop.file)
    assert sorted(shop.board.rglob("*")) == before
    add_submission(shop.board, shop.file)


def test_the_same_key_may_come_again_and_its_newer_records_count(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    newer = honest(defense="signed one", accuracy=50.0, version="0.2.0", finished="2026-11-25T10:00:00+00:00",
                   provenance={"engine": "new"})  # fmt: skip
    shop.put(newcomer([newer, *cells("another")], KEY, "Signer").to_bytes())
    add_submission(shop.board, shop.file)
    files, listing = write_site(shop.board, tmp_path / "site")
    assert [one.name for one in listing] == ["baseline", "Signer", "Signer"]
    (task,) = files.board.tasks
    row = next(row for row in task.rows if row.defense == "signed one")
    assert row.attacks["none"]["accuracy"].values == {0: 50.0, 1: 81.0}
    assert any("1 record superseded" in line for line in files.problems)


@pytest.mark.parametrize(("scale", "taken"), [(1.0, True), (5.0, False)])
def test_a_parameter_at_its_default_says_nothing(scale: float, taken: bool, tmp_path: Path) -> None:
    """Records from before a plug-in had it, and those of today, are of the same attack."""
    shop = Workshop(tmp_path)
    today = [relabelled(one, "attack", one.specification.attack.label, parameters={"scale": scale}) if
             one.specification.attack.name == "sign-flip" else one for one in cells("today's")]  # fmt: skip
    shop.put(newcomer(today).to_bytes())
    if taken:
        add_submission(shop.board, shop.file)
    else:
        with pytest.raises(UserError, match="no such attack on this task"):
            add_submission(shop.board, shop.file)


def test_a_pinned_name_takes_all_its_keys_in_any_order(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    both = [newcomer(key=key).fingerprint for key in (KEY, OTHER_KEY)]
    shop.board_rule("[keys]\n", f'[keys]\n"Signer" = ["{both[1]}", "{both[0]}"]\n')
    shop.put(newcomer(cells("another"), OTHER_KEY, "Signer").to_bytes())
    add_submission(shop.board, shop.file)
    assert {one.fingerprint for one in open_board(shop.board).submissions if one.about.name == "Signer"} == set(both)


def test_an_open_board_takes_tasks_of_its_own_from_everybody(tmp_path: Path) -> None:
    new_board(tmp_path / "open", "Open", "fedavg", "")
    for number, made in enumerate((newcomer(), newcomer([honest("odd", "other", 9)], name="Other"))):
        file = tmp_path / f"{number}.jsonl.xz"
        file.write_bytes(made.to_bytes())
        add_submission(tmp_path / "open", file)
    assert len(open_board(tmp_path / "open").submissions) == 2


def test_reports_count_once_for_each_cell_and_a_difference_outweighs(tmp_path: Path) -> None:
    made = newcomer()
    assert listed(made, []).standing == "self-reported"
    assert listed(made, [report(made, "s")]).standing == "1 cell verified"
    assert listed(made, [report(made, "sc"), report(made, "ssn")]).standing == "2 cells verified"
    one = listed(made, [report(made, "ssc"), report(made, "d")])
    assert (one.verified, one.differing, one.standing) == (2, 1, "1 of 3 cells differs")


def test_a_report_is_attached_and_shown(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.put(newcomer().to_bytes())
    add_submission(shop.board, shop.file, write_report(tmp_path, report(newcomer(), "ss", KEY)))
    _, listing = write_site(shop.board, tmp_path / "site")
    mine = next(one for one in listing if one.name == "Newcomer")
    assert (mine.verified, mine.reports[0].key) == (2, newcomer(key=KEY).fingerprint)
    assert "2 cells verified" in (tmp_path / "site" / "submissions.md").read_text()


@pytest.mark.parametrize(("content", "says"), [
    (report(newcomer(cells("other"))), "speaks of submission"),
    (report(newcomer(), cells=[{"record": "0" * 64, "name": "n", "outcome": "same"}]), "is not in the submission"),
    (report(newcomer(), cells=[{"record": newcomer().records[0].digest, "name": "n", "outcome": "same",
                                "stated": {"accuracy": 1.0}}]), "states other metrics than the submission"),
    (report(newcomer(), cells=[{"record": newcomer().records[0].digest, "name": "n", "outcome": "same",
                                "stated": newcomer().records[0].metrics}] * 2), "is there twice"),
    (report(newcomer(), key=KEY).model_copy(update={"report": report(newcomer(), "cc").report}), "does not fit the content"),
])  # fmt: skip
def test_reports_that_do_not_fit_are_one_line_and_nothing_is_written(
    content: SignedReport, says: str, tmp_path: Path
) -> None:
    shop = Workshop(tmp_path)
    shop.put(newcomer().to_bytes())
    before = sorted(shop.board.rglob("*"))
    with pytest.raises(UserError, match=says) as caught:
        add_submission(shop.board, shop.file, write_report(tmp_path, content))
    assert str(caught.value).isprintable()
    assert sorted(shop.board.rglob("*")) == before, "not even the submission"


def test_only_verifiers_reports_count_where_a_board_names_them(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.board_rule("verifiers = []", f'verifiers = ["{newcomer(key=KEY).fingerprint}"]')
    shop.put(newcomer().to_bytes())
    for key in (None, OTHER_KEY):
        with pytest.raises(UserError, match="needs a report signed by one of the verifiers"):
            add_submission(shop.board, shop.file, write_report(tmp_path, report(newcomer(), "ss", key)))
    add_submission(shop.board, shop.file, write_report(tmp_path, report(newcomer(), "ss", KEY)))


@pytest.mark.parametrize(("text", "says"), [
    ("title = 3", "board.title: found 3"),
    ('title = "T"\ncolour = "red"', "board.colour: is not a parameter here"),
    ('title = "T"\n[limits]\nmegabytes = 1e9', "board.limits.megabytes: found 1000000000.0"),
    ('title = "T"\n[keys]\n"x" = ["abc"]', "board.keys.x.0: found 'abc'"),
    ('title = "T\x1b"', "is not valid TOML"),
    ('title = "T\\u202e"', "U\\+202E"),
])  # fmt: skip
def test_a_wrong_board_file_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        read_rules(tmp_path)
    assert str(caught.value).isprintable()


def test_titles_with_quotes_survive_a_new_board(tmp_path: Path) -> None:
    title = 'Who "survives"? \\o/ \N{ROCKET}'
    new_board(tmp_path / "b", title, "fedavg", "base (1)")
    rules = read_rules(tmp_path / "b")
    assert (rules.title, rules.baseline, rules.reference) == (title, "base (1)", "fedavg")
    with pytest.raises(UserError, match="is there already"):
        new_board(tmp_path / "b", title, "fedavg", "")


def test_results_of_a_folder_have_no_submissions_and_those_of_a_board_have_all(tmp_path: Path) -> None:
    one = ListedSubmission(name="n", authors=[], paper=None, code=None, contact=None, file="f", digest="d", key="", records=1,
                           tasks=[], defenses=[])  # fmt: skip
    assert assemble(tmp_path, [honest()], []).submissions == ()
    assert assemble(tmp_path, [honest()], [], (one,)).submissions == (one,)


def test_names_of_files_follow_from_the_content(tmp_path: Path) -> None:
    made = newcomer(name="New (2) team.")
    assert made.file_name == f"new-2-team-{made.digest[:12]}.jsonl.xz"
    assert slug("New (2) team.") == "new-2-team"
    assert newcomer(name="New (2) team.", key=KEY).file_name == made.file_name, "a signature does not change what it signs"
    assert made.digest != newcomer(name="New (2) team.", authors=["A"]).digest
    (tmp_path / "x.jsonl.xz").write_bytes(made.to_bytes())
    assert read_submission(tmp_path / "x.jsonl.xz") == made


def test_several_folders_make_one_submission(tmp_path: Path) -> None:
    none, flip, sign = (sealed(record(attack, accuracy=80.0)) for attack in ("none", "flip", "sign"))
    first = write(tmp_path / "a", none, flip)
    second = write(tmp_path / "b", flip, sign)
    made, _ = make_submission([first, second], About(name="x"))
    assert sorted(one.specification.attack.label for one in made.records) == ["flip", "none", "sign"]
