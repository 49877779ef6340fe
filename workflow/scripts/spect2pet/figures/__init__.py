"""Figures: one module a figure, and the style they share."""
