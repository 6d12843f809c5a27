"""Peers, local training, the round loop, and what the server observes."""
