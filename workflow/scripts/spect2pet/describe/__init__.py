"""Describe: where a study comes from, in a form that other programs read."""
