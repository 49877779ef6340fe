"""A complete small study: what it makes, what it remakes, and that it repeats to the byte."""

import json
import shutil
import zipfile

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine

from conftest import SMALL

MODEL = "p2p"
#: Files of the record of the study that the report of Snakemake shows.
RECORD = ("ro-crate-metadata.json", "checksums.sha256")


def read(study, *parts):
    return pd.read_csv(
        study.file("results", *parts), sep="\t", na_values=["n/a"], dtype={"subject": str}
    )


def labels(study):
    return read(study, "split", "split.tsv")["subject"].tolist()


def voxels(path):
    image = nib.load(path)
    return np.asarray(image.dataobj), image.affine


# --- What it makes ------------------------------------------------------------


def test_everything_that_the_results_page_names_is_there(small_study):
    page = small_study.file("results-readme.md").read_text()
    text = page.partition("## All files")[2].partition("\n## ")[0]
    wild = {"<model>": MODEL, "<k>": "0", "<s>": "2025", "<subject>": labels(small_study)[0]}
    paths = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert len(paths) > 30
    for path in paths:
        there = path
        for name, value in wild.items():
            there = there.replace(name, value)
        assert small_study.file("results", there).exists(), path


def test_every_result_is_documented(small_study):
    """No output without its line on the results page."""
    text = (small_study.folder / "results-readme.md").read_text()
    first = labels(small_study)[0]
    wild = {
        first: "<subject>",
        "fold-0": "fold-<k>",
        "seed-2025": "seed-<s>",
        "seed-2026": "seed-<s>",
    }
    wild |= {f"/{model}/": "/<model>/" for model in (MODEL, "richardson_lucy", "ceiling")}
    wild[f"/{MODEL}."] = "/<model>."
    for path in small_study.file("results").rglob("*"):
        name = str(path.relative_to(small_study.file("results")))
        other = any(f"sub-{label}" in name for label in labels(small_study) if label != first)
        # Of the record, folders have a row each: the workflow's and copies of results.
        copied = name.startswith(tuple(f"provenance/{x}/" for x in ("workflow", "envs", "results")))
        inside = copied or "/samples/" in name or path.name == ".snakemake_timestamp"
        if path.is_file() and not other and path.name != "README.md" and not inside:
            for value, wildcard in wild.items():
                name = name.replace(value, wildcard)
            assert f"`{name}`" in text, name


def test_every_image_says_its_unit_and_where_it_comes_from(small_study):
    images = list(small_study.file("results").rglob("*_spect.nii.gz"))
    # Raw, prepared, registered; P2P of two models; uncertainty of one; ceiling where it is tested.
    tested = read(small_study, "split", "split.tsv")["set"].eq("test").sum()
    assert len(images) == 6 * len(labels(small_study)) + tested
    for image in images:
        if "cohort" not in image.parts:
            sidecar = json.loads(image.with_name(image.name[:-7] + ".json").read_text())
            assert sidecar["Units"] == "mL/100 g/min"
            assert sidecar["Relative"] is False
            assert sidecar["GeneratedBy"]["Libraries"]
            assert "not for diagnosis" in sidecar["GeneratedBy"]["Notice"]


def test_tables_describe_every_column(small_study):
    tables = list(small_study.file("results").rglob("*.tsv"))
    tables = [table for table in tables if "resources" not in table.parts]
    assert len(tables) > 10
    for table in tables:
        described = json.loads(table.with_suffix(".json").read_text())
        for column in pd.read_csv(table, sep="\t").columns:
            assert described[column]["Description"], f"{table}: {column}"


