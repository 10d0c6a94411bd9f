"""How good estimates are: losses, scores, their evaluation and pictures."""
