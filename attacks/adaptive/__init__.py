"""Attacks that know how Fragmented Federated Learning scores, and use it."""
