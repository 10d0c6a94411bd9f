"""Weights in and out: model folders, runs, published checkpoints."""
