"""Writes the tables of docs/reproduction.md from committed records: the FFL paper's figures and ours, side by side.

python tools/build_reproduction.py            # write them
python tools/build_reproduction.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from marked import with_part, write_or_check
from paper_authors import authors
from paper_differences import strength
from paper_drawn import drawn
from paper_ingredients import ingredients
from paper_pictures import gallery, in_order, published, scores
from paper_replayed import replayed
from paper_tables import summary, tables

from fflbench.leaderboard.results import Task, load_results

ROOT = Path(__file__).resolve().parent.parent
PAGE, RUNS = ROOT / "docs" / "reproduction.md", ROOT / "docs" / "runs"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    for name, part in parts().items():
        page = with_part(page, f"<!-- {name}: written by tools/build_reproduction.py -->", f"<!-- {name}: end -->", part)
    return write_or_check(PAGE, page, "build_reproduction.py")


def parts() -> dict[str, str]:
    """What is written between which marks of the page."""
    paper, observed = tasks("paper"), in_order(tasks("paper-reconstruction"))
    return {
        "summary": summary(paper),
        "noise": tables(paper, "noise"),
        "flip": tables(paper, "flip"),
        "authors": authors(paper, tasks("paper-rate")[0]),
        "drawn": drawn(paper),
        "replayed": replayed(paper, tasks("paper-drawn")),
        "strength": strength(tasks("paper-differences")),
        "ingredients": "\n\n".join(f"**{task.label}**\n\n{ingredients(task)}" for task in tasks("ffl-ingredients")),
        "published": published(),
        "scores": scores(observed),
        "gallery": gallery(observed),
    }


def tasks(run: str) -> list[Task]:
    return list(load_results(RUNS / run).tasks)


if __name__ == "__main__":
    sys.exit(main())
