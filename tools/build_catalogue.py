"""Writes docs/attacks.md and docs/defenses.md from the registry; with `--check` says whether they are up to date.

python tools/build_catalogue.py [--check]
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from fflbench import registry
from fflbench.commands.info import facts
from fflbench.contracts import Pipeline
from fflbench.errors import UserError
from fflbench.parameters import describe

ROOT = Path(__file__).resolve().parent.parent

ATTACKS = {
    "fflbench.attacks.poisoning": ("Poisoning", "A coalition of peers spoils the model, through its updates or its data."),
    "fflbench.attacks.backdoor": ("Backdoors", "Right on clean data, the attackers' class where the trigger is."),
    "fflbench.attacks.adaptive": ("Adaptive, against FFL", "They know how FFL scores its peers, and use it."),
    "fflbench.attacks.reconstruction": ("Observers", "What the server can make of the updates that it sees."),
    "fflbench.attacks.external": ("Observers, by the peers' own tools", "They run the user's copy of somebody else's code."),
}
DEFENSES = {
    "Pipeline": ("Defenses by name", "Compositions with a name; any other is written with `+`, such as `nnm+krum`."),
    "Stage": ("Stages", "What peers do before anything leaves their hands."),
    "PreAggregator": ("Pre-aggregators", "What the server does to the uploads before it aggregates."),
    "Aggregator": ("Aggregators", "The server's rule."),
    "ServerStep": ("Server steps", "What the server makes of the aggregate before it adds it to the model."),
}


def attacks() -> str:
    """docs/attacks.md."""
    groups: dict[str, list[str]] = {title: [] for title, _ in ATTACKS.values()}
    for plugin in registry.plugins("attacks").values():
        if plugin.built_in:
            room = str(plugin.target).partition(":")[0].rpartition(".")[0]
            groups[ATTACKS[room][0]].append(entry(plugin))
    return page("Attacks", dict(ATTACKS.values()), groups)


def defenses() -> str:
    """docs/defenses.md."""
    groups: dict[str, list[str]] = {title: [] for title, _ in DEFENSES.values()}
    for plugin in registry.plugins("defenses").values():
        if plugin.built_in:
            target = plugin.load()
            kinds = ["Pipeline"] if isinstance(target, Pipeline) else [base.__name__ for base in target.__mro__]
            kind = next(name for name in kinds if name in DEFENSES)
            groups[DEFENSES[kind][0]].append(entry(plugin))
    return page("Defenses", dict(DEFENSES.values()), groups)


def page(title: str, notes: dict[str, str], groups: dict[str, list[str]]) -> str:
    lines = [f"# {title}", "", "Written from the registry by `tools/build_catalogue.py`: change the plug-in, not this page.",
             "d parameters, n uploads, h honest peers, b attackers, f attackers tolerated.", ""]  # fmt: skip
    for group, entries in groups.items():
        names = [text.split("\n")[0].removeprefix("### ") for text in entries]
        lines.append(f"- {group}: " + ", ".join(f"[{name}](#{name})" for name in names))
    for group, entries in groups.items():
        lines += ["", f"## {group}", "", notes[group], "", *"\n".join(entries).rstrip().split("\n")]
    return "\n".join(lines) + "\n"


def entry(plugin: registry.Plugin) -> str:
    """One plug-in: its documentation, what its contract says, its parameters."""
    try:
        target = plugin.load()
    except UserError as error:
        return f"### {plugin.name}\n\nNot available in this installation: {error}\n"
    text = target.summary if isinstance(target, Pipeline) else inspect.getdoc(target) or ""
    source = plugin.source()
    where = source.resolve().relative_to(ROOT) if source else ""
    lines = [f"### {plugin.name}", "", text, ""]
    lines += [f"- {label}: {shown(label, value)}" for label, value in facts(target)]
    lines += [f"- consists of: {' + '.join(target.parts)}"] if isinstance(target, Pipeline) else []
    lines += [f"- source: [`{where}`](../{where})", ""]
    rows = [] if isinstance(target, Pipeline) else describe(target)
    if rows:
        lines += ["| parameter | type | default |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {default} |" for name, kind, default in rows] + [""]
    return "\n".join(lines)


def shown(label: str, value: Any) -> str:
    return f"<{value}>" if label == "paper" else str(value)


def main() -> int:
    outdated = []
    for name, text in (("attacks.md", attacks()), ("defenses.md", defenses())):
        path = ROOT / "docs" / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            outdated.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if outdated:
        print(f"{'outdated' if '--check' in sys.argv else 'written'}: {', '.join(outdated)}")
    return 1 if outdated and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
