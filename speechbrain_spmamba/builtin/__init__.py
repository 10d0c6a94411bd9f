"""Models that come with the package, a folder each.

hyperparams.yaml        builds the model
separator.safetensors   its weights, at most 4 MB
SHA256SUMS              sums of these two
figures.yaml            what it learned from, how good it is, its licence
README.md               model card, with the same figures

``make.py`` writes such a folder, ``models.py`` reads what it says.
"""
