"""The reconstruction gallery: what the server recovered, beside the original, checked against the record's digests."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fflbench.leaderboard.measures import measure
from fflbench.leaderboard.results import Results, Task
from fflbench.leaderboard.wording import fixed, plain
from fflbench.records import Artefact, Record

LARGEST_FILE = 256 * 1024
LARGEST_SIDE = 512
LARGEST_PAGE = 4 * 2**20
VICTIMS_SHOWN = 4
PNG = b"\x89PNG\r\n\x1a\n"
CHANGED = "picture missing or changed"
LEFT_OUT = "left out to keep the page small"


@dataclass(frozen=True)
class Picture:
    """A picture to embed, or why there is none."""

    uri: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Guess:
    """What the server recovered under one defense. `other_original`: its victim is not the one shown beside it."""

    defense: str
    picture: Picture
    scores: tuple[str, ...]
    other_original: bool = False


@dataclass(frozen=True)
class Victim:
    """One original and what was recovered of it under each defense."""

    seed: int
    index: int
    original: Picture
    references: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class Wall:
    """All pictures of one attack; `hidden` victims are left in the results folder."""

    attack: str
    victims: tuple[Victim, ...]
    hidden: int


class Pictures:
    """Reads pictures, each once, until the page is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room = LARGEST_PAGE
        self._known: dict[str, Picture] = {}

    def read(self, artefact: Artefact) -> Picture:
        key = f"{artefact.file} {artefact.digest}"
        if key not in self._known:
            self._known[key] = self._read(artefact)
        return self._known[key]

    def _read(self, artefact: Artefact) -> Picture:
        path = self._folder / artefact.file
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= LARGEST_FILE else b""
        except OSError:
            return Picture(problem=CHANGED)
        if size > LARGEST_FILE or size * 4 // 3 > self._room:
            return Picture(problem=LEFT_OUT)
        if hashlib.sha256(data).hexdigest() != artefact.digest or not _is_small_png(data):
            return Picture(problem=CHANGED)
        self._room -= size * 4 // 3
        return Picture(uri=f"data:image/png;base64,{base64.b64encode(data).decode()}")


def _is_small_png(data: bytes) -> bool:
    """A few bytes can unpack to gigabytes of pixels, so the stated size counts."""
    if not data.startswith(PNG) or data[12:16] != b"IHDR" or len(data) < 24:
        return False
    width, height = struct.unpack(">II", data[16:24])
    return bool(0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE)


def walls(results: Results, task: Task, order: list[str], pictures: Pictures) -> list[Wall]:
    """The pictures of a task by attack, defenses in the order of its table."""
    return [wall for attack in task.attacks if (wall := _wall(task, attack, order, pictures)).victims]


def _wall(task: Task, attack: str, order: list[str], pictures: Pictures) -> Wall:
    victims = sorted(
        {
            (artefact.index, seed)
            for defense in order
            for seed, record in task.cell(attack, defense).items()
            for artefact in record.artefacts
            if artefact.role == "reconstruction"
        }
    )
    shown = [_victim(task, attack, order, seed, index, pictures) for index, seed in victims[:VICTIMS_SHOWN]]
    return Wall(attack, tuple(shown), max(0, len(victims) - VICTIMS_SHOWN))


def _victim(task: Task, attack: str, order: list[str], seed: int, index: int, pictures: Pictures) -> Victim:
    records = {defense: task.cell(attack, defense)[seed] for defense in order if seed in task.cell(attack, defense)}
    originals = {defense: _find(record, "original", index) for defense, record in records.items()}
    checked = [(one, pictures.read(one)) for one in originals.values() if one is not None]
    shown, original = next(((one, picture) for one, picture in checked if picture.uri), (None, Picture(problem=CHANGED)))
    guesses = []
    for defense, record in records.items():
        guess, mine = _find(record, "reconstruction", index), originals[defense]
        if guess is not None:
            other = bool(shown and mine and mine.digest != shown.digest)
            guesses.append(Guess(defense, pictures.read(guess), tuple(_scores(guess.scores)), other))
    references = next((record.references for record in records.values() if record.references), {})
    known = [
        f"{plain(kind, 40)} {', '.join(_scores({k: v for k, v in scores.items() if v is not None and k in SHOWN}))}"
        for kind, scores in sorted(references.items())
    ]
    return Victim(seed, index, original, "; ".join(known), tuple(guesses))


SHOWN = ("psnr", "ssim")


def _find(record: Record, role: str, index: int) -> Artefact | None:
    found = (a for a in record.artefacts if a.role == role and a.index == index and a.file.endswith(".png"))
    return next(found, None)


def _scores(scores: dict[str, float]) -> Iterator[str]:
    for name in [*(n for n in SHOWN if n in scores), *sorted(n for n in scores if n not in SHOWN)][:4]:
        about = measure(name)
        unit = f" {about.unit}" if about.unit else ""
        yield f"{about.label} {fixed(scores[name], about.decimals(scores[name]))}{unit}"
