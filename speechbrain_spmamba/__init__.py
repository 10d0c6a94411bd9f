"""Speech separation with state-space models, as a SpeechBrain plugin."""

__version__ = "0.1.0"
