"""fflbench: attacks against federated-learning defenses, from a suite file to a leaderboard."""

__version__ = "0.1.0"
