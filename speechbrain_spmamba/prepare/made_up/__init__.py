"""Corpora that need no download: sounds made by formulas."""
