"""Secure aggregation: masks that cancel in the sum, so that the server learns it and nothing else."""
