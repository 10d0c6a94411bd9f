"""From corpora on disk to mixtures and a manifest.

What takes seconds to import, as scipy.signal does, is imported where it is
used: `spmamba prepare` imports all data sets to tell what they take.
"""

import speechbrain_spmamba


def __getattr__(name):
    return getattr(speechbrain_spmamba, f"prepare.{name}")
