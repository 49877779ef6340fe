"""Cost of evaluation: seconds a subject on one core, and whether it grows in proportion.

Run from the repository:
OMP_NUM_THREADS=1 PYTHONPATH=workflow/scripts python benchmarks/evaluation.py
"""

import platform
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from spect2pet import evaluation, regional_agreement, regions, similarity, study, tables

GROUPS = Path(__file__).parent.parent / "workflow" / "resources" / "aal_groups.tsv"
SHAPE = (96, 112, 88)
STUDIES = (6, 24, 72)
SETTINGS = similarity.Settings(
    sigma=1.5, k1=0.01, k2=0.03, data_range=80.0, min_coverage=0.2, voxel_mm=2.0
)


def make_subject(groups: pd.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Images of smooth noise in an ellipsoidal brain, and labels in blocks of 12 voxels."""
    draw = np.random.default_rng(1)
    x, y, z = (2 * axis / n - 1 for axis, n in zip(np.indices(SHAPE), SHAPE, strict=True))
    mask = (x / 0.75) ** 2 + (y / 0.8) ** 2 + (z / 0.75) ** 2 < 1
    images = {}
    for name, blur in (("SPECT", 4), ("P2P", 2.5), ("PET", 2)):
        texture = ndimage.gaussian_filter(draw.standard_normal(SHAPE), blur)
        images[name] = ((40 + 12 * texture / texture.std()) * mask).astype(np.float32)
    i, j, k = (axis // 12 for axis in np.indices(SHAPE))
    blocks = i + 8 * j + 80 * k
    labels = groups["index"].to_numpy()[blocks % len(groups)]
    return images, mask, np.where(mask, labels, 0)


def run(subjects: int, groups: pd.DataFrame) -> tuple[float, float]:
    """Evaluate a study; return processor seconds of the measurements and of the tables."""
    images, mask, dseg = make_subject(groups)
    draw = np.random.default_rng(2)
    measured, means, split = [], [], {}
    spent = 0.0
    for number in range(subjects):
        subject = f"{number:03d}"
        split[subject] = evaluation.SETS[number % 3]
        scale = {name: draw.normal(1, 0.1) for name in images}
        trio = {name: image * np.float32(scale[name]) for name, image in images.items()}
        start = time.process_time()
        measured.append(
            similarity.compare_subject(
                subject, trio, dict.fromkeys(trio, False), mask, dseg, SETTINGS
            )[0]
        )
        columns = {name.lower(): image for name, image in trio.items()}
        table = evaluation.with_brain(
            regions.region_table(columns, dseg, mask, groups), columns, mask
        )
        spent += time.process_time() - start
        table.insert(0, "subject", subject)
        means.append(table.assign(relative=False))
    start = time.process_time()
    tests = study.compare_similarity(study.with_sets(measured, split))
    every = study.with_sets(means, split)
    lines = study.regress_regions(every)
    regional_agreement.agree(every, seed=1)
    regional_agreement.compare_asymmetry(every, seed=1)
    study.beside_published(tests, lines, "aal")
    return spent, time.process_time() - start


def main() -> None:
    """Measure studies of several sizes and print the table."""
    groups = tables.read_table(GROUPS)
    run(1, groups)
    print(f"Evaluation on one core of {platform.machine()}, Python {platform.python_version()},")
    print(f"images of {' × '.join(map(str, SHAPE))} voxels, reading and writing not counted")
    print(f"{'subjects':>8} {'measure, s':>11} {'tables, s':>10} {'s a subject':>12}")
    each = []
    for subjects in STUDIES:
        measuring, tabulating = run(subjects, groups)
        each.append((measuring + tabulating) / subjects)
        print(f"{subjects:8d} {measuring:11.2f} {tabulating:10.2f} {each[-1]:12.3f}")
    print(f"cost of a subject, {STUDIES[-1]} subjects over {STUDIES[0]}: {each[-1] / each[0]:.2f}"
          " (1: linear)")  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
