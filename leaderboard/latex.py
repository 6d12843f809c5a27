"""`leaderboard.tex`: the tables over all tasks, and one for each task and threat model, for a paper. Needs booktabs."""

from __future__ import annotations

from collections.abc import Iterator

from fflbench.leaderboard.board import Board
from fflbench.leaderboard.overview import joint_table, standing_tables
from fflbench.leaderboard.table import Cell, Table
from fflbench.leaderboard.task_tables import summaries

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$", "\N{EN DASH}": "--",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}", "-": "{-}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
}  # fmt: skip
"""What LaTeX would read as markup, or join to another letter."""


def latex(board: Board) -> str:
    """The tables as `table` environments, labelled `tab:KEY`."""
    tables = [joint_table(board), *standing_tables(board), *(view for task in board.tasks for view in summaries(task))]
    head = "% Written by fflbench leaderboard. \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}."
    return "\n\n".join([head, *("\n".join(_table(view)) for view in tables)]) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is; letters that a plain pdflatex does not know become a question mark."""
    return "".join(SPECIAL.get(letter, letter if ord(letter) < 0x250 else "?") for letter in text)


def _table(view: Table) -> Iterator[str]:
    yield "\\begin{table}"
    yield f"\\caption{{{escaped(f'{view.caption}. {view.note}.' if view.note else view.caption)}}}"
    yield f"\\label{{tab:{view.key}}}"
    yield "\\centering"
    yield f"\\begin{{tabular}}{{l{'r' * len(view.columns)}}}"
    yield "\\toprule"
    yield _row(["Defense", *(escaped(column.heading) for column in view.columns)])
    yield "\\midrule"
    for before, line in zip([None, *view.lines], view.lines, strict=False):
        if line.pinned and before is not None and not before.pinned:
            yield "\\midrule"
        name = escaped(line.head)
        shown = f"\\emph{{{name}}}" if line.pinned else f"\\textbf{{{name}}}" if line.marked else name
        yield _row([shown, *(_cell(cell) for cell in line.cells)])
    yield "\\bottomrule"
    yield "\\end{tabular}"
    yield "\\end{table}"


def _cell(cell: Cell) -> str:
    """A star marks what has a note: gaps must not look like plain numbers."""
    return escaped(cell.text) + ("$^*$" if cell.small else "")


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
