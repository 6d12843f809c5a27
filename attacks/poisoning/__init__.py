"""Attacks on what is learned: a malicious coalition among the peers."""
