"""The class of this model, for ``foreign_class`` of SpeechBrain.

Every model folder has a copy of this file. The package itself runs no file
that it finds in a folder.
"""

from speechbrain_spmamba.inference import WaveformSeparation

__all__ = ["WaveformSeparation"]
