"""Writes docs/evidence.md from committed records: does every attack do what it is for, where it is meant to?

python tools/build_evidence.py            # write the page
python tools/build_evidence.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from fflbench.leaderboard.board import Entry
from fflbench.leaderboard.entries import cell_entry, compared
from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.results import Task, load_results
from fflbench.leaderboard.wording import fixed, with_interval

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "docs" / "runs"
EXACT = 60.0

COORDINATES = ("median", "trimmed-mean", "meamed", "repeated-median")
DISTANCES = ("krum", "multi-krum", "bulyan", "geometric-median", "mda", "nnm+krum")
MEANT: dict[str, tuple[str, ...]] = {
    "gaussian-noise": ("fedavg",),
    "random-direction": ("fedavg",),
    "sign-flip": ("fedavg",),
    "zero-sum": ("fedavg",),
    "infinity": ("fedavg",),
    "nan": ("fedavg",),
    "ipm": ("fedavg", *COORDINATES, *DISTANCES),
    "alie": ("fedavg", *COORDINATES, *DISTANCES),
    "alie z=1.5": ("fedavg", *COORDINATES, *DISTANCES),
    "min-max": ("fedavg", *COORDINATES, *DISTANCES),
    "min-sum": ("fedavg", *COORDINATES, *DISTANCES),
    "fang-krum": ("krum", "multi-krum", "bulyan"),
    "fang-trim": ("trimmed-mean", "median"),
    "mimic": (*COORDINATES, *DISTANCES, "centered-clipping"),
    "mpaf": ("fedavg",),
    "opt-ipm": (*COORDINATES, *DISTANCES, "fedavg", "centered-clipping"),
    "opt-alie": (*COORDINATES, *DISTANCES, "fedavg", "centered-clipping"),
    "label-complement": ("fedavg",),
    "feature-noise": ("fedavg",),
    "label-flip": ("fedavg",),
    "badnets": ("fedavg",),
    "blended": ("fedavg",),
    "dba": ("fedavg",),
    "model-replacement": ("fedavg",),
    "constrain-and-scale": ("fedavg", "norm-clipping"),
    "pgd": ("fedavg", "norm-clipping"),
    "neurotoxin, leaves after round 7": ("fedavg", "norm-clipping"),
    "edge-case": ("fedavg", "krum", "norm-clipping"),
}
"""The defenses that an attack's paper aims at, by the attack's label in robustness-core."""

SCORES = ("best-psnr", "token-recovery", "feature-recovery", "membership-auc")
GROUND = {
    "analytic": "one image, MLP",
    "r-gap": "one image, LeNet",
    "imprint": "eight images, CNN",
}


def visible(entry: Entry, wanted: str) -> bool:
    """Whether the seed-paired difference lies on the attack's side of zero with its whole interval."""
    gap = entry.difference
    if gap is None or gap.low is None or gap.high is None:
        return False
    return gap.high < 0 if wanted == "lower" else gap.low > 0


def harm(task: Task, attack: str, defense: str) -> Entry:
    """Accuracy under the attack with its seed-paired difference to no attack."""
    accuracy = measure("accuracy")
    return compared(cell_entry(task, attack, defense, accuracy), cell_entry(task, "none", defense, accuracy))


def hardest(tasks: list[Task], attack: str, defenses: tuple[str, ...]) -> tuple[str, Entry] | None:
    """Where most accuracy is lost: the defense, and its task unless it is the first."""
    found: list[tuple[float, str, Entry]] = []
    for task in tasks:
        for defense in defenses if attack in task.attacks else ():
            entry = harm(task, attack, defense)
            place = defense if task is tasks[0] else f"{defense} ({task.label})"
            found += [(entry.difference.mean, place, entry)] if entry.difference else []
    return min(found, key=lambda row: row[0])[1:] if found else None


def success(tasks: list[Task], attack: str, defense: str) -> Entry:
    """Attack success under a defense with its seed-paired difference to the defense that lets least of it through."""
    task = next(task for task in tasks if attack in task.attacks)
    rate = measure("attack-success")
    entries = {name: cell_entry(task, attack, name, rate) for name in task.defenses}
    least = min((e for e in entries.values() if e.mean is not None), key=lambda e: e.mean or 0.0)
    return compared(entries[defense], least)


def poisoning_rows(tasks: list[Task]) -> list[str]:
    lines = ["| attack | on | accuracy | seed-paired difference to no attack | visible |", "|---|---|---|---|---|"]
    for attack, defenses in MEANT.items():
        found = None if any(targeted(task, attack) for task in tasks) else hardest(tasks, attack, defenses)
        if found:
            place, entry = found
            lines.append(f"| {attack} | {place} | {shown(entry)} | {difference(entry)} | {word(visible(entry, 'lower'))} |")
    return lines