def test_p2p_keeps_the_geometry_and_the_sides_of_its_spect(small_study):
    for label in labels(small_study):
        start = f"sub-{label}_space-study"
        spect, affine = voxels(
            small_study.file("results", "registered", f"sub-{label}", f"{start}_spect.nii.gz")
        )
        p2p, p2p_affine = voxels(
            small_study.file(
                "results", "synthetic", MODEL, f"sub-{label}", f"{start}_desc-p2p_spect.nii.gz"
            )
        )
        assert p2p.dtype == np.float32
        np.testing.assert_array_equal(affine, p2p_affine)
        inside = spect > 5
        straight = np.corrcoef(spect[inside], p2p[inside])[0, 1]
        mirrored = np.corrcoef(spect[inside], p2p[::-1][inside])[0, 1]
        assert straight > mirrored


def test_left_stays_left_from_the_truth_to_every_image(small_study):
    """Each image resembles the true flow at its true place more than the mirrored truth."""
    for label in labels(small_study):
        folder = small_study.file("results", "cohort", f"sub-{label}", "truth")
        truth = json.loads((folder / f"sub-{label}_truth.json").read_text())
        cbf, affine = voxels(folder / f"sub-{label}_desc-cbf_map.nii.gz")
        where = np.argwhere((cbf > 10) & (cbf[::-1] > 10))
        places = apply_affine(np.array(truth["pet_pose"]), apply_affine(affine, where))
        flow, mirrored = cbf[tuple(where.T)], cbf[::-1][tuple(where.T)]
        for name in ("spect", "pet"):
            image, grid = voxels(
                small_study.file(
                    "results",
                    "registered",
                    f"sub-{label}",
                    f"sub-{label}_space-study_{name}.nii.gz",
                )
            )
            at = np.rint(apply_affine(np.linalg.inv(grid), places)).astype(int)
            inside = ((at >= 0) & (at < image.shape)).all(axis=1)
            seen = image[tuple(at[inside].T)]
            straight = np.corrcoef(seen, flow[inside])[0, 1]
            assert straight > np.corrcoef(seen, mirrored[inside])[0, 1] + 0.01, f"{label} {name}"


def test_ssim_of_the_table_is_that_of_scikit_image_on_the_files(small_study):
    from skimage.metrics import structural_similarity

    label = labels(small_study)[-1]
    folder = small_study.file("results", "registered", f"sub-{label}")
    spect, _ = voxels(folder / f"sub-{label}_space-study_spect.nii.gz")
    pet, _ = voxels(folder / f"sub-{label}_space-study_pet.nii.gz")
    mask = voxels(folder / f"sub-{label}_space-study_desc-brain_mask.nii.gz")[0] > 0
    values = []
    for k in range(mask.shape[2]):
        if mask[:, :, k].sum() >= 0.2 * mask.sum(axis=(0, 1)).max():
            _, ssim = structural_similarity(
                pet[:, :, k].astype(float), spect[:, :, k].astype(float), full=True, sigma=1.5,
                gaussian_weights=True, use_sample_covariance=False, data_range=80,
            )  # fmt: skip
            values.append(ssim[mask[:, :, k]].mean())
    table = read(small_study, "evaluation", MODEL, "similarity.tsv").set_index(["subject", "image"])
    assert table.loc[(label, "SPECT"), "ssim_slice"] == pytest.approx(np.mean(values), abs=1e-5)


def test_the_headline_regression_is_that_of_scipy_on_the_test_rows(small_study):
    from scipy.stats import linregress

    regions = read(small_study, "evaluation", MODEL, "regions.tsv")
    rows = regions[(regions["set"] == "test") & (regions["atlas"] == "aal")]
    assert (
        rows["subject"].nunique() == read(small_study, "split", "split.tsv")["set"].eq("test").sum()
    )
    expected = linregress(rows["pet"], rows["spect"])
    table = read(small_study, "evaluation", MODEL, "regression.tsv")
    row = table[
        (table["set"] == "test")
        & (table["atlas"] == "aal")
        & (table["scale"] == "absolute")
        & (table["x"] == "PET")
        & (table["y"] == "SPECT")
    ].iloc[0]
    assert row["n"] == len(rows)
    assert row["slope"] == pytest.approx(expected.slope, rel=1e-4)
    assert row["intercept"] == pytest.approx(expected.intercept, rel=1e-3, abs=1e-3)
    assert row["r"] == pytest.approx(expected.rvalue, rel=1e-4)


