"""Observers that solve for the input instead of searching for it: exact on their own ground, and what they do off it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fflbench import registry
from fflbench.attacks.reconstruction.analytic import Analytic
from fflbench.attacks.reconstruction.chain import NotAChainError, chain_of
from fflbench.attacks.reconstruction.fishing import Fishing
from fflbench.attacks.reconstruction.imprint import RobbingTheFed
from fflbench.attacks.reconstruction.r_gap import RecursiveGradientAttack, least_squares, operators, pulled_back
from fflbench.contracts import Examples, Rng, TaskView
from fflbench.metrics.images import match, psnr
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.mlp import MLP
from fflbench.models.small_cnns import LeNet, MnistCNN, StridedCNN
from tests.attacks.observing import seen_by_server

DATA = registry.load("datasets", "fashion-mnist-small")().load()
TASK = TaskView("image", DATA.classes, (1, 28, 28), DATA.mean, DATA.std)
EXACT = 60.0


def network(kind: type[nn.Module], *arguments: object, seed: int = 0) -> nn.Module:
    with Rng(seed).at("model").inside_torch():
        return kind(*arguments)


def scores(images: Tensor, guess: Tensor | None) -> Tensor:
    assert guess is not None
    return psnr(images, guess[match(images, guess)])


def pictures(*index: int) -> Examples:
    return DATA.test[torch.tensor(index)]


class TestAnalytic:
    def test_one_example_is_read_exactly(self) -> None:
        batch = pictures(3)
        seen = seen_by_server(network(MLP, (1, 28, 28), 10), TASK, batch, rate=1.0, known=False)
        guess = Analytic().reconstruct(seen, Rng(0))
        assert scores(batch.inputs, guess.inputs).item() > EXACT
        assert guess.labels.tolist() == batch.targets.tolist()

    def test_the_gradient_of_a_layer_by_hand(self) -> None:
        """dW = k x^T and db = k with k = (0.5, -0.5) of a softmax over two equal logits: x = (1, 2) comes back."""
        layer = nn.Linear(2, 2)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        task = TaskView("tabular", ("a", "b"), (2,))
        seen = seen_by_server(layer, task, Examples(torch.tensor([[1.0, 2.0]]), torch.tensor([1])), rate=1.0)
        assert seen.gradient.tolist() == [0.5, 1.0, -0.5, -1.0, 0.5, -0.5]
        assert Analytic().reconstruct(seen, Rng(0)).inputs.tolist() == [[1.0, 2.0]]

    def test_examples_that_have_neurons_of_their_own_come_out_of_a_batch(self) -> None:
        """Four examples, each with two neurons that only it reaches, and neurons that see them all."""
        inputs = torch.eye(4) * 2
        layer = nn.Linear(4, 12)
        with torch.no_grad():
            layer.weight.copy_(torch.cat([torch.eye(4), torch.eye(4), torch.full((4, 4), 0.3)]))
            layer.bias.zero_()
            layer.bias[:8] = -0.5
        task = TaskView("tabular", ("a", "b"), (4,))
        model = nn.Sequential(layer, nn.ReLU(), network(nn.Linear, 12, 2))
        seen = seen_by_server(model, task, Examples(inputs, torch.tensor([0, 1, 1, 0])), rate=1.0)
        guess = Analytic().reconstruct(seen, Rng(0)).inputs
        torch.testing.assert_close(guess[guess.argmax(1).argsort()], inputs, atol=1e-4, rtol=0)

    @pytest.mark.parametrize("kind", [StridedCNN, LeNet])
    def test_other_networks_are_refused(self, kind: type[nn.Module]) -> None:
        reason = Analytic().unfit_model(network(kind, (1, 28, 28), 10), TASK)
        assert reason == f"Analytic needs a network whose first layer is linear with a bias, {kind.__name__} has none"

    @pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
    @pytest.mark.parametrize("count", [1, 3])
    def test_an_update_that_shows_nothing_gives_finite_guesses(self, value: float, count: int) -> None:
        seen = seen_by_server(network(MLP, (1, 28, 28), 10), TASK, pictures(*range(count)))
        guess = Analytic().reconstruct(replace(seen, update=torch.full_like(seen.update, value)), Rng(0)).inputs
        assert guess.shape == (count, 1, 28, 28)
        assert torch.isfinite(guess).all()


class TestRGap:
    @pytest.mark.parametrize("kind", [MLP, LeNet])
    def test_chains_are_solved_exactly(self, kind: type[nn.Module]) -> None:
        batch = pictures(3)
        seen = seen_by_server(network(kind, (1, 28, 28), 10), TASK, batch, rate=1.0, known=False)
        guess = RecursiveGradientAttack().reconstruct(seen, Rng(0))
        assert scores(batch.inputs, guess.inputs).item() > EXACT
        assert guess.labels.tolist() == batch.targets.tolist()

    @pytest.mark.parametrize("activation", [nn.LeakyReLU(0.2), nn.Tanh(), nn.Sigmoid()])
    def test_every_invertible_activation(self, activation: nn.Module) -> None:
        task = TaskView("image", ("a", "b", "c"), (1, 6, 6), (0.5,), (0.25,))
        with Rng(1).at("model").inside_torch():
            model = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                activation,
                nn.Conv2d(4, 8, 3, padding=1),
                activation,
                nn.Flatten(),
                nn.Linear(288, 3),
            )
        images = torch.rand(1, 1, 6, 6, generator=Rng(2).torch())
        seen = seen_by_server(model, task, Examples(images, torch.tensor([2])), rate=1.0)
        assert RecursiveGradientAttack().unfit_model(model, task) is None
        assert scores(images, RecursiveGradientAttack().reconstruct(seen, Rng(0)).inputs).item() > 40

    def test_the_operators_of_a_convolution_equal_autograd(self) -> None:
        with Rng(3).at("layer").inside_torch():
            layer = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
            inputs = torch.randn(1, 2, 5, 5, dtype=torch.float64, requires_grad=True)
            upstream = torch.randn(1, 3, 3, 3, dtype=torch.float64)
        (link,) = chain_of(nn.Sequential(layer.float()), (2, 5, 5))
        layer.double()
        outputs = layer(inputs)
        into, weight = torch.autograd.grad(outputs, (inputs, layer.weight), upstream)
        forward, backward = operators(link, upstream.flatten())
        flat = inputs.detach().flatten()
        torch.testing.assert_close(forward @ flat, (outputs - layer.bias.view(1, 3, 1, 1)).detach().flatten())
        torch.testing.assert_close(backward @ flat, weight.flatten())
        torch.testing.assert_close(pulled_back(link, upstream.flatten()), into.flatten())

    @pytest.mark.parametrize("rank", [1, 5, 6])
    @pytest.mark.parametrize(("rows", "columns"), [(9, 6), (6, 6), (6, 9)])
    @pytest.mark.parametrize("weakest", [1.0, 1e-6, 1e-12])
    def test_least_squares_is_of_least_norm_whatever_the_rank(
        self, rows: int, columns: int, rank: int, weakest: float
    ) -> None:
        """The definition by singular values, the weakest of which may be too small to count."""
        torch.manual_seed(rows + columns + rank)
        left, right = torch.randn(rows, rank).double(), torch.randn(columns, rank).double()
        values = torch.tensor([2.0, *[1.0] * (rank - 2), weakest][:rank]).double()
        matrix, wanted = torch.linalg.qr(left).Q * values @ torch.linalg.qr(right).Q.T, torch.randn(rows).double()
        expected = torch.linalg.pinv(matrix, rtol=1e-9) @ wanted
        torch.testing.assert_close(least_squares(matrix, wanted), expected, rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize(
        ("kind", "arguments", "word"), [(MnistCNN, (10,), "max_pool2d"), (ConvNet64, ((1, 28, 28), 10, 4), "features_1")]
    )
    def test_what_is_no_chain_is_named(self, kind: type[nn.Module], arguments: tuple[object, ...], word: str) -> None:
        assert word in str(RecursiveGradientAttack().unfit_model(network(kind, *arguments), TASK))

    def test_a_network_that_branches_is_no_chain(self) -> None:
        class Skip(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(4, 4)

            def forward(self, inputs: Tensor) -> Tensor:
                return inputs + self.layer(inputs)

        with pytest.raises(NotAChainError, match="Skip branches"):
            chain_of(Skip(), (4,))

    def test_a_system_that_is_too_large_is_refused(self) -> None:
        task = replace(TASK, input_shape=(3, 64, 64))
        assert "beyond 20,000,000 entries" in str(
            RecursiveGradientAttack().unfit_model(network(LeNet, (3, 64, 64), 10), task)
        )

    @pytest.mark.parametrize("value", [0.0, float("nan")])
    def test_an_update_that_shows_nothing_gives_finite_guesses(self, value: float) -> None:
        seen = seen_by_server(network(StridedCNN, (1, 28, 28), 10), TASK, pictures(0))
        guess = (
            RecursiveGradientAttack().reconstruct(replace(seen, update=torch.full_like(seen.update, value)), Rng(0)).inputs
        )
        assert torch.isfinite(guess).all()


class TestImprint:
    def test_a_batch_is_read_exactly(self) -> None:
        batch, attack = pictures(*range(8)), RobbingTheFed(bins=512)
        model = attack.tamper(network(StridedCNN, (1, 28, 28), 10), TASK, Rng(0))
        seen = seen_by_server(model, TASK, batch, rate=1.0)
        assert scores(batch.inputs, attack.reconstruct(seen, Rng(0)).inputs).median() > EXACT

    def test_two_images_in_one_bin_come_out_as_their_mixture(self) -> None:
        """Two copies of an image with two labels: one bin, and the image in it."""
        attack, batch = RobbingTheFed(bins=8), Examples(pictures(5, 5).inputs, torch.tensor([0, 1]))
        model = attack.tamper(network(StridedCNN, (1, 28, 28), 10), TASK, Rng(0))
        guess = attack.reconstruct(seen_by_server(model, TASK, batch, rate=1.0), Rng(0)).inputs
        assert psnr(batch.inputs[:1], guess[:1]).item() > EXACT
        assert (guess[1] == 0.5).all(), "nothing in the other bins"

    def test_the_network_still_learns(self) -> None:
        model = RobbingTheFed().tamper(network(StridedCNN, (1, 28, 28), 10), TASK, Rng(0))
        before = TASK.normalise(DATA.test.inputs[:64])
        outputs = model(before)
        assert outputs.shape == (64, 10)
        assert outputs.std() > 0.01

    def test_no_image_at_all_is_grey(self) -> None:
        attack = RobbingTheFed()
        model = attack.tamper(network(StridedCNN, (1, 28, 28), 10), TASK, Rng(0))
        seen = seen_by_server(model, TASK, pictures(0, 1))
        guess = attack.reconstruct(replace(seen, update=torch.zeros_like(seen.update)), Rng(0)).inputs
        assert (guess == 0.5).all()


class TestFishing:
    def batch(self) -> Examples:
        """Eight pictures, one of class 0."""
        zero = (DATA.test.targets == 0).nonzero().flatten()[:1]
        others = (DATA.test.targets != 0).nonzero().flatten()[:7]
        return DATA.test[torch.cat([others[:3], zero, others[3:]])]

    def test_one_of_eight_is_caught_and_all_labels_are_counted(self) -> None:
        batch, attack = self.batch(), Fishing(steps=400, total_variation=1e-4)
        model = attack.tamper(network(LeNet, (1, 28, 28), 10), TASK, Rng(0))
        seen = seen_by_server(model, TASK, batch, rate=1.0, known=False)
        guess = attack.reconstruct(seen, Rng(0))
        assert guess.labels.tolist() == sorted(batch.targets.tolist())
        assert psnr(batch.inputs[3:4], guess.inputs[:1]).item() > 25
        assert (guess.inputs[1:] == 0.5).all()

    def test_below_the_output_only_the_target_class_is_left_in_the_gradient(self) -> None:
        attack, batch = Fishing(), self.batch()
        model = attack.tamper(network(LeNet, (1, 28, 28), 10), TASK, Rng(0))
        alone = seen_by_server(model, TASK, batch[torch.tensor([3])], rate=1.0)
        within = seen_by_server(model, TASK, batch, rate=1.0)
        name = "conv1.weight"
        one, all_ = (seen.layout.view(seen.gradient, name) for seen in (alone, within))
        torch.testing.assert_close(8 * all_, one, atol=1e-5, rtol=1e-3)

    def test_a_batch_without_the_class_stays_grey(self) -> None:
        attack = Fishing()
        model = attack.tamper(network(LeNet, (1, 28, 28), 10), TASK, Rng(0))
        others = self.batch()[torch.tensor([0, 1, 2])]
        assert (attack.reconstruct(seen_by_server(model, TASK, others, rate=1.0), Rng(0)).inputs == 0.5).all()

    def test_a_network_without_a_linear_output_is_refused(self) -> None:
        model = nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten())
        assert "needs a linear output layer" in str(Fishing().unfit_model(model, TASK))
