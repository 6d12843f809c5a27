"""Which engine a cell has: settled before it runs, part of its name, written into its record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fflbench import extension
from fflbench.commands.doctor import doctor_command
from fflbench.errors import UserError
from fflbench.execution import Execution, check_engine
from fflbench.extension import FLAVOURS
from fflbench.federation import engine
from fflbench.federation.engine import computed_by, settled
from fflbench.leaderboard.submissions.records import stated_digests
from fflbench.records import RecordStore, Specification
from fflbench.runner.cell import Cell, make_cell, run_cell
from fflbench.suite import load_suite
from fflbench.verification.rerun import Conditions, _execution

needs_native = pytest.mark.skipif(not FLAVOURS, reason="the native loop was not built")


def specification(track: str = "poisoning") -> Specification:
    cells = load_suite("quickstart").cells((), (0,))
    return next(spec for spec in cells if spec.track == track)


def with_model(spec: Specification, name: str) -> Specification:
    model = {"name": name, "parameters": {}}
    return spec.model_copy(update={"task": spec.task.model_copy(update={"model": model})})


@needs_native
def test_native_where_it_covers_the_model_and_torch_elsewhere() -> None:
    spec = specification()
    assert settled(spec, Execution()).engine == "native"
    assert settled(with_model(spec, "resnet18"), Execution(engine="native")).engine == "torch"
    for other in (Execution(engine="torch"), Execution(device="cuda"), Execution(precision="bfloat16")):
        assert settled(spec, other).engine == "torch"


@needs_native
def test_of_observers_native_what_they_simulate_of_small_networks() -> None:
    spec = specification("reconstruction")
    assert settled(spec, Execution()).engine == "native"
    for name in ("resnet18", "convnet64"):
        assert settled(with_model(spec, name), Execution()).engine == "torch"
    assert settled(spec, Execution(device="cuda")).engine == "torch"


@needs_native
def test_the_engine_is_part_of_the_name_but_torch_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that records from before the choice keep theirs."""
    spec = specification()
    mine, torch = (make_cell(spec, "s", Execution(engine=name)) for name in ("auto", "torch"))
    assert mine.digest != torch.digest
    assert "computed_by" not in torch.execution.decisive()
    monkeypatch.setattr(engine, "FLAVOURS", ())
    assert make_cell(spec, "s", Execution()).digest == torch.digest


@needs_native
def test_the_record_says_who_computed_it_and_its_digest_follows() -> None:
    for name, by in (("auto", f"native {FLAVOURS[0]}"), ("torch", "torch")):
        cell = make_cell(specification(), "s", Execution(engine=name))
        record = cell.record("ok")
        assert record.provenance.computed_by == by
        assert cell.digest in stated_digests(record)
        assert settled(specification(), _execution(record, Conditions())) == cell.execution
    forged = record.model_copy(update={"provenance": record.provenance.model_copy(update={"computed_by": "native avx2"})})
    assert record.digest not in stated_digests(forged)


def test_asking_for_what_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="engine native: found cpu and bfloat16, needs cpu and float32"):
        check_engine(Execution(precision="bfloat16", engine="native"))
    monkeypatch.setattr(extension, "MISSING", "was not built")
    with pytest.raises(UserError, match="engine native: was not built"):
        check_engine(Execution(engine="native"))
    assert check_engine(Execution()).engine == "auto"


def test_a_worker_without_the_loop_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(extension, "MISSING", "was not built")
    cell = Cell(specification(), "s", "0" * 64, replace(Execution(), engine="native"))
    record = run_cell(cell, RecordStore(tmp_path_factory.mktemp("results")))
    assert (record.status, record.error) == ("failed", "engine native: was not built")


def test_the_doctor_says_what_is_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(extension, "MISSING", "was not built")
    doctor_command()
    assert "native training loop: not here: was not built" in capsys.readouterr().out
    assert computed_by(Execution(engine="torch")) == "torch"
