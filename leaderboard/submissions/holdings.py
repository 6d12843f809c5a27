"""What a board holds already, and whether a further submission may stand beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fflbench.errors import UserError
from fflbench.leaderboard.submissions.about import slug
from fflbench.leaderboard.submissions.labels import folded
from fflbench.leaderboard.submissions.rules import Rules
from fflbench.leaderboard.submissions.submission import Submission
from fflbench.meaning import meaning as _meaning
from fflbench.records import Record, Specification

ADVICE = "leave them out with `fflbench submit --only`"


@dataclass
class _Ground:
    """What the baseline ran: `cells` are (attack, seed) by task."""

    tasks: dict[tuple[str, str], str] = field(default_factory=dict)
    attacks: dict[tuple[str, str], set[tuple[str, int]]] = field(default_factory=dict)


@dataclass
class Holdings:
    """The submissions of a board, one after the other. Whether two can stand side by side does not depend on their order,
    but for the baseline's, which come first."""

    rules: Rules
    _files: dict[str, str] = field(default_factory=dict)
    _names: dict[str, tuple[str, str]] = field(default_factory=dict)
    _records: dict[str, str] = field(default_factory=dict)
    _owners: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    _meanings: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    _ground: _Ground = field(default_factory=_Ground)

    def admit(self, submission: Submission, where: str) -> None:
        """Take a submission in. Raises `UserError` that begins with `where`, and holds what it held, when it may not stand
        on this board."""
        self._check_name(submission, where)
        owner = slug(submission.about.name)
        if submission.digest in self._files:
            raise UserError(f"{where}: is on the board already, as {self._files[submission.digest]}")
        owners, meanings = dict(self._owners), dict(self._meanings)
        for record in submission.records:
            place = f"{where}: {record.specification.name}"
            if record.digest in self._records:
                raise UserError(f"{place}: is on the board already, from {self._records[record.digest]!r}; {ADVICE}")
            self._check_ground(record.specification, owner, place)
            self._check_labels(record.specification, meanings, place)
            self._check_owner(record.specification, submission.about.name, owners, place)
        self._owners, self._meanings = owners, meanings
        self._files[submission.digest] = submission.file_name
        self._names[owner] = (submission.about.name, submission.fingerprint)
        self._records |= {record.digest: submission.about.name for record in submission.records}
        if self._is_baseline(owner):
            self._extend_ground(submission.records)

    def _check_name(self, submission: Submission, where: str) -> None:
        name, key = submission.about.name, submission.fingerprint
        found = f"found {key or 'no signature'}"
        if not self.rules.unsigned and not key:
            raise UserError(f"{where}: is not signed, and this board takes signed submissions only: use --key")
        known, first = self._names.get(slug(name), (name, key))
        if known != name:
            raise UserError(f"{where}: name: found {name!r}, which is too like {known!r} on this board")
        pinned = self.rules.pinned(name)
        if pinned:
            if key not in pinned:
                raise UserError(f"{where}: name {name!r} is pinned in board.toml to {' or '.join(pinned)}, {found}")
        elif key != first:
            raise UserError(f"{where}: name {name!r} belongs to the key {first or '(none: it was not signed)'}, {found}; "
                            "choose another name")  # fmt: skip
        elif slug(name) in self._names and not key:
            raise UserError(f"{where}: name {name!r} is taken by a submission that is not signed, so nobody can show that "
                            "this one comes from the same people; choose another name")  # fmt: skip

    def _is_baseline(self, owner: str) -> bool:
        return self.rules.baseline is not None and owner == slug(self.rules.baseline)

    def _check_ground(self, spec: Specification, owner: str, place: str) -> None:
        """More attacks or seeds on a task would make everybody else's rows incomplete."""
        if self.rules.baseline is None or self._is_baseline(owner):
            return
        task = (spec.track, spec.task.label)
        meaning = self._ground.tasks.get(task)
        if not self._ground.tasks:
            raise UserError(f"{place}: this board has no submission of its baseline {self.rules.baseline!r} yet, which sets "
                            "its tasks, attacks and seeds")  # fmt: skip
        if meaning is None:
            known = ", ".join(sorted(label for _, label in self._ground.tasks)[:5])
            raise UserError(f"{place}: this board's baseline {self.rules.baseline!r} has no such task; it has: {known}")
        if meaning != _meaning(spec.task):
            raise UserError(f"{place}: its task has the label of the baseline's, but other settings, data or another model")
        run = self._ground.attacks[task]
        if (_meaning(spec.attack), spec.seed) not in run:
            seeds = sorted({seed for meaning, seed in run if meaning == _meaning(spec.attack)})
            what = f"seed {spec.seed}; it has: {', '.join(map(str, seeds[:20]))}" if seeds else "such attack on this task"
            raise UserError(f"{place}: this board's baseline {self.rules.baseline!r} has no {what}")

    def _extend_ground(self, records: tuple[Record, ...]) -> None:
        for spec in (record.specification for record in records):
            task = (spec.track, spec.task.label)
            self._ground.tasks[task] = _meaning(spec.task)
            self._ground.attacks.setdefault(task, set()).add((_meaning(spec.attack), spec.seed))

    def _check_labels(self, spec: Specification, meanings: dict[tuple[str, ...], tuple[str, str]], place: str) -> None:
        """A label must stand for one thing, and nothing else may look like it."""
        task = (spec.track, folded(spec.task.label))
        for kind, scope, part in (
            ("task", (spec.track,), spec.task), ("attack", task, spec.attack), ("defense", task, spec.defense)
        ):  # fmt: skip
            label, meaning = meanings.setdefault((kind, *scope, folded(part.label)), (part.label, _meaning(part)))
            if label != part.label:
                raise UserError(f"{place}: the {kind} label {part.label!r} is too like {label!r}; give it one of its own")
            if meaning != _meaning(part):
                raise UserError(
                    f"{place}: the label {label!r} stands for another {kind} on this board; give it one of its own"
                )

    def _check_owner(
        self, spec: Specification, name: str, owners: dict[tuple[str, ...], tuple[str, str]], place: str
    ) -> None:
        """Cells that others add to a defense's row would change its means."""
        row = (spec.track, spec.task.label, spec.defense.label)
        owner, shown = owners.setdefault(row, (slug(name), name))
        if owner != slug(name):
            raise UserError(f"{place}: the defense {spec.defense.label!r} on this task belongs to {shown!r}, and nobody "
                            f"else may add cells to it; {ADVICE}")  # fmt: skip
