"""A small finished study on disk for tests of the report, made of arrays and tables built here."""

from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
from snakemake.utils import validate

from cohort_settings import SCHEMA
from spect2pet.core import niivue, provenance
from spect2pet.core.images import write_image
from spect2pet.core.provenance import write_json
from spect2pet.core.tables import write_table
from spect2pet.evaluate import comparison
from spect2pet.evaluate import study as tables_of_study
from spect2pet.evaluate.evaluation import LOWER_IS_BETTER, MEASURES
from spect2pet.report import report, report_images, report_study
from spect2pet.train import presets

ROOT = Path(__file__).parents[1]
RESOURCES = ROOT / "workflow" / "resources"
CAPTIONS = {p.stem: p.read_text("utf-8") for p in (ROOT / "workflow" / "report").glob("*.rst")}
SOURCES = {
    "page": RESOURCES / "report" / "report.html",
    "style": RESOURCES / "report" / "report.css",
    "viewer": RESOURCES / "reading" / "viewer.js",
    "script": RESOURCES / "report" / "report.js",
}
SETS = {"001": "train", "002": "validation", "003": "test", "004": "test", "005": "test"}
SHAPE = (20, 24, 18)
AFFINE = np.array([[2, 0, 0, -20], [0, 2, 0, -30], [0, 0, 2, -10], [0, 0, 0, 1.0]])
#: Test subjects' SSIM of SPECT, and what P2P adds to it.
SSIM = {"001": 0.90, "002": 0.85, "003": 0.70, "004": 0.75, "005": 0.80}
GAINS = {"001": 0.09, "002": 0.08, "003": 0.10, "004": 0.05, "005": 0.12}
STAMP = provenance.stamp({}, seed=7, code="0123456789abcdef", packages=["numpy"])


@cache
def viewer() -> dict[str, str]:
    """What the page shows images with."""
    return niivue.texts()


def config(**changes: Any) -> dict[str, Any]:
    """A whole configuration, as the workflow has it."""
    content = {"models": presets.fill({"p2p": {}}), "subjects": None, **changes}
    validate(content, str(SCHEMA))
    return content


def image(name: str, number: int) -> np.ndarray:
    """A box of flow with a bright cube on the patient's right, in front and above."""
    data = np.zeros(SHAPE, dtype=np.float32)
    data[3:17, 3:21, 3:15] = 20 + 5 * ("SPECT", "P2P", "PET").index(name) + number
    data[13:17, 16:21, 11:15] = 70
    return data


def brain() -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[3:17, 3:21, 3:15] = True
    return mask


def similarity(gains: dict[str, float]) -> pd.DataFrame:
    """Measures of every subject and image; all measures move with SSIM."""
    rows = []
    for label, name in SETS.items():
        for shown, value in (("SPECT", SSIM[label]), ("P2P", SSIM[label] + gains[label])):
            measures = {m: 1 - value if m in LOWER_IS_BETTER else value for m in MEASURES}
            about = {"subject": label, "set": name, "image": shown, "relative": False}
            rows.append({**about, **measures})
    return pd.DataFrame(rows)


def regions(slope: float) -> pd.DataFrame:
    """Region means: SPECT has a slope of 0.5 on PET and P2P the given one."""
    rows = []
    for k, (label, name) in enumerate(SETS.items()):
        for atlas, count in (("aal", 8), ("brain", 1)):
            for region in range(count):
                pet = 40.0 + 3 * region + k
                noise = (1, -1, -1, 1)[region % 4]  # without a slope of its own
                rows.append(
                    {
                        "subject": label,
                        "set": name,
                        "atlas": atlas,
                        "region": f"{atlas}{region}",
                        "hemisphere": "both",
                        "voxels": 100,
                        "spect": 0.5 * pet + 10 + noise,
                        "p2p": slope * pet + 5 + noise,
                        "pet": pet,
                        "truth": pet,
                        "relative": False,
                    }
                )
    return pd.DataFrame(rows)


