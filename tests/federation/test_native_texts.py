"""Networks that read: the native loop trains and evaluates them as torch does, and leaves to torch those that it does not know.

How near is near enough is said in `test_native.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fflbench import extension
from fflbench.contracts import Rng
from fflbench.extension import FLAVOURS
from fflbench.federation.native import NativeModel, native_model, optimiser
from fflbench.federation.network import Network
from fflbench.federation.steps import LARGEST_VOCABULARY, UntranslatableError, embedding
from fflbench.federation.trainer import Trainer
from fflbench.models.bilstm import BiLSTM
from tests.federation.reference import CPU, TORCH, native_update, start_of, texts_of, torch_update
from tests.federation.test_native import ADAM, SGD, assert_same_training

pytestmark = pytest.mark.skipif(not FLAVOURS, reason="the native loop was not built")

WORDS, TOKENS = 40, 19
NEVER_DECAYS = {**ADAM, "weight_decay": 0.0}


class Reader(nn.Module):
    """The paper's network with one direction or two, and as many logits as one likes."""

    def __init__(self, words: int, embedding: int, hidden: int, classes: int, both: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embedding)
        self.lstm = nn.LSTM(embedding, hidden, bidirectional=both, batch_first=True)
        self.output = nn.Linear((4 if both else 2) * hidden, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        return self.output(torch.cat((states.mean(1), states.max(1).values), 1))


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("steps", [SGD, ADAM, NEVER_DECAYS], ids=["sgd", "adam", "adam without decay"])
def test_the_papers_network_trains_as_in_torch(steps: dict[str, Any], flavour: str) -> None:
    """With a ragged last batch, of a length of text that is no multiple of anything."""
    examples = texts_of(WORDS, TOKENS, 1, 70)
    update = assert_same_training(BiLSTM(WORDS), examples, flavour, epochs=2, batch_size=40, **steps)
    assert update.abs().max() > 1e-3


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 20), st.booleans(),
    st.integers(2, 90), st.sampled_from(FLAVOURS or ("",)),
)  # fmt: skip
def test_networks_of_any_size(
    words: int, embedding: int, hidden: int, classes: int, tokens: int, both: bool, count: int, flavour: str
) -> None:
    torch.manual_seed(0)
    model = Reader(words, embedding, hidden, classes, both)
    assert_same_training(model, texts_of(words, tokens, classes, count), flavour, epochs=1, batch_size=50, **SGD)


