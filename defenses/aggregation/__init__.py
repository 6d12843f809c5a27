"""Aggregation rules of the server."""
