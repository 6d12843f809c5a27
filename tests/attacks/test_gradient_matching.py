"""Observers that search for inputs whose gradient is the victim's: images, texts, tables; and membership."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fflbench import registry
from fflbench.attacks.reconstruction.batch_statistics import shown_statistics, watching
from fflbench.attacks.reconstruction.descent import descend
from fflbench.attacks.reconstruction.dlg import DeepLeakage
from fflbench.attacks.reconstruction.idlg import ImprovedDeepLeakage
from fflbench.attacks.reconstruction.labels import infer_labels, whole_counts
from fflbench.attacks.reconstruction.membership import GradientMembership
from fflbench.attacks.reconstruction.see_through import SeeThroughGradients, squared_variation
from fflbench.attacks.reconstruction.simulation import as_trained, cosine_cost, simulated_direction, squared_cost
from fflbench.attacks.reconstruction.tableak import RelaxedRows, TabLeak
from fflbench.attacks.reconstruction.tag import TAG, moved_tokens
from fflbench.contracts import Examples, Observation, Rng, TaskView
from fflbench.keeper import Descents
from fflbench.metrics.images import match, psnr
from fflbench.metrics.membership import area_under_curve
from fflbench.metrics.tables import right_features
from fflbench.metrics.texts import common_tokens
from fflbench.models.bilstm import BiLSTM
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.mlp import AdultMLP
from fflbench.models.small_cnns import LeNet, StridedCNN
from tests.attacks.observing import seen_by_server

DATA = registry.load("datasets", "fashion-mnist-small")().load()
TASK = TaskView("image", DATA.classes, (1, 28, 28), DATA.mean, DATA.std)


def network(kind: type[nn.Module], *arguments: object, seed: int = 0) -> nn.Module:
    with Rng(seed).at("model").inside_torch():
        return kind(*arguments)


def of_lenet(*index: int, **more: object) -> tuple[Examples, Observation]:
    batch = DATA.test[torch.tensor(index)]
    return batch, seen_by_server(network(LeNet, (1, 28, 28), 10), TASK, batch, rate=1.0, **more)


class TestDeepLeakage:
    def test_image_and_label_come_back_together(self) -> None:
        batch, seen = of_lenet(3, known=False)
        guess = DeepLeakage(steps=40, restarts=6).reconstruct(seen, Rng(0))
        assert psnr(batch.inputs, guess.inputs).item() > 40
        assert guess.labels.tolist() == batch.targets.tolist()

    def test_each_image_of_a_batch_has_a_label_of_its_own(self) -> None:
        """A label that all images share, as in a peer, could not fit two classes."""
        batch = Examples(DATA.test.inputs[:2, :, ::2, ::2], DATA.test.targets[:2])
        task = replace(TASK, input_shape=(1, 14, 14))
        seen = seen_by_server(network(LeNet, (1, 14, 14), 10), task, batch, rate=1.0, known=False)
        guess = DeepLeakage(steps=40, restarts=2).reconstruct(seen, Rng(0))
        assert sorted(guess.labels.tolist()) == sorted(batch.targets.tolist())
        assert psnr(batch.inputs, guess.inputs[match(batch.inputs, guess.inputs)]).mean() > 25

    def test_the_label_of_idlg_is_exact(self) -> None:
        for index in range(10):
            batch, seen = of_lenet(index, known=False)
            guess = ImprovedDeepLeakage(steps=1).reconstruct(seen, Rng(0))
            assert guess.labels.tolist() == batch.targets.tolist()

    def test_the_best_image_on_the_way_is_kept(self) -> None:
        _, seen = of_lenet(3)
        few, more = (DeepLeakage(steps=n).reconstruct(seen, Rng(0)) for n in (2, 8))
        assert more.cost <= few.cost
        assert few.steps == 2

    @pytest.mark.parametrize("value", [0.0, float("nan")])
    def test_an_update_that_shows_nothing_ends_early_and_finite(self, value: float) -> None:
        _, seen = of_lenet(3)
        guess = DeepLeakage(steps=5).reconstruct(replace(seen, update=torch.full_like(seen.update, value)), Rng(0))
        assert torch.isfinite(guess.inputs).all()


class TestCosts:
    def test_both_are_least_at_the_truth(self) -> None:
        batch, seen = of_lenet(3, 4)
        true, other = TASK.normalise(batch.inputs), TASK.normalise(DATA.test.inputs[5:7])
        for cost in (cosine_cost(seen), squared_cost(seen)):
            assert float(cost(true, batch.targets).detach()) == pytest.approx(0, abs=1e-5)
            assert float(cost(other, batch.targets).detach()) > 1e-2

    def test_a_cosine_over_some_entries_sees_only_those(self) -> None:
        batch, seen = of_lenet(3)
        kept = torch.zeros(seen.layout.trainable.stop, dtype=torch.bool)
        kept[:100] = True
        changed = seen.update.clone()
        changed[200:] = 7.0
        blind = replace(seen, update=changed)
        inputs = TASK.normalise(batch.inputs)
        assert float(cosine_cost(blind, kept)(inputs, batch.targets).detach()) == pytest.approx(0, abs=1e-5)
        assert float(cosine_cost(blind)(inputs, batch.targets).detach()) > 0.1

    def test_a_hard_label_is_a_soft_label_that_is_sure(self) -> None:
        batch, seen = of_lenet(3)
        soft = nn.functional.one_hot(batch.targets, 10).float()
        inputs = TASK.normalise(batch.inputs)
        torch.testing.assert_close(simulated_direction(seen, inputs, soft), simulated_direction(seen, inputs, batch.targets))

    def test_training_mode_is_simulated_and_leaves_the_model_as_it_was(self) -> None:
        batch = DATA.test[torch.arange(6)]
        model = network(ConvNet64, (1, 28, 28), 10, 4)
        seen = seen_by_server(model, TASK, batch, training_mode=True)
        before = [b.clone() for b in model.buffers()]
        with as_trained(seen):
            found = simulated_direction(seen, TASK.normalise(batch.inputs), batch.targets)
        torch.testing.assert_close(-0.01 * found, seen.update[seen.layout.trainable], atol=1e-6, rtol=1e-3)
        assert not seen.model.training
        assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))


class TestSeeThroughGradients:
    def test_the_batchs_statistics_are_read_from_the_running_ones(self) -> None:
        batch = DATA.test[torch.arange(6)]
        seen = seen_by_server(network(ConvNet64, (1, 28, 28), 10, 4), TASK, batch, training_mode=True)
        shown = shown_statistics(seen)
        mean, variance = shown["features.1"]
        features = seen.model.features[0](TASK.normalise(batch.inputs)).transpose(0, 1).flatten(1)
        torch.testing.assert_close(mean, features.mean(1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(variance, features.var(1), atol=1e-4, rtol=1e-3)
        with as_trained(seen), watching(seen, shown) as distances:
            seen.model.train()
            seen.model(TASK.normalise(batch.inputs))
        assert max(float(d.detach()) for d in distances) < 1e-2
        assert shown_statistics(replace(seen, training_mode=False)) == {}

    def test_an_image_comes_back_better_than_grey(self) -> None:
        batch = DATA.test[torch.tensor([3])]
        seen = seen_by_server(network(StridedCNN, (1, 28, 28), 10), TASK, batch, rate=1.0)
        guess = SeeThroughGradients(steps=300, matching=1.0).reconstruct(seen, Rng(0))
        assert psnr(batch.inputs, guess.inputs) > psnr(batch.inputs, torch.full_like(batch.inputs, 0.5)) + 6
        assert guess.inputs.min() >= 0
        assert guess.inputs.max() <= 1

    def test_seeds_are_drawn_together_by_their_group(self) -> None:
        _, seen = of_lenet(3)
        starts: list[torch.Tensor] = []
        attack = SeeThroughGradients(steps=1, seeds=3, group=1e3, langevin=0.0)
        one = attack._one

        def spy(image: torch.Tensor, *rest: object) -> torch.Tensor:
            starts.append(image)
            return one(image, *rest)

        attack._one = spy  # type: ignore[method-assign]
        attack.steps = 50
        attack.reconstruct(seen, Rng(0))
        images = torch.stack([image.detach() for image in starts[:3]])
        assert images.std(0).mean() < 0.5, "they start one deviation apart"

    def test_variation_by_hand(self) -> None:
        image = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])
        assert squared_variation(image).item() == pytest.approx((9 + 4 + 1 + 0) ** 0.5)


def test_descent_follows_the_schedule_and_tells_the_step_size() -> None:
    rates: list[float] = []
    point = torch.zeros(1, requires_grad=True)
    descend([point], lambda: (point - 1).square().sum(), 80, 0.1, Descents().begin(), signed=True, after=rates.append)
    assert [round(rates[i], 6) for i in (0, 29, 30, 49, 50, 69, 70, 79)] == [
        0.1,
        0.1,
        0.01,
        0.01,
        0.001,
        0.001,
        0.0001,
        0.0001,
    ]


class TestTexts:
    SNIPPETS = registry.load("datasets", "movie-snippets")(words=500, tokens=6).load()
    VIEW = TaskView("text", SNIPPETS.classes, (6,), vocabulary=SNIPPETS.vocabulary)

    def seen(self, *index: int, **more: object) -> tuple[Examples, Observation]:
        with Rng(0).at("model").inside_torch():
            model = BiLSTM(self.SNIPPETS.vocabulary, embedding=32, hidden=64)
        batch = self.SNIPPETS.test[torch.tensor(index)]
        return batch, seen_by_server(model, self.VIEW, batch, rate=1.0, **more)

    def test_the_moved_rows_of_the_embedding_are_the_words(self) -> None:
        batch, seen = self.seen(0, 1)
        assert moved_tokens(seen, "embedding").tolist() == batch.inputs.unique().tolist()

    @pytest.mark.parametrize("index", [4, 12])
    def test_words_are_found_in_the_whole_vocabulary(self, index: int) -> None:
        batch, seen = self.seen(index)
        guess = TAG(steps=200, rows=False).reconstruct(seen, Rng(0))
        assert guess.inputs.dtype == torch.int64
        assert common_tokens(batch.inputs[0], guess.inputs[0]) >= 4, "of six, among 502"

    def test_the_whole_vocabulary_when_nothing_moved(self) -> None:
        _, seen = self.seen(0)
        blank = replace(seen, update=torch.zeros_like(seen.update))
        assert len(moved_tokens(blank, "embedding")) == self.SNIPPETS.vocabulary
        assert TAG(steps=2).reconstruct(blank, Rng(0)).inputs.shape == (1, 6)

    def test_the_embedding_hook_is_gone_afterwards(self) -> None:
        batch, seen = self.seen(0)
        before = seen.model(batch.inputs)
        TAG(steps=2).reconstruct(seen, Rng(0))
        assert torch.equal(seen.model(batch.inputs), before)

    def test_labels_of_one_logit(self) -> None:
        _, seen = self.seen(*range(8), known=False)
        batch = self.SNIPPETS.test[torch.arange(8)]
        assert abs(int(infer_labels(seen, Rng(0)).sum()) - int(batch.targets.sum())) <= 1

    def test_a_network_without_an_embedding_is_refused(self) -> None:
        assert "needs a network with one embedding" in str(TAG().unfit_model(nn.Linear(3, 2), self.VIEW))


class TestTables:
    ADULT = registry.load("datasets", "adult")().load()
    VIEW = TaskView("tabular", ADULT.classes, (10,), levels=ADULT.levels)

    def seen(self, *index: int) -> tuple[Examples, Observation]:
        batch = self.ADULT.test[torch.tensor(index)]
        return batch, seen_by_server(network(AdultMLP, (10,)), self.VIEW, batch, rate=1.0)

    def test_rows_come_back_far_better_than_the_average_row(self) -> None:
        right = []
        for index in (7, 8, 9):
            batch, seen = self.seen(index)
            guess = TabLeak(steps=300, ensemble=2).reconstruct(seen, Rng(0)).inputs
            rows = (guess, torch.zeros_like(guess))
            right.append([right_features(batch.inputs, row, self.ADULT.levels, None).double().mean() for row in rows])
        found, average = torch.tensor(right).mean(0)
        assert found > average + 0.25

    def test_what_it_guesses_for_a_category_is_one_of_its_levels(self) -> None:
        _, seen = self.seen(1, 2)
        guess = TabLeak(steps=5, ensemble=2).reconstruct(seen, Rng(0)).inputs
        for feature, values in enumerate(self.ADULT.levels):
            if values:
                allowed = torch.tensor(values)
                assert all(bool(torch.isclose(allowed, number).any()) for number in guess[:, feature])

    def test_relaxed_rows_are_mixtures_of_levels(self) -> None:
        _, seen = self.seen(1)
        rows = RelaxedRows(seen, Rng(0))
        for values, logits in rows.levels.values():
            logits.data.fill_(-1e3)
            logits.data[:, 0] = 1e3
            assert torch.isclose(rows(), values[0]).any()
        assert len(rows.variables) == 1 + sum(bool(levels) for levels in self.ADULT.levels)


class TestMembership:
    def test_the_victims_records_score_highest(self) -> None:
        batch = DATA.test[torch.arange(4)]
        seen = seen_by_server(network(StridedCNN, (1, 28, 28), 10), TASK, batch)
        candidates = DATA.test[torch.arange(40)]
        guess = GradientMembership().reconstruct(replace(seen, candidates=candidates), Rng(0))
        members = torch.arange(40) < 4
        assert area_under_curve(guess.membership, members) > 0.9

    def test_a_score_is_the_cosine_of_two_gradients(self) -> None:
        batch = DATA.test[torch.arange(1)]
        seen = seen_by_server(network(StridedCNN, (1, 28, 28), 10), TASK, batch, rate=1.0)
        guess = GradientMembership().reconstruct(replace(seen, candidates=DATA.test[torch.tensor([0, 1])]), Rng(0))
        assert float(guess.membership[0]) == pytest.approx(1, abs=1e-4)
        assert float(guess.membership[1]) < 0.999

    def test_nothing_seen_tells_nothing(self) -> None:
        seen = seen_by_server(network(StridedCNN, (1, 28, 28), 10), TASK, DATA.test[torch.arange(2)])
        blank = replace(seen, update=torch.zeros_like(seen.update), candidates=DATA.test[torch.arange(6)])
        guess = GradientMembership().reconstruct(blank, Rng(0))
        assert area_under_curve(guess.membership, torch.arange(6) < 2) == 0.5


def test_whole_counts_by_hand() -> None:
    assert whole_counts(torch.tensor([1.6, 0.2, 2.1, -3.0]), 4).tolist() == [0, 0, 2, 2]
    assert whole_counts(torch.tensor([float("nan"), 0.4]), 1).tolist() == [1]
