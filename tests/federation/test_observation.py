"""The reconstruction track: what the server sees under each defense, and what it makes of it."""

from __future__ import annotations

import io
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fflbench import registry
from fflbench.attacks.reconstruction.labels import infer_labels
from fflbench.attacks.reconstruction.simulation import seen_direction, simulated_direction
from fflbench.clock import Clock
from fflbench.composition import build_defense
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Round, Stage, Upload, Visibility
from fflbench.errors import UserError
from fflbench.execution import FULL, Execution
from fflbench.federation.observation import Seen, observe
from fflbench.federation.scene import Scene, drawn_scene
from fflbench.federation.task import load_task
from fflbench.keeper import Keeper
from fflbench.settings import ObservationSettings
from fflbench.suite import load_suite

SUITE = """
name = "o"
seeds = [{seed}]
defenses = [{{ label = "d", name = "{defense}" }}]
[reconstruction]
attacks = ["{attack}"]
[[reconstruction.tasks]]
dataset = "{dataset}"
model = "{model}"
{settings}
"""


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    class Spy(ReconstructionAttack):
        """Returns grey and keeps what it saw."""

        kept: list[Observation] = []  # noqa: RUF012

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            Spy.kept.append(seen)
            return Reconstruction(torch.full((seen.examples, *seen.task.input_shape), 0.5), seen.labels)

    Spy.kept = []
    monkeypatch.setitem(registry._from_files, ("attacks", "spy"), registry.Plugin("attacks", "spy", Spy, "test"))

    def run(settings: str = "", defense: str = "mean", attack: str = "spy", model: str = "strided-cnn",
            dataset: str = "fashion-mnist-small", seed: int = 0, execution: Execution = FULL) -> tuple[Seen, list[Observation]]:  # fmt: skip
        path = tmp_path / "o.toml"
        path.write_text(
            SUITE.format(seed=seed, defense=defense, attack=attack, model=model, dataset=dataset, settings=settings)
        )
        spec = load_suite(str(path)).cells()[0]
        return observe(spec, execution, Clock(), lambda done, total: None, Keeper()), Spy.kept

    return run


def test_one_step_shows_the_gradient(seen: Any) -> None:
    _, (saw,) = seen("batch = 3")
    images = saw.upload.rows
    assert images.shape == (2, saw.layout.size)
    assert not saw.model.training
    assert saw.labels is not None
    assert saw.labels.shape == (3,)
    start = torch.cat([p.detach().flatten() for p in saw.model.parameters()])
    assert start.abs().sum() > 0
    torch.testing.assert_close(saw.gradient, -saw.update / 0.01)


def test_settings_reach_the_observer(seen: Any) -> None:
    _, saws = seen("batch = 2\npeers = 3\nvictims = 3\nsteps = 4\nlearning_rate = 0.001\nlabels_known = false")
    assert len(saws) == 3
    assert {(s.steps, s.learning_rate, s.examples, s.labels) for s in saws} == {(4, 0.001, 2, None)}
    assert not torch.equal(saws[0].update, saws[1].update)


def test_under_mixing_the_victims_upload_is_half_its_partners(seen: Any) -> None:
    _, (plain,) = seen("")
    own = plain.upload.rows
    _, kept = seen("", defense="fragment-mixing+mean")
    mixed = kept[-1].update
    from_own = (mixed == own[0]) & (own[0] != own[1])
    from_partner = (mixed == own[1]) & (own[0] != own[1])
    differ = int((own[0] != own[1]).sum())
    assert int(from_own.sum()) + int(from_partner.sum()) == differ
    assert int(from_own.sum()) / differ == pytest.approx(0.5, abs=0.02)
    assert kept[-1].upload.visibility is Visibility.MIXED


def test_references_stand_beside_the_score(seen: Any) -> None:
    result, _ = seen("batch = 2\nvictims = 2")
    assert set(result.references) == {"grey", "random start", "true image"}
    assert result.metrics["psnr"] == pytest.approx(result.references["grey"]["psnr"]), "the spy answers grey"
    assert result.references["true image"]["psnr"] == 100
    assert result.references["random start"]["ssim"] < 0.2
    assert result.metrics["label-recovery"] is None, "the server was told the labels"
    assert "label-recovery" not in result.references["grey"] or result.references["grey"]["label-recovery"] is None


