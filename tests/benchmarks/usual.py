"""The server's rules as federated-learning codebases usually write them: a list of vectors, gone through in Python, and what
numpy, torch and scikit-learn bring. Each computes what the rule of that name computes, with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fflbench.contracts import Round

Rows = list[Tensor]
Way = Callable[[Rows, Round], Any]


def mean(rows: Rows, _: Round) -> Tensor:
    total = torch.zeros_like(rows[0])
    for row in rows:
        total = total + row
    return total / len(rows)


def median(rows: Rows, _: Round) -> Any:
    return np.median(torch.stack(rows).numpy(), axis=0)


def trimmed_mean(rows: Rows, round_: Round) -> Tensor:
    f = round_.tolerated
    return torch.stack(rows).sort(dim=0).values[f : len(rows) - f].mean(0)


def near_median(rows: Any, count: int) -> Any:
    nearest = np.argsort(np.abs(rows - np.median(rows, axis=0)), axis=0)[:count]
    return np.take_along_axis(rows, nearest, axis=0).mean(0)


def meamed(rows: Rows, round_: Round) -> Any:
    return near_median(torch.stack(rows).numpy(), len(rows) - round_.tolerated)


def krum_order(rows: Rows, f: int) -> list[int]:
    """By the distance to the n-f-2 nearest; of equals by that to all."""
    distances = torch.cdist(torch.stack(rows), torch.stack(rows)).square()
    nearest = [own.sort().values for own in distances]
    scores = [(float(own[1 : max(2, len(rows) - f - 1)].sum()), float(own.sum())) for own in nearest]
    return sorted(range(len(rows)), key=scores.__getitem__)


def krum(rows: Rows, round_: Round) -> Tensor:
    return rows[krum_order(rows, round_.tolerated)[0]]


def multi_krum(rows: Rows, round_: Round) -> Tensor:
    f = round_.tolerated
    return torch.stack([rows[i] for i in krum_order(rows, f)[: len(rows) - f - 2]]).mean(0)


def bulyan(rows: Rows, round_: Round) -> Any:
    """Krum anew, distances and all, for each upload that is chosen."""
    f, left, chosen = round_.tolerated, list(rows), []
    while len(chosen) < len(rows) - 2 * f:
        chosen.append(left.pop(krum_order(left, f)[0]))
    return near_median(torch.stack(chosen).numpy(), len(rows) - 4 * f)


def best_subset(rows: Rows, f: int, spread: Callable[[list[int]], float]) -> Tensor:
    best = min((list(subset) for subset in combinations(range(len(rows)), len(rows) - f)), key=spread)
    return torch.stack([rows[i] for i in best]).mean(0)


def mda(rows: Rows, round_: Round) -> Tensor:
    distances = torch.cdist(torch.stack(rows), torch.stack(rows)).numpy()
    return best_subset(rows, round_.tolerated, lambda some: float(distances[np.ix_(some, some)].max()))


def smea(rows: Rows, round_: Round) -> Tensor:
    products = (torch.stack(rows) @ torch.stack(rows).T).double().numpy()

    def largest(some: list[int]) -> float:
        gram = products[np.ix_(some, some)]
        centred = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
        return float(np.linalg.eigvalsh(centred)[-1])

    return best_subset(rows, round_.tolerated, largest)


def monna(rows: Rows, round_: Round) -> Tensor:
    near = sorted(range(len(rows)), key=lambda i: float((rows[i] - rows[0]).norm()))
    return torch.stack([rows[i] for i in near[: len(rows) - round_.tolerated]]).mean(0)


def geometric_median(rows: Rows, _: Round) -> Tensor:
    """Three steps, from the mean of the majority nearest the upload that is nearest the middle."""
    distances = torch.cdist(torch.stack(rows), torch.stack(rows))
    own = distances[distances.sort(dim=1).values[:, len(rows) // 2].argmin()]
    point = torch.stack([rows[i] for i in own.argsort()[: len(rows) - (len(rows) - 1) // 2]]).mean(0)
    for _step in range(3):
        weights = [1 / max(0.1, float((row - point).norm())) for row in rows]
        point = torch.stack([w * row for w, row in zip(weights, rows, strict=True)]).sum(0) / sum(weights)
    return point


def shortened(row: Tensor, norm: float) -> Tensor:
    return row * min(1.0, norm / float(row.norm()))


def centered_clipping(rows: Rows, _: Round) -> Tensor:
    return torch.stack([shortened(row, 10.0) for row in rows]).mean(0)


def norm_clipping(rows: Rows, _: Round) -> Tensor:
    usual = float(np.median([float(row.norm()) for row in rows]))
    return torch.stack([shortened(row, usual) for row in rows]).mean(0)


def clipping(rows: Rows, _: Round) -> Tensor:
    return torch.stack([shortened(row, 2.0) for row in rows])


def arc(rows: Rows, round_: Round) -> Tensor:
    n, f = len(rows), round_.tolerated
    norms = sorted(float(row.norm()) for row in rows)
    return torch.stack([shortened(row, norms[n - 1 - 2 * f * (n - f) // n]) for row in rows])


def nnm(rows: Rows, round_: Round) -> Tensor:
    distances = torch.cdist(torch.stack(rows), torch.stack(rows))
    size = len(rows) - round_.tolerated
    return torch.stack([torch.stack([rows[i] for i in own.argsort()[:size]]).mean(0) for own in distances])


def bucketing(rows: Rows, round_: Round) -> Tensor:
    order = round_.rng.at("bucketing").numpy().permutation(len(rows))
    pairs = [order[i : i + 2] for i in range(0, len(rows), 2)]
    return torch.stack([torch.stack([rows[i] for i in pair]).mean(0) for pair in pairs])


def foolsgold(rows: Rows, round_: Round) -> Tensor:
    from sklearn.metrics.pairwise import cosine_similarity

    n = len(rows)
    cosine = cosine_similarity(torch.stack([row[round_.layout.last_weight] for row in rows]).double().numpy()) - np.eye(n)
    closest = cosine.max(1)
    for i in range(n):
        for j in range(n):
            if closest[i] < closest[j]:
                cosine[i, j] *= closest[i] / closest[j]
    weights = np.clip(1 - cosine.max(1), 0, 1)
    weights = np.minimum(weights / weights.max(), 0.99)
    weights = np.clip(np.log(weights / (1 - weights)) + 0.5, 0, 1)
    return torch.stack([float(w) * row for w, row in zip(weights, rows, strict=True)]).sum(0) / weights.sum()


def fltrust(rows: Rows, round_: Round) -> Tensor:
    assert round_.root_update is not None
    own = round_.root_update()
    trust = [max(0.0, float(torch.nn.functional.cosine_similarity(row, own, dim=0))) for row in rows]
    scaled = [t * row * (own.norm() / row.norm()) for t, row in zip(trust, rows, strict=True)]
    return torch.stack(scaled).sum(0) / sum(trust)


def rlr(rows: Rows, round_: Round) -> Tensor:
    agreed = torch.stack([row.sign() for row in rows]).sum(0).abs()
    average = torch.stack(rows).mean(0)
    return torch.where(agreed >= round_.tolerated + 1, average, -average)


def sign_majority(rows: Rows, _: Round) -> Tensor:
    usual = float(np.median([float(row.norm()) for row in rows]))
    return usual / len(rows[0]) ** 0.5 * torch.stack([row.sign() for row in rows]).sum(0).sign()


def dnc(rows: Rows, round_: Round) -> Tensor:
    drawn = round_.rng.at("dnc").numpy().permutation(len(rows[0]))[:10_000]
    some = torch.stack([row[drawn] for row in rows])
    centred = some - some.mean(0)
    scores = (centred @ torch.linalg.svd(centred, full_matrices=False).Vh[0]).square()
    return torch.stack([rows[i] for i in scores.argsort()[: len(rows) - round_.tolerated]]).mean(0)


def signguard(rows: Rows, round_: Round) -> Tensor:
    from sklearn.cluster import MeanShift, estimate_bandwidth

    norms = np.array([float(row.norm()) for row in rows])
    usual = float(np.median(norms))
    drawn = round_.rng.at("signguard").numpy().permutation(len(rows[0]))[: len(rows[0]) // 10]
    signs = [row[drawn].sign() for row in rows]
    shares = np.array([[float((sign == one).float().mean()) for one in (1, 0, -1)] for sign in signs])
    clusters = MeanShift(bandwidth=estimate_bandwidth(shares, quantile=0.5), cluster_all=False).fit(shares).labels_
    largest = np.bincount(clusters[clusters >= 0]).argmax()
    kept = (clusters == largest) & (norms >= 0.1 * usual) & (norms <= 3 * usual)
    return torch.stack([shortened(row, usual) for row, good in zip(rows, kept, strict=True) if good]).mean(0)


def flame(rows: Rows, round_: Round) -> Tensor:
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics.pairwise import cosine_distances

    models = torch.stack([round_.global_vector + row for row in rows]).double().numpy()
    finder = HDBSCAN(min_cluster_size=len(rows) // 2 + 1, min_samples=1, metric="precomputed", allow_single_cluster=True,
                     copy=True)  # fmt: skip
    labels = finder.fit(cosine_distances(models)).labels_
    usual = float(np.median([float(row.norm()) for row in rows]))
    kept = [row for row, label in zip(rows, labels, strict=True) if label == 0] or rows
    average = torch.stack([shortened(row, usual) for row in kept]).mean(0)
    generator = round_.rng.at("flame").torch(average.device)
    return average + torch.empty_like(average).normal_(0, 1, generator=generator) * (0.001 * usual)


def repeated_median(rows: Rows, _: Round) -> Any:
    values = np.sort(torch.stack(rows).numpy(), axis=0)
    n, ranks = len(values), np.arange(len(values), dtype=np.float32)
    slopes = []
    for i in range(n):
        others = np.arange(n) != i
        slopes.append(np.median((values[others] - values[i]) / (ranks[others] - ranks[i])[:, None], axis=0))
    return np.median(values - np.median(slopes, axis=0) * (ranks - (n - 1) / 2)[:, None], axis=0)


def reputation(rows: Rows, round_: Round) -> Any:
    """FFL's server in its warm-up: scores, and the median."""
    norms = torch.tensor([float(row.norm()) for row in rows])
    apart = (norms - norms.median()).abs()
    last = [-row[round_.layout.last_layer] for row in rows]
    centre = torch.stack(last).median(dim=0).values
    cosine = torch.stack([torch.nn.functional.cosine_similarity(one, centre, dim=0) for one in last])
    scores = 0.2 * (1 - apart / apart.max()) + 0.8 * (cosine + 1) / 2
    np.quantile(scores.numpy(), 0.25)
    return median(rows, round_)


USUAL: dict[str, Way] = {
    "arc": arc, "bucketing": bucketing, "bulyan": bulyan, "centered-clipping": centered_clipping, "clipping": clipping,
    "dnc": dnc, "flame": flame, "fltrust": fltrust, "foolsgold": foolsgold, "geometric-median": geometric_median,
    "krum": krum, "mda": mda, "meamed": meamed, "mean": mean, "median": median, "monna": monna, "multi-krum": multi_krum,
    "nnm": nnm, "norm-clipping": norm_clipping, "repeated-median": repeated_median, "reputation": reputation, "rlr": rlr,
    "sign-majority": sign_majority, "signguard": signguard, "smea": smea, "trimmed-mean": trimmed_mean,
}  # fmt: skip
