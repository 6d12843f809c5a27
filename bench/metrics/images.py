"""How close a reconstruction is to the original, per image in [0, 1], then the mean. Higher scores mean less privacy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_msssim import ssim as windowed_ssim
from torch import Tensor

from fflbench.contracts import Metric, Outcome
from fflbench.metrics.assignment import assigned

PSNR_CAP = 100.0
"""dB that an exact copy scores, so that one perfect image does not make a batch infinite."""

SSIM_WINDOW = 11


class Psnr(Metric):
    """Peak signal-to-noise ratio, -10 log10(MSE) of images clamped to [0, 1], at most 100 dB."""

    label, unit, better, track, high = "PSNR", "dB", "lower", "reconstruction", PSNR_CAP

    def compute(self, outcome: Outcome) -> float | None:
        return _over_images(psnr, outcome)


class BestPsnr(Metric):
    """PSNR of the image of a victim's batch that came back best: one image that leaks is a leak."""

    label, unit, better, track, high = "PSNR of the best image", "dB", "lower", "reconstruction", PSNR_CAP

    def compute(self, outcome: Outcome) -> float | None:
        return _over_images(psnr, outcome, torch.amax)


class Ssim(Metric):
    """Structural similarity (Wang et al. 2004): 11x11 Gaussian window, sigma 1.5, valid windows, data range 1."""

    label, better, track, low, high = "SSIM", "lower", "reconstruction", -1.0, 1.0

    def compute(self, outcome: Outcome) -> float | None:
        return _over_images(ssim, outcome)


class Mse(Metric):
    """Mean squared error of images clamped to [0, 1]."""

    label, better, track, low, high = "MSE", "higher", "reconstruction", 0.0, 1.0

    def compute(self, outcome: Outcome) -> float | None:
        return _over_images(mse, outcome)


class LabelRecovery(Metric):
    """Share of the victim's labels that the observer found, as a multiset: the order of a batch is not private."""

    label, unit, better, track, low, high = "label recovery", "%", "lower", "reconstruction", 0.0, 100.0

    def compute(self, outcome: Outcome) -> float | None:
        if outcome.labels is None or outcome.guessed_labels is None:
            return None
        classes = int(max(outcome.labels.max(), outcome.guessed_labels.max())) + 1
        true, guess = (torch.bincount(x, minlength=classes) for x in (outcome.labels, outcome.guessed_labels))
        return 100.0 * int(torch.minimum(true, guess).sum()) / len(outcome.labels)


def mse(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared error [n] of image pairs [n, c, h, w]."""
    difference = first.double().clamp(0, 1) - second.double().clamp(0, 1)
    return difference.square().flatten(1).mean(1)


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """PSNR [n] in dB of image pairs [n, c, h, w]."""
    return (-10 * torch.log10(mse(first, second))).clamp(max=PSNR_CAP)


def ssim(first: Tensor, second: Tensor) -> Tensor | None:
    """SSIM [n] of image pairs [n, c, h, w]; None for images smaller than the window."""
    if min(first.shape[-2:]) < SSIM_WINDOW:
        return None
    pair = (image.double().clamp(0, 1) for image in (first, second))
    result: Tensor = windowed_ssim(*pair, data_range=1, size_average=False, win_size=SSIM_WINDOW)
    return result


def match(originals: Tensor, guesses: Tensor) -> Tensor:
    """The order [n] in which guesses fit the originals best: the assignment with the least total squared error."""
    difference = originals.double().clamp(0, 1)[:, None] - guesses.double().clamp(0, 1)[None]
    return assigned(difference.square().flatten(2).mean(2))


def _over_images(
    measure: Callable[[Tensor, Tensor], Tensor | None], outcome: Outcome, pooled: Callable[[Tensor], Tensor] = torch.mean
) -> float | None:
    if outcome.kind != "image" or outcome.originals is None or outcome.guesses is None:
        return None
    values = measure(outcome.originals, outcome.guesses)
    return None if values is None else float(pooled(values))
