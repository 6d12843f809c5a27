"""Pictures and figures: only what a record vouches for is embedded; nothing is drawn that was not measured."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from leaderboard_records import artefact, leak, png, record, write

from fflbench.leaderboard.axes import Scale, padded_percent, round_step
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.curves import MOST_POINTS, Point, panels, thinned
from fflbench.leaderboard.gallery import CHANGED, LARGEST_FILE, LEFT_OUT, Pictures, Victim, walls
from fflbench.leaderboard.html_page import looks
from fflbench.leaderboard.results import load_results
from fflbench.leaderboard.tradeoff import Box, tradeoff
from fflbench.records import Record, RecordStore, Status

GREY = png(np.full((8, 8, 3), 0.5))
WHITE = png(np.ones((8, 8, 3)))


def with_pictures(folder: Path, defense: str = "fedavg", original: bytes = GREY, guess: bytes = WHITE) -> Record:
    bare = leak("deep", defense, 0, 12.0, references={"grey": {"psnr": 9.0, "ssim": 0.1}})
    store = RecordStore(folder)
    pair = (
        artefact(store, bare, "original", original),
        artefact(store, bare, "reconstruction", guess, scores={"psnr": 12.3}),
    )
    return bare.model_copy(update={"artefacts": pair})


def only_victim(folder: Path) -> Victim:
    results = load_results(folder)
    task = results.tasks[0]
    (wall,) = walls(results, task, list(task.defenses), Pictures(folder))
    return wall.victims[0]


def test_original_and_reconstruction_stand_side_by_side(tmp_path: Path) -> None:
    write(tmp_path, with_pictures(tmp_path))
    victim = only_victim(tmp_path)
    assert victim.original.uri.startswith("data:image/png;base64,iVBOR")
    assert victim.guesses[0].picture.uri.startswith("data:image/png;base64,iVBOR")
    assert victim.guesses[0].scores == ("PSNR 12.3 dB",)
    assert victim.references == "grey PSNR 9.0 dB, SSIM 0.100"


def test_a_changed_picture_is_not_shown(tmp_path: Path) -> None:
    one = with_pictures(tmp_path)
    write(tmp_path, one)
    (tmp_path / one.artefacts[1].file).write_bytes(GREY)
    assert only_victim(tmp_path).guesses[0].picture.problem == CHANGED
    assert only_victim(tmp_path).original.uri


def test_a_missing_picture_is_said(tmp_path: Path) -> None:
    one = with_pictures(tmp_path)
    write(tmp_path, one)
    (tmp_path / one.artefacts[0].file).unlink()
    assert only_victim(tmp_path).original.problem == CHANGED


@pytest.mark.parametrize("data", [b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg onload='alert(1)'/>", b""])
def test_what_is_no_picture_is_not_embedded(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, with_pictures(tmp_path, guess=data))
    assert only_victim(tmp_path).guesses[0].picture.problem == CHANGED


def test_a_few_bytes_that_unpack_to_a_wall_are_not_embedded(tmp_path: Path) -> None:
    huge = GREY[:16] + (100_000).to_bytes(4, "big") * 2 + GREY[24:]
    write(tmp_path, with_pictures(tmp_path, guess=huge))
    assert only_victim(tmp_path).guesses[0].picture.problem == CHANGED


def test_a_large_file_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, with_pictures(tmp_path, guess=GREY + bytes(LARGEST_FILE)))
    assert only_victim(tmp_path).guesses[0].picture.problem == LEFT_OUT


def test_another_victim_is_not_passed_off_as_this_one(tmp_path: Path) -> None:
    write(tmp_path, with_pictures(tmp_path), with_pictures(tmp_path, "ffl", original=WHITE))
    assert [guess.other_original for guess in only_victim(tmp_path).guesses] == [False, True]


def curve(attack: str, defense: str, seed: int, values: list[float | None], status: Status = "ok") -> Record:
    return record(attack, defense, seed, values[-1], status=status, curves={"accuracy": values})


def test_curves_stop_where_the_first_seed_diverged(tmp_path: Path) -> None:
    write(tmp_path, curve("flip", "fedavg", 0, [10.0, 20, 30, 40]), curve("flip", "fedavg", 1, [12.0, 22], "diverged"))
    (panel,) = panels(load_results(tmp_path).tasks[0])
    (line,) = panel.lines
    assert line.path.count(" ") == 2
    assert line.last == 21
    assert line.broken is not None
    assert line.band.endswith("Z")


def test_rounds_without_evaluation_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, curve("none", "fedavg", 0, [None, 20.0, None, 40.0]))
    (panel,) = panels(load_results(tmp_path).tasks[0])
    assert panel.lines[0].path.count(" ") == 2
    assert panel.lines[0].band == ""


def test_no_curves_no_panels(tmp_path: Path) -> None:
    write(tmp_path, record(accuracy=50.0))
    assert panels(load_results(tmp_path).tasks[0]) == []


def test_one_round_can_be_drawn(tmp_path: Path) -> None:
    write(tmp_path, curve("none", "fedavg", 0, [100.0]))
    assert panels(load_results(tmp_path).tasks[0])[0].lines[0].last == 100


def test_long_curves_are_thinned_to_their_last_point() -> None:
    points = [Point(n, 0, n, 0) for n in range(1, 1001)]
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS
    assert kept[-1].round == 1000


def test_labels_in_the_plot_do_not_cover_each_other(sample: Path) -> None:
    board = build_board(load_results(sample))
    plot = tradeoff(board, board.fronts[0])
    assert {dot.name for dot in plot.dots} >= {"fedavg", "ffl", "median"}
    assert "secure aggregation" not in {dot.name for dot in plot.dots}
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}
    boxes = []
    for dot in plot.dots:
        width = len(dot.label) * 6.9
        left = dot.label_x - shift[dot.anchor] * width
        boxes.append(Box(left, dot.label_y - 11, left + width, dot.label_y + 3))
    assert all(a.overlap(b) == 0 for a, b in combinations(boxes, 2))


def test_no_plot_without_both_tracks(tmp_path: Path) -> None:
    assert build_board(load_results(write(tmp_path, record("flip", accuracy=50.0)))).fronts == []


@pytest.mark.parametrize(("raw", "step"), [(0.9, 1), (1.0, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (140, 200)])
def test_round_steps(raw: float, step: float) -> None:
    assert round_step(raw) == pytest.approx(step)


def test_scales() -> None:
    scale = Scale(0, 100, 200, 0)
    assert scale(25) == 150
    assert [tick.text for tick in scale.ticks()] == ["0", "20", "40", "60", "80", "100"]
    assert padded_percent([100.0, 100.0], 0.1) == (99.5, 100)
    assert padded_percent([500.0], 0.1) == (499.5, 500)


def test_every_defense_looks_different() -> None:
    names = [f"d{n}" for n in range(20)]
    assert len(set(looks(names).values())) == 20
    assert looks(names) == looks(names[::-1])
