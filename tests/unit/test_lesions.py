"""Deficits that are planted: what is found, missed, made up and erased."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from spect2pet.core import images, itk
from spect2pet.core.errors import InputError
from spect2pet.core.provenance import RESEARCH_ONLY
from spect2pet.evaluate import evaluation
from spect2pet.figures import lesion_figure, style
from spect2pet.lesions import detection, lesion_columns, lesion_maps, lesions
from spect2pet.register import mni, mni_space

SHAPE = mni_space.GRID.shape
ABSOLUTE = {name: False for name in evaluation.IMAGES}
#: Left parietal, where x is negative; indices of the grid.
LEFT, RIGHT = (8, 14, 30), (28, 14, 30)
ELSEWHERE = (27, 36, 24)


def millimetres():
    """MNI millimetres of every voxel, (3, x, y, z)."""
    steps = np.indices(SHAPE)
    affine = mni_space.GRID.affine
    return np.einsum("ij,j...->i...", affine[:3, :3], steps) + affine[:3, 3, None, None, None]


def template():
    """Flow of a brain as in the mean of many, symmetrical, mL/100 g/min."""
    grey, white, affine = mni.tissue()
    voxels = (
        np.einsum("ij,j...->i...", np.linalg.inv(affine)[:3, :3], millimetres())
        + np.linalg.inv(affine)[:3, 3, None, None, None]
    )
    return 60 * ndimage.map_coordinates(grey, voxels, order=1) + 20 * ndimage.map_coordinates(
        white, voxels, order=1
    )


FLOW = template()


def ball(centre, radius_mm, depth):
    """A loss of flow around a voxel."""
    distance = (
        np.linalg.norm(np.indices(SHAPE) - np.array(centre)[:, None, None, None], axis=0)
        * mni_space.VOXEL_MM
    )
    return np.where(distance < radius_mm, depth, 0.0)


def noise(rng, spread):
    """A smooth factor around 1."""
    field = ndimage.gaussian_filter(rng.normal(size=SHAPE), 2.0)
    return 1 + spread * field / field.std()


def person(seed, deficit=None, shown=None, spread=0.03):
    """A person whose images show a deficit; by name, what an image shows in place of the truth."""
    rng = np.random.default_rng(seed)
    deficit = np.zeros(SHAPE) if deficit is None else deficit
    intact = FLOW * noise(rng, spread)
    seen = dict.fromkeys(evaluation.IMAGES, deficit) | (shown or {})
    pet = intact * (1 - seen["PET"])
    spect = ndimage.gaussian_filter(intact * (1 - seen["SPECT"]), 1.8)
    p2p = intact * (1 - seen["P2P"]) * noise(rng, 0.005)
    return lesion_maps.Person(
        {"SPECT": spect, "P2P": p2p, "PET": pet},
        np.ones(SHAPE, bool), deficit, intact, ABSOLUTE,
    )  # fmt: skip


def split_of(sets, folds=None):
    """Rows of split.tsv."""
    return pd.DataFrame(
        {"subject": list(sets), "set": list(sets.values()), "fold": folds or [0] * len(sets)}
    )


NORMALS = {f"n{k}": person(k) for k in range(6)}
SETS = dict.fromkeys(NORMALS, "train")


def study(**patients):
    """Normal people of the training set, and patients in the test set."""
    return lesions.measure_study(
        {**NORMALS, **patients}, split_of({**SETS, **dict.fromkeys(patients, "test")})
    )


def rows_of(table, subject):
    return table[table["subject"] == subject].set_index("image")


# --- What is found ---------------------------------------------------------------


def test_a_deficit_that_all_images_show_is_found_by_all():
    deficit = ball(LEFT, 24, 0.3)
    table, scores = study(p=person(100, deficit))
    assert list(table.columns) == list(lesion_columns.LESIONS)
    assert list(scores.columns) == list(lesion_columns.SCORES)
    rows = rows_of(table, "p")
    assert rows["deficits"].tolist() == rows["found"].tolist() == [1, 1, 1]
    true = (deficit > 0) & mni_space.template_brain()
    assert rows["deficit_ml"].tolist() == pytest.approx([true.sum() * 0.064] * 3)
    assert (rows["dice"] > 0.6).all()
    assert rows.at["P2P", "erased"] == 0


def test_a_deficit_on_the_left_is_in_regions_of_the_left():
    _, scores = study(p=person(101, ball(LEFT, 28, 0.3)))
    own = scores[(scores["subject"] == "p") & (scores["observer"] == "regions")]
    positive = own[own["positive"]]
    assert len(positive) >= 2
    assert positive["place"].str.endswith("_L").all()
    for image in ("spect", "p2p", "pet"):
        assert positive[image].min() > own.loc[~own["positive"], image].quantile(0.9)


def test_depth_of_a_deficit_is_that_of_its_image():
    deficit = ball(LEFT, 24, 0.3)
    shown = {"P2P": ball(LEFT, 24, 0.15)}
    table, _ = study(p=person(102, deficit, shown, spread=0.08))
    rows = rows_of(table, "p")
    assert rows["true_loss"].tolist() == pytest.approx([0.3] * 3)
    # Left and right differ by up to a tenth in this person, and PET has no noise of its own.
    assert rows.at["PET", "recovery"] == pytest.approx(1, abs=1e-6)
    assert rows.at["P2P", "recovery"] == pytest.approx(0.5, abs=0.05)
    assert rows.at["SPECT", "recovery"] < 1


def test_depth_is_told_where_the_other_side_is_healthy_alone():
    both = np.maximum(ball(LEFT, 24, 0.3), ball(RIGHT, 24, 0.2))
    table, _ = study(p=person(103, both))
    rows = rows_of(table, "p")
    assert rows["deficits"].tolist() == [2, 2, 2]
    assert rows[["true_loss", "recovery"]].isna().all(axis=None)


# --- What is made up --------------------------------------------------------------


def test_a_method_that_makes_up_and_erases_deficits_is_exposed_though_its_ssim_is_higher():
    deficit = ball(LEFT, 20, 0.25)
    patients = {
        # P2P is PET but for this: it fills the true deficit and makes up another elsewhere.
        f"p{k}": person(110 + k, deficit, {"P2P": ball(ELSEWHERE, 16, 0.3)})
        for k in range(4)
    }
    for patient in patients.values():
        ssim = {
            name: structural_similarity(
                patient.images[name], patient.images["PET"], data_range=80.0
            )
            for name in ("SPECT", "P2P")
        }
        assert ssim["P2P"] > ssim["SPECT"] + 0.05
    table, scores = study(**patients)
    for label in patients:
        rows = rows_of(table, label)
        assert rows.at["P2P", "found"] == 0
        assert rows.at["P2P", "erased"] == 1
        assert rows.at["P2P", "added"] >= 1
        assert rows.at["P2P", "invented"] >= 1
        assert rows.at["P2P", "false_deficits"] > rows.at["SPECT", "false_deficits"]
        assert rows.at["SPECT", "found"] == rows.at["PET", "found"] == 1
        assert rows.at["P2P", "recovery"] < 0.1
    found = detection.detect(scores, seed=1)
    areas = found.query("set == 'test' and observer == 'regions'").set_index("image")["auc"]
    assert areas["SPECT"] > 0.95
    assert areas["P2P"] < 0.7
    summary = detection.summarise(table, found, similarity_of(0.9, 0.7, 0.1, 0.3))
    assert "is closer to PET than SPECT is (SSIM 0.900 against 0.700)" in summary["statement"]
    assert "but finds deficits worse" in summary["statement"]
    assert "erases 4 of 4 true deficits" in summary["statement"]
    assert summary["images"]["P2P"]["invented"] >= 4


def test_what_spect_shows_too_is_added_and_not_invented():
    shown = dict.fromkeys(("SPECT", "P2P"), ball(ELSEWHERE, 20, 0.4))
    table, _ = study(p=person(120, ball(LEFT, 24, 0.3), shown))
    rows = rows_of(table, "p")
    assert rows.at["SPECT", "added"] >= 1
    assert rows.at["P2P", "added"] >= 1
    assert rows.at["P2P", "invented"] < rows.at["P2P", "added"]
    assert np.isnan(rows.at["PET", "added"])


def test_what_pet_shows_too_is_false_and_not_added():
    shown = dict.fromkeys(evaluation.IMAGES, ball(ELSEWHERE, 20, 0.4))
    table, _ = study(p=person(121, None, shown), q=person(121))
    with_it, without = rows_of(table, "p"), rows_of(table, "q")
    planted = ((shown["PET"] > 0) & mni_space.template_brain()).sum() * mni_space.VOXEL_ML
    assert (with_it["false_ml"] > without["false_ml"] + 0.7 * planted).all()
    assert (with_it["false_deficits"] >= 1).all()
    assert with_it["dice"].isna().all()
    assert with_it.at["P2P", "added"] <= without.at["P2P", "added"]


# --- Who is normal, and for whom ----------------------------------------------------


def test_a_normal_person_is_not_compared_with_itself():
    """Among n values, none is further than (n − 1)/√n standard deviations from their mean."""
    odd = person(130, None, dict.fromkeys(evaluation.IMAGES, ball(LEFT, 20, 0.4)))
    people = {**NORMALS, "odd": odd}
    table, _ = lesions.measure_study(people, split_of({**SETS, "odd": "train"}))
    rows = rows_of(table, "odd")
    assert (rows["normals"] == len(NORMALS)).all()
    assert (rows["false_deficits"] >= 1).all()


def test_test_subjects_change_nothing_for_others():
    patient = person(131, ball(LEFT, 24, 0.3))
    odd = person(132, None, dict.fromkeys(evaluation.IMAGES, ball(RIGHT, 30, 0.6)))
    first, _ = study(p=patient)
    second, _ = study(p=patient, odd=odd)
    kept = second[second["subject"] != "odd"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, kept)


def test_in_cross_validation_all_other_folds_are_compared_with():
    people = {**NORMALS, "p": person(133, ball(LEFT, 24, 0.3))}
    rows = split_of(dict.fromkeys(people, "test"), folds=[0, 1, 2, 0, 1, 2, 0])
    table, _ = lesions.measure_study(people, rows)
    # Two normal people share the fold of p; of two others, one is in the fold of n1.
    assert rows_of(table, "p")["normals"].unique().tolist() == [4]
    assert rows_of(table, "n1")["normals"].unique().tolist() == [4]


def test_without_normal_people_nothing_is_claimed():
    people = {"n0": NORMALS["n0"], "p": person(134, ball(LEFT, 24, 0.3))}
    table, scores = lesions.measure_study(people, split_of({"n0": "train", "p": "test"}))
    rows = rows_of(table, "p")
    assert rows[["found", "false_deficits", "dice", "low_ml"]].isna().all(axis=None)
    assert rows["true_loss"].tolist() == pytest.approx([0.3] * 3)
    assert scores.empty
    found = detection.detect(scores, seed=1)
    summary = detection.summarise(table, found, similarity_of(0.9, 0.8, 0.05, 0.15))
    assert "could not be told" in summary["statement"]
    assert "compare them with: 1 (at least 3 are needed" in summary["statement"]
    json.dumps(summary, allow_nan=False)
    figure = lesion_figure.draw_lesions(table, scores, found)
    assert texts_of(figure).count("not known") == 2


# --- The channelised observer ---------------------------------------------------------


@pytest.fixture(scope="module")
def taught():
    """Patients who teach and patients who test, with deficits in many places."""
    rng = np.random.default_rng(140)
    brain = np.argwhere(ndimage.binary_erosion(mni_space.template_brain(), iterations=4))
    brain = brain[np.abs(brain[:, 0] - 18) > 6]
    people, sets = dict(NORMALS), dict(SETS)
    for k in range(16):
        deficit = ball(brain[rng.integers(len(brain))], 16, 0.3)
        shown = {"SPECT": 0.3 * deficit}
        people[f"p{k:02d}"] = person(141 + k, deficit, shown, spread=0.06)
        sets[f"p{k:02d}"] = "train" if k < 8 else "test"
    return lesions.measure_study(people, split_of(sets))


def test_the_observer_finds_deep_deficits_and_hardly_shallow_ones(taught):
    _, scores = taught
    found = detection.detect(scores, seed=3).set_index(["set", "observer", "image"])
    deep, shallow = found.loc[("test", "channels", "PET")], found.loc[("test", "channels", "SPECT")]
    assert deep["positives"] == 8
    assert deep["auc"] > 0.9
    assert deep["detectability"] > 1.5
    assert deep["auc"] > shallow["auc"]
    assert deep["detectability"] > shallow["detectability"]


def test_every_deficit_has_its_mirrored_place(taught):
    _, scores = taught
    own = scores[(scores["observer"] == "channels") & (scores["subject"] == "p08")]
    assert own["place"].tolist() == ["deficit 1", "mirror of deficit 1"]
    assert own["positive"].tolist() == [True, False]


def test_equal_inputs_give_equal_tables():
    patient = person(160, ball(LEFT, 20, 0.3))
    for first, second in zip(study(p=patient), study(p=patient), strict=True):
        pd.testing.assert_frame_equal(first, second)


# --- Detection and the sentence --------------------------------------------------------


def similarity_of(p2p, spect, low, high):
    """The row of similarity_tests.tsv that the sentence is about."""
    return pd.DataFrame(
        [
            {
                "set": "test", "measure": evaluation.HEADLINE_MEASURE, "p2p_mean": p2p,
                "spect_mean": spect, "difference": p2p - spect, "difference_low": low,
                "difference_high": high,
            }
        ]
    )  # fmt: skip


def numbers_of(gain, low, high, similarity=(0.9, 0.7, 0.1, 0.3)):
    """Numbers as `summarise` gives them, for a gain in area."""
    area = {"auc": 0.8, "difference": None, "difference_low": None, "difference_high": None}
    own = {"auc": 0.8 + gain, "difference": gain, "difference_low": low, "difference_high": high}
    shown = {
        "false_deficits_per_brain": 1.0,
        "invented": 2,
        "erased": 1,
        "deficits": 9,
        "recovery": 0.614,
    }
    return {
        "set": "test", "subjects": 15, "normals": 12,
        "similarity": similarity_of(*similarity).iloc[0].to_dict(),
        "detection": {"SPECT": area, "P2P": own, "PET": area},
        "images": dict.fromkeys(evaluation.IMAGES, shown),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gain", "similarity", "said"),
    [
        ((0.1, 0.02, 0.2), (0.9, 0.7, 0.1, 0.3), "against 0.700) and finds deficits better"),
        ((-0.001, -0.1, 0.1), (0.9, 0.7, 0.1, 0.3), "but does not find deficits measurably better"),
        ((-0.1, -0.2, -0.05), (0.9, 0.7, 0.1, 0.3), "but finds deficits worse"),
        ((0.0, -0.1, 0.1), (0.7, 0.7, -0.1, 0.1), "and does not find deficits measurably better"),
        ((-0.1, -0.2, -0.1), (0.6, 0.7, -0.2, -0.1), "is further from PET than SPECT is"),
        ((-0.1, -0.2, -0.1), (0.7, 0.7, -0.1, 0.1), "and finds deficits worse"),
        ((0.1, 0.05, 0.2), (0.7, 0.7, -0.1, 0.1), "but finds deficits better"),
        ((0.0, None, None), (0.7, 0.7, None, None), "and does not find"),
    ],
)
def test_the_sentence_says_what_the_intervals_say(gain, similarity, said):
    sentence = detection.statement(numbers_of(*gain, similarity))
    assert said in sentence
    assert "depth of deficits is shown: SPECT 61 %, P2P 61 %, PET 61 %" in sentence
    assert "false deficits a brain: SPECT 1.0, P2P 1.0, PET 1.0" in sentence
    assert "−0.000" not in sentence
    assert sentence.endswith("erases 1 of 9 true deficits (SPECT and PET show them).")
    assert sentence.startswith("In 15 test subjects P2P ")


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.0015, "+0.002"), (-0.1, "−0.100"), (0.0004, "0.000"), (-0.0004, "0.000")],
)
def test_a_difference_that_rounds_to_nothing_has_no_sign(gain, said):
    sentence = detection.statement(numbers_of(gain, -0.2, 0.2, (0.9, 0.7, 0.1, 0.3)))
    assert f"; difference {said}, 95 % interval −0.200 to +0.200)" in sentence


def test_detection_is_told_for_each_set_and_image_with_p_against_spect(taught):
    _, scores = taught
    found = detection.detect(scores, seed=3)
    assert list(found.columns) == list(lesion_columns.DETECTION)
    assert found.groupby(["set", "observer"]).size().tolist() == [3] * 4
    of_spect = found[found["image"] == "SPECT"]
    assert of_spect[["difference", "p"]].isna().all(axis=None)
    others = found[(found["image"] != "SPECT") & (found["set"] == "test")]
    assert others["p"].between(0, 1).all()
    assert (others["difference_low"] <= others["difference"]).all()
    assert (others["difference"] <= others["difference_high"]).all()


def test_relative_images_are_said_to_be_relative():
    patient = replace(person(170, ball(LEFT, 24, 0.3)), relative={**ABSOLUTE, "SPECT": True})
    table, scores = study(p=patient)
    rows = rows_of(table, "p")
    assert rows["relative"].tolist() == [True, False, False]
    assert scores.loc[scores["subject"] == "p", "relative"].all()
    found = detection.detect(scores, seed=1)
    assert found.loc[found["set"] == "test", "relative"].all()


def texts_of(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_figure_is_drawn_and_stamped(taught, tmp_path):
    table, scores = taught
    figure = lesion_figure.draw_lesions(table, scores, detection.detect(scores, seed=3))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert [label.split()[0] for label in labels] == list(evaluation.IMAGES)
    style.save(figure, tmp_path / "lesions.png", tmp_path / "lesions.svg")
    assert RESEARCH_ONLY in (tmp_path / "lesions.svg").read_text()


# --- From files to MNI space -------------------------------------------------------------


def test_images_and_truth_meet_in_mni_space_on_the_true_side(tmp_path):
    """A head that lies 6 mm off in the scanner, and 4 mm further off in MNI space."""
    shape, voxel = (80, 96, 84), 2.0
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = -80, -110, -76
    places = np.indices(shape).reshape(3, -1).T * voxel + affine[:3, 3]
    from_mni, pose = np.array([4.0, 0, 0]), np.eye(4)
    pose[:3, 3] = 0, 6, 0

    def blob(at, height=1.0):
        """A ball at millimetres of the PET."""
        far = np.linalg.norm(places - np.array(at), axis=1).reshape(shape)
        return np.where(far < 14, height, 0.0)

    at_pet = np.array([-40.0, -30, 20])
    brain = np.linalg.norm((places - [0, -20, 5]) / [70, 85, 65], axis=1).reshape(shape) < 1
    paths = {name: tmp_path / f"{name}.nii.gz" for name in evaluation.IMAGES}
    for path in paths.values():
        images.write_image(path, brain * (40 - 20 * blob(at_pet)), affine, {"Relative": False})
    images.write_image(tmp_path / "mask.nii.gz", brain, affine)
    # The anatomy is where its pose takes it from: 6 mm further back.
    images.write_image(tmp_path / "deficit.nii.gz", blob(at_pet - pose[:3, 3], 0.5), affine)
    images.write_image(tmp_path / "cbf.nii.gz", np.full(shape, 30.0), affine)
    (tmp_path / "truth.json").write_text(json.dumps({"pet_pose": pose.tolist()}))
    linear = np.eye(4)
    linear[:3, 3] = from_mni
    itk.write_linear(tmp_path / "affine.mat", linear)
    warp = np.zeros((*shape, 1, 3), np.float32)
    nib.save(nib.Nifti1Image(warp, affine), tmp_path / "warp.nii.gz")

    found = lesion_maps.read_person(
        paths,
        mask=tmp_path / "mask.nii.gz", affine=tmp_path / "affine.mat",
        warp=tmp_path / "warp.nii.gz", truth=tmp_path / "truth.json",
        deficit=tmp_path / "deficit.nii.gz", cbf=tmp_path / "cbf.nii.gz",
    )  # fmt: skip
    middle = millimetres()[:, found.deficit > 0.25].mean(axis=1)
    np.testing.assert_allclose(middle, at_pet - from_mni, atol=1)
    pet = found.images["PET"]
    dark = found.scanned & (pet < 0.7 * np.median(pet[found.scanned]))
    np.testing.assert_allclose(millimetres()[:, dark].mean(axis=1), at_pet - from_mni, atol=1)
    at = tuple(np.round(np.linalg.inv(mni_space.GRID.affine) @ [*middle, 1])[:3].astype(int))
    assert found.intact[at] == pytest.approx(60, rel=0.01)
    assert pet[found.scanned].mean() == pytest.approx(evaluation.RELATIVE_MEAN, rel=0.02)


@pytest.mark.parametrize(
    "content", ["{}", "[1]", "not JSON", '{"pet_pose": [[1, 0], [0, 1]]}', '{"pet_pose": "here"}']
)
def test_a_truth_without_a_pose_is_told_in_one_sentence(tmp_path, content):
    truth = tmp_path / "sub-x_truth.json"
    truth.write_text(content)
    affine, warp = tmp_path / "affine.mat", tmp_path / "warp.nii.gz"
    itk.write_linear(affine, np.eye(4))
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 1, 3), np.float32), np.eye(4)), warp)
    image = tmp_path / "image.nii.gz"
    images.write_image(image, np.ones((4, 4, 4), np.float32), np.eye(4), {"Relative": False})
    with pytest.raises(InputError, match=r"sub-x_truth\.json: does not say where the anatomy lies"):
        lesion_maps.read_person(
            dict.fromkeys(evaluation.IMAGES, image),
            mask=image, affine=affine, warp=warp, truth=truth, deficit=image, cbf=image,
        )  # fmt: skip


def test_reversing_the_grid_mirrors_a_brain():
    x = millimetres()[0]
    np.testing.assert_allclose(x[::-1], -x)
    brain = mni_space.template_brain()
    assert (brain == brain[::-1]).all()
    names = mni.atlas_names()
    left = [index for index, name in names.items() if name.endswith("_L")]
    assert x[np.isin(mni_space.template_regions(), left)].mean() < -20