def test_a_region_mean_of_the_table_is_the_mean_of_the_voxels(small_study):
    label = labels(small_study)[0]
    folder = small_study.file("results", "registered", f"sub-{label}")
    pet, _ = voxels(folder / f"sub-{label}_space-study_pet.nii.gz")
    regions, _ = voxels(folder / f"sub-{label}_space-study_desc-aal_dseg.nii.gz")
    mask = voxels(folder / f"sub-{label}_space-study_desc-brain_mask.nii.gz")[0] > 0
    table = read(small_study, "evaluation", MODEL, "regions.tsv")
    groups = pd.read_csv(
        small_study.file("workflow", "resources", "aal_groups.tsv"), sep="\t", comment="#"
    )
    index = groups.set_index("region").loc["Precuneus_L", "index"]
    rows = table.set_index(["subject", "atlas", "region", "hemisphere"])
    row = rows.loc[(label, "aal", "Precuneus", "L")]
    inside = (regions == index) & mask
    assert row["voxels"] == inside.sum()
    assert row["pet"] == pytest.approx(pet[inside].mean(), rel=1e-4)


def test_the_true_flow_of_a_region_is_that_of_the_map_in_its_place(small_study):
    label = labels(small_study)[0]
    folder = small_study.file("results", "cohort", f"sub-{label}", "truth")
    pose = np.array(json.loads((folder / f"sub-{label}_truth.json").read_text())["pet_pose"])
    cbf, affine = voxels(folder / f"sub-{label}_desc-cbf_map.nii.gz")
    start = small_study.file("results", "registered", f"sub-{label}", f"sub-{label}_space-study_")
    mask, grid = voxels(f"{start}desc-brain_mask.nii.gz")
    to_map = np.linalg.inv(affine) @ np.linalg.inv(pose) @ grid
    at = np.rint(apply_affine(to_map, np.argwhere(mask > 0))).astype(int)
    expected = cbf[tuple(at.T)].mean()
    table = read(small_study, "evaluation", MODEL, "regions.tsv")
    row = table[(table["subject"] == label) & (table["atlas"] == "brain")].iloc[0]
    assert row["truth"] == pytest.approx(expected, rel=0.02)


def test_the_bias_of_regional_flow_is_that_of_the_test_rows(small_study):
    regions = read(small_study, "evaluation", MODEL, "regions.tsv")
    rows = regions[(regions["set"] == "test") & (regions["atlas"] == "aal")]
    table = read(small_study, "evaluation", MODEL, "agreement.tsv").set_index(
        ["set", "atlas", "scale", "y", "x"]
    )
    for x in ("PET", "truth"):
        row = table.loc[("test", "aal", "absolute", "P2P", x)]
        assert row["n"] == len(rows)
        expected = (rows["p2p"] - rows[x.lower()]).mean()
        assert row["bias"] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_registration_finds_the_true_pose(small_study):
    errors = []
    for label in labels(small_study):
        check = small_study.file(
            "results", "registered", f"sub-{label}", f"sub-{label}_desc-check_registration.json"
        )
        errors.append(json.loads(check.read_text())["target_registration_error_mm"]["mean"])
    assert max(errors) < 3
    assert np.mean(errors) < 2


def test_no_subject_is_in_two_sets_and_training_saw_only_its_own(small_study):
    split = read(small_study, "split", "split.tsv").set_index("subject")["set"]
    assert split.index.is_unique
    slices = read(small_study, "slices", "fold-0", "slices.tsv")
    for subject, members in slices.groupby("subject")["set"]:
        assert set(members) == {split[subject]}
    assert "test" not in set(slices["set"])


def test_logs_are_written(small_study):
    logs = list(small_study.file("logs").rglob("*.log"))
    assert len(logs) > 50
    for log in logs:
        took = pd.read_csv(log.with_suffix(".benchmark.tsv"), sep="\t")
        assert took["max_rss"].iloc[0] > 10
    training = next(small_study.file("logs", "train_gan").glob("*.log")).read_text()
    assert "epoch" in training
    assert "slices/s" in training


