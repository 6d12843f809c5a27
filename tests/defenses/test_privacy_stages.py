"""What peers do for their privacy: by hand, on average, and through a real round."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import norm as normal

from fflbench.contracts import Layout, Parameter, Rng, Round, Stage, UnfitError, Upload, Visibility
from fflbench.defenses.privacy.accountant import epsilon
from fflbench.defenses.privacy.central_dp import CentralDP
from fflbench.defenses.privacy.clip import clip
from fflbench.defenses.privacy.local_dp import LocalDP
from fflbench.defenses.privacy.precode import Precode, VariationalBottleneck
from fflbench.defenses.privacy.pruning import GradientPruning
from fflbench.defenses.privacy.quantisation import Quantisation
from fflbench.defenses.privacy.soteria import Soteria, revealing
from fflbench.defenses.privacy.sparsify import RandomK, TopK
from fflbench.defenses.secure_aggregation.stage import SecureAggregation
from fflbench.execution import Execution
from fflbench.federation.loss import task_loss
from fflbench.federation.network import Network
from fflbench.federation.trainer import Trainer
from fflbench.models.convnet64 import ConvNet64
from fflbench.models.mlp import MLP
from fflbench.models.small_cnns import StridedCNN

MakeRound = Callable[..., Round]
WITH_BUFFER = Layout(
    (Parameter("w", (2, 3), 0, 6, True), Parameter("b", (2,), 6, 2, True), Parameter("running", (2,), 8, 2, False))
)


def shared(stage: Stage, rows: torch.Tensor, make_round: MakeRound, layout: Layout | None = None, **more: object) -> Upload:
    round_ = make_round(rows, **more)
    round_.layout = layout or round_.layout
    return stage.share(Upload(rows.clone(), round_.peers), round_)


def test_clipping_shortens_and_never_lengthens() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    clip(rows, 1.0)
    torch.testing.assert_close(rows, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_local_noise_has_its_strength_and_differs_between_peers(make_round: MakeRound) -> None:
    rows = torch.zeros(2, 40000)
    rows[:, 0] = 10.0
    sent = shared(LocalDP(clip=2.0, noise=0.5), rows, make_round).rows
    assert sent[:, 1:].std().item() == pytest.approx(1.0, rel=0.02)
    assert sent[0, 0] < 6
    assert not torch.equal(sent[0], sent[1])


def test_central_noise_shrinks_with_the_number_of_uploads(make_round: MakeRound) -> None:
    for n in (4, 16):
        rows = torch.zeros(n, 40000)
        vector = CentralDP(clip=2.0, noise=0.8).aggregate(Upload(rows, tuple(range(n))), make_round(rows)).vector
        assert vector.std().item() == pytest.approx(1.6 / n, rel=0.02)


def test_epsilon_of_one_gaussian_mechanism_bounds_the_exact_one() -> None:
    """The exact trade-off of the Gaussian mechanism (Balle and Wang 2018) at the epsilon that the accountant reports: Renyi
    accounting is an upper bound, within a fifth here."""

    def exact_delta(eps: float, sigma: float) -> float:
        a, b = 1 / (2 * sigma), eps * sigma
        return float(normal.cdf(a - b) - math.exp(eps) * normal.cdf(-a - b))

    reported = epsilon(noise=4.0, rounds=1, delta=1e-5)
    assert isinstance(reported, float)
    assert exact_delta(reported, sigma=2.0) <= 1e-5
    assert exact_delta(0.8 * reported, sigma=2.0) > 1e-5


def test_epsilon_grows_with_rounds_and_falls_with_noise_and_sampling() -> None:
    values = [epsilon(4.0, 1, 1e-5), epsilon(4.0, 10, 1e-5), epsilon(8.0, 10, 1e-5), epsilon(8.0, 10, 1e-5, (10, 100))]
    assert values[0] < values[1] > values[2] > values[3]
    assert epsilon(4.0, 10, 1e-5, (10, 10)) == values[1], "everybody is no sample"


def test_the_record_says_what_was_spent(make_round: MakeRound) -> None:
    local, central, rows = LocalDP(noise=4.0), CentralDP(noise=4.0), torch.zeros(3, 5)
    assert local.notes() == {} == central.notes()
    for peers in ((0, 1, 2), (0, 3, 4)):
        round_ = make_round(rows, peers=peers, population=5)
        local.share(Upload(rows, peers), round_)
        central.aggregate(Upload(rows, peers), round_)
    assert local.notes() == {"local epsilon": epsilon(4.0, 2, 1e-5), "delta": 1e-5}, "peer 0 took part twice"
    assert central.notes()["central epsilon"] == epsilon(4.0, 2, 1e-5, (3, 5))


def test_secure_aggregation_leaves_the_mean_and_nothing_else(make_round: MakeRound) -> None:
    upload = shared(SecureAggregation(), torch.tensor([[1.0, 2.0], [3.0, 6.0]]), make_round)
    assert upload.rows.tolist() == [[2, 4]]
    assert upload.visibility is Visibility.SUM
    assert upload.peers == (0, 1)


def test_top_k_sends_the_largest_and_remembers_the_rest(make_round: MakeRound) -> None:
    stage = TopK(keep=0.25)
    first = shared(stage, torch.tensor([[1.0, -9.0, 3.0, 2.0, 0.0, 4.0, 1.0, -5.0, 7.0, 7.0]]), make_round, WITH_BUFFER)
    assert first.rows.tolist() == [[0, -9, 0, 0, 0, 0, 0, -5, 7, 7]], "a quarter of eight, and the buffers whole"
    assert first.row_bytes == 2 * 8 + 2 * 4
    second = shared(stage, torch.tensor([[0.0] * 8 + [1.0, 1.0]]), make_round, WITH_BUFFER)
    assert second.rows.tolist() == [[0, 0, 3, 0, 0, 4, 0, 0, 1, 1]], "what was held back comes later"
    assert shared(TopK(keep=0.25, memory=False), torch.zeros(1, 10), make_round, WITH_BUFFER).rows.sum() == 0


def test_random_k_is_right_on_average(make_round: MakeRound) -> None:
    rows = torch.arange(10.0).repeat(1, 1)
    uploads = [shared(RandomK(keep=0.5), rows, make_round, WITH_BUFFER, index=index) for index in range(400)]
    assert uploads[0].row_bytes == (4 + 2) * 4
    assert (torch.stack([u.rows[0, :8] for u in uploads]) != 0).sum(1).max() <= 4
    torch.testing.assert_close(torch.cat([u.rows for u in uploads]).mean(0), rows[0], rtol=0.15, atol=0.05)


def test_pruning_clears_the_smallest_of_every_tensor(make_round: MakeRound) -> None:
    rows = torch.tensor([[1.0, -9.0, 3.0, 2.0, 0.5, 4.0, 0.1, -0.5, 7.0, 7.0]])
    upload = shared(GradientPruning(prune=0.5), rows, make_round, WITH_BUFFER)
    assert upload.rows.tolist() == [[0, -9, 3, 0, 0, 4, 0, -0.5, 7, 7]]
    assert upload.row_bytes == 8 * (3 + 1) + 8
    assert shared(GradientPruning(prune=0.99), rows, make_round, WITH_BUFFER).rows[0, :8].count_nonzero() == 2


def test_quantisation_has_few_values_and_is_right_on_average(make_round: MakeRound) -> None:
    rows = torch.tensor([[0.1, -0.9, 0.3, 0.2, 0.05, 1.4, 3.0, 0.0, 7.0, 7.3]])
    uploads = [shared(Quantisation(bits=3), rows, make_round, WITH_BUFFER, index=index) for index in range(500)]
    values = torch.cat([u.rows for u in uploads])
    unit = 1.4 / 3
    torch.testing.assert_close((values[:, :6] / unit), (values[:, :6] / unit).round(), atol=1e-4, rtol=0)
    torch.testing.assert_close(values.mean(0), rows[0], atol=0.05, rtol=0)
    assert (values[:, 8:] == rows[:, 8:]).all()
    assert uploads[0].row_bytes == (6 * 3 + 32 + 2 * 3 + 32 + 64 + 7) // 8
    assert shared(Quantisation(), torch.zeros(2, 10), make_round, WITH_BUFFER).rows.abs().sum() == 0


def network(model: torch.nn.Module) -> Network:
    return Network(model, torch.device("cpu"))


def trained(stage: Stage, net: Network, make_round: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """One gradient step of a peer without and with the stage."""
    round_ = make_round(torch.zeros(2, net.layout.size))
    round_.layout, round_.global_vector = net.layout, net.flat.clone()
    plain = Trainer(net, epochs=1, batch_size=4, optimiser="sgd", learning_rate=1.0, execution=Execution(engine="torch"))
    from fflbench.contracts import Examples

    examples = Examples(torch.rand(4, 1, 8, 8, generator=Rng(5).torch()), torch.tensor([0, 1, 2, 1]))
    without = plain.train(examples, round_.global_vector, Rng(0))
    return without, stage.local_training(plain, 0, round_).train(examples, round_.global_vector, Rng(0))


def test_soteria_hides_columns_of_the_last_linear_layer_only(make_round: Any) -> None:
    torch.manual_seed(0)
    net = network(StridedCNN((1, 8, 8), 3))
    without, with_ = trained(Soteria(prune=0.75), net, make_round)
    weight = net.layout.view(with_, "output.weight")
    hidden = (weight == 0).all(0)
    assert int(hidden.sum()) >= int(0.75 * weight.shape[1])
    assert torch.equal(weight[:, ~hidden], net.layout.view(without, "output.weight")[:, ~hidden])
    for name in ("conv1.weight", "conv2.weight", "output.bias"):
        assert torch.equal(net.layout.view(with_, name), net.layout.view(without, name))


def test_soteria_scores_equal_the_definition() -> None:
    """|r_i| / ||dr_i/dx|| for one linear layer below: r = relu(W x + b), so the slope of an active feature is its row of W."""
    torch.manual_seed(0)
    model = MLP((1, 2, 2), 3, (6,))
    lower, upper = model.layers[1], model.layers[3]
    x = torch.rand(1, 1, 2, 2)
    r = lower(x.flatten(1)).relu()[0].detach()
    expected = torch.where(r > 0, r / lower.weight.detach().norm(dim=1), torch.zeros(6))
    torch.testing.assert_close(revealing(model, upper, x, block=4), expected)


def test_soteria_says_when_there_is_nothing_to_hide(make_round: Any) -> None:
    conv = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 8), torch.nn.Flatten())
    with pytest.raises(UnfitError, match="soteria: needs a network with a linear layer, Sequential has none"):
        trained(Soteria(), network(conv), make_round)


@pytest.mark.parametrize(
    "model",
    [StridedCNN((1, 8, 8), 3), MLP((1, 8, 8), 3, (6,)), ConvNet64((1, 18, 18), 3, 2)],
    ids=lambda m: type(m).__name__,
)
def test_precode_keeps_outputs_last_and_randomises_every_gradient(model: torch.nn.Module) -> None:
    changed = Precode(width=5).prepare_model(copy.deepcopy(model), Rng(0))
    layout = Layout.of(changed)
    last = [p for p in layout.parameters if p.trainable][-2:]
    assert [p.shape[0] for p in last] == [3, 3]
    assert layout.last_layer == slice(last[0].offset, last[1].offset + 3)
    changed.eval()
    inputs = torch.rand(2, 1, 18 if isinstance(model, ConvNet64) else 8, 18 if isinstance(model, ConvNet64) else 8)
    gradients = []
    for _ in range(2):
        changed.zero_grad()
        task_loss(changed(inputs), torch.tensor([0, 1])).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in changed.parameters()]))
    assert not torch.allclose(gradients[0], gradients[1])
    with torch.no_grad():
        assert torch.equal(changed(inputs), changed(inputs)), "predictions are not random"
    again = Precode(width=5).prepare_model(copy.deepcopy(model), Rng(0))
    assert all(torch.equal(a, b) for a, b in zip(changed.parameters(), again.parameters(), strict=True))


def test_the_bottleneck_measures_its_divergence_from_the_standard_normal() -> None:
    bottleneck = VariationalBottleneck(2, 1)
    with torch.no_grad():
        bottleneck.encoder.weight.zero_()
        bottleneck.encoder.bias.copy_(torch.tensor([2.0, math.log(math.expm1(1 - 1e-6))]))
    bottleneck(torch.zeros(3, 2))
    assert float(bottleneck.divergence.detach()) == pytest.approx(2.0, abs=1e-5), "mean 2, deviation 1: half of 4"


def test_precode_trains_on_its_divergence_too(make_round: Any) -> None:
    torch.manual_seed(0)
    stage = Precode(width=4, weight=10.0)
    net = network(stage.prepare_model(MLP((1, 8, 8), 3, (6,)), Rng(0)))
    without, with_ = trained(stage, net, make_round)
    encoder = "layers.3.0.encoder.weight"
    assert net.layout.view(with_, encoder).norm() > 3 * net.layout.view(without, encoder).norm()
