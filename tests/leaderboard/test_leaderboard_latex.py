"""The tables for a paper: whole, and with nothing in them that LaTeX would run."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from leaderboard_records import record, write

from fflbench.leaderboard import write_leaderboard
from fflbench.leaderboard.latex import escaped

HOSTILE = r"\input{/etc/passwd} 50% & $x$ #1 a_b ~^ {}"


def test_tables_are_whole(sample: Path, tmp_path: Path) -> None:
    text = write_leaderboard(sample, tmp_path).tex.read_text()
    tables = text.split(r"\begin{table}")[1:]
    assert len(tables) >= 4
    for table in tables:
        (columns,) = re.findall(r"\\begin\{tabular\}\{l(r+)\}", table)
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns)}
        order = [table.index(word) for word in (r"\caption", r"\toprule", r"\midrule", r"\bottomrule", r"\end{table}")]
        assert order == sorted(order)
    assert r"\label{tab:joint-table}" in text
    assert r"\textbf{ffl}" in text
    assert re.search(r"0\.0 \$\\pm\$ 0\.0\$\^\*\$", text), "a gap is marked"


def test_labels_are_text(tmp_path: Path) -> None:
    written = write_leaderboard(write(tmp_path, record("none", HOSTILE, 0, 50.0), record("flip", HOSTILE, 0, 40.0)))
    text = written.tex.read_text()
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\} 50\% \& \$x\$ \#1 a\_b" in text


@given(st.text(max_size=40))
def test_no_letter_is_markup(text: str) -> None:
    shown = escaped(text)
    assert shown.isascii() or all(ord(letter) < 0x250 for letter in shown)
    bare = re.sub(r"\\[{}$&#_%]|\\text\w+\{\}|\\ldots\{\}|\$-\$|\$\\pm\$|\$\\times\$|\{-\}", "", shown)
    assert not re.search(r"[\\{}$&#_%~^|<>\"`']", bare)
