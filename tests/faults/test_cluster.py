"""A real Ray cluster of several nodes on this machine: the same records as here, whatever is lost on the way."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fflbench import registry
from fflbench.errors import UserError
from fflbench.execution import Execution
from fflbench.runner import connection
from fflbench.runner.demand import demand, in_words, room
from fflbench.runner.local import Limits
from fflbench.runner.options import Settings
from fflbench.runner.parcel import Parcel
from fflbench.runner.run import Run, start
from fflbench.settings import Resources
from fflbench.suite import load_suite
from tests.faults.conftest import Tally, comparable, records
from tests.runner.conftest import write_tiny
from tests.runner.test_run import run

GB = 10**9

NEIGHBOUR = "from statistics import mean\n\ndef middle(rows):\n    return rows.mean(0)\n"

PLUGIN = '''
import multiprocessing, os, signal, time
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register
from beside_the_plugin import middle

class Bad(Aggregator):
    """Misbehaves."""
    def aggregate(self, upload, round):
        self.misbehave()
        return Aggregate(upload.rows.mean(0))

@register("far-raising")
class Raising(Bad):
    """Raises."""
    def misbehave(self):
        raise ZeroDivisionError("on purpose")

@register("far-killed")
class Killed(Bad):
    """Kills its process."""
    def misbehave(self):
        os.kill(os.getpid(), signal.SIGKILL)

@register("far-exiting")
class Exiting(Bad):
    """Leaves without a word."""
    def misbehave(self):
        os._exit(7)

@register("far-hanging")
class Hanging(Bad):
    """Never returns."""
    def misbehave(self):
        time.sleep(3600)

@register("parricide")
class Parricide(Bad):
    """Kills the process that watches over its own."""
    def misbehave(self):
        os.kill(multiprocessing.parent_process().pid, signal.SIGKILL)
        time.sleep(3600)

@register("neighbourly")
class Neighbourly(Aggregator):
    """Uses the module beside it."""
    def aggregate(self, upload, round):
        return Aggregate(middle(upload.rows))
'''

UNHURRIED = '''
import time
from fflbench.contracts import Aggregate, Aggregator
from fflbench.registry import register

@register("unhurried")
class Unhurried(Aggregator):
    """The mean, a tenth of a second late."""
    def aggregate(self, upload, round):
        time.sleep(0.1)
        return Aggregate(upload.rows.mean(0))
'''


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without cores and two nodes of one core, the second with more memory."""
    utils = pytest.importorskip("ray.cluster_utils")
    # Sockets below this folder may have names of 107 characters at most.
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    # The cluster writes its address beside the folder it is given, and expects that place to exist.
    Path(folder, "ray").mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_TMPDIR", folder)
    common = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    quick = {"health_check_period_ms": 1000, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 3}
    made = utils.Cluster()
    try:
        made.add_node(num_cpus=0, memory=GB, temp_dir=folder, _system_config=quick, **common)
        made.small = made.add_node(num_cpus=1, memory=2 * GB, **common)
        made.large = made.add_node(num_cpus=1, memory=6 * GB, **common)
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plug-in under which a cell lasts as long as a test needs, however fast training is."""
    plugin = tmp_path_factory.mktemp("plugins") / "unhurried_plugin.py"
    plugin.write_text(UNHURRIED)
    registry.load_file(plugin)
    return plugin


def nodes_seen(running: Run) -> set[str]:
    """The nodes that cells are on now, from their notes."""
    found = set()
    for path in (running.store.folder / "running").glob("*.json"):
        found.add(json.loads(path.read_text() or "{}").get("node"))
    return found - {None}


def test_the_same_records_as_here_and_a_cell_that_misbehaves_fails_alone(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "beside_the_plugin.py").write_text(NEIGHBOUR)
    plugin = tmp_path / "cluster_plugins.py"
    plugin.write_text(PLUGIN)
    registry.load_file(plugin)
    bad = ("far-raising", "far-killed", "far-exiting")
    suite = write_tiny(tmp_path, "neighbourly", *bad, "far-hanging", "parricide")
    common = ("picture", *(f"clothes/none/{name}" for name in ("fedavg", "ffl", "neighbourly", *bad)))
    settings = {"plugins": (plugin,), "seeds": (0,)}
    on_cluster = {**settings, "ray": cluster.address, "jobs": None}
    far = run(suite, tmp_path / "far", only=(*common, "clothes/none/parricide"), **on_cluster)
    run(suite, tmp_path / "here", only=common, jobs=1, **settings)
    run(suite, tmp_path / "hang", only=("clothes/none/far-hanging",), limits=Limits(seconds=8.0), **on_cluster)

    found, here = records(tmp_path / "far"), records(tmp_path / "here")
    parricide = found.pop("clothes / none / parricide / seed 0")
    (hanging,) = records(tmp_path / "hang").values()
    assert len(here) == 8
    assert comparable(found) == comparable(here)
    assert hanging.error == "took longer than the limit of 8 s and was stopped"
    assert parricide.status == "failed"
    assert "its process on the node died" in parricide.error
    raising = found["clothes / none / far-raising / seed 0"]
    assert "in misbehave" in raising.output
    assert "in misbehave" in far.store.log(raising.digest).read_text()
    artefacts = [artefact for record in found.values() for artefact in record.artefacts]
    assert artefacts
    for artefact in artefacts:
        assert (tmp_path / "far" / artefact.file).read_bytes() == (tmp_path / "here" / artefact.file).read_bytes()
    assert list((tmp_path / "far" / "running").iterdir()) == []


def test_memory_that_a_task_declares_decides_where_it_runs(cluster: Any, tmp_path: Path, unhurried: Path) -> None:
    suite = write_tiny(tmp_path, "unhurried")
    text = suite.read_text().replace("reported_models = 2", "reported_models = 2\nresources = { memory = 4 }")
    suite.write_text(text.replace("rounds = 3", "rounds = 20"))
    only = ("clothes/none/unhurried",)
    settings = Settings(ray=cluster.address, jobs=None, only=only, plugins=(unhurried,))
    running = start(load_suite(str(suite)), tmp_path / "r", settings)
    places = set()
    for _ in running.go():
        places |= nodes_seen(running)
    assert running.counts == {"ok": 2}
    assert places == {cluster.large.node_id}


def test_a_node_with_other_data_ends_the_run_and_is_named(cluster: Any, tmp_path: Path) -> None:
    settings = Settings(ray=cluster.address, jobs=1, only=("clothes/none/fedavg",), seeds=(0,))
    running = start(load_suite(str(write_tiny(tmp_path))), tmp_path / "r", settings)
    planned = running.planned[0]
    running.planned[0] = replace(planned, cell=replace(planned.cell, data="0" * 64))
    with pytest.raises(UserError, match=r"--ray: node \S+: the code or the data have changed"):
        list(running.go())
    assert records(tmp_path / "r") == {}


def test_a_killed_node_costs_no_cell_and_its_cell_goes_on_from_its_checkpoint(
    cluster: Any, tmp_path: Path, tally: Tally, unhurried: Path
) -> None:
    suite = write_tiny(tmp_path, "unhurried")
    suite.write_text(suite.read_text().replace("rounds = 3", "rounds = 100"))
    chosen = {"only": ("clothes/none/unhurried",), "checkpoint": 0.5, "plugins": (unhurried,)}
    settings = Settings(ray=cluster.address, jobs=None, **chosen)
    running = start(load_suite(str(suite)), tmp_path / "far", settings)
    killed = ""
    for _ in running.go():
        kept = list((tmp_path / "far" / "checkpoints").glob("*.npz"))
        if kept and not killed:
            killed = kept[0].stem
            note = json.loads((tmp_path / "far" / "running" / f"{killed}.json").read_text())
            node = next(node for node in (cluster.small, cluster.large) if node.node_id == note["node"])
            cluster.remove_node(node, allow_graceful=False)
    assert running.counts == {"ok": 2}
    assert any("lost the node that ran clothes / none / unhurried" in line for line in running.notices)
    resumed = running.store.read(killed)
    assert resumed is not None
    assert resumed.provenance.resumed >= 1
    run(suite, tmp_path / "here", jobs=1, **chosen)
    far, here = comparable(records(tmp_path / "far")), comparable(records(tmp_path / "here"))
    tally("a node of a Ray cluster killed in mid-run", 1, sum(far[name] != here[name] for name in here))


def test_what_a_cell_asks_of_the_cluster() -> None:
    needs, gpu = Resources(gpus=0.25, memory=8), Execution("cuda", threads=2)
    assert demand(needs, gpu) == {"num_cpus": 2, "num_gpus": 0.25, "memory": 8 * GB}
    assert demand(needs, Execution("cpu")) == {"num_cpus": 1, "memory": 8 * GB}
    assert demand(Resources(), Execution("cpu")) == {"num_cpus": 1}
    total = {"CPU": 64.0, "GPU": 2.0, "memory": 100.0 * GB}
    assert room(total, demand(needs, gpu)) == 8
    assert room(total, demand(needs, Execution("cpu"))) == 12
    assert room({"CPU": 4.0}, demand(needs, gpu)) == 0
    assert in_words(demand(needs, gpu)) == "2 CPU, 0.25 GPU, 8 GB of memory"


def test_a_parcel_keeps_packages_and_neighbours_in_their_places(tmp_path: Path) -> None:
    package = tmp_path / "from" / "good"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "unrelated.py").write_text("")
    (package / "helper.py").write_text("import fflbench.contracts\nX = 1\n")
    (package / "rules.py").write_text("from .helper import X\n")
    (tmp_path / "from" / "single.py").write_text("import good.rules\n")
    parcel = Parcel.of([package / "rules.py", tmp_path / "from" / "single.py"])
    assert set(parcel.files) == {"good/__init__.py", "good/helper.py", "good/rules.py", "single.py"}
    assert parcel.unpack(tmp_path / "to") == (tmp_path / "to" / "good" / "rules.py", tmp_path / "to" / "single.py")
    assert (tmp_path / "to" / "good" / "helper.py").read_text().endswith("X = 1\n")
    assert Parcel.of([]).unpack(tmp_path / "nothing") == ()


@pytest.mark.parametrize("address", ["somewhere", "ray://head:10001", "host:port"])
def test_an_address_that_is_none_is_said(address: str) -> None:
    with pytest.raises(UserError, match=r"--ray: found .* needs auto .*, local .* or HOST:PORT"):
        connection.connect(address, 1)


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(connection, "PATIENCE", 3.0)
    with pytest.raises(UserError, match=r"--ray: no cluster answers at '127.0.0.1:1' within 3 s"):
        connection.connect("127.0.0.1:1", 1)


def test_without_ray_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'--ray: needs ray: pip install "fflbench\[ray\]"'):
        connection.connect("local", 1)
