"""ANTs without the parts that nothing here uses.

They bring statsmodels, scikit-learn and matplotlib, which take four fifths of the time of its
import (antspyx 0.6: 1.9 s, without them 0.4 s), in two jobs of every subject.
"""

import sys
from types import ModuleType

#: Drawing, learning and regression.
UNUSED = ("ants.deeplearn", "ants.learn", "ants.math.quantile", "ants.plotting")


class _Absent(ModuleType):
    """Stands in for a module while another imports names from it; each is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


if "ants" in sys.modules:
    import ants
else:
    sys.modules.update({name: _Absent(name) for name in UNUSED})
    try:
        import ants
    finally:
        # Whoever asks for such a part itself gets the real one.
        for name in UNUSED:
            del sys.modules[name]

__all__ = ["ants"]
