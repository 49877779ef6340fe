"""Time and memory of each step of simulating one default subject.

    python benchmarks/simulation.py > benchmarks/simulation.txt

Processor seconds of one thread, so that other work on the machine hardly matters, and the
peak memory of the process when the step ends. The last column is the time as a multiple of
the SPECT reconstruction's, which carries over to other machines better than seconds.
"""

import functools
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]

from spect2pet.core import runtime  # noqa: E402

runtime.limit_threads(1)  # before the libraries that read the limit when imported

import torch  # noqa: E402

from cohort_settings import default_settings  # noqa: E402
from spect2pet.cohort import phantom, scanner, simulation  # noqa: E402

SUBJECT = "001"
STEPS = {
    "anatomy": "warp_coordinates",
    "flow and deficits": "paint_flow",
    "sampling on the scanner's voxels": "sample",
    "SPECT system matrix": "SpectMatrix",
    "SPECT projection and counts": "detect",
    "PET system matrix": "PetMatrix",
    "OSEM": "osem",
    "post filter": "post_filter",
    "writing files": "write_image",
}
seconds: dict[str, float] = defaultdict(float)
memory: dict[str, float] = {}


def timed(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its processor time added to the step's."""

    @functools.wraps(function, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        result = function(*args, **kwargs)
        name = f"{kind(args[0])} {step}" if step == "OSEM" else step
        seconds[name] += time.process_time() - start
        memory[name] = peak_mb()
        return result

    return run


def kind(matrix: Any) -> str:
    """SPECT or PET."""
    return "SPECT" if type(matrix).__name__ == "SpectMatrix" else "PET"


def peak_mb() -> float:
    """Largest memory of the process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Simulate one subject and print the table."""
    torch.set_num_threads(1)
    imported = time.process_time()
    seconds["imports"], memory["imports"] = imported, peak_mb()
    for step, name in STEPS.items():
        for module in (phantom, scanner, simulation):
            if hasattr(module, name):
                setattr(module, name, timed(step, getattr(module, name)))
    with tempfile.TemporaryDirectory() as folder:
        names = ("spect", "pet", "cbf", "deficit", "ceiling")
        files = {name: Path(folder) / f"{name}.nii.gz" for name in names}
        files["truth"] = Path(folder) / "truth.json"
        simulation.simulate_subject(SUBJECT, default_settings(), **files, made_by={})
    total = time.process_time()
    seconds["everything else"] = total - sum(seconds.values())
    memory["everything else"] = peak_mb()
    report(total - imported, total)


def report(working: float, total: float) -> None:
    """Print the table, slowest step first."""
    unit = seconds["SPECT OSEM"]
    print(f"{'step':36}{'CPU seconds':>12}{'peak MB':>9}{'× OSEM':>8}")
    for step in sorted(seconds, key=lambda name: -seconds[name]):
        took = seconds[step]
        print(f"{step:36}{took:12.2f}{memory[step]:9.0f}{took / unit:8.2f}")
    print(f"{'all without imports':36}{working:12.2f}{peak_mb():9.0f}{working / unit:8.2f}")
    print(f"{'all':36}{total:12.2f}{peak_mb():9.0f}{total / unit:8.2f}")


if __name__ == "__main__":
    main()