def test_pictures_are_the_originals_and_the_guesses(seen: Any) -> None:
    result, _ = seen("batch = 2\nimages = [5, 6, 7, 8]")
    assert [(p.role, p.index) for p in result.pictures] == [
        ("original", 0),
        ("reconstruction", 0),
        ("original", 1),
        ("reconstruction", 1),
    ]
    data = registry.load("datasets", "fashion-mnist-small")().load()
    pixels = np.asarray(Image.open(io.BytesIO(result.pictures[2].png)))
    assert (pixels == (data.test.inputs[6, 0] * 255).round().numpy()).all()
    assert (np.asarray(Image.open(io.BytesIO(result.pictures[3].png))) == 128).all()
    assert set(result.pictures[3].scores) == {"psnr", "ssim"}


def test_seeds_draw_other_victims_and_the_same_seed_the_same(seen: Any) -> None:
    first, again, other = seen("", seed=1)[0], seen("", seed=1)[0], seen("", seed=2)[0]
    assert first.pictures[0].png == again.pictures[0].png
    assert first.pictures[0].png != other.pictures[0].png


def test_too_few_examples_is_a_clear_error(seen: Any) -> None:
    with pytest.raises(UserError, match="needs 1002 test examples, has 1000"):
        seen("images = [0, 1001]")


def test_a_victim_that_sat_out_gives_nothing_away(seen: Any) -> None:
    result, saws = seen("peers = 3\nvictims = 3", defense="fragment-mixing+mean")
    assert len(saws) == 2
    assert result.notes["absent victims"] == 1
    assert result.notes["victims"] == 3


