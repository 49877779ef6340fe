"""Prepare: one raw image, NIfTI or DICOM, becomes canonical NIfTI."""
