"""The files: complete, of one schema, harmless whatever labels and errors hold."""

from __future__ import annotations

import csv
import html
import io
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard_records import leak, parts_of, record, write
from rich.console import Console

from fflbench.errors import UserError
from fflbench.leaderboard import Board, LeaderboardFiles, tables_for_terminal, write_leaderboard
from fflbench.leaderboard.build import build_board
from fflbench.leaderboard.drilldown import command
from fflbench.leaderboard.markdown import escaped, markdown
from fflbench.leaderboard.results import load_results
from fflbench.leaderboard.spreadsheet import FIELDS, spreadsheet
from fflbench.leaderboard.write import NAMES

SCRIPT = "<script>alert(1)</script>"
CLOSING = "</script><img src=x onerror=alert(1)>"
FORMULA = '=cmd|" /C calc"!A0'
TERMINAL = "\x1b[31mred\x1b[0m [bold]x[/bold] \u202egnp.exe"


@pytest.fixture(scope="module")
def files(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> LeaderboardFiles:
    return write_leaderboard(sample, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> LeaderboardFiles:
    folder = tmp_path_factory.mktemp("hostile")
    records = [
        record(attack, defense, seed, 50.0 + seed, task=CLOSING, threat=SCRIPT, classes={SCRIPT: 1.0})
        for attack in ("none", FORMULA)
        for defense in (SCRIPT, FORMULA, TERMINAL, "a|b\n# c", "'; rm -rf ~; '")
        for seed in (0, 1)
    ]
    records.append(record("@x", SCRIPT, 0, status="failed", error=CLOSING, task=CLOSING, metrics={SCRIPT: 1.0}))
    records.append(leak(SCRIPT, SCRIPT, 0, 10.0, references={CLOSING: {"psnr": 1.0}},
                        provenance={"suite": CLOSING, "machine": SCRIPT, "libraries": {SCRIPT: CLOSING}}))  # fmt: skip
    return write_leaderboard(write(folder, *records))


def test_five_files_beside_the_results_by_default(tmp_path: Path) -> None:
    found = write_leaderboard(write(tmp_path, record(accuracy=50.0)))
    assert found.html == tmp_path / "leaderboard.html"
    assert all(path.stat().st_size for path in (found.html, found.json, found.csv, found.markdown, found.tex))


def test_a_folder_that_cannot_be_written(tmp_path: Path, sample: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_leaderboard(sample, tmp_path / "file")


def test_json_holds_the_board_and_fits_its_schema(files: LeaderboardFiles) -> None:
    data = json.loads(files.json.read_text())
    assert data["schema_version"] == 2
    assert Board.model_validate(data) == files.board
    assert "schema_version" in Board.model_json_schema()["properties"]


def test_the_same_results_give_the_same_files(files: LeaderboardFiles, sample: Path, tmp_path: Path) -> None:
    again = write_leaderboard(sample, tmp_path)
    for first, second in ((files.html, again.html), (files.csv, again.csv), (files.json, again.json)):
        assert first.read_bytes() == second.read_bytes()


def test_csv_is_long_and_complete(files: LeaderboardFiles) -> None:
    lines = list(csv.DictReader(io.StringIO(files.csv.read_text())))
    assert tuple(lines[0]) == FIELDS
    wanted = {"track": "poisoning", "defense": "fedavg", "attack": "label-flip", "metric": "accuracy"}
    (line,) = [one for one in lines if wanted.items() <= one.items()]
    assert float(line["low"]) < float(line["mean"]) < float(line["high"])
    assert (line["seeds"], line["asked"], line["status"], line["reference"]) == ("3", "3", "ok", "ffl")
    assert float(line["difference"]) < 0
    total = {"track": "poisoning", "defense": "ffl", "attack": "(all)"}
    (worst,) = [o for o in lines if {**total, "metric": "worst-accuracy"}.items() <= o.items()]
    assert (worst["rank"], worst["threat"]) == ("1", "own data")
    (omniscient,) = [o for o in lines if {**total, "metric": "worst-accuracy-omniscient"}.items() <= o.items()]
    assert omniscient["threat"] == "omniscient"


def test_markdown_shows_gaps_with_their_reason(files: LeaderboardFiles) -> None:
    assert "3 of 3 diverged" in files.text
    assert "incompatible (the server sees only the sum)" in files.text
    assert "2 of 3 seeds" in files.text
    assert "1 record superseded" in files.text


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_tables_fit(files: LeaderboardFiles, width: int) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    for table in tables_for_terminal(files.board):
        console.print(table)
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "3 of 3 diverged" in text


def test_terminal_cells_do_not_wrap_at_120(files: LeaderboardFiles) -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    for table in tables_for_terminal(files.board):
        console.print(table)
    assert not re.search(r"^\s*± ", console.export_text(), re.MULTILINE)


def test_no_control_character_reaches_the_terminal(hostile: LeaderboardFiles) -> None:
    out = io.StringIO()
    console = Console(width=120, file=out, force_terminal=False)
    for table in tables_for_terminal(hostile.board):
        console.print(table)
    text = out.getvalue()
    assert "[bold]x[/bold]" in text.replace("\n", "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)


class Tags(HTMLParser):
    """Which elements and attributes a browser would see, also in what lies packed in the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.images: list[str] = []
        self.handlers: list[str] = []
        self.links: list[str] = []
        for text in (page, *parts_of(page).values()):
            self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs).get("type") or "runs")
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        for name, value in attrs:
            if name == "src":
                self.images.append(value or "")
            if name == "href":
                self.links.append(value or "")


def test_nothing_in_a_record_becomes_markup(hostile: LeaderboardFiles) -> None:
    page = hostile.html.read_text()
    tags = Tags(page)
    assert set(tags.scripts) == {"runs", "text/plain", "application/json"}
    assert tags.scripts.count("runs") == 1
    assert tags.images == []
    assert tags.handlers == []
    assert all(link in NAMES or link.startswith(("#", "data:")) for link in tags.links)
    assert "&lt;script&gt;alert(1)" in page
    assert any("&lt;script&gt;alert(1)" in part for part in parts_of(page).values())
    data = re.search(r'<script type="application/json" id="fronts">(.*?)</script>', page, re.DOTALL)
    assert data
    assert [one["attackers"] for one in json.loads(data.group(1))] == [one.attackers for one in hostile.board.fronts]


def test_the_page_asks_for_nothing_from_outside(files: LeaderboardFiles) -> None:
    page = files.html.read_text()
    tags = Tags(page)
    assert all(source.startswith("data:image/png;base64,") for source in tags.images)
    assert len(tags.images) > 20
    assert "default-src 'none'" in html.unescape(page)
    for text in (page, *parts_of(page).values()):
        assert "http" not in re.sub(r"http-equiv|base64,[A-Za-z0-9+/=]+|>[A-Za-z0-9+/=]+</script>", "", text)


def test_the_page_stays_small(tmp_path: Path) -> None:
    """A thousand cells without pictures: below 2 MB."""
    rng = random.Random(0)
    records = [
        record(attack, defense, seed, rng.uniform(10, 90), metrics={"test-loss": rng.random(), "attack-success": rng.uniform(0, 100)},
               curves={"accuracy": [round(rng.uniform(10, 90), 2) for _ in range(100)]}, seconds={"training": rng.random()})
        for attack in ("none", *(f"attack {n}" for n in range(16)))
        for defense in (f"defense {n}" for n in range(20))
        for seed in range(3)
    ]  # fmt: skip
    assert len(records) >= 1000
    assert write_leaderboard(write(tmp_path, *records)).html.stat().st_size < 2_000_000


def test_no_csv_cell_is_a_formula(hostile: LeaderboardFiles) -> None:
    numbers = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
    for line in csv.reader(io.StringIO(hostile.csv.read_text())):
        for cell in line:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or numbers.fullmatch(cell)


def test_markdown_has_no_markup_from_records(hostile: LeaderboardFiles) -> None:
    assert not re.search(r"<script|<img", hostile.text)
    rows = [line for line in hostile.text.splitlines() if line.startswith("| a")]
    assert rows
    assert all("a\\|b \\# c" in row for row in rows)


def test_the_command_is_safe_to_paste() -> None:
    assert command(record("sign flip", "krum")) == ('fflbench run sample --only "fashion-lenet/sign flip/krum" --seeds 0')
    quoted = command(record("none", "$(reboot)`x`\"'; rm"))
    assert "'fashion-lenet/none/$(reboot)`x`\"'\"'\"'; rm'" in quoted
    assert command(record("none", "krum\nreboot")) == ""
    assert command(record("none", "krum", provenance={"suite": "--plugin=x.py"})) == ""


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(LABELS, LABELS)
@settings(max_examples=40, deadline=None)
def test_any_label_gives_whole_tables(tmp_path_factory: pytest.TempPathFactory, first: str, second: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    write(folder, *(record(first, second, seed, 50.0, task=first or "t") for seed in (0, 1)), record(accuracy=1.0, seed=2))
    board = build_board(load_results(folder))
    lines = list(csv.reader(io.StringIO(spreadsheet(board))))
    assert {len(line) for line in lines} == {len(FIELDS)}
    for line in markdown(board).splitlines():
        assert "<" not in line
        assert line == "" or line.isprintable()


def test_escaped_markdown() -> None:
    assert escaped("a|b *c* [d](e) <f> `g`") == r"a\|b \*c\* \[d\](e) &lt;f&gt; \`g\`"


def test_a_leaderboard_is_written_without_torch(sample: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fflbench.leaderboard import write_leaderboard;"
        "write_leaderboard(Path(sys.argv[1]), Path(sys.argv[2])); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(sample), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
