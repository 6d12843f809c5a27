"""The reconstruction papers' convolutional network."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn


class ConvNet64(nn.Module):
    """The ConvNet of Inverting Gradients: eight 3x3 convolutions with batch norm, from `width` to four times as many
    channels, two 3x3 poolings, one linear layer; 2.9 million parameters at width 64 on 32x32 images."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, width: Annotated[int, Field(ge=1)] = 64) -> None:
        super().__init__()
        channels, height, side = input_shape
        widths = (width, 2 * width, 2 * width, 4 * width, 4 * width, 4 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for index, wide in enumerate(widths):
            layers += [nn.Conv2d(channels, wide, kernel_size=3, padding=1), nn.BatchNorm2d(wide), nn.ReLU()]
            layers += [nn.MaxPool2d(3)] if index in (5, 7) else []
            channels = wide
        self.features = nn.Sequential(*layers)
        self.output = nn.Linear(channels * (height // 9) * (side // 9), classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.features(images).flatten(1))
        return logits
