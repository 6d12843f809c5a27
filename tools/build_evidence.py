"""Writes docs/evidence.md from committed records: does every attack do what it is for, where it is meant to?

python tools/build_evidence.py            # write the page
python tools/build_evidence.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
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
"""The defenses that an attack's paper aims at, by the attack's label in the suites."""

SCORES = ("best-psnr", "token-recovery", "feature-recovery", "membership-auc")
GROUND = {
    "analytic": "one image, MLP",
    "r-gap": "one image, LeNet",
    "imprint": "eight images, CNN",
}


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


@dataclass(frozen=True)
class Effect:
    """What an attack did where it did most of what it is for."""

    attack: str
    place: str
    entry: Entry
    targeted: bool

    @property
    def visible(self) -> bool:
        """Whether the seed-paired difference lies on the attack's side of zero with its whole interval."""
        gap = self.entry.difference
        if gap is None or gap.low is None or gap.high is None:
            return False
        return gap.low > 0 if self.targeted else gap.high < 0

    @property
    def line(self) -> str:
        return f"| {self.attack} | {self.place} | {shown(self.entry)} | {difference(self.entry)} | {word(self.visible)} |"


def effects(tasks: list[Task]) -> list[Effect]:
    """One for each attack that these tasks have, on the defense that it is meant to break and did most."""
    found = []
    for attack, defenses in MEANT.items():
        if any(targeted(task, attack) for task in tasks):
            known = [(name, success(tasks, attack, name)) for name in defenses if name in tasks[0].defenses]
            place, entry = max(known, key=lambda pair: pair[1].mean or 0.0)
            found.append(Effect(attack, place, entry, True))
        elif (worst := hardest(tasks, attack, defenses)) is not None:
            found.append(Effect(attack, *worst, False))
    return found


def effect_tables(known: list[Effect]) -> list[str]:
    untargeted = ["| attack | on | accuracy (%) | seed-paired difference to no attack | visible |", "|---|---|---|---|---|"]
    aimed = ["| attack | on | attack success (%) | seed-paired difference to the defense with the least | visible |",
             "|---|---|---|---|---|"]  # fmt: skip
    untargeted += [effect.line for effect in known if not effect.targeted]
    aimed += [effect.line for effect in known if effect.targeted]
    return ["\n".join(untargeted), "\n".join(aimed)]


def verdict(known: list[Effect]) -> str:
    seen = {effect.attack for effect in known if effect.visible}
    unseen = [attack for attack in MEANT if attack not in seen]
    if not unseen:
        return f"All {len(MEANT)} attacks do visible harm on at least one defense that they are meant to break."
    return (
        f"{len(seen)} of {len(MEANT)} attacks do visible harm on at least one defense that they are meant to break, in one "
        f"or the other run. Not visible at this size: {', '.join(unseen)}."
    )


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
    lines = ["| observer | task | score | FedAvg | FFL | secure aggregation |", "|---|---|---|---|---|---|"]
    for task in tasks:
        for attack in task.attacks:
            name = next(n for n in SCORES if measured(task, attack, n))
            score = measure(name)
            cells = [cell_entry(task, attack, defense, score)
                     for defense in ("fedavg", "ffl", "secure-aggregation")]  # fmt: skip
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
    robust, grounds, private, adaptive = (
        list(load_results(RUNS / name).tasks)
        for name in ("robustness-core", "attack-grounds", "reconstruction-core", "ffl-adaptive")
    )
    first, second = effects(robust), effects(grounds)
    blocks = [
        "# Does every attack do what it is for?",
        "Written from the records in `docs/runs` by `python tools/build_evidence.py`. The records come from\n"
        "`fflbench run robustness-core`, `fflbench run reconstruction-core`, `fflbench run ffl-adaptive` and\n"
        "`fflbench run docs/runs/attack-grounds.toml`, each put into one file with `fflbench pack`.\n"
        "`fflbench leaderboard docs/runs/robustness-core --out /tmp/board` shows them whole.\n"
        "± is the 95% t interval over seeds. *Visible* is a seed-paired difference whose whole interval lies on the\n"
        "attack's side of zero. Of the defenses that an attack is meant to break, the one is shown on which it does most.",
        verdict([*first, *second]),
        "## In robustness-core: 20% of 20 peers, data dealt evenly, three seeds",
        *effect_tables(first),
        "## On their own ground: the same clothes dealt unevenly, six seeds",
        *effect_tables(second),
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
