"""Export: a study in the formats of other programs."""
