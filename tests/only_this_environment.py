"""Put into an environment as `sitecustomize`: its jobs find the packages of no other.

Snakemake adds its own search path to that of a job, so a package that the job's environment lacks
would be taken from Snakemake's.  Once the job imports this project's library, Snakemake's own
imports are over, and what it added is taken away again.
"""

import sys


class Cut:
    """An importer that finds nothing, and acts when the library is asked for."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Take away Snakemake's packages before the library is imported."""
        if name == "spect2pet":
            sys.path[:] = [folder for folder in sys.path if not foreign(folder)]
            for loaded, module in list(sys.modules.items()):
                file = getattr(module, "__file__", None) or ""
                if foreign(file) and not loaded.startswith("snakemake"):
                    del sys.modules[loaded]


def foreign(path):
    """Whether a path is among the packages of another environment."""
    return "site-packages" in path and not path.startswith(sys.prefix)


sys.meta_path.insert(0, Cut)
