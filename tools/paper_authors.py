"""What the FFL authors' published code gives when it is run here, beside what they publish and what the benchmark gives."""

from __future__ import annotations

from collections.abc import Iterator

from paper_tables import METRICS, NAMES, PUBLISHED, TOLERANCE, Figure, figures, mean_of, of_authors, place_of, series, shown

from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import fixed

HALF = "Trimmed mean, attacked in half of the rounds"


def authors(paper: list[Task], rate: Task) -> str:
    """A row for each figure that their code was run for. `rate` holds attacks as often as their notebook has them for the
    trimmed mean on Adult."""
    text = ["| benchmark | method | figure | published | the authors' code, run here | ours |", "|---" * 6 + "|"]
    for benchmark, method, figure in (*_tabled(paper), *_halved(rate)):
        places = 1 if figure.metric in TOLERANCE else 3
        theirs = ", ".join(fixed(value, places) for value in figure.authors)
        parts = [benchmark, method, NAMES[figure.metric], f"{figure.published:g}", theirs, shown(figure.ours, places)]
        text.append(f"| {' | '.join(parts)} |")
    return "\n".join(text)


def _tabled(paper: list[Task]) -> Iterator[tuple[str, str, Figure]]:
    return ((place_of(row.kind, row.benchmark), row.method, figure) for row, figure in figures(paper) if figure.authors)


def _halved(rate: Task) -> Iterator[tuple[str, str, Figure]]:
    for place, metric in enumerate(METRICS["flip"]):
        ours = mean_of(series(rate, rate.attacks[0], "trimmed-mean", metric))
        published = PUBLISHED["flip"]["adult"]["Trimmed mean"][place]
        found = of_authors("flip", "adult", HALF, place)
        yield place_of("flip", "adult"), HALF, Figure(metric, published, ours, (), None, True, found)
