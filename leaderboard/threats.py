"""The threat models of a task: what its attackers, or its server, are assumed to know and do. Never ranked together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fflbench.leaderboard.results import Task
from fflbench.leaderboard.wording import plain
from fflbench.records import Track, digest_of

BASE: dict[Track, str] = {"poisoning": "own data", "reconstruction": "honest but curious"}
"""The weakest threat of each track: also what is assumed of a record that states none."""

WORDS: dict[Track, dict[str, str]] = {
    "poisoning": {"own data": "attackers who know their own data", "omniscient": "omniscient attackers"},
    "reconstruction": {"honest but curious": "a server that follows the protocol", "malicious": "a malicious server"},
}


@dataclass(frozen=True)
class Threat:
    """Attacks that assume the same. `words` names it in a sentence; `suffix` tells its scores from those of the base threat,
    whose suffix is empty."""

    name: str
    words: str
    suffix: str
    attacks: tuple[str, ...]


def threats(task: Task) -> list[Threat]:
    """The threat models of a task's attacks, the weakest first."""
    found: dict[str, list[str]] = {}
    for attack in task.threats:
        found.setdefault(threat_of(task, attack), []).append(attack)
    base = BASE[task.track]
    return [
        Threat(name, WORDS[task.track].get(name, name), suffix(task.track, name), tuple(found[name]))
        for name in sorted(found, key=lambda name: (name != base, name))
    ]


def threat_of(task: Task, attack: str) -> str:
    """What an attack assumes, in one line."""
    stated = (record for defense in task.defenses for record in task.cell(attack, defense).values())
    return plain(next(stated).specification.attack.threat) or BASE[task.track]


def suffix(track: Track, threat: str) -> str:
    """What is put behind the name of a score under that threat: letters, digits and hyphens."""
    if threat == BASE[track]:
        return ""
    slug = re.sub(r"[^a-z0-9]+", "-", threat.lower()).strip("-")
    return f"-{slug}" if slug.replace("-", " ") == threat else f"-{slug or 'threat'}-{digest_of(threat)[:6]}"