def test_the_report_holds_every_table_and_figure_with_caption_and_labels(small_study):
    small_study.run("--report", "report.zip")
    with zipfile.ZipFile(small_study.file("report.zip")) as archive:
        page = archive.read("report/report.html").decode()
    shown, places = json_of(page, "results"), json_of(page, "categories")
    results = small_study.file("results")
    # Models' own tables and figures; of the tables that others are made of, only the latter.
    parts = {"slices", "uncertainty", "similarity_slices", "lesion_scores"}
    expected = {
        path
        for pattern in (
            "evaluation/*.tsv",
            "evaluation/*/*.tsv",
            "figures/*.png",
            "figures/*/*.png",
        )
        for path in results.glob(pattern)
        if path.suffix == ".png" or path.stem not in parts
    }
    expected |= {*results.glob("registered/*/*.png"), results / "split" / "split.tsv"}
    expected |= {results / "provenance" / name for name in RECORD}
    assert set(shown) == {str(path.relative_to(small_study.folder)) for path in expected}
    for path, about in shown.items():
        assert len(about["caption"]) > 100, path
        assert about["labels"], path
    assert set(places) == {"Figures", "Tables", "Registration", "Provenance"}
    for place in places.values():
        for files in place.values():
            # Else it shows no table of labels but names of files.
            assert len({tuple(shown[path]["labels"]) for path in files}) == 1


def json_of(page, name):
    """A variable of a page whose value is a JSON object."""
    start = f'var {name} = {{"'
    return json.JSONDecoder().raw_decode(page[page.index(start) + len(start) - 2 :])[0]


# --- What it remakes ----------------------------------------------------------


def test_a_second_run_does_nothing(small_study):
    assert small_study.plan() == {}


def test_editing_plots_redraws_and_nothing_else(copied_study):
    with copied_study.file("workflow/scripts/spect2pet/figures/plots.py").open("a") as stream:
        stream.write("\n# a comment\n")
    plan = copied_study.plan()
    plan.pop("all", None)
    assert plan.pop("build_report") == plan.pop("describe_study") == 1
    assert plan
    assert all(name.startswith("plot_") for name in plan)


def test_editing_networks_trains_again_and_registers_nothing(copied_study):
    with copied_study.file("workflow/scripts/spect2pet/train/networks.py").open("a") as stream:
        stream.write("\nSPARE = 1\n")
    plan = copied_study.plan()
    assert plan["train_gan"] == 3
    assert plan["infer_subject"] == plan["infer_ensemble"] == len(labels(copied_study))
    for name in ("simulate_subject", "prepare_subject", "register_subject", "pack_slices"):
        assert name not in plan


def also(study, text):
    """Give a study one more config file on top of its others."""
    study.file("more.yaml").write_text(text)
    study.configfiles = [SMALL, "more.yaml"]


def test_a_new_subject_leaves_the_others_alone(copied_study):
    also(copied_study, f"cohort: {{subjects: {len(labels(copied_study)) + 1}}}\n")
    plan = copied_study.plan("cohort", "registration")
    for name in ("simulate_subject", "prepare_subject", "register_subject", "check_registration"):
        assert plan[name] == 1


