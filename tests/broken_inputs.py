"""A corpus of wrong inputs, made by code: what a user may hand in, and what must be said of it.

Each case builds files in a folder.  `BROKEN` holds those that must end in one sentence; `SOUND`
and `SOUND_TABLES` those that look odd and must be read right all the same.
"""

import broken_dicom
import broken_nifti
from broken_tables import SOUND_TABLES
from corpus import BROKEN, SOUND

__all__ = ["BROKEN", "SOUND", "SOUND_TABLES", "broken_dicom", "broken_nifti"]
