"""The authors' own code of Inverting Gradients, from the user's checkout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from fflbench.attacks.external.confined import confined, copied_model, frozen, tensors
from fflbench.attacks.reconstruction.labels import infer_labels
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Server, TaskView, Tool, UnfitError
from fflbench.duration import Duration


@dataclass
class Inversefed(ReconstructionAttack):
    """Inverting Gradients by its authors' code: inversefed's `GradientReconstructor` for one gradient, its
    `FedAvgReconstructor` for several local steps.

    The defaults are those of `inverting-gradients` (inversefed's own differ in two: `signed` false, `total_variation` 0.1),
    and so is the first random start, so that the two are paired. Labels that the server does not know are inferred by us.
    """

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    paper: ClassVar[str] = "https://arxiv.org/abs/2003.14053"
    assumes: ClassVar[str] = (
        "a checkout of inversefed; for several steps no layers but convolutions, 2d batch norm and linear"
    )
    cost: ClassVar[str] = "two backward passes a step and restart; several local steps copy the network every time"
    tool: ClassVar[Tool] = Tool(
        module="inversefed",
        get="set FFLBENCH_INVERSEFED=path of a checkout of https://github.com/JonasGeiping/invertinggradients (needs six)",
        mark=("reconstruction_algorithms.py", "class FedAvgReconstructor"),
        folder="FFLBENCH_INVERSEFED",
        requires=("six",),
    )

    steps: Annotated[Duration, Field(ge=1)] = 4800
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    total_variation: Annotated[float, Field(ge=0)] = 1e-6
    restarts: Annotated[int, Field(ge=1)] = 1
    signed: bool = True
    boxed: bool = True
    decay: bool = True
    cost_fn: Literal["sim", "simlocal", "l2", "l1", "max"] = "sim"
    optimiser: Literal["adam", "sgd", "LBFGS"] = "adam"

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        return frozen(model)

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        labels = seen.labels if seen.labels is not None else infer_labels(seen, rng.at("labels"))
        device = seen.update.device
        found, stats = torch.zeros(seen.examples, *seen.task.input_shape, device=device), {}
        data = tensors(seen, seen.gradient if seen.steps == 1 else seen.update)
        if any(tensor.any() for tensor in data):  # On an update that shows nothing their score is 0/0 and they stop.
            with confined("inversefed", rng.at("start", restart=0), device):
                tool = self._tool(seen)
                found, stats = tool.reconstruct(data, labels, seen.task.input_shape, eval=not seen.training_mode)
        images = seen.task.denormalise(found).clamp(0, 1)
        return Reconstruction(images, labels, stats.get("opt"), self.steps * self.restarts if stats else 0)

    def _tool(self, seen: Observation) -> Any:
        inversefed, model = self.tool.load(), copied_model(seen)
        statistics = [torch.tensor(v, device=seen.update.device).view(-1, 1, 1) for v in (seen.task.mean, seen.task.std)]
        if seen.steps == 1:
            return inversefed.GradientReconstructor(model, tuple(statistics), self._config(), seen.examples)
        reason = _unpatchable(model)
        if reason:
            raise UnfitError(reason)
        return inversefed.FedAvgReconstructor(
            model, tuple(statistics), seen.steps, seen.learning_rate, self._config(), seen.examples
        )

    def _config(self) -> dict[str, Any]:
        """Theirs to change: they fill in what is left out."""
        return {
            "lr": self.learning_rate, "max_iterations": self.steps, "total_variation": self.total_variation,
            "restarts": self.restarts, "signed": self.signed, "boxed": self.boxed, "lr_decay": self.decay,
            "cost_fn": self.cost_fn, "optim": self.optimiser,
        }  # fmt: skip


def _unpatchable(model: nn.Module) -> str | None:
    """Why inversefed cannot simulate several steps: it would leave the parameters of other layers as they were, and give a
    layer without a bias the next layer's, without a word."""
    for name, module in model.named_modules():
        own = {name for name, _ in module.named_parameters(recurse=False)}
        complete = isinstance(module, (nn.Linear, nn.BatchNorm2d)) and own == {"weight", "bias"}
        plain = isinstance(module, nn.Conv2d) and own <= {"weight", "bias"} and module.padding_mode == "zeros"
        if not (complete or plain) and (own or isinstance(module, nn.BatchNorm2d)):
            return (f"inversefed cannot take several steps with {type(module).__name__} {name!r}: it knows nn.Conv2d "
                    "padded with zeros, and nn.BatchNorm2d and nn.Linear with a bias")  # fmt: skip
    return None
