"""PRECODE (Scheliga et al. 2022): a variational bottleneck makes every gradient a random one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from fflbench.contracts import Rng, Round, Stage
from fflbench.defenses.privacy.soteria import last_linear

if TYPE_CHECKING:
    from fflbench.federation.trainer import Loss, Trainer


class VariationalBottleneck(nn.Module):
    """Encodes features [n, f] as mean and deviation of `width` normal variables, draws them, and decodes to [n, f]. Draws
    whenever gradients are taken, in training and evaluation mode alike; without gradients it passes the means on."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, 2 * width)
        self.decoder = nn.Linear(width, features)
        self.divergence = torch.zeros(())

    def forward(self, features: Tensor) -> Tensor:
        mean, raw = self.encoder(features).chunk(2, dim=1)
        deviation = F.softplus(raw) + 1e-6
        self.divergence = 0.5 * (mean.square() + deviation.square() - 2 * deviation.log() - 1).sum(1).mean()
        code = mean + deviation * torch.randn_like(mean) if torch.is_grad_enabled() else mean
        decoded: Tensor = self.decoder(code)
        return decoded


@dataclass
class Precode(Stage):
    """A variational bottleneck of `width` in front of the network's last linear layer; local training adds to the loss
    `weight` times its divergence from the standard normal."""

    paper: ClassVar[str] = "https://arxiv.org/abs/2108.04725"
    assumes: ClassVar[str] = "the observer matches the gradients of all layers; one that leaves out the bottleneck's wins"
    cost: ClassVar[str] = "3 f width more parameters for f features"
    workspace: ClassVar[float] = 0.0

    width: Annotated[int, Field(ge=1)] = 256
    weight: Annotated[float, Field(ge=0)] = 1e-3

    def prepare_model(self, model: nn.Module, rng: Rng) -> nn.Module:
        output = last_linear(model, "precode")
        path = next(name for name, module in model.named_modules() if module is output)
        owner, _, leaf = path.rpartition(".")
        with rng.at("precode").inside_torch():
            bottleneck = VariationalBottleneck(output.in_features, self.width)
        setattr(model.get_submodule(owner), leaf, nn.Sequential(bottleneck, output))
        return model

    def local_training(self, trainer: Trainer, peer: int, round: Round) -> Trainer:
        def wrap(loss: Loss) -> Loss:
            def regularised(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
                plain = loss(model, inputs, targets)
                parts = [module.divergence for module in model.modules() if isinstance(module, VariationalBottleneck)]
                return plain + self.weight * torch.stack(parts).sum()

            return regularised

        return trainer.with_loss(wrap)
