"""How long a suite takes on a cluster, from the seconds that its cells took in committed records.

python tools/cluster_cost.py docs/runs/robustness-core 1 16 128 1024    # numbers of cores, one cell on each

The time is the largest of three: the work spread over the cores, the longest cell, and what the driver does alone. The rest
is what a cell costs a node besides computing, and what one start costs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fflbench.leaderboard.results import load_results


def hours(seconds: list[float], cores: int, given: argparse.Namespace) -> tuple[float, str]:
    """The time of a run and what it is bound by."""
    bounds = {
        "computing": (sum(seconds) + given.per_cell * len(seconds)) / cores,
        "the longest cell": max(seconds),
        "the driver": given.driver * len(seconds),
    }
    name = max(bounds, key=lambda key: bounds[key])
    return (given.start + bounds[name]) / 3600, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("cores", nargs="+", type=int)
    parser.add_argument("--per-cell", type=float, default=0.3, help="seconds of a core for each cell besides its own")
    parser.add_argument("--start", type=float, default=45.0, help="seconds until the first cell is being computed")
    parser.add_argument("--driver", type=float, default=0.01, help="seconds of the driver for each cell")
    parser.add_argument("--times", type=int, default=1, help="as if there were that many times the cells")
    given = parser.parse_args()
    seconds = [sum(record.seconds.values()) for record in load_results(given.results).records()] * given.times
    print(f"{len(seconds):,} cells, {sum(seconds) / len(seconds):.2f} s each on average, {max(seconds):.0f} s the longest\n")
    print("| cores | minutes | bound by |\n|---|---|---|")
    for cores in given.cores:
        time, bound = hours(seconds, cores, given)
        print(f"| {cores} | {60 * time:.1f} | {bound} |")


if __name__ == "__main__":
    main()
