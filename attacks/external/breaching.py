"""The attacks of breaching, from its installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from fflbench.attacks.external.confined import confined, copied_model, frozen, tensors
from fflbench.attacks.reconstruction.labels import infer_labels
from fflbench.contracts import Observation, Reconstruction, ReconstructionAttack, Rng, Server, TaskView, Tool, UnfitError
from fflbench.duration import Duration

_JOINT = ("deepleakage",)
"""Attacks that optimise the labels with the images."""
_ONE_GRADIENT = ("deepleakage", "modern")
"""Attacks that cannot, or not without knowing the labels, take several local steps."""
_COLOUR = ("invertinggradients", "modern", "seethroughgradients", "beyondinfering", "wei")
"""Attacks whose total variation or start has three channels."""


@dataclass
class Breaching(ReconstructionAttack):
    """An attack of breaching by the name of its configuration there.

    `iterations` replaces the configuration's number of them; `overrides` such as `regularization.total_variation.scale=1e-6`
    change anything else. Labels that the server does not know are inferred by us; `deepleakage` optimises them in any case.
    """

    server: ClassVar[Server] = Server.HONEST_BUT_CURIOUS
    paper: ClassVar[str] = "https://github.com/JonasGeiping/breaching"
    assumes: ClassVar[str] = "breaching is installed; colour images, except for `deepleakage` and `analytic`"
    cost: ClassVar[str] = "two backward passes an iteration and local step; 300 to 24,000 iterations"
    tool: ClassVar[Tool] = Tool(
        module="breaching",
        get='pip install "fflbench[breaching]"',
        mark=("attacks/optimization_based_attack.py", "class OptimizationBasedAttacker"),
        requires=("hydra", "lpips"),
    )

    attack: Literal[
        "invertinggradients", "modern", "deepleakage", "seethroughgradients", "beyondinfering", "wei", "analytic"
    ] = "invertinggradients"
    iterations: Annotated[Duration, Field(ge=1)] | None = None
    overrides: tuple[str, ...] = ()

    def unfit(self, task: TaskView) -> str | None:
        if self.attack == "analytic" and self.iterations is not None:
            return "analytic of breaching takes no iterations"
        if task.kind == "image" and self.attack in _COLOUR and task.input_shape[0] != 3:
            return f"{self.attack} of breaching needs images of 3 channels, the task's have {task.input_shape[0]}"
        return super().unfit(task)

    def unfit_model(self, model: nn.Module, task: TaskView) -> str | None:
        if self.attack == "analytic" and not any(isinstance(module, nn.Flatten) for module in model.modules()):
            return "analytic of breaching needs nn.Flatten and linear layers after it, as `mlp` has them"
        return frozen(model)

    def reconstruct(self, seen: Observation, rng: Rng) -> Reconstruction:
        joint = self.attack in _JOINT
        if self.attack in _ONE_GRADIENT and seen.steps > 1:
            raise UnfitError(f"{self.attack} of breaching needs one gradient, the update is of {seen.steps} steps")
        labels = seen.labels if seen.labels is not None else infer_labels(seen, rng.at("labels"))
        device = seen.update.device
        with confined("breaching", rng.at("start", restart=0), device):
            breaching = self.tool.load()
            model = copied_model(seen)
            config = breaching.get_attack_config(self.attack, self._settings())
            loss = nn.CrossEntropyLoss()
            tool = breaching.attacks.prepare_attack(model, loss, config, {"dtype": torch.float, "device": device})
            shared = _shared(seen, None if joint else labels)
            found, stats = tool.reconstruct([_payload(seen, model)], [shared], {})
        images = seen.task.denormalise(found["data"].detach()).clamp(0, 1)
        steps = config.optim.max_iterations * config.restarts.num_trials if "optim" in config else 1
        return Reconstruction(images, found["labels"].detach().to(labels), stats.get("opt_value"), steps)

    def _settings(self) -> list[str]:
        return [*([] if self.iterations is None else [f"optim.max_iterations={self.iterations}"]), *self.overrides]


class _Metadata(dict[str, Any]):
    """Entries that are attributes too: they read them both ways."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)


def _payload(seen: Observation, model: nn.Module) -> dict[str, Any]:
    """What the server sent, as breaching writes it. Without buffers it takes the victim to have trained in training mode."""
    task = seen.task
    metadata = _Metadata(
        shape=task.input_shape, mean=task.mean, std=task.std, classes=len(task.classes),
        modality="vision", task="classification",
    )  # fmt: skip
    buffers = None if seen.training_mode else list(model.buffers())
    return {"parameters": list(model.parameters()), "buffers": buffers, "metadata": metadata}


def _shared(seen: Observation, labels: Tensor | None) -> dict[str, Any]:
    """What the victim shared: a gradient, or with `local_hyperparams` the change of the parameters."""
    local = None
    if seen.steps > 1:
        local = {
            "lr": seen.learning_rate, "steps": seen.steps, "data_per_step": seen.examples, "labels": [labels] * seen.steps,
        }  # fmt: skip
    metadata = {"num_data_points": seen.examples, "labels": labels, "local_hyperparams": local}
    return {"gradients": tensors(seen, seen.update if local else seen.gradient), "buffers": None, "metadata": metadata}
