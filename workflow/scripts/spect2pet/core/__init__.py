"""What every stage stands on: files, images, grids, tables, jobs, provenance."""
