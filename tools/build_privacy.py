"""Writes the tables of docs/ffl-privacy.md from the committed records of the suite ffl-privacy.

python tools/build_privacy.py            # write them
python tools/build_privacy.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from marked import with_part, write_or_check
from paper_tables import mean_of

from fflbench.leaderboard.results import Task, load_results
from fflbench.leaderboard.wording import with_interval
from fflbench.records import Record

ROOT = Path(__file__).resolve().parent.parent
PAGE, RECORDS = ROOT / "docs" / "ffl-privacy.md", ROOT / "docs" / "runs" / "ffl-privacy"

DEFENSES = {"fedavg": "FedAvg", "ffl, exchange 0.05": "0.05", "ffl, exchange 0.1": "0.1", "ffl, exchange 0.3085": "0.3085",
            "ffl, exchange 0.5": "0.5", "secure-aggregation": "secure aggregation"}  # fmt: skip
IMAGES = {
    "inverting-gradients": "one upload",
    "mask-guessing": "one upload, guessing the mask",
    "inverting-gradients, 1500 steps": "one upload, 1,500 steps",
    "mask-guessing, 1500 steps": "one upload, guessing the mask, 1,500 steps",
    "fragment-inversion": "one upload and the mask",
    "pair-sum": "both uploads of a pair: their sum",
    "pair-unmixing": "both uploads of a pair: sum and difference",
    "pair-voting": "both uploads of a pair: votes of neurons",
    "collusion, 1 curious": "one upload, 1 curious peer",
    "collusion, 2 curious": "one upload, 2 curious peers",
    "collusion, 3 curious": "one upload, 3 curious peers",
    "averaged-rounds, median": "all rounds: median",
    "averaged-rounds, mean": "all rounds: mean",
}
TASKS = ("one image, CNN", "one image, CNN, with patience", "four images, CNN", "one image, MLP",
         "one image, five rounds, CNN", "one image, fifteen rounds, CNN", "who is who after one round, CNN",
         "who is who after nine rounds, CNN", "who is who, fresh batches, CNN",
         "who is who, fresh batches of two classes, CNN")  # fmt: skip
LINKS = {
    "linkage by direction": "direction of updates",
    "linkage by signs": "signs of entries",
    "linkage by norms": "norms of tensors",
}


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    tasks = sorted(load_results(RECORDS).tasks, key=lambda task: TASKS.index(task.label))
    for name, views in (("images", IMAGES), ("links", LINKS)):
        part = "\n\n".join(table(task, views) for task in tasks if set(task.attacks) & set(views))
        page = with_part(page, f"<!-- {name}: written by tools/build_privacy.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, "build_privacy.py")


def table(task: Task, views: dict[str, str]) -> str:
    """What each observer makes of each defense, and what somebody scores who saw nothing."""
    heads = ["what the observer has", *DEFENSES.values(), "nothing"]
    rows = [f"**{task.label}**", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for attack, view in views.items():
        cells = {defense: task.cell(attack, defense) for defense in DEFENSES}
        measured = [record for cell in cells.values() for record in cell.values() if record.status == "ok"]
        if measured:
            shown = [_shown(cell) for cell in cells.values()]
            rows.append(f"| {view} | {' | '.join(shown)} | {_blind(measured)} |")
    return "\n".join(rows)


def _shown(cell: dict[int, Record]) -> str:
    """Means over seeds: the accuracy of links, or PSNR and SSIM."""
    if not any(record.status == "ok" for record in cell.values()):
        return "cannot"
    if any(record.metrics.get("linkage-accuracy") is not None for record in cell.values()):
        return _mean(cell, "linkage-accuracy", 0) + "%"
    return f"{_mean(cell, 'psnr', 1)}, {_mean(cell, 'ssim', 2)}"


def _mean(cell: dict[int, Record], metric: str, places: int) -> str:
    found = mean_of({seed: value for seed, r in cell.items() if (value := r.metrics.get(metric)) is not None})
    return "" if found is None else with_interval(found.mean, found.half_width, places)


def _blind(records: list[Record]) -> str:
    """A grey image, or a link by chance."""
    first = next(iter(records)).references
    if "by chance" in first:
        return f"{first['by chance']['linkage-accuracy']:.0f}%"
    values = {metric: [r.references["grey"][metric] for r in records] for metric in ("psnr", "ssim")}
    psnr, ssim = (sum(value for value in found if value is not None) / len(found) for found in values.values())
    return f"{psnr:.1f}, {ssim:.2f}"


if __name__ == "__main__":
    sys.exit(main())
