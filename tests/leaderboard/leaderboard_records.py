"""Builds records by hand for tests of the leaderboard, and one results folder that looks like a real one."""

from __future__ import annotations

import base64
import io
import json
import lzma
import re
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from fflbench.leaderboard.packed import NAME
from fflbench.records import (
    Artefact,
    AttackSpec,
    DefenseSpec,
    Part,
    Provenance,
    Record,
    RecordStore,
    Specification,
    Status,
    TaskSpec,
    Track,
    digest_of,
)

POISONING, RECONSTRUCTION = "fashion-lenet", "cifar10-gradient"


def specification(
    attack: str = "none",
    defense: str = "fedavg",
    seed: int = 0,
    track: Track = "poisoning",
    task: str = "",
    settings: dict[str, Any] | None = None,
    threat: str = "",
) -> Specification:
    label = task or (POISONING if track == "poisoning" else RECONSTRUCTION)
    return Specification(
        track=track,
        task=TaskSpec(label=label, dataset={"name": "d"}, model={"name": "m"}, settings=settings or {"rounds": 4}),
        attack=AttackSpec(label=attack, name=attack, threat=threat),
        defense=DefenseSpec(label=defense, parts=(Part(kind="aggregator", name=defense),)),
        seed=seed,
    )


def record(
    attack: str = "none",
    defense: str = "fedavg",
    seed: int = 0,
    accuracy: float | None = None,
    *,
    track: Track = "poisoning",
    task: str = "",
    settings: dict[str, Any] | None = None,
    threat: str = "",
    status: Status = "ok",
    metrics: dict[str, float | None] | None = None,
    version: str = "0.1.0",
    finished: str = "2026-11-20T10:00:00+00:00",
    provenance: dict[str, Any] | None = None,
    **fields: Any,
) -> Record:
    spec = specification(attack, defense, seed, track, task, settings, threat)
    measured = dict(metrics or {})
    if accuracy is not None:
        measured["accuracy"] = accuracy
    source = {"suite": "sample", "version": version, "finished": finished, **(provenance or {})}
    return Record(
        digest=digest_of([spec.digest(), version]),
        specification=spec,
        status=status,
        metrics=measured,
        provenance=Provenance(**source),
        **fields,
    )


def leak(attack: str, defense: str, seed: int, psnr: float, ssim: float = 0.1, **fields: Any) -> Record:
    """A record of the reconstruction track."""
    metrics = {"psnr": psnr, "ssim": ssim, **fields.pop("metrics", {})}
    return record(attack, defense, seed, track="reconstruction", metrics=metrics, **fields)


def parts_of(page: str) -> dict[str, str]:
    """What lies packed in a page: HTML by name."""
    found = re.findall(r'<script type="text/plain" id="bundle-[a-z0-9-]+">([A-Za-z0-9+/=]+)</script>', page)
    parts: dict[str, str] = {}
    for data in found:
        parts |= json.loads(zlib.decompress(base64.b64decode(data), -15))
    return parts


def write(folder: Path, *records: Record) -> Path:
    """A results folder with these records."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    for one in records:
        RecordStore(folder).write(one)
    return folder


def write_packed(folder: Path, records: list[Record]) -> Path:
    """A folder with these records in one file, as `fflbench pack` writes it."""
    lines = "".join(f"{one.model_dump_json()}\n" for one in records)
    (folder / NAME).write_bytes(lzma.compress(lines.encode(), preset=0))
    return folder


def artefact(
    store: RecordStore,
    one: Record,
    role: Literal["original", "reconstruction"],
    data: bytes,
    index: int = 0,
    scores: dict[str, float] | None = None,
) -> Artefact:
    """A file beside a record."""
    file, digest = store.write_artefact(one.digest, f"{role}-{index}.png", data)
    return Artefact(file=file, digest=digest, role=role, index=index, scores=scores or {})


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A PNG file of an image [height, width, 3] in [0, 1]."""
    file = io.BytesIO()
    Image.fromarray((pixels.clip(0, 1) * 255).round().astype("uint8")).save(file, format="PNG")
    return file.getvalue()


DEFENSES = {  # clean, loss under attack, seconds, megabytes, PSNR
    "fedavg": (88.4, 1.00, 0.004, 0.25, 21.0),
    "median": (86.9, 0.30, 0.031, 0.25, 20.9),
    "trimmed mean": (87.2, 0.34, 0.028, 0.25, 21.0),
    "multi-krum": (86.1, 0.42, 0.052, 0.25, 20.8),
    "foolsgold": (87.6, 0.55, 0.017, 0.25, 21.0),
    "ffl": (87.9, 0.14, 0.061, 0.52, 10.2),
    "dp noise": (79.5, 0.47, 0.009, 0.25, 9.1),
    "secure aggregation": (88.4, 0.98, 0.082, 0.29, None),
}
ATTACKS = {"none": 0.0, "label-flip": 18.0, "sign-flip": 55.0, "alie": 24.0, "pixel backdoor": 5.0}
ROUNDS = 20


def sample_results(folder: Path, seeds: int = 3) -> Path:
    """A results folder with everything that a page has to show, gaps included."""
    rng = np.random.default_rng(0)
    store = RecordStore(folder)
    for defense in DEFENSES:
        for attack in ATTACKS:
            for seed in range(seeds):
                store.write(_poisoned(rng, attack, defense, seed))
        for attack in ("inverting-gradients", "analytic"):
            for seed in range(seeds):
                store.write(_leaked(rng, store, attack, defense, seed))
    store.write(record("none", "fedavg", 0, 50.0, version="0.0.9", settings=_SETTINGS, finished="2026-10-01T00:00:00",
                       threat="own data"))  # fmt: skip
    (folder / "records" / f"{'0' * 64}.json").write_text("{ half a rec")
    return folder


