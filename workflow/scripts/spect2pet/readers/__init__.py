"""Readers: the blind reading session and its statistics."""
