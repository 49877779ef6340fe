"""Cohort: simulated people and their scans."""
