"""Defenses, one idea a file."""
