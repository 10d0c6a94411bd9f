"""Scores of estimates that lie in files, of any tool."""
