"""Small convolutional networks for small images."""

from __future__ import annotations

from torch import Tensor, channels_last, nn
from torch.nn import functional as F


class MnistCNN(nn.Module):
    """The paper's network for MNIST, 21,840 parameters: two 5x5 convolutions with pooling, dropout, two linear layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.dropout2d = nn.Dropout2d(0.5)
        self.hidden = nn.Linear(320, 50)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(50, classes)

    def forward(self, images: Tensor) -> Tensor:
        # Pooling and the second convolution are faster with the channels innermost.
        features = self.conv1(images).contiguous(memory_format=channels_last)
        features = F.max_pool2d(features, 2).relu()
        features = F.max_pool2d(self.dropout2d(self.conv2(features)), 2).relu()
        hidden = self.dropout(self.hidden(features.flatten(1)).relu())
        logits: Tensor = self.output(hidden)
        return logits


class StridedCNN(nn.Module):
    """About as large as the paper's MNIST network (20,490 parameters on 28x28 grey images) with strides in place of pooling:
    a third of the work, and open to inversion."""

    def __init__(self, input_shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 16, kernel_size=3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1)
        self.output = nn.Linear(32 * ((height + 3) // 4) * ((width + 3) // 4), classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv2(self.conv1(images).relu()).relu()
        logits: Tensor = self.output(features.flatten(1))
        return logits


class LeNet(nn.Module):
    """The sigmoid LeNet of Deep Leakage from Gradients (Zhu et al. 2019): three 5x5 convolutions of 12 channels, strides 2,
    2 and 1, one linear layer, everything initialised uniformly in [-0.5, 0.5]."""

    def __init__(self, input_shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 12, kernel_size=5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(12, 12, kernel_size=5, stride=2, padding=2)
        self.conv3 = nn.Conv2d(12, 12, kernel_size=5, padding=2)
        self.output = nn.Linear(12 * ((height + 3) // 4) * ((width + 3) // 4), classes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.5, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv1(images).sigmoid()
        features = self.conv3(self.conv2(features).sigmoid()).sigmoid()
        logits: Tensor = self.output(features.flatten(1))
        return logits
