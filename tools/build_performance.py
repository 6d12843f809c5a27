"""Writes docs/performance.md and its picture from what `make bench` measured, and from the records in docs/runs.

make bench                                                  # measure; prints the table
python tools/build_performance.py --keep build/benchmarks.json   # take that into docs/runs/benchmarks.json, page and picture
python tools/build_performance.py --replace build/some.json      # take in what a run of some of them measured anew
python tools/build_performance.py [--check]                 # write the page (or check it) from what was kept
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from marked import with_part, write_or_check

from fflbench.leaderboard.packed import NAME, read_packed

ROOT = Path(__file__).resolve().parent.parent
PAGE, KEPT = ROOT / "docs" / "performance.md", ROOT / "docs" / "runs" / "benchmarks.json"
PICTURE = ROOT / "docs" / "images" / "scaling.svg"
SUITES = ("robustness-core", "reconstruction-core", "ffl-privacy", "paper")
OURS = ("native", "ours")
FEW = 2
"""Works that are named one by one."""

HEADS = ("work", "ours", "without native code", "another way", "", "ours is faster", "without native code")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=Path, help="print the table of a file of pytest-benchmark")
    parser.add_argument("--keep", type=Path, help="take such a file as what the page shows")
    parser.add_argument("--replace", type=Path, help="take such a file in place of what the page has of its works")
    parser.add_argument("--check", action="store_true", help="exit 1 if the page is not up to date")
    given = parser.parse_args()
    if given.show:
        measured = condensed(json.loads(given.show.read_text(encoding="utf-8")))
        print(table(measured), rules(measured), sep="\n\n")
        return 0
    if given.keep:
        kept = condensed(json.loads(given.keep.read_text(encoding="utf-8")))
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        draw(kept["curves"])
    if given.replace:
        part = condensed(json.loads(given.replace.read_text(encoding="utf-8")))
        kept = with_later(json.loads(KEPT.read_text(encoding="utf-8")), part)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    for name, part in (
        ("table", table(kept)),
        ("rules", rules(kept)),
        ("machine", machine(kept)),
        ("suites", suites()),
    ):
        page = with_part(page, f"<!-- {name}: written by tools/build_performance.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, Path(__file__).name)


def condensed(measured: dict[str, Any]) -> dict[str, Any]:
    """Of a file of pytest-benchmark what the page needs: median seconds of every way to do some work, and of the points of
    curves by what they grow with."""
    works: dict[str, dict[str, float]] = defaultdict(dict)
    curves: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    by_rule: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for one in measured["benchmarks"]:
        more, seconds = one["extra_info"], one["stats"]["median"]
        if "rule" in more:
            by_rule[more["rule"]][f"{more['uploads']} x {more['parameters']}"][more["way"]] = seconds
        elif "way" in more:
            works[one["group"]][more["way"]] = seconds
        elif "curve" in more:
            curves[more["axis"]][more["curve"]].append((more["at"], seconds))
    return {
        "commit": measured["commit_info"]["id"],
        "processor": measured["machine_info"]["cpu"]["brand_raw"],
        "works": works,
        "rules": by_rule,
        "curves": curves,
    }


def with_later(kept: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """What was kept, with works and rules that were measured in a later run, each with all its ways in one."""
    anew = [*part["works"], *(f"rules, {rule}" for rule in part["rules"])]
    later = {work: origin for work, origin in kept.get("later", {}).items() if work not in anew}
    later |= {work: {"commit": part["commit"], "processor": part["processor"]} for work in anew}
    return kept | {"works": kept["works"] | part["works"], "rules": kept["rules"] | part["rules"], "later": later}


def table(kept: dict[str, Any]) -> str:
    rows = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for work, ways in sorted(kept["works"].items()):
        ours = next((ways[name] for name in OURS if name in ways), None)
        plain = ways.get("torch")
        others = {way: seconds for way, seconds in ways.items() if way not in (*OURS, "torch")}
        if not others:
            rows.append(f"| {work} | {_time(ours)} | {_time(plain)} | | | | |")
        for way, seconds in others.items():
            shown = [_time(ours), _time(plain), way, _time(seconds), _ratio(seconds, ours), _ratio(seconds, plain)]
            rows.append(f"| {work} | {' | '.join(shown)} |")
    return "\n".join(rows)


def rules(kept: dict[str, Any]) -> str:
    """Every rule at every size: how long it takes, how often the usual way takes that, and in parentheses how often without
    native code; fastest beside the usual way first."""
    found = kept["rules"]
    sizes = sorted(
        {size for measured in found.values() for size in measured}, key=lambda size: [*map(int, size.split(" x "))]
    )
    heads = ["{:,} of {:,}".format(*map(int, size.split(" x "))) for size in sizes]
    rows = [f"| rule | {' | '.join(heads)} |", "|---" * (len(sizes) + 1) + "|"]
    for rule in sorted(found, key=lambda rule: (-_gain(found[rule]), rule)):
        rows.append(f"| {rule} | {' | '.join(_cell(found[rule].get(size, {})) for size in sizes)} |")
    return "\n".join(rows)


def _gain(sizes: dict[str, dict[str, float]]) -> float:
    """The median over the sizes of how much faster ours is."""
    gains = [ways["usual"] / ways["native"] for ways in sizes.values() if {"usual", "native"} <= ways.keys()]
    return statistics.median(gains) if gains else 0.0


def _cell(ways: dict[str, float]) -> str:
    if "native" not in ways:
        return ""
    if "usual" not in ways:
        return _time(ways["native"])
    plain = f" ({_ratio(ways['usual'], ways['torch'])})" if "torch" in ways else ""
    return f"{_time(ways['native'])}, {_ratio(ways['usual'], ways['native'])}{plain}"


def machine(kept: dict[str, Any]) -> str:
    text = f"Measured at commit {kept['commit'][:8]} on one thread of {kept['processor']}"
    runs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for work, origin in kept.get("later", {}).items():
        runs[origin["commit"][:8], origin["processor"]].append(work)
    return text + "".join(f"; {'; '.join(_together(works))} at {commit} on {processor}"
                          for (commit, processor), works in sorted(runs.items())) + "."  # fmt: skip


def _together(works: list[str]) -> list[str]:
    """Works by the first word of their names, the others too where they are few."""
    alike: dict[str, list[str]] = defaultdict(list)
    for work in works:
        first, _, rest = work.partition(", ")
        alike[first].append(rest)
    return sorted(f"{first} ({', '.join(rests)})" if len(rests) <= FEW else first for first, rests in alike.items())


def suites() -> str:
    """What a suite takes, by its committed records: the time of its cells, those once that were observed once for several
    defenses, and the peak memory of the largest."""
    rows = ["| suite | cells | hours of one core | the largest cell |", "|---" * 4 + "|"]
    for name in SUITES:
        records, _ = read_packed(ROOT / "docs" / "runs" / name / NAME)
        hours = sum(map(sum, {tuple(record.seconds.values()) for record in records})) / 3600
        peak = max(record.provenance.memory or 0.0 for record in records)
        rows.append(f"| {name} | {len(records):,} | {hours:.1f} | {peak:.1f} GB |")
    return "\n".join(rows)


def draw(curves: dict[str, dict[str, list[tuple[int, float]]]]) -> None:
    """One panel for what it grows with, both axes logarithmic, seconds against how much of it."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "fflbench"
    figure, panels = plt.subplots(1, len(curves), figsize=(4.2 * len(curves), 4), layout="constrained")
    for panel, (axis, found) in zip(panels, curves.items(), strict=True):
        for name, points in found.items():
            panel.loglog(*zip(*sorted(points), strict=True), marker="o", markersize=3, label=name)
        panel.set(xlabel=axis, ylabel="seconds")
        at = sorted({place for points in found.values() for place, _ in points})
        panel.set_xticks(at, [f"{place:,}" for place in at], rotation=30)
        panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.savefig(PICTURE, metadata={"Date": None})


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, value = ("s", seconds) if seconds >= 1 else ("ms", 1000 * seconds)
    return f"{float(f'{value:.2g}'):,g} {unit}"


def _ratio(seconds: float, ours: float | None) -> str:
    return "" if ours is None else f"{float(f'{seconds / ours:.2g}'):,g}x"


if __name__ == "__main__":
    sys.exit(main())