@pytest.mark.skipif("avx512" not in FLAVOURS, reason="there is nothing to compare")
def test_two_instruction_sets_come_to_the_same() -> None:
    """Both multiply and add at once, in the same order."""
    model, examples = BiLSTM(WORDS, 30, 20), texts_of(WORDS, TOKENS, 1, 40)
    mine, other = (native_update(model, examples, start_of(model), Rng(3), name, epochs=1, batch_size=20, **SGD)
                   for name in ("avx2", "avx512"))  # fmt: skip
    assert torch.equal(mine, other)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_evaluation_equals_torch(flavour: str) -> None:
    network, texts = Network(BiLSTM(WORDS), CPU), texts_of(WORDS, TOKENS, 1, 77).inputs
    network.model.eval()
    with torch.no_grad():
        expected = network.model(texts)
    torch.testing.assert_close(NativeModel(network, (TOKENS,), flavour).forward(texts), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", ["embedding", "lstm.weight_ih_l0", "lstm.bias_hh_l0_reverse", "output.bias"])
def test_what_is_not_finite_shows_as_in_torch(place: str, value: float, flavour: str) -> None:
    model, examples = BiLSTM(WORDS, 6, 5), texts_of(WORDS, 4, 1, 20)
    network = Network(model, CPU)
    program = NativeModel(network, (4,), flavour)
    network.flat[next(p.offset for p in network.layout.parameters if p.name.startswith(place)) + 2 * ("weight" in place)] = (
        value
    )
    network.model.eval()
    with torch.no_grad():
        expected = network.model(examples.inputs)
    torch.testing.assert_close(program.forward(examples.inputs), expected, equal_nan=True, atol=1e-4, rtol=1e-3)
    steps: dict[str, Any] = {"epochs": 1, "batch_size": 20, **SGD}
    update = torch_update(model, examples, network.flat.clone(), Rng(0), **steps)
    mine = native_update(model, examples, network.flat.clone(), Rng(0), flavour, **steps)
    assert torch.equal(update.isfinite(), mine.isfinite())


def test_the_largest_over_time_is_the_first_of_equals() -> None:
    """Words that are embedded alike, in a network that forgets: what comes out is the same at all times, so that only the
    first word of a text moves, in whichever direction it is read."""
    model = BiLSTM(WORDS, 4, 3)
    with torch.no_grad():
        model.embedding.weight.copy_(model.embedding.weight[:1].expand(WORDS, 4))
        for suffix in ("l0", "l0_reverse"):
            getattr(model.lstm, f"weight_hh_{suffix}").zero_()
            getattr(model.lstm, f"bias_hh_{suffix}")[3:6] = -200.0
        model.output.weight[:, :6] = 0
    examples = texts_of(WORDS, TOKENS, 1, 10)
    update = assert_same_training(model, examples, epochs=1, batch_size=10, **{**SGD, "weight_decay": 0.0})
    moved = set(update[: 4 * WORDS].view(WORDS, 4).abs().sum(1).nonzero().flatten().tolist())
    assert moved == {int(text[0]) for text in examples.inputs}


@pytest.mark.parametrize("steps", [SGD, NEVER_DECAYS], ids=["with decay", "without"])
def test_words_that_nobody_says_move_by_decay_alone(steps: dict[str, Any]) -> None:
    model, examples = BiLSTM(WORDS, 4, 3), texts_of(WORDS // 2, TOKENS, 1, 30)
    update = assert_same_training(model, examples, epochs=2, batch_size=10, **steps)
    unsaid = update[2 * WORDS : 4 * WORDS]
    assert bool((unsaid == 0).all()) == (steps["weight_decay"] == 0)
    assert update[: 2 * WORDS].abs().min() > 0


def test_training_depends_on_nothing_that_ran_before() -> None:
    """Words of an earlier peer leave nothing behind."""
    trainer = Trainer(Network(BiLSTM(WORDS, 8, 6), CPU), 1, 16, "adam", 0.01)
    start, texts = trainer.network.flat.clone(), texts_of(WORDS // 2, TOKENS, 1, 40)
    assert trainer.trains_natively(texts)
    first = trainer.train(texts, start, Rng(0))
    trainer.train(texts_of(WORDS, TOKENS, 1, 90, seed=1), start, Rng(0))
    assert torch.equal(first, trainer.train(texts, start, Rng(0)))


class Otherwise(Reader):
    """Something else is done with what the LSTM says."""

    def __init__(self, way: str) -> None:
        super().__init__(WORDS, 4, 3, 1, both=False)
        self.way = way

    def forward(self, tokens: Tensor) -> Tensor:
        states, (last, _) = self.lstm(self.embedding(tokens))
        ways = {
            "last": lambda: torch.cat((states.mean(1), last[0]), 1),
            "other order": lambda: torch.cat((states.max(1).values, states.mean(1)), 1),
            "other time": lambda: torch.cat((states.mean(2), states.max(2).values), 1),
            "joined otherwise": lambda: torch.cat((states.mean(1), states.max(1).values), 0).view(-1, 6),
            "twice": lambda: torch.cat((states.mean(1), states.max(1).values, states.mean(1)), 1)[:, :6],
        }
        return self.output(ways[self.way]())


def with_part(**parts: nn.Module) -> nn.Module:
    model = Reader(WORDS, 4, 3, 1, both=False)
    for name, part in parts.items():
        setattr(model, name, part)
    return model


@pytest.mark.parametrize("model", [
    *map(Otherwise, ["last", "other order", "other time", "joined otherwise", "twice"]),
    with_part(embedding=nn.Embedding(WORDS, 4, padding_idx=0)), with_part(embedding=nn.Embedding(WORDS, 4, max_norm=1.0)),
    with_part(lstm=nn.LSTM(4, 3, num_layers=2, batch_first=True)), with_part(lstm=nn.LSTM(4, 3)),
    with_part(lstm=nn.LSTM(4, 3, bias=False, batch_first=True)), with_part(lstm=nn.GRU(4, 3, batch_first=True)),
    nn.Sequential(nn.Linear(TOKENS, 3), nn.Embedding(WORDS, 4), nn.Flatten(), nn.Linear(12, 1)),
    nn.Sequential(nn.Embedding(WORDS, 4), nn.Linear(4, 1)),
])  # fmt: skip
def test_other_networks_stay_with_torch(model: nn.Module) -> None:
    with pytest.raises(UntranslatableError):
        NativeModel(Network(model, CPU), (TOKENS,))


def test_a_vocabulary_that_single_precision_cannot_tell_apart_stays_with_torch() -> None:
    embedding(nn.Embedding(LARGEST_VOCABULARY, 1, device="meta"), (TOKENS,), lambda tensor: 0)
    with pytest.raises(UntranslatableError, match="16,777,216"):
        embedding(nn.Embedding(LARGEST_VOCABULARY + 1, 1, device="meta"), (TOKENS,), lambda tensor: 0)


def test_whatever_is_no_token_stays_with_torch() -> None:
    """Numbers, and places beyond the vocabulary, of which torch says what is wrong."""
    network, texts = Network(BiLSTM(WORDS, 4, 3), CPU), texts_of(WORDS, TOKENS, 1, 4).inputs
    plain = Trainer(network, 1, 10, "sgd", 0.1).execution
    assert native_model(network, plain, texts) is not None
    assert native_model(network, TORCH, texts) is None
    for wrong in (texts.float(), texts.int(), texts - 1, texts + WORDS):
        assert native_model(network, plain, wrong) is None


@pytest.mark.parametrize("token", [-1.0, float(WORDS), float("nan"), float("inf")])
def test_the_door_is_shut_to_words_that_do_not_exist(token: float) -> None:
    network = Network(BiLSTM(WORDS, 4, 3), CPU)
    program, texts = NativeModel(network, (TOKENS,))._program, np.zeros((4, TOKENS), np.float32)
    texts[2, 3] = token
    with pytest.raises(ValueError, match="vocabulary"):
        program.evaluate(network.flat.numpy(), texts)
    with pytest.raises(ValueError, match="vocabulary"):
        program.train(
            network.flat.numpy(), texts, np.zeros(4, np.int64), np.arange(4)[None], 2, optimiser("sgd", 0.1, 0, 0), 1
        )


@pytest.mark.parametrize("layer", [
    {"kind": "embedding", "weight": 90, "outputs": 2, "vocabulary": 6},
    {"kind": "embedding", "weight": 0, "outputs": 2}, {"kind": "lstm", "outputs": 1},
    {"kind": "lstm", "outputs": 1, "directions": [(0, 0, 0, 97)]}, {"kind": "lstm", "outputs": 1, "directions": [(-1, 0, 0, 0)]},
])  # fmt: skip
def test_the_door_is_shut_to_parameters_that_do_not_exist(layer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="outside"):
        extension.native.Program([extension.native.Layer(**layer)], (3, 1, 1), 100, 100, FLAVOURS[0])
