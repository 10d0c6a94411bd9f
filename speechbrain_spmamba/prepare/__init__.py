"""From corpora on disk to mixtures and a manifest."""

import speechbrain_spmamba


def __getattr__(name):
    return getattr(speechbrain_spmamba, f"prepare.{name}")
