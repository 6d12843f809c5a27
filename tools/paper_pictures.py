"""What an observer reconstructs without and with FFL: the paper's scores, ours, and every victim's picture."""

from __future__ import annotations

from paper_tables import PUBLISHED, mean_of, spec_of

from fflbench.leaderboard.intervals import difference
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import count, fixed, with_interval
from fflbench.records import Record

FOLDER = "runs/paper-reconstruction"
VIEWS = {"FL": ("inverting-gradients", "fedavg"), "FFL": ("inverting-gradients", "ffl"),
         "FFL, both uploads of a pair": ("pair-sum", "ffl")}  # fmt: skip
"""What the observer looks at: the attack and the defense that show it."""

SIMULATED = {"": "all five", ", one step": "one"}
"""How many of the victim's local steps the observer simulates, by what its attack's label ends in."""

PLACES = {"psnr": 1, "ssim": 3}


def published() -> str:
    """The paper's stored reconstructions, scored as the benchmark does."""
    text = ["| victim | FL: PSNR, SSIM | FFL: PSNR, SSIM |", "|---|---|---|"]
    for victim, (psnr, ssim, mixed_psnr, mixed_ssim) in PUBLISHED["reconstruction"].items():
        text.append(f"| {victim} | {psnr}, {ssim} | {mixed_psnr}, {mixed_ssim} |")
    return "\n".join(text)


def scores(tasks: list[Task]) -> str:
    """Ours: means over seeds with their intervals, and what knowing nothing scores on the same images."""
    heads = ("victims", "local steps simulated", "steps", *(f"{view}: PSNR, SSIM" for view in VIEWS),
             "FFL against FL, paired: PSNR", "grey", "random start")  # fmt: skip
    text = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for task, ending in _shown(tasks):
        cells = list(_views(task, ending).values())
        gap = difference(_values(cells[1], "psnr"), _values(cells[0], "psnr"))
        first = next(record for cell in cells for record in cell.values())
        steps = int(first.notes["steps"]) // int(first.notes["victims"])
        parts = [task.label, SIMULATED[ending], f"{steps:,}", *map(_both, cells)]
        parts.append("" if gap is None else with_interval(gap.mean, gap.half_width, 1, signed=True))
        parts += [_reference(next(filter(None, cells)), name) for name in ("grey", "random start")]
        text.append(f"| {' | '.join(parts)} |")
    return "\n".join(text)


def gallery(tasks: list[Task]) -> str:
    """Every victim's image, and what the observer made of what it looked at."""
    parts = []
    for task, ending in _shown(tasks):
        views = {view: cell for view, cell in _views(task, ending).items() if cell}
        rows = [row for seed in task.seeds for row in _rows({view: cell.get(seed) for view, cell in views.items()}, seed)]
        heads = "".join(f"<th>{head}</th>" for head in ("seed", "original", *views))
        text = f"<table>\n<tr>{heads}</tr>\n{''.join(rows)}</table>"
        simulated = ", one local step simulated" if ending else ""
        parts.append(f"**{task.label}{simulated}** ({count(len(rows), 'image')})\n\n{text}")
    return "\n\n".join(parts)


def _shown(tasks: list[Task]) -> list[tuple[Task, str]]:
    """The tasks of which there is a record, with how their attacks' labels end."""
    return [(task, ending) for task in tasks for ending in SIMULATED if any(_views(task, ending).values())]


def _views(task: Task, ending: str) -> dict[str, dict[int, Record]]:
    return {view: task.cell(f"{attack}{ending}", defense) for view, (attack, defense) in VIEWS.items()}


def in_order(tasks: list[Task]) -> list[Task]:
    """Those with most examples a peer last."""
    return sorted(tasks, key=lambda task: (spec_of(task).settings["batch"], task.label))


def _rows(views: dict[str, Record | None], seed: int) -> list[str]:
    """A row for each image of a seed."""
    known = {view: {(a.role, a.index): a for a in record.artefacts} if record else {} for view, record in views.items()}
    originals = {
        index: artefact for found in known.values() for (role, index), artefact in found.items() if role == "original"
    }
    rows = []
    for index, original in sorted(originals.items()):
        cells = [str(seed), _image(original.file, "")]
        for found in known.values():
            guess = found.get(("reconstruction", index))
            cells.append(
                _image(guess.file, f"<br>{guess.scores['psnr']:.1f} dB, {guess.scores['ssim']:.2f}") if guess else ""
            )
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n")
    return rows


def _image(file: str, words: str) -> str:
    return f'<img src="{FOLDER}/{file}" width="64" alt="">{words}'


def _both(cell: dict[int, Record]) -> str:
    found = [(name, mean_of(_values(cell, name))) for name in PLACES]
    return ", ".join(with_interval(value.mean, value.half_width, PLACES[name]) for name, value in found if value)


def _values(cell: dict[int, Record], metric: str) -> dict[int, float]:
    return {seed: value for seed, record in cell.items() if (value := record.metrics.get(metric)) is not None}


def _reference(cell: dict[int, Record], name: str) -> str:
    known = [record.references[name] for record in cell.values() if name in record.references]
    means = {metric: [value for row in known if (value := row.get(metric)) is not None] for metric in PLACES}
    return ", ".join(fixed(sum(values) / len(values), PLACES[metric]) for metric, values in means.items() if values)
