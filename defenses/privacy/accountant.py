"""The privacy that Gaussian noise buys, from a library that specialises in it (extra `dp`)."""

from __future__ import annotations

ORDERS = [*range(2, 64), 80, 128, 256, 512]


def epsilon(noise: float, rounds: int, delta: float, sampled: tuple[int, int] | None = None) -> float | str:
    """The epsilon, at `delta`, of `rounds` Gaussian mechanisms whose deviation is `noise` times the norm of a peer's
    clipped update, when that peer's updates are replaced by any others (which moves a sum by twice the norm).

    `sampled`: how many of how many peers take part in a round, drawn without replacement. A sentence in place of the number
    when the accountant is not installed. Renyi accounting (Mironov 2017) by Google's dp-accounting.
    """
    try:
        import dp_accounting
        from dp_accounting import rdp
    except ImportError:
        return 'not computed: `pip install "fflbench[dp]"` brings the accountant'
    event: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(noise / 2)
    if sampled is not None and sampled[0] < sampled[1]:
        event = dp_accounting.SampledWithoutReplacementDpEvent(sampled[1], sampled[0], event)
    relation = dp_accounting.NeighboringRelation.REPLACE_ONE
    accountant = rdp.RdpAccountant(orders=ORDERS, neighboring_relation=relation)
    accountant.compose(event, rounds)
    return round(float(accountant.get_epsilon(delta)), 4)
