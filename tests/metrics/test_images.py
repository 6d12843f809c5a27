"""PSNR and SSIM against their definitions and scikit-image; matching against brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from fflbench.contracts import Outcome
from fflbench.metrics.images import LabelRecovery, Mse, Psnr, Ssim, match, mse, psnr, ssim


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 11, 11)])
@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_equal_to_scikit_image(shape: tuple[int, int, int], noise: float) -> None:
    generator = np.random.default_rng(0)
    first = generator.random((4, *shape))
    second = np.clip(first + noise * generator.normal(size=first.shape), 0, 1)
    a, b = torch.from_numpy(first), torch.from_numpy(second)
    for i in range(4):
        reference = structural_similarity(first[i], second[i], channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5,
                                          use_sample_covariance=False)  # fmt: skip
        assert ssim(a, b)[i].item() == pytest.approx(reference, abs=1e-6)
        assert psnr(a, b)[i].item() == pytest.approx(peak_signal_noise_ratio(first[i], second[i], data_range=1), abs=1e-9)


def test_values_by_hand() -> None:
    black, grey = torch.zeros(1, 1, 12, 12), torch.full((1, 1, 12, 12), 0.5)
    assert mse(black, grey).item() == 0.25
    assert psnr(black, grey).item() == pytest.approx(10 * np.log10(4))
    assert psnr(black, black).item() == 100, "an exact copy is capped"
    assert ssim(grey, grey).item() == pytest.approx(1)
    assert psnr(black, black - 7).item() == 100, "images are clamped to [0, 1] first"


def test_the_mean_is_over_images_not_over_pixels() -> None:
    originals = torch.zeros(2, 1, 12, 12)
    guesses = torch.stack([torch.full((1, 12, 12), 0.1), torch.full((1, 12, 12), 1.0)])
    assert Psnr().compute(Outcome(originals=originals, guesses=guesses)) == pytest.approx((20 + 0) / 2)
    assert Mse().compute(Outcome(originals=originals, guesses=guesses)) == pytest.approx((0.01 + 1) / 2)


def test_images_smaller_than_the_window_have_no_ssim() -> None:
    small = torch.rand(2, 1, 8, 8)
    assert ssim(small, small) is None
    assert Ssim().compute(Outcome(originals=small, guesses=small)) is None


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 5), seed=st.integers(0, 1000))
def test_matching_is_the_best_of_all_orders(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    originals, guesses = torch.rand(2, count, 1, 3, 3, generator=generator)
    found = mse(originals, guesses[match(originals, guesses)]).sum().item()
    best = min(mse(originals, guesses[list(order)]).sum().item() for order in permutations(range(count)))
    assert found == pytest.approx(best)


def test_matching_undoes_a_shuffle() -> None:
    originals = torch.rand(6, 3, 8, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(originals[order][match(originals, originals[order])], originals)


@pytest.mark.parametrize(("true", "guess", "share"), [
    ([1, 2, 3, 4], [4, 3, 2, 1], 100), ([1, 1, 2, 3], [1, 2, 2, 2], 50), ([5], [4], 0), ([0, 0], [0, 0], 100),
])  # fmt: skip
def test_label_recovery_counts_labels_whatever_their_order(true: list[int], guess: list[int], share: float) -> None:
    outcome = Outcome(labels=torch.tensor(true), guessed_labels=torch.tensor(guess))
    assert LabelRecovery().compute(outcome) == share
    assert LabelRecovery().compute(Outcome(labels=torch.tensor(true))) is None
