"""Submissions built by hand, a board to add them to, and the means to forge them."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from leaderboard_records import record

from fflbench.leaderboard.submissions.about import About
from fflbench.leaderboard.submissions.folder import add_submission, open_board
from fflbench.leaderboard.submissions.records import stated_digests
from fflbench.leaderboard.submissions.rules import FILE, new_board
from fflbench.leaderboard.submissions.submission import Submission, submission_of
from fflbench.records import Record
from fflbench.strict_json import canonical

KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
ATTACKS, SEEDS = ("none", "sign-flip"), (0, 1)


def honest(attack: str = "none", defense: str = "mine", seed: int = 0, accuracy: float = 80.0, **fields: Any) -> Record:
    """A record that a board takes."""
    return sealed(record(attack, defense, seed, accuracy + seed, settings={"rounds": 4, "peers": 10}, **fields))


def sealed(one: Record) -> Record:
    """With the parts that every real record has, and the digest that its content gives."""
    task = one.specification.task
    parts = {"dataset": {"name": "d", "parameters": {}}, "model": {"name": "m", "parameters": {}}}
    spec = one.specification.model_copy(update={"task": task.model_copy(update=parts)})
    one = one.model_copy(update={"specification": spec})
    return one.model_copy(update={"digest": stated_digests(one)[0]})


def relabelled(one: Record, part: str, label: str, **other: Any) -> Record:
    spec = one.specification
    changed = getattr(spec, part).model_copy(update={"label": label, **other})
    return sealed(one.model_copy(update={"specification": spec.model_copy(update={part: changed})}))


def cells(defense: str = "mine", accuracy: float = 80.0) -> list[Record]:
    return [honest(attack, defense, seed, accuracy) for attack in ATTACKS for seed in SEEDS]


def newcomer(records: list[Record] | None = None, key: Ed25519PrivateKey | None = None, name: str = "Newcomer",
             pictures: dict[str, bytes] | None = None, **about: Any) -> Submission:  # fmt: skip
    return submission_of(About(name=name, **about), cells() if records is None else records, pictures or {}, key)


class Workshop:
    """A board with a baseline and a signed submission, and a file that somebody wants to add."""

    def __init__(self, folder: Path) -> None:
        self.board, self.file = folder / "board", folder / "new.jsonl.xz"
        new_board(self.board, "Who survives?", "fedavg", "baseline")
        self.put(newcomer(cells("fedavg"), name="baseline").to_bytes())
        add_submission(self.board, self.file)
        self.put(newcomer(cells("signed one"), KEY, "Signer").to_bytes())
        add_submission(self.board, self.file)

    def put(self, data: bytes) -> None:
        self.file.write_bytes(data)

    def lines(self, change: Callable[[list[bytes]], list[bytes]], submission: Submission | None = None) -> None:
        """A file whose lines were changed, packed again."""
        lines = lzma.decompress((submission or newcomer()).to_bytes()).split(b"\n")[:-1]
        self.put(lzma.compress(b"".join(line + b"\n" for line in change(lines))))

    def header(self, **changes: Any) -> None:
        """A file whose header was changed."""
        self.lines(lambda lines: [canonical({**json.loads(lines[0]), **changes}), *lines[1:]])

    def about(self, **changes: Any) -> None:
        """A file with other lines about who made it."""
        self.header(about={**newcomer().about.model_dump(), **changes})

    def raw_record(self, change: Callable[[bytes], bytes]) -> None:
        """A file whose first record was changed as text, with the header's digest put right."""

        def forge(lines: list[bytes]) -> list[bytes]:
            content = [change(lines[2]), *lines[3:]]
            digest = hashlib.sha256(b"".join(line + b"\n" for line in content)).hexdigest()
            return [canonical({**json.loads(lines[0]), "content": digest}), lines[1], *content]

        self.lines(forge)

    def record(self, **changes: Any) -> None:
        """A file whose first record was changed, with the header's digest put right."""
        self.raw_record(lambda line: canonical({**json.loads(line), **changes}))

    def board_rule(self, old: str, new: str) -> None:
        file = self.board / FILE
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def refuse(self) -> None:
        """What the case tries; raises `UserError`."""
        add_submission(self.board, self.file)


class Planted(Workshop):
    """The file is put on the board past `add`, as in a pull request."""

    def plant(self, name: str, data: bytes | None = None) -> None:
        path = self.board / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(newcomer().to_bytes() if data is None else data)

    def refuse(self) -> None:
        open_board(self.board)
