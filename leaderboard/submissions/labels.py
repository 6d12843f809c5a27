"""Labels from strangers: what may stand on a board, and which labels are too alike to stand there side by side."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from fflbench.leaderboard.submissions.about import printable
from fflbench.records import Specification

LONGEST = 60


@dataclass(frozen=True)
class Places:
    """Where a cell stands on a board, as text for people."""

    task: str
    attack: str
    defense: str


def places(spec: Specification) -> Places:
    task = f"{spec.track} task {spec.task.label}"
    return Places(task, f"{task}, attack {spec.attack.label}", f"{task}, defense {spec.defense.label}")


def check_label(label: str) -> None:
    """Raises `ValueError` unless the label can be read and is written in one alphabet. Markup and formulas are no reason:
    every output escapes them, and `<5% attackers` is a fair label."""
    if not 1 <= len(label) <= LONGEST or "/" in label:
        raise ValueError(f"found {ascii(label)[:60]}, needs 1 to {LONGEST} characters without /")
    printable(label)
    for word in re.findall(r"[^\W\d_]+", label):
        alphabets = sorted({unicodedata.name(letter, "?").split()[0] for letter in unicodedata.normalize("NFKC", word)})
        if len(alphabets) > 1:
            raise ValueError(f"found {ascii(label)[:60]}, which mixes {' and '.join(alphabets[:3])} letters in one word")


def folded(label: str) -> str:
    """The same for labels that people take for the same: other case, widths, or marks between words."""
    text = unicodedata.normalize("NFKC", label).casefold()
    return re.sub(r"[\s._-]+", " ", text).strip() or label
