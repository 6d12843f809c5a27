"""What a victim with these inputs would have sent: the simulation that gradient matching compares with what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import debug_unwrap, functional_call, grad
from torch.nn import functional as F

from fflbench import extension
from fflbench.contracts import Observation
from fflbench.federation.loss import task_loss
from fflbench.federation.pearlmutter import straight_line

Simulated = Callable[[Tensor, Tensor], Tensor]
"""From inputs as the model is fed them and labels to what a victim with them would have shown."""
Cost = Callable[[Tensor, Tensor], Tensor]
"""From the same to one number that is least for the victim's own."""


def seen_direction(seen: Observation) -> Tensor:
    """The descent [trainable] that the update shows, in units of the gradient: over several steps their sum. What is not
    finite counts as 0."""
    trained = seen.update[seen.layout.trainable]
    return torch.nan_to_num(-trained / seen.learning_rate, nan=0.0, posinf=0.0, neginf=0.0)


def simulated_direction(seen: Observation, inputs: Tensor, labels: Tensor) -> Tensor:
    """The same [trainable] of a victim with these `inputs` and `labels` [n] (or probabilities [n, classes]), differentiable
    in both. In cells that native code computes, it does so for small networks."""
    flavour = extension.inexact() if inputs.device.type == "cpu" and inputs.dtype == torch.float32 else None
    if flavour is not None:
        line = straight_line(seen.model, seen.layout, tuple(inputs.shape[1:]), seen.training_mode, flavour)
        if line is not None:
            return line.direction(inputs, labels, seen.steps, seen.learning_rate)
    with seen.lowered():
        return _by_autograd(seen, inputs, labels)


def _by_autograd(seen: Observation, inputs: Tensor, labels: Tensor) -> Tensor:
    model, steps, rate = seen.model, seen.steps, seen.learning_rate
    start: dict[str, Tensor] = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if debug_unwrap(inputs) is not inputs:
        return _inside_func(seen, {name: p.detach() for name, p in start.items()}, inputs, labels)
    if steps == 1:
        tensors = list(start.values())
        return _flat(
            torch.autograd.grad(loss(model(inputs), labels), tensors, create_graph=True, allow_unused=True), tensors
        )
    current = dict(start)
    for _ in range(steps):
        outputs, tensors = functional_call(model, current, inputs), list(current.values())
        gradients = torch.autograd.grad(loss(outputs, labels), tensors, create_graph=True, allow_unused=True)
        stepped = zip(current.items(), gradients, strict=True)
        current = {name: p if g is None else p - rate * g for (name, p), g in stepped}
    return _moved(start, current, rate)


def _inside_func(seen: Observation, start: dict[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    """The same where torch.func works on many inputs at once, which only knows its own gradients."""
    current = start
    for _ in range(seen.steps):
        gradients = grad(lambda tensors: loss(functional_call(seen.model, tensors, (inputs,)), labels))(current)
        if seen.steps == 1:
            return torch.cat([g.flatten() for g in gradients.values()])
        current = {name: p - seen.learning_rate * gradients[name] for name, p in current.items()}
    return _moved(start, current, seen.learning_rate)


def _moved(start: dict[str, Tensor], end: dict[str, Tensor], rate: float) -> Tensor:
    return torch.cat([((start[name] - end[name]) / rate).flatten() for name in start])


def loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """The task's loss; also for labels that are probabilities [n, classes], or [n] for one logit."""
    if not labels.is_floating_point():
        return task_loss(outputs, labels)
    if outputs.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], labels)
    return F.cross_entropy(outputs, labels)


def cosine_cost(seen: Observation, kept: Tensor | None = None) -> Cost:
    """1 - cosine of simulated and seen direction, over the entries `kept` [trainable] if given; 1 when nothing was seen."""
    target = seen_direction(seen) if kept is None else seen_direction(seen)[kept]

    def simulated(inputs: Tensor, labels: Tensor) -> Tensor:
        direction = simulated_direction(seen, inputs, labels)
        return direction if kept is None else direction[kept]

    return cosine_to(target, simulated)


def cosine_to(target: Tensor, simulated: Simulated) -> Cost:
    """1 - cosine of what is `simulated` from inputs and labels with the target [k]; 1 when that is zero."""
    norm = target.norm()
    unit = target / norm if norm > 0 else target

    def cost(inputs: Tensor, labels: Tensor) -> Tensor:
        found = simulated(inputs, labels)
        similarity: Tensor = found @ unit / found.norm().clamp(min=1e-12)
        return 1 - similarity

    return cost


def squared_cost(seen: Observation) -> Cost:
    """The squared distance of simulated and seen direction."""
    target = seen_direction(seen)

    def cost(inputs: Tensor, labels: Tensor) -> Tensor:
        distance: Tensor = (simulated_direction(seen, inputs, labels) - target).square().sum()
        return distance

    return cost


@contextmanager
def as_trained(seen: Observation) -> Iterator[None]:
    """Inside, the model computes as the victims' did: in training mode batch norm uses the batch (its running statistics
    stay as they are) and dropout, whose mask nobody knows, is off."""
    kept = [(module, module.training) for module in seen.model.modules()]
    norms = [m for m in seen.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [(m, m.momentum, None if m.num_batches_tracked is None else m.num_batches_tracked.clone()) for m in norms]
    seen.model.train(seen.training_mode)
    for module in seen.model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for module, training in kept:
            module.training = training
        for norm, momentum, batches in momenta:
            norm.momentum = momentum
            if batches is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(batches)


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[Tensor]) -> Tensor:
    pairs = zip(gradients, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])
