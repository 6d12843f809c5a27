"""What an observer reconstructs without and with FFL: the paper's scores, ours, and every victim's picture."""

from __future__ import annotations

from paper_tables import PUBLISHED, spec_of

from fflbench.leaderboard.intervals import difference, t_interval
from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import count, fixed, with_interval
from fflbench.records import Record

FOLDER = "runs/paper-reconstruction"
ATTACK, PLAIN, MIXED = "inverting-gradients", "fedavg", "ffl"
PLACES = {"psnr": 1, "ssim": 3}


def published() -> str:
    """The paper's stored reconstructions, scored as the benchmark does."""
    text = ["| victim | FL: PSNR, SSIM | FFL: PSNR, SSIM |", "|---|---|---|"]
    for victim, (psnr, ssim, mixed_psnr, mixed_ssim) in PUBLISHED["reconstruction"].items():
        text.append(f"| {victim} | {psnr}, {ssim} | {mixed_psnr}, {mixed_ssim} |")
    return "\n".join(text)


def scores(tasks: list[Task]) -> str:
    """Ours: means over seeds with their intervals, and what knowing nothing scores on the same images."""
    heads = ("victims", "steps", "FL: PSNR, SSIM", "FFL: PSNR, SSIM", "FFL against FL, paired: PSNR", "grey", "random start")
    text = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for task in tasks:
        plain, mixed = (task.cell(ATTACK, defense) for defense in (PLAIN, MIXED))
        gap = difference(_values(mixed, "psnr"), _values(plain, "psnr"))
        first = next(iter(plain.values()))
        steps = int(first.notes["steps"]) // int(first.notes["victims"])
        parts = [task.label, f"{steps:,}", _both(plain), _both(mixed),
                 "" if gap is None else with_interval(gap.mean, gap.half_width, 1, signed=True)]  # fmt: skip
        parts += [_reference(plain, name) for name in ("grey", "random start")]
        text.append(f"| {' | '.join(parts)} |")
    return "\n".join(text)


def gallery(tasks: list[Task]) -> str:
    """Every victim's image, what the observer made of its own update, and of the mixed one."""
    parts = []
    for task in tasks:
        rows = []
        for seed, record in task.cell(ATTACK, PLAIN).items():
            mixed = task.cell(ATTACK, MIXED).get(seed)
            if mixed is not None:
                rows += _rows(record, mixed, seed)
        heads = "".join(f"<th>{head}</th>" for head in ("seed", "original", "FL", "FFL"))
        text = f"<table>\n<tr>{heads}</tr>\n{''.join(rows)}</table>"
        parts.append(f"**{task.label}** ({count(len(rows), 'image')})\n\n{text}")
    return "\n\n".join(parts)


def in_order(tasks: list[Task]) -> list[Task]:
    """Those with most examples a peer last."""
    return sorted(tasks, key=lambda task: (spec_of(task).settings["batch"], task.label))


def _rows(plain: Record, mixed: Record, seed: int) -> list[str]:
    by_place = {(artefact.role, artefact.index): artefact for artefact in plain.artefacts}
    hidden = {artefact.index: artefact for artefact in mixed.artefacts if artefact.role == "reconstruction"}
    rows = []
    for role, index in sorted(by_place):
        if role == "original":
            cells = [_image(by_place[role, index].file, "")]
            for found in (by_place["reconstruction", index], hidden[index]):
                cells.append(_image(found.file, f"<br>{found.scores['psnr']:.1f} dB, {found.scores['ssim']:.2f}"))
            rows.append(f"<tr><td>{seed}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n")
    return rows


def _image(file: str, words: str) -> str:
    return f'<img src="{FOLDER}/{file}" width="64" alt="">{words}'


def _both(cell: dict[int, Record]) -> str:
    found = [(name, t_interval(list(_values(cell, name).values()))) for name in PLACES]
    return ", ".join(with_interval(value.mean, value.half_width, PLACES[name]) for name, value in found if value)


def _values(cell: dict[int, Record], metric: str) -> dict[int, float]:
    return {seed: value for seed, record in cell.items() if (value := record.metrics.get(metric)) is not None}


def _reference(cell: dict[int, Record], name: str) -> str:
    known = [record.references[name] for record in cell.values() if name in record.references]
    means = {metric: [value for row in known if (value := row.get(metric)) is not None] for metric in PLACES}
    return ", ".join(fixed(sum(values) / len(values), PLACES[metric]) for metric, values in means.items() if values)
