"""Attacks on privacy: the server as observer."""