def test_a_guess_that_is_not_finite_is_scored_all_the_same(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(ReconstructionAttack):
        """NaN everywhere."""

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            return Reconstruction(torch.full((seen.examples, *seen.task.input_shape), float("nan")))

    monkeypatch.setitem(registry._from_files, ("attacks", "broken"), registry.Plugin("attacks", "broken", Broken, "test"))
    result, _ = seen("", attack="broken")
    assert result.metrics["psnr"] == pytest.approx(result.references["grey"]["psnr"])
    assert result.metrics["label-recovery"] is None


def test_the_server_of_a_sum_sees_one_row(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class PlainSum(Stage):
        """Only the mean leaves."""

        reveals = Visibility.SUM

        def share(self, upload: Upload, round: Round) -> Upload:
            return Upload(upload.rows.mean(0, keepdim=True), upload.peers, Visibility.SUM)

    monkeypatch.setitem(
        registry._from_files, ("defenses", "plain-sum"), registry.Plugin("defenses", "plain-sum", PlainSum, "t")
    )
    _, (saw,) = seen("", defense="plain-sum+mean")
    assert saw.upload.rows.shape[0] == 1


def test_a_malicious_server_may_change_the_model_that_everybody_trains(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeroing(ReconstructionAttack):
        """Sends an all-zero model."""

        def tamper(self, model: torch.nn.Module, task: object, rng: Rng) -> torch.nn.Module:
            for parameter in model.parameters():
                parameter.data.zero_()
            return model

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            assert not any(p.any() for p in seen.model.parameters())
            return Reconstruction(torch.zeros(seen.examples, *seen.task.input_shape))

    monkeypatch.setitem(registry._from_files, ("attacks", "zeroing"), registry.Plugin("attacks", "zeroing", Zeroing, "test"))
    assert seen("", attack="zeroing")[0].metrics["psnr"] is not None


@pytest.mark.parametrize("seed", [0, 1])
def test_inversion_succeeds_against_fedavg_and_fails_against_ffl(
    seen: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fflbench.attacks.reconstruction.inverting_gradients import InvertingGradients

    class Quick(InvertingGradients):
        """Inverting Gradients as in the suite quickstart."""

        def __init__(self) -> None:
            super().__init__(steps=600, total_variation=1e-3)

    monkeypatch.setitem(registry._from_files, ("attacks", "quick"), registry.Plugin("attacks", "quick", Quick, "test"))
    plain, _ = seen("", attack="quick", seed=seed)
    mixed, _ = seen("", attack="quick", defense="ffl", seed=seed)
    assert plain.metrics["psnr"] > 25
    assert plain.metrics["ssim"] > 0.8
    assert mixed.metrics["psnr"] < plain.metrics["psnr"] - 10
    assert mixed.metrics["ssim"] < 0.4


def test_attacks_simulate_as_precisely_as_victims_train(seen: Any) -> None:
    """A victim in bfloat16 sends what rounds as the simulation does, and not what float32 gives."""
    _, (saw,) = seen("learning_rate = 1.0", execution=Execution(precision="bfloat16"))
    sent, exactly = seen_direction(saw), replace(saw, lowered=nullcontext)
    images = saw.task.normalise(saw.candidates.inputs).requires_grad_()

    def apart(observation: Observation, index: int) -> Tensor:
        pair = images[index : index + 1], saw.candidates.targets[index : index + 1]
        return (simulated_direction(observation, *pair) - sent).norm() / sent.norm()

    low, high = (torch.stack([apart(view, index) for index in range(len(images))]) for view in (saw, exactly))
    own = int(high.argmin())
    assert low[own] < 1e-5
    assert 1e-3 < high[own] < 0.1
    (slope,) = torch.autograd.grad(low.sum(), images)
    assert torch.isfinite(slope).all()


def test_labels_that_the_server_had_to_find_are_scored(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader(ReconstructionAttack):
        """Reads labels, guesses grey."""

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            return Reconstruction(torch.full((seen.examples, *seen.task.input_shape), 0.5), infer_labels(seen, rng))

    monkeypatch.setitem(registry._from_files, ("attacks", "reader"), registry.Plugin("attacks", "reader", Reader, "test"))
    assert seen("batch = 4\nlabels_known = false", attack="reader")[0].metrics["label-recovery"] == 100
    assert seen("batch = 4", attack="reader")[0].metrics["label-recovery"] is None


def test_more_labels_than_examples_are_refused(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(ReconstructionAttack):
        """Answers every label at once."""

        def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
            return Reconstruction(torch.zeros(seen.examples, *seen.task.input_shape), torch.arange(10).repeat(10))

    monkeypatch.setitem(registry._from_files, ("attacks", "greedy"), registry.Plugin("attacks", "greedy", Greedy, "test"))
    with pytest.raises(UserError, match=r"Greedy.reconstruct: returned labels of shape \(100,\)"):
        seen("batch = 2\nlabels_known = false", attack="greedy")


class TestTextsAndTables:
    def test_texts_are_scored_by_tokens(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Copyist(ReconstructionAttack):
            """Returns padding but for the victim's first text."""

            data = ("text",)

            def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
                texts = torch.zeros(seen.examples, *seen.task.input_shape, dtype=torch.int64)
                texts[0, -1] = 5
                return Reconstruction(texts)

        plugin = registry.Plugin("attacks", "copyist", Copyist, "test")
        monkeypatch.setitem(registry._from_files, ("attacks", "copyist"), plugin)
        result, _ = seen("", attack="copyist", model="imdb-bilstm", dataset="movie-snippets")
        assert 0 <= result.metrics["token-recovery"] < 50
        assert result.metrics["psnr"] is None
        assert result.pictures == []
        assert set(result.references) == {"frequent words", "random start"}
        assert result.references["frequent words"]["token-recovery"] > result.references["random start"]["token-recovery"]

    def test_tables_are_scored_by_features(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Average(ReconstructionAttack):
            """Guesses zeros, the mean of standardised features."""

            data = ("tabular",)

            def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
                return Reconstruction(torch.zeros(seen.examples, *seen.task.input_shape))

        plugin = registry.Plugin("attacks", "average", Average, "test")
        monkeypatch.setitem(registry._from_files, ("attacks", "average"), plugin)
        result, saws = seen("batch = 3", attack="average", model="adult-mlp", dataset="adult")
        assert result.metrics["feature-recovery"] == pytest.approx(result.references["average row"]["feature-recovery"])
        assert set(result.references) == {"average row", "random start"}
        assert saws == []

    def test_whole_numbers_for_texts(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Fractional(ReconstructionAttack):
            """Half a token."""

            data = ("text",)

            def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
                return Reconstruction(torch.full((seen.examples, *seen.task.input_shape), 0.5))

        plugin = registry.Plugin("attacks", "fractional", Fractional, "test")
        monkeypatch.setitem(registry._from_files, ("attacks", "fractional"), plugin)
        with pytest.raises(
            UserError, match=r"Fractional\.reconstruct: returned inputs .* needs at least 1 .* whole numbers"
        ):
            seen("", attack="fractional", model="imdb-bilstm", dataset="movie-snippets")


class TestMembershipAndSums:
    def oracle(self, monkeypatch: pytest.MonkeyPatch, kept: list[Observation]) -> None:
        class Oracle(ReconstructionAttack):
            """Prefers whichever candidate comes first."""

            guesses = "membership"

            def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
                kept.append(seen)
                return Reconstruction(None, membership=-torch.arange(float(len(seen.candidates))))

        plugin = registry.Plugin("attacks", "oracle", Oracle, "test")
        monkeypatch.setitem(registry._from_files, ("attacks", "oracle"), plugin)

    def test_the_victims_records_are_among_fifty_of_nobodys(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        kept: list[Observation] = []
        self.oracle(monkeypatch, kept)
        result, _ = seen("batch = 3\npeers = 2\nvictims = 2\nimages = [5, 6, 7, 8, 9, 10]", attack="oracle")
        data = registry.load("datasets", "fashion-mnist-small")().load()
        for saw, own in zip(kept, ([5, 6, 7], [8, 9, 10]), strict=True):
            assert len(saw.candidates) == 53
            where = [int((data.test.inputs == image).flatten(1).all(1).nonzero()[0]) for image in saw.candidates.inputs]
            assert set(own) <= set(where)
            assert not set(where) & ({5, 6, 7, 8, 9, 10} - set(own)), "another peer's records are nobody's business"
        assert 0 < result.metrics["membership-auc"] < 1
        assert result.metrics["psnr"] is None

    def test_a_victim_that_sat_out_shows_nothing(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.oracle(monkeypatch, [])
        result, _ = seen("peers = 3\nvictims = 3", attack="oracle", defense="fragment-mixing+mean")
        assert result.notes["absent victims"] == 1
        assert result.metrics["membership-auc"] is not None

    def test_under_a_sum_the_update_speaks_of_everybody(self, seen: Any) -> None:
        _, (saw,) = seen("batch = 2\npeers = 3", defense="secure-aggregation+mean")
        assert saw.examples == 6
        assert saw.labels.shape == (6,)

    def test_of_more_guesses_those_that_fit_count(self, seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        data = registry.load("datasets", "fashion-mnist-small")().load()

        class Knowing(ReconstructionAttack):
            """Returns everybody's images, the victim's last."""

            def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
                return Reconstruction(data.test.inputs[[9, 8, 7, 6, 5]])

        monkeypatch.setitem(
            registry._from_files, ("attacks", "knowing"), registry.Plugin("attacks", "knowing", Knowing, "t")
        )
        result, _ = seen("batch = 2\nimages = [5, 6, 7, 8]", attack="knowing")
        assert result.metrics["psnr"] == 100

    def test_training_mode_reaches_the_peers_and_the_observer(self, seen: Any) -> None:
        _, (quiet,) = seen("batch = 4", model="convnet64")
        _, (_, saw) = seen("batch = 4\ntraining_mode = true", model="convnet64")
        assert (quiet.training_mode, saw.training_mode) == (False, True)
        buffers = slice(saw.layout.trainable.stop, saw.layout.size)
        assert not quiet.update[buffers].any()
        assert saw.update[buffers].any(), "batch norm's statistics moved"
        assert not saw.model.training


class TestWhatPeersHold:
    """`held` and `classes`: what a peer takes of it in each round."""

    @staticmethod
    def scene(tmp_path: Path, settings: str) -> Scene:
        path = tmp_path / "o.toml"
        path.write_text(SUITE.format(seed=0, defense="mean", attack="imprint", model="strided-cnn",
                                     dataset="fashion-mnist-small", settings=settings))  # fmt: skip
        (spec,) = load_suite(str(path)).cells()
        values = ObservationSettings.model_validate(spec.task.settings, strict=False)
        return drawn_scene(load_task(spec.task), values, build_defense(spec.defense), Rng(0))

    def test_the_same_batch_every_round_if_nothing_is_said(self, tmp_path: Path) -> None:
        rounds = self.scene(tmp_path, "peers = 3\nbatch = 4\nrounds = 3").batches
        assert len(rounds) == 3
        for peer in range(3):
            assert all(torch.equal(round_[peer].inputs, rounds[0][peer].inputs) for round_ in rounds)

    def test_a_fresh_batch_every_round_from_what_a_peer_holds(self, tmp_path: Path) -> None:
        rounds = self.scene(tmp_path, "peers = 3\nbatch = 4\nheld = 6\nrounds = 40").batches
        taken = [
            {tuple(image.flatten().tolist()) for round_ in rounds for image in round_[peer].inputs} for peer in range(3)
        ]
        assert [len(mine) for mine in taken] == [6, 6, 6]
        assert len(set.union(*taken)) == 18
        assert all(
            len({tuple(image.flatten().tolist()) for image in batch.inputs}) == 4 for round_ in rounds for batch in round_
        )
        assert not torch.equal(rounds[0][0].inputs, rounds[1][0].inputs)

    @pytest.mark.parametrize(("peers", "classes", "held"), [(10, 2, 20), (20, 1, 30), (7, 3, 8)])
    def test_of_few_classes_as_often_each_as_can_be(self, peers: int, classes: int, held: int, tmp_path: Path) -> None:
        settings = f"peers = {peers}\nbatch = {held}\nclasses = {classes}"
        (batches,) = self.scene(tmp_path, settings).batches
        mine = [set(batch.targets.tolist()) for batch in batches]
        assert all(len(kinds) == classes for kinds in mine)
        assert all(len(batch) == held for batch in batches)
        counts = [sum(kind in kinds for kinds in mine) for kind in range(10)]
        assert max(counts) - min(counts) <= 1

    @pytest.mark.parametrize(("settings", "why"), [
        ("batch = 4\nheld = 3", "held: found 3, needs at least the batch of 4"),
        ("images = [1, 2]\nheld = 3", "images: found beside held or classes"),
        ("batch = 4\nclasses = 11", "classes: found 11, needs at most 4"),
        ("batch = 2\nclasses = 3", "classes: found 3, needs at most 2"),
        ("peers = 20\nbatch = 50\nheld = 51", "needs 1020 test examples, has 1000"),
        ("peers = 4\nbatch = 300\nclasses = 1", "classes: has too few test examples of"),
    ])  # fmt: skip
    def test_what_cannot_be_is_said_in_a_line(self, settings: str, why: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=why):
            self.scene(tmp_path, settings)

    def test_an_observer_that_links_sees_other_batches_of_the_same_peers(self, seen: Any) -> None:
        """Of one class each, fresh batches still show whose they are; of the same ten classes they hardly do."""
        settings = "peers = 10\nvictims = 10\nbatch = 4\nheld = 12\nrounds = 4\nlearning_rate = 0.01\n"
        apart, _ = seen(settings + "classes = 1", attack="linkage")
        alike, _ = seen(settings, attack="linkage")
        assert apart.metrics["linkage-accuracy"] == 100
        assert alike.metrics["linkage-accuracy"] < 100
