"""From corpora on disk to mixtures and a manifest."""
