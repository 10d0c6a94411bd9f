"""Recordings of any length: read, cut, resample, wait, write, all done once."""
