"""Lesions: what happens to known deficits."""
