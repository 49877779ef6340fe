"""Infer: P2P images, and models for others."""
