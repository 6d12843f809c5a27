"""Submissions from people who mean no good: refused with one line and nothing written, or shown as the text that they are."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import pytest
from hostile_submissions import HARMLESS, REFUSED, Case, Harmless
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from submission_workshop import Workshop, newcomer

from fflbench.errors import UserError
from fflbench.leaderboard.submissions import container
from fflbench.leaderboard.submissions.container import Limits, unpacked_lines
from fflbench.leaderboard.submissions.folder import add_submission, open_board
from fflbench.leaderboard.submissions.site import write_site
from fflbench.leaderboard.submissions.submission import parse_submission


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_one_line_and_nothing_written(case: Case, tmp_path: Path) -> None:
    shop = case.where(tmp_path)
    case.make(shop)
    before = contents(tmp_path)
    with pytest.raises(UserError) as caught:
        shop.refuse()
    line = str(caught.value)
    assert case.says in line
    assert line.isprintable(), "one line without control characters"
    assert len(line) <= 500
    assert contents(tmp_path) == before


def test_the_workshop_itself_is_in_order(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.put(newcomer().to_bytes())
    shop.refuse()
    assert [one.about.name for one in open_board(shop.board).submissions] == ["baseline", "Newcomer", "Signer"]


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: case.name)
def test_taken_and_shown_as_text(case: Harmless, tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.put(case.put(case.text).to_bytes())
    add_submission(shop.board, shop.file)
    site = tmp_path / "site"
    write_site(shop.board, site)
    for name in case.files:
        assert case.never not in (site / name).read_text(), name
    lines = list(csv.DictReader(io.StringIO((site / "leaderboard.csv").read_text())))
    assert not [value for line in lines for value in line.values() if value.startswith(("=", "@", "\t", "\r"))]
    if case.csv:
        assert [line for line in lines if line["defense"].startswith(case.csv)]


def test_unpacking_stops_at_the_limit() -> None:
    data = container.packed(iter([b"x" * 1000] * 1000))
    assert len(data) < 1000
    with pytest.raises(UserError, match="unpacks to more than 500000 bytes"):
        list(unpacked_lines(data, "file", Limits(unpacked=500_000)))


WHOLE = newcomer().to_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_done_to_the_bytes_of_a_file_it_is_read_as_it_was_or_refused_with_one_line(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(WHOLE) - 1))
    harm = data.draw(st.sampled_from(["change", "cut", "insert", "drop"]))
    changed = {
        "change": WHOLE[:position] + data.draw(st.binary(min_size=1, max_size=8)) + WHOLE[position + 1 :],
        "cut": WHOLE[:position],
        "insert": WHOLE[:position] + data.draw(st.binary(min_size=1, max_size=8)) + WHOLE[position:],
        "drop": WHOLE[:position] + WHOLE[position + 1 :],
    }[harm]
    found, said = newcomer(), "file"
    try:
        found = parse_submission(changed, "file")
    except UserError as error:
        said = str(error)
    assert said.startswith("file")
    assert found == newcomer()
