"""Multi-layer perceptrons, for tables and for small images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

Width = Annotated[int, Field(ge=1)]


class AdultMLP(nn.Module):
    """The paper's network for Adult: 10-64-64-1, ReLU then batch norm, dropout 0.1, one logit."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer1 = nn.Linear(input_shape[0], 64)
        self.norm1 = nn.BatchNorm1d(64)
        self.layer2 = nn.Linear(64, 64)
        self.norm2 = nn.BatchNorm1d(64)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(64, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.norm1(self.layer1(inputs).relu())
        hidden = self.norm2(self.layer2(hidden).relu())
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class MLP(nn.Module):
    """Fully connected layers with ReLU between them; images are flattened first."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, hidden: tuple[Width, ...] = (64,)) -> None:
        super().__init__()
        size = 1
        for extent in input_shape:
            size *= extent
        layers: list[nn.Module] = [nn.Flatten()]
        for width in hidden:
            layers += [nn.Linear(size, width), nn.ReLU()]
            size = width
        self.layers = nn.Sequential(*layers, nn.Linear(size, classes))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layers(inputs)
        return logits
