"""Evaluate: similarity, regional agreement, all methods side by side."""
