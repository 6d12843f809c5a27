"""The comparison as JUnit XML, which every CI shows: one test case a cell, a failure in words."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from fflbench.leaderboard.comparison.sentences import sentence, speed_sentence
from fflbench.leaderboard.comparison.verdicts import Change, ComparedCell, Comparison
from fflbench.leaderboard.wording import plain

ROOT = "fflbench"


def comparison_junit(found: Comparison) -> bytes:
    """One suite a task, and one for benchmarks. Means over attacks are test cases of their own. Labels have no control
    characters by then, so the XML is well-formed whatever they are called."""
    root = ET.Element("testsuites", name=ROOT)
    cases: dict[str, list[ET.Element]] = {}
    for cell in found.cells:
        cases.setdefault(cell.task, []).append(_cell(cell))
    means: dict[tuple[str, str], list[Change]] = {}
    for change in found.averages:
        means.setdefault((change.task, change.defense), []).append(change)
    for (task, defense), changes in means.items():
        lines = [sentence(change) for change in changes if change.verdict == "regression"]
        cases.setdefault(task, []).append(_case(task, f"mean of attacks / {defense}", "regression", lines))
    for speed in found.speeds:
        wrong = speed_sentence(speed)
        cases.setdefault("benchmarks", []).append(_case("benchmarks", speed.name, speed.pace, [wrong] if wrong else []))
    for task, elements in cases.items():
        failures = sum(case.find("failure") is not None for case in elements)
        skipped = sum(case.find("skipped") is not None for case in elements)
        suite = ET.SubElement(root, "testsuite", name=plain(task), tests=str(len(elements)), failures=str(failures),
                              errors="0", skipped=str(skipped))  # fmt: skip
        suite.extend(elements)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _cell(cell: ComparedCell) -> ET.Element:
    lines = list(cell.problems) or [sentence(change) for change in cell.changes if change.verdict == "regression"]
    case = _case(cell.task, f"{cell.attack} / {cell.defense}", cell.outcome, lines)
    if cell.outcome in ("new", "unusable in both"):
        ET.SubElement(case, "skipped", message=cell.outcome)
    return case


def _case(task: str, name: str, kind: str, lines: list[str]) -> ET.Element:
    case = ET.Element("testcase", classname=f"{ROOT}.{plain(task)}", name=plain(name, 200))
    if lines:
        failure = ET.SubElement(case, "failure", type=kind, message=plain("; ".join(lines), 500))
        failure.text = "\n".join(plain(line, 1000) for line in lines)
    return case
