"""The tables over all tasks: the joint view, and mean ranks under each threat model."""

from __future__ import annotations

from fflbench.leaderboard.board import Board, Front, Standing, StandingRow
from fflbench.leaderboard.joint import CLEAN, COSTS
from fflbench.leaderboard.measures import Measure
from fflbench.leaderboard.table import DASH, Cell, Column, Line, Table, column_of, entry_cell, make_table, rank_cell
from fflbench.leaderboard.wording import count, fixed

HEADLINE = (CLEAN, "worst-accuracy", "worst-psnr", "worst-ssim", *COSTS)
NOTHING = ("not applicable", "not measured")


def joint_table(board: Board, front: Front | None = None) -> Table:
    """Accuracy x robustness x privacy x overhead: all threats in the worst case, or what one front is about."""
    measures = joint_measures(board)
    keys = [key for key in measures if (_of_front(key, front) if front else key.startswith(HEADLINE))]
    marked = front.defenses if front else [row.defense for row in board.joint if row.pareto]
    order = front.order if front else [row.defense for row in board.joint]
    about = "clean accuracy, worst-case accuracy and worst-case PSNR"
    if front:
        about = f"clean accuracy, {measures[front.robustness].label} and {measures[front.privacy].label}"
    columns = [Column("Pareto", f"not dominated on {about}"), *(column_of(measures[key]) for key in keys)]
    lines = []
    for row in sorted(board.joint, key=lambda row: order.index(row.defense)):
        on_it = row.defense in marked
        mark = Cell("Pareto" if on_it else "", sort=float(on_it), status="mark")
        lines.append(Line(row.defense, (mark, *(entry_cell(row.entries[key], measures[key]) for key in keys)), marked=on_it))
    return make_table("joint-table", "All defenses: accuracy, robustness, privacy, overhead", columns, lines)


def _of_front(key: str, front: Front) -> bool:
    """Whether a column belongs to a front: its view, its threats, and what depends on neither."""
    after = front.robustness.removeprefix(f"{front.view}-accuracy")
    behind = front.privacy.removeprefix(f"{front.view}-psnr")
    poisoning = ("worst-attack-success", "mean-detection-auc")
    return key in (CLEAN, *COSTS, front.robustness, front.privacy, *(f"{name}{after}" for name in poisoning),
                   *((f"worst-ssim{behind}",) if front.view == "worst" else ()))  # fmt: skip


def joint_measures(board: Board) -> dict[str, Measure]:
    """What the columns of the joint view measure, without those that nobody was measured on."""
    known = {name: measure for task in board.tasks for name, measure in task.measures.items()}
    return {key: known[key] for key in board.joint[0].entries
            if key in known and any(row.entries[key].status not in NOTHING for row in board.joint)}  # fmt: skip


def standing_tables(board: Board) -> list[Table]:
    """Mean ranks over tasks and attacks, one table a threat model."""
    return [standing_table(standing) for standing in board.standings]


def standing_table(standing: Standing) -> Table:
    """The defenses by their mean rank."""
    columns = [Column("Rank", "those that do not differ from the best of their group share a rank, marked =", "lower"),
               Column("Mean rank", f"over {count(standing.blocks, 'block')}: a task under an attack", "lower"),
               Column("95% interval", "bootstrap over blocks", "lower"),
               Column("Gaps", "blocks in which it is last because runs failed or are missing", "lower")]  # fmt: skip
    lines = [Line(row.defense, _standing_cells(row, len(standing.rows)), row.note) for row in standing.rows]
    caption = f"Mean rank by {standing.score}: {standing.words}"
    return make_table(standing.key, caption, columns, lines, note=verdict(standing))


def verdict(standing: Standing) -> str:
    """What the tests say of all defenses of a standing."""
    over = f"{count(standing.blocks, 'block')} on {count(len(standing.tasks), 'task')}"
    if standing.p_value is None or standing.critical_difference is None:
        return over
    p_value = "p < 0.001" if standing.p_value < 0.001 else f"p = {standing.p_value:.3f}"
    return f"{over}, Friedman {p_value}, critical difference {fixed(standing.critical_difference, 1)}"


def _standing_cells(row: StandingRow, defenses: int) -> tuple[Cell, ...]:
    if row.mean_rank is None or row.low is None or row.high is None:
        return (Cell(DASH, status="rank"), *(Cell("not ranked", status="not-measured", title=row.note) for _ in range(3)))
    low, middle, high = ((rank - 1) / max(1, defenses - 1) for rank in (row.low, row.mean_rank, row.high))
    return (
        rank_cell(row.rank, ""),
        Cell(fixed(row.mean_rank, 1), sort=row.mean_rank),
        Cell(f"{fixed(row.low, 1)} to {fixed(row.high, 1)}", sort=row.low, span=(low, middle, high)),
        Cell(str(row.gaps), sort=row.gaps, status="partial" if row.gaps else "ok"),
    )
