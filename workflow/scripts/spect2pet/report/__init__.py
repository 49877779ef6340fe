"""Report: the offline page of a study."""
