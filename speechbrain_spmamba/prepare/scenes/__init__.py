"""Reverberant scenes: drawn from a seed, rendered, looked at."""
