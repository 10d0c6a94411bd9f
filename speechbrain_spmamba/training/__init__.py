"""SpeechBrain's training loop with what it computes here and keeps."""