def lesion_summary(better: float) -> dict[str, Any]:
    """The numbers of deficits that the report reads, with a difference of areas of ± 0.02."""
    own = {"auc": 0.7 + better, "difference_low": better - 0.02, "difference_high": better + 0.02}
    return {
        "statement": "STATEMENT.",
        "similarity": {"difference_low": 0.02, "difference_high": 0.15},
        "detection": {"SPECT": {"auc": 0.7}, "P2P": own},
        "GeneratedBy": STAMP,
    }


def uncertainty_summary(rho: float = 0.4) -> pd.DataFrame:
    """Error against standard deviation in two bins."""
    rows = []
    for name, about in (("test", rho), ("train", 0.9)):
        rows += [
            {
                "set": name,
                "scale": "relative",
                "bin": k,
                "sd": k,
                "rmse": 4.0,
                "ratio": 4.0 / k,
                "relative": False,
                "subjects": 3,
                "slope": 1.0,
                "spearman": about,
                "spearman_low": about - 0.1,
                "spearman_high": about + 0.1,
                "grows": about > 0.1,
            }
            for k in (1, 2)
        ]
    return pd.DataFrame(rows)


class Made:
    """A study on disk, and what `report_study.read_study` takes."""

    def __init__(
        self, folder: Path, *, models: tuple[str, ...] = ("p2p", "unet"), given: bool = False
    ) -> None:
        self.folder, self.names = folder / "results", models
        self.sources: dict[str, list[str]] = {name: [] for name in report_study.SOURCES}
        self.config = config(models=presets.fill({name: {} for name in models}))
        self.card = {"method": "p2p", "networks": 2, "subjects": {}, "cohort": "simulated"}
        self.card = self.card if given else None
        self.sets = dict.fromkeys(SETS, "test") if given else SETS
        self.alone: set[str] = set()
        self.warnings: dict[str, list[str]] = {}

    def path(self, name: str, *parts: str) -> Path:
        """A place for a file, noted under the name of its list."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        if name:
            self.sources[name].append(str(path))
        return path

    def table(self, rows: pd.DataFrame, *parts: str) -> None:
        """Write a table with a description of every column."""
        write_table(self.path("tables", *parts), rows, {n: f"about {n}" for n in rows}, STAMP)

    def subjects(self, relative: bool = False) -> "Made":
        """Images, sidecars and checks of all subjects."""
        for k, label in enumerate(SETS):
            sub = f"sub-{label}"
            about = {"Units": "mL/100 g/min", "Relative": relative}
            start = f"{sub}_space-study"
            kinds = [("spect", "SPECT"), *([] if label in self.alone else [("pet", "PET")])]
            for kind, name in kinds:
                write_image(
                    self.path(kind, "registered", sub, f"{start}_{kind}.nii.gz"),
                    image(name, k),
                    AFFINE,
                    about,
                )
                prepared = {**about, "Warnings": self.warnings.get(label, []), "GeneratedBy": STAMP}
                write_json(self.path("prepared", "prepared", sub, f"{sub}_{kind}.json"), prepared)
            if label not in self.alone:
                path = self.path("mask", "registered", sub, f"{start}_desc-brain_mask.nii.gz")
                write_image(path, brain(), AFFINE)
                write_json(
                    self.path("checks", "registered", sub, f"{sub}_desc-check_registration.json"),
                    check(),
                )
                picture = np.random.default_rng(k).random((40, 60, 4))
                matplotlib.image.imsave(
                    self.path("overlays", "registered", sub, f"{sub}_desc-check_overlay.png"),
                    picture,
                )
            for model in self.names:
                place = ("synthetic", model, sub)
                write_image(
                    self.path("p2p", *place, f"{start}_desc-p2p_spect.nii.gz"),
                    image("P2P", k),
                    AFFINE,
                    about,
                )
                if model == "p2p":
                    doubt = np.where(brain(), np.float32(k + 1), 0)
                    path = self.path("uncertainty", *place, f"{start}_desc-uncertainty.nii.gz")
                    write_image(path, doubt, AFFINE, about)
        return self

    def evaluation(self, gains: dict[str, float] | None = None, **of_model: Any) -> "Made":
        """Tables and figures of all models, the second with half the gains of the first."""
        gains = gains or GAINS
        found = {}
        for k, model in enumerate(self.names):
            own = {label: gain / (k + 1) for label, gain in gains.items()}
            rows = similarity(own)
            lines = regions(of_model.get("slope", 0.8))
            rows, lines = (self.of_paired(table) for table in (rows, lines))
            tests = tables_of_study.compare_similarity(rows)
            regression = tables_of_study.regress_regions(lines)
            published = tables_of_study.beside_published(tests, regression, "aal")
            found[model] = rows, regression
            for name, table in (
                ("similarity", rows),
                ("similarity_tests", tests),
                ("regions", lines),
                ("regression", regression),
                ("published", published),
            ):
                self.table(table, "evaluation", model, f"{name}.tsv")
            picture = self.path("figures", "figures", model, "similarity.png")
            matplotlib.image.imsave(picture, np.full((1200, 1600, 3), k / 2))
        split = self.of_paired(pd.DataFrame({"subject": list(self.sets)}))
        path = self.path("split", "split", "split.tsv")
        write_table(path, split, dict.fromkeys(split, ""), STAMP)
        methods = comparison.compare_methods(
            {model: rows for model, (rows, _) in found.items()},
            {model: lines for model, (_, lines) in found.items()},
            {model: self.config["models"][model]["method"] for model in self.names},
            "aal",
        )
        self.table(methods, "evaluation", "methods.tsv")
        return self

    def of_paired(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of subjects with PET, and their sets."""
        rows = rows[~rows["subject"].isin(self.alone)].reset_index(drop=True)
        return rows.assign(set=rows["subject"].map(self.sets))

    def record(self, content: dict[str, Any], *parts: str) -> "Made":
        """A JSON file that belongs to no table."""
        write_json(self.path("tables", *parts), content)
        return self

    def read(self) -> report_study.Study:
        return report_study.read_study(
            self.sources,
            models=self.config["models"],
            first=self.names[0],
            subjects=list(SETS),
            config=self.config,
            subgroups={"group": dict(zip(SETS, ["control", *["patient"] * 4], strict=True))},
            card=self.card,
        )

    def build(self) -> Path:
        """Write the report; the path of its page."""
        page = self.folder / "report.html"
        report.build(
            page, self.folder / "report", self.read(), captions=CAPTIONS, sources=SOURCES,
            viewer=viewer(), made_by=STAMP,
        )  # fmt: skip
        return page


def check() -> dict[str, Any]:
    """Numbers of a registration."""
    return {
        "coregistration": {
            "rotation_deg": 2.0,
            "shift_mm": 5.0,
            "before": {"overlap": 0.8, "correlation": 0.7},
            "after": {"overlap": 0.95, "correlation": 0.97},
        },
        "target_registration_error_mm": None,
        "normalisation": {"overlap": 0.96, "brain_volume_ml": 1500.0},
        "empty_regions": [],
        "warnings": [],
        "GeneratedBy": STAMP,
    }


def files_of(label: str, sources: dict[str, list[str]]) -> report_images.Files:
    """The images of one subject of a study that was made."""
    own = {
        name: [Path(p) for p in paths if f"sub-{label}_" in p] for name, paths in sources.items()
    }
    by_model = {
        name: {path.parents[1].name: path for path in own[name]} for name in ("p2p", "uncertainty")
    }
    return report_images.Files(
        own["spect"][0],
        next(iter(own["pet"]), None),
        next(iter(own["mask"]), None),
        by_model["p2p"],
        by_model["uncertainty"],
    )
