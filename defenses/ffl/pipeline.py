"""The defense `ffl` by its name."""

from fflbench.contracts import Pipeline

FFL = Pipeline(
    ("fragment-mixing", "reputation"),
    "Peers swap random fragments pairwise before upload; the server scores mixtures and weighs peers by reputation.",
    paper="https://arxiv.org/abs/2207.05978",
)
