"""NiBabel without pydicom, which it imports for a header extension that nothing here uses.

It takes two thirds of the time of NiBabel's import (5.4: 0.3 s), in every job of every subject.
"""

import sys

if "nibabel" in sys.modules or "pydicom" in sys.modules:
    import nibabel as nib
else:
    # To NiBabel it is not installed then, which is how it is meant to be used without it.
    sys.modules["pydicom"] = None  # type: ignore[assignment]
    try:
        import nibabel as nib
    finally:
        # Whoever asks for it afterwards gets it.
        del sys.modules["pydicom"]

__all__ = ["nib"]