def targeted_rows(tasks: list[Task]) -> list[str]:
    lines = ["| attack | on | attack success | seed-paired difference to the defense with the least | visible |",
             "|---|---|---|---|---|"]  # fmt: skip
    for attack, defenses in MEANT.items():
        task = next((task for task in tasks if attack in task.attacks), None)
        if task is None or not targeted(task, attack):
            continue
        known = [(name, success(tasks, attack, name)) for name in defenses if name in task.defenses]
        defense, entry = max(known, key=lambda pair: pair[1].mean or 0.0)
        lines.append(f"| {attack} | {defense} | {shown(entry)} | {difference(entry)} | {word(visible(entry, 'higher'))} |")
    return lines


def adaptive_rows(tasks: list[Task]) -> list[str]:
    attacks = [attack for attack in tasks[0].attacks if attack != "none"]
    names = [name for name in ("fedavg", "ffl", "reputation alone", "mixing+trimmed-mean", "trimmed-mean", "multi-krum")
             if name in tasks[0].defenses]  # fmt: skip
    lines = ["| attack | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for attack in attacks:
        cells = []
        for name in names:
            entry = harm(tasks[0], attack, name)
            cells.append(f"{shown(entry)} ({difference(entry)})")
        lines.append(f"| {attack} | " + " | ".join(cells) + " |")
    return lines


def observer_rows(tasks: list[Task]) -> list[str]:
    lines = ["| observer | task | score | FedAvg | FFL, exchange 0.5 | secure aggregation |", "|---|---|---|---|---|---|"]
    for task in tasks:
        for attack in task.attacks:
            name = next(n for n in SCORES if measured(task, attack, n))
            score = measure(name)
            cells = [cell_entry(task, attack, defense, score)
                     for defense in ("fedavg", "ffl, exchange 0.5", "secure-aggregation+mean")]  # fmt: skip
            texts = [shown(entry, score.decimals(entry.mean or 0.0)) for entry in cells]
            lines.append(f"| {attack} | {task.label} | {score.heading} | " + " | ".join(texts) + " |")
    return lines


def exact_rows(tasks: list[Task]) -> list[str]:
    lines = ["| observer | its own ground | PSNR by seed (dB) | above 60 dB |", "|---|---|---|---|"]
    for attack, label in GROUND.items():
        task = next(task for task in tasks if task.label == label)
        entry = cell_entry(task, attack, "fedavg", measure("psnr"))
        values = [entry.values[seed] for seed in sorted(entry.values)]
        texts = ", ".join(fixed(value, 1) for value in values)
        lines.append(f"| {attack} | {label} | {texts} | {word(min(values) > EXACT)} |")
    return lines


def targeted(task: Task, attack: str) -> bool:
    return attack != "label-complement" and measured(task, attack, "attack-success")


def measured(task: Task, attack: str, metric: str) -> bool:
    records = (record for defense in task.defenses for record in task.cell(attack, defense).values())
    return any(record.metrics.get(metric) is not None for record in records)


def shown(entry: Entry, places: int = 1) -> str:
    return entry.status if entry.mean is None else with_interval(entry.mean, entry.half_width, places)


def difference(entry: Entry) -> str:
    gap = entry.difference
    if gap is None:
        return "none to show"
    return with_interval(gap.mean, None if gap.high is None else gap.high - gap.mean, 1, signed=True)


def word(good: bool) -> str:
    return "yes" if good else "**no**"


def page() -> str:
    robust, private, adaptive = (
        [*load_results(RUNS / name).tasks] for name in ("robustness-core", "reconstruction-core", "ffl-adaptive")
    )
    blocks = [
        "# Does every attack do what it is for?",
        "Written from the records in `docs/runs` by `python tools/build_evidence.py`. The records come from\n"
        "`fflbench run robustness-core`, `fflbench run reconstruction-core` and `fflbench run ffl-adaptive`, three seeds\n"
        "each, put into one file with `fflbench pack`. `fflbench leaderboard docs/runs/robustness-core --out /tmp/board`\n"
        "shows them whole. ± is the 95% t interval over seeds, which is wide with three. *Visible* is a seed-paired\n"
        "difference whose whole interval lies on the attack's side of zero.",
        "## Poisoning: accuracy (%)",
        "Of the defenses that an attack is meant to break, the one that loses most here. 20% of 20 peers attack.",
        "\n".join(poisoning_rows(robust)),
        "## Targeted poisoning and backdoors: attack success (%)",
        "\n".join(targeted_rows(robust)),
        "## Attacks that know FFL: accuracy (%), and difference to no attack",
        "\n".join(adaptive_rows(adaptive)),
        "## Observers that solve for the input",
        "\n".join(exact_rows(private)),
        "## All observers",
        "PSNR is that of a victim's best image, at most 100 dB; the mean over images is on the leaderboard.",
        "\n".join(observer_rows(private)),
    ]
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    file, text = ROOT / "docs" / "evidence.md", page()
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv:
        print("outdated: docs/evidence.md")
        return 1
    file.write_text(text, encoding="utf-8")
    print("written: docs/evidence.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