def test_a_new_test_subject_costs_itself_and_the_tables(copied_study):
    people = read(copied_study, "cohort", "participants.tsv")
    sets = read(copied_study, "split", "split.tsv").set_index("subject")["set"]
    people["split"] = people["subject"].map(sets)
    new = {"subject": "new", "unit": people["unit"].iloc[0], "split": "test"}
    for modality in ("spect", "pet"):
        new[modality] = f"new_{modality}.nii.gz"
        shutil.copy(copied_study.file(people[modality].iloc[0]), copied_study.file(new[modality]))
    also(copied_study, "subjects: people.tsv\n")

    def plan_with(name_of_set):
        rows = pd.concat([people, pd.DataFrame([new | {"split": name_of_set}])])
        rows.to_csv(copied_study.file("people.tsv"), sep="\t", index=False)
        return copied_study.plan()

    plan = plan_with("test")
    for name in ("prepare_subject", "register_subject", "check_registration"):
        assert plan[name] == 1
    assert plan["infer_ensemble"] == plan["infer_subject"] == 1
    assert plan["evaluate_ensemble"] == plan["evaluate_subject"] == 1
    assert plan["tabulate_similarity"] == plan["assess_agreement"] == 2
    assert not {"simulate_subject", "pack_slices", "train_gan"} & set(plan)

    plan = plan_with("train")
    assert plan["prepare_subject"] == 1
    assert plan["pack_slices"] == 1
    assert plan["train_gan"] == 3
    assert plan["infer_ensemble"] == len(people) + 1


def test_changing_the_model_does_not_touch_the_images(copied_study):
    also(copied_study, "models: {p2p: {epochs: 7}}\n")
    plan = copied_study.plan()
    assert plan["train_gan"] == 2
    assert "infer_subject" not in plan
    assert "register_subject" not in plan
    assert "pack_slices" not in plan


# --- That it repeats -----------------------------------------------------------


def test_report_and_crate_are_the_same_where_jobs_share_no_disk(copied_study):
    made_before = copied_study.digests()
    apart = ("--shared-fs-usage", "persistence", "sources", "source-cache")
    # What they read is named to Snakemake there, and nothing else is to be made for it.
    assert set(copied_study.plan(*apart)) == {"build_report", "describe_study", "all"}
    copied_study.run(*apart)
    assert copied_study.digests() == made_before


def test_a_picture_that_was_removed_is_made_again_for_a_new_report(copied_study):
    made_before, subject = copied_study.digests(), labels(copied_study)[0]
    copied_study.file(
        "results", "registered", f"sub-{subject}", f"sub-{subject}_desc-check_overlay.png"
    ).unlink()
    assert copied_study.plan() == {}, "by a user's hand, who may want the room"
    copied_study.file("results", "report.html").unlink()
    refused = copied_study.snakemake()
    assert refused.returncode != 0
    assert "_overlay.png: is gone; " in refused.stderr
    assert "give the same command again, which makes it anew" in refused.stderr
    copied_study.run()
    assert copied_study.digests() == made_before


def test_jobs_of_subjects_start_with_what_the_first_of_them_imported(small_study):
    for rule in ("simulate_subject", "register_subject", "infer_subject", "evaluate_subject"):
        logs = list(small_study.file("logs", rule).glob("*.log"))
        warm = ["what an earlier job imported" in log.read_text() for log in logs]
        # One or two of them begin side by side, and once more where nothing came for a while.
        assert sum(warm) >= len(logs) - 6, rule
        assert not all(warm)


def test_another_run_on_one_core_with_cold_starts_gives_the_same_bytes(
    copied_study, small_study, monkeypatch
):
    """All that is learned and measured up to the headline, and two subjects from simulation on;
    the others, figures and what else follows would take the same time again."""
    monkeypatch.setenv("SPECT2PET_STARTS", "cold")
    results = copied_study.file("results")
    sets = read(copied_study, "split", "split.tsv").groupby("set")["subject"].first()
    for stage in ("split", "slices", "models", "synthetic", "evaluation"):
        shutil.rmtree(results / stage)
    made_before = copied_study.digests()
    for label in (sets["train"], sets["test"]):
        for stage in ("cohort", "prepared", "registered"):
            shutil.rmtree(results / stage / f"sub-{label}")
    copied_study.run("registration", "results/evaluation/p2p/summary.json", cores=1)
    first, second = small_study.digests(), copied_study.digests()
    assert set(made_before) < set(second)
    assert {"models", "synthetic", "evaluation"} <= {path.split("/")[0] for path in second}
    assert [path for path in second if first[path] != second[path]] == []
