"""Fragmented federated learning: peers swap random fragments of their updates, reputation replaces filtering."""