_SETTINGS = {"rounds": ROUNDS, "peers": 20}
_THREATS = {"alie": "omniscient"}
_SOURCE = {"commit": "3f2c9e1b7a", "machine": "Linux, 16 cores", "python": "3.11.9", "libraries": {"torch": "2.14.1"},
           "data": "sha256:9c1e", "started": "2026-11-20T09:59:00+00:00"}  # fmt: skip


def _poisoned(rng: np.random.Generator, attack: str, defense: str, seed: int) -> Record:
    clean, weakness, seconds, megabytes, _ = DEFENSES[defense]
    common: dict[str, Any] = {"settings": _SETTINGS, "threat": _THREATS.get(attack, "own data"), "provenance": _SOURCE}
    if defense == "multi-krum" and attack == "alie" and seed == 2:
        return record(attack, defense, seed, status="failed", error="TimeLimit: no answer after 600 s", **common)
    if defense == "secure aggregation" and attack == "alie":
        return record(attack, defense, seed, status="incompatible", error="alie needs each update", **common)
    final = float(np.clip(clean - weakness * ATTACKS[attack] + rng.normal(0, 0.8), 3, 99))
    steps = np.arange(1, ROUNDS + 1)
    curve = 10 + (final - 10) * (1 - np.exp(-steps / 4)) + rng.normal(0, 0.7, ROUNDS)
    curves = {"accuracy": [round(float(v), 2) for v in curve]}
    costs: dict[str, Any] = {
        "curves": curves,
        "seconds": {"training": 9.0, "sharing": seconds * 12, "aggregation": seconds * 8, "evaluation": 2.0},
        "sent": {"upload": int(megabytes * 1e6 * 400)},
        "notes": {"uploads": 400, "rounds": ROUNDS},
    }
    if defense == "fedavg" and attack == "sign-flip":
        curves["accuracy"] = curves["accuracy"][: 9 + seed]
        empty = dict.fromkeys(("accuracy", "attack-success", "test-loss"))
        return record(attack, defense, seed, status="diverged", error="the global model is not finite after round 9",
                      metrics=empty, **costs, **common)  # fmt: skip
    targeted = attack in ("label-flip", "pixel backdoor")
    metrics = {
        "accuracy": final,
        "test-loss": 2.4 - final / 50,
        "worst-class-accuracy": max(0.0, final - 20),
        "attack-success": float(np.clip(96 * weakness + rng.normal(0, 2), 0, 100)) if targeted else None,
        "source-accuracy": float(np.clip(90 - 80 * weakness + rng.normal(0, 2), 0, 100)) if targeted else None,
        "detection-auc": float(np.clip(1.02 - weakness / 2 + rng.normal(0, 0.01), 0, 1))
        if attack != "none" and defense in ("ffl", "foolsgold", "multi-krum")
        else None,
    }
    return record(attack, defense, seed, metrics=metrics, classes={"shirt": final - 20}, **costs, **common)


def _leaked(rng: np.random.Generator, store: RecordStore, attack: str, defense: str, seed: int) -> Record:
    level = DEFENSES[defense][4]
    common: dict[str, Any] = {"threat": "honest but curious", "provenance": _SOURCE}
    if level is None:
        return record(attack, defense, seed, track="reconstruction", status="incompatible",
                      error="the server sees only the sum", **common)  # fmt: skip
    level += (-1.5 if attack == "analytic" else 0) + rng.normal(0, 0.4)
    bare = leak(attack, defense, seed, level, **common)
    artefacts, scores = [], []
    for index in range(2):
        original = _picture(seed, index)
        guess = original + np.random.default_rng(seed + index).normal(0, 10 ** (-level / 20), original.shape)
        score = {"psnr": float(-10 * np.log10(((guess.clip(0, 1) - original) ** 2).mean())), "ssim": 0.02 + level / 30}
        scores.append(score)
        artefacts.append(artefact(store, bare, "original", png(original), index))
        artefacts.append(artefact(store, bare, "reconstruction", png(guess), index, score))
    return bare.model_copy(
        update={
            "artefacts": tuple(artefacts),
            "metrics": {
                "psnr": scores[0]["psnr"] / 2 + scores[1]["psnr"] / 2,
                "ssim": scores[0]["ssim"],
                "mse": 0.01,
                "label-recovery": 100.0 if level > 15 else 50.0,
            },
            "references": {"grey": {"psnr": 11.4 + seed / 10, "ssim": 0.04}, "random start": {"psnr": 7.9, "ssim": 0.01}},
        }
    )


def _picture(seed: int, index: int) -> np.ndarray[Any, Any]:
    """A scene of 32 x 32: a coloured disc before a sloping background."""
    y, x = np.mgrid[0:32, 0:32] / 31
    hue = np.random.default_rng(10 * seed + index).random((3, 3))
    disc = ((x - hue[2, 0] * 0.4 - 0.3) ** 2 + (y - 0.5) ** 2 < 0.06)[..., None]
    slope = 0.25 + 0.5 * (x * hue[2, 1] + y * (1 - hue[2, 1]))[..., None]
    picture: np.ndarray[Any, Any] = np.where(disc, hue[0], slope * (0.4 + 0.6 * hue[1]))
    return picture
