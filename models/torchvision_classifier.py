"""Networks that torchvision provides; it is imported only when one is built."""

from __future__ import annotations

import difflib

from torch import Tensor, nn

from fflbench.errors import UserError


def torchvision_classifier(classes: int, architecture: str) -> nn.Module:
    """Any classifier of torchvision by name, untrained: `{name = "torchvision", architecture = "resnet50"}`."""
    from torchvision import models

    known = models.list_models(module=models)
    if architecture not in known:
        near = ", ".join(difflib.get_close_matches(architecture, known, n=3, cutoff=0.3)) or ", ".join(known[:5])
        raise UserError(f"model torchvision.architecture: found {architecture!r}, which torchvision lacks; near: {near}")
    model: nn.Module = models.get_model(architecture, weights=None, num_classes=classes)
    return model


def vgg16(classes: int) -> nn.Module:
    """The paper's network for CIFAR-10: VGG16's features (torchvision's, 7x7 pooling) and one linear classifier."""
    from torchvision import models

    model: nn.Module = models.vgg16(weights=None, init_weights=False)
    # As torchvision begins, without its classifier, seven times as large. Layers begun as torch does let nothing through.
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    model.avgpool = Spread(7)
    model.classifier = nn.Linear(512 * 7 * 7, classes)
    return model


class Spread(nn.AdaptiveAvgPool2d):
    """Adaptive pooling to `side` x `side`, which repeats what is one pixel. Its derivative there is a sum, which on a GPU
    torch adds up in any order; that of an expansion comes out the same every time."""

    def __init__(self, side: int) -> None:
        super().__init__((side, side))
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-2:] == (1, 1):
            return images.expand(*images.shape[:-2], self.side, self.side)
        return super().forward(images)
