"""Registration finds known poses, keeps left and right, and writes what ITK reads."""

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import ants
import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from spect2pet.core import grids, images, itk
from spect2pet.core.errors import InputError
from spect2pet.infer import ceiling
from spect2pet.prepare import preparation
from spect2pet.register import agreement, mapping, mni, registration, registration_check

# ITK reads this once, when it is first used; with more threads the last bits are not the same.
os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

GRID = {"voxel_mm": 4.0, "matrix": [48, 56, 44]}
RIGID = {"min_overlap": 0.8, "min_correlation": 0.7, "max_rotation_deg": 75}
NORMALISE = {
    "voxel_mm": 5,
    "iterations": [20, 5],
    "min_overlap": 0.8,
    "min_correlation": 0.5,
}
GROUPS = Path(__file__).parents[2] / "workflow" / "resources" / "aal_groups.tsv"
ITK_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def test_ants_is_imported_without_what_nothing_here_uses():
    """And whoever wants the rest afterwards gets it."""
    body = """
import sys
from spect2pet.register import registration
assert registration.ants.registration and registration.ants.ilr is None
heavy = {"matplotlib", "sklearn", "statsmodels"} & set(sys.modules)
assert not heavy, heavy
from ants.math.quantile import ilr
assert callable(ilr) and "statsmodels" in sys.modules
"""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    subprocess.run([sys.executable, "-c", body], env=environment, check=True)


def pose(angle_deg, shift_mm, axis=(1, 2, -1)):
    """A rigid pose about the brain's centre: anatomy to scanner millimetres."""
    matrix = np.eye(4)
    direction = np.array(axis) / np.linalg.norm(axis)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(angle_deg) * direction).as_matrix()
    centre = np.array([0, -18, 6])
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + shift_mm
    return matrix


@cache
def anatomy():
    """CBF of a head with a deficit on the left, so that left and right differ."""
    flow, affine = mni.cbf_template(5.0)
    x, y, z = (affine[:3, 3, None] + 2.0 * np.indices(flow.shape).reshape(3, -1)).reshape(
        3, *flow.shape
    )
    left = np.exp(-((x + 45) ** 2 + (y + 10) ** 2 + (z - 20) ** 2) / (2 * 18**2))
    return flow * (1 - 0.5 * left), affine


def scan(matrix, voxel_mm, shape, fwhm_mm=0.0, noise=0.0):
    """What a scanner with the given grid sees of the head in a pose."""
    flow, affine = anatomy()
    centre = (matrix @ [0, -18, 6, 1])[:3]
    grid = grids.box(centre + np.array([5, -8, 4]), voxel_mm, shape)
    blurred = grids.smooth(flow, affine, fwhm_mm) if fwhm_mm else flow
    seen = grids.resample(blurred, affine, grid, np.linalg.inv(matrix), order=1)
    rng = np.random.default_rng(3)
    rough = ndimage.gaussian_filter(rng.normal(size=shape), 1.0)
    return (seen + noise * rough / rough.std()).clip(0).astype(np.float32), grid.affine


def spect_and_pet(spect_pose, pet_pose):
    """A SPECT and a PET on very different grids."""
    return (
        scan(spect_pose, 5.0, (56, 54, 44), fwhm_mm=8, noise=2),
        scan(pet_pose, 3.6, (60, 68, 56), noise=1),
    )


def brain_points():
    share, affine = mni.brain_share()
    voxels = np.argwhere(share > 0.5)[::7]
    return np.c_[voxels, np.ones(len(voxels))] @ affine.T


def error_mm(found, spect_pose, pet_pose):
    """Mean distance over the brain between found and true SPECT positions."""
    points = brain_points()
    return np.linalg.norm(
        points @ (found @ pet_pose).T[:, :3] - points @ spect_pose.T[:, :3], axis=1
    ).mean()


# --- Files and conventions ---------------------------------------------------


def test_file_maps_points_of_the_fixed_to_the_moving_image_as_itk_reads_it(tmp_path):
    matrix = pose(25, [10, -20, 30])
    itk.write_linear(tmp_path / "t.mat", matrix)
    transform = ants.read_transform(str(tmp_path / "t.mat"))
    ras = np.array([12.0, -34.0, 56.0, 1.0])
    lps = transform.apply_to_point((ITK_FLIP @ ras)[:3].tolist())
    assert np.allclose(ITK_FLIP[:3, :3] @ lps, (matrix @ ras)[:3], atol=1e-9)
    assert np.allclose(itk.read_linear(tmp_path / "t.mat"), matrix, atol=1e-12)


def test_ants_and_the_library_resample_alike(tmp_path):
    matrix = pose(12, [8, 3, -5])
    data, affine = scan(np.eye(4), 4.5, (48, 52, 44))
    target = grids.box(np.array([0.0, -18, 6]), 4.0, (44, 54, 46))
    itk.write_linear(tmp_path / "t.mat", matrix)
    theirs = ants.apply_transforms(
        registration._to_ants(np.zeros(target.shape), target.affine),
        registration._to_ants(data, affine),
        [str(tmp_path / "t.mat")],
    ).numpy()
    ours = grids.resample(data, affine, target, matrix, order=1)
    inside = ndimage.binary_erosion(grids.field_of_view(data.shape, affine, target, matrix))
    assert ours[inside].max() > 40
    assert np.abs(ours - theirs)[inside].max() < 1e-3


def test_centre_of_rotation_in_a_file_of_ants_is_read(tmp_path):
    transform = ants.create_ants_transform(
        transform_type="Euler3DTransform", center=(5, 6, 7), translation=(1, 2, 3)
    )
    transform.set_parameters((0.1, 0.2, 0.3, 1, 2, 3))
    affine = ants.create_ants_transform(transform_type="AffineTransform", dimension=3)
    affine.set_fixed_parameters((5, 6, 7))
    affine.set_parameters((*Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix().ravel(), 1, 2, 3))
    ants.write_transform(affine, str(tmp_path / "c.mat"))
    point = np.array([4.0, -3.0, 2.0])
    expected = np.array(affine.apply_to_point((ITK_FLIP[:3, :3] @ point).tolist()))
    found = itk.read_linear(tmp_path / "c.mat") @ np.append(point, 1)
    assert np.allclose(found[:3], ITK_FLIP[:3, :3] @ expected, atol=1e-5)


# --- Grid and interpolation --------------------------------------------------


def test_study_grid_is_centred_on_the_brain_wherever_the_pet_is():
    pet, affine = scan(pose(0, [70, -40, 25]), 3.0, (70, 80, 66))
    grid = grids.study_grid(pet, affine, GRID, "001")
    middle = grid.affine @ [*(np.array(GRID["matrix"]) - 1) / 2, 1]
    low, high = grids.brain_bounds(pet, affine)
    assert np.allclose(middle[:3], (low + high) / 2, atol=0.1)
    assert np.allclose(grid.affine[:3, :3], 4 * np.eye(3))
    assert np.allclose(middle[:3], [70, -58, 31], atol=8)


def test_brain_that_does_not_fit_names_a_matrix_that_holds_it():
    pet, affine = scan(np.eye(4), 3.0, (70, 80, 66))
    small = {"voxel_mm": 2.0, "matrix": [96, 64, 88]}
    with pytest.raises(InputError, match=r"subject 007.*matrix: \[96, (\d+), 88\]") as caught:
        grids.study_grid(pet, affine, small, "007")
    proposed = json.loads(str(caught.value).partition("matrix: ")[2].split("]")[0] + "]")
    assert grids.study_grid(pet, affine, {**small, "matrix": proposed}, "007")


def test_resampling_on_the_same_grid_changes_nothing_and_overshoot_is_cut():
    data = np.zeros((12, 12, 12), np.float32)
    data[4:8, 4:8, 4:8] = 50
    affine = np.diag([3.0, 3, 3, 1])
    same = grids.resample(data, affine, grids.Grid(affine, data.shape))
    assert np.abs(same - data).max() < 1e-4
    half = affine.copy()
    half[:3, 3] = 1.1
    moved = grids.resample(data, affine, grids.Grid(half, data.shape))
    assert moved.min() >= 0
    assert moved.max() <= 50


def test_storage_order_does_not_move_anything():
    data, affine = scan(np.eye(4), 4.5, (48, 52, 44))
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = data.shape[0] - 1
    grid = grids.box(np.array([0.0, -18, 6]), 4.0, (44, 54, 46))
    stored_las = grids.resample(data[::-1], affine @ flip, grid)
    assert np.allclose(stored_las, grids.resample(data, affine, grid), atol=1e-3)


# --- SPECT to PET ------------------------------------------------------------


@pytest.mark.parametrize(
    ("spect_pose", "pet_pose"),
    [
        (pose(30, [40, -30, 33], (1, 1, 1)), pose(4, [0, 3, -2])),
        (pose(-28, [-10, 55, -20], (0, 0.2, 1)), pose(-5, [6, 0, 4], (1, 0, 0))),
    ],
)
def test_large_offsets_are_found(spect_pose, pet_pose):
    spect, pet = spect_and_pet(spect_pose, pet_pose)
    found = registration.coregister(*spect, *pet, seed=1)
    assert error_mm(found, spect_pose, pet_pose) < 0.7
    assert np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found[:3, :3]) > 0


def test_contradicting_headers_stop_the_subject():
    upside_down = pose(180, [0, 0, 0], (1, 0, 0))
    spect, pet = spect_and_pet(upside_down, np.eye(4))
    found = registration.coregister(*spect, *pet, seed=1)
    assert error_mm(found, upside_down, np.eye(4)) < 1
    with pytest.raises(InputError, match=r"subject 009.*turned by 1[78]\d°.*orientation"):
        registration.check_plausible(found, spect, pet, RIGID, "009")


def test_another_object_stops_the_subject():
    _, pet = spect_and_pet(np.eye(4), np.eye(4))
    stick = np.zeros((64, 64, 48), np.float32)
    stick[20:28, 10:50, 20:24] = 40
    affine = np.diag([4.0, 4, 4, 1])
    with pytest.raises(InputError, match="subject 010: SPECT and PET could not be aligned"):
        found = registration.coregister(stick, affine, *pet, seed=1, who="subject 010: SPECT")
        registration.check_plausible(found, (stick, affine), pet, RIGID, "010")


# --- The stage on files ------------------------------------------------------


def run_stage(folder, spect, pet, truth=None):
    """All steps, from prepared images; the files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        "spect": "spect.nii.gz", "pet": "pet.nii.gz", "transform": "rigid.mat",
        "study_spect": "study_spect.nii.gz", "study_pet": "study_pet.nii.gz",
        "affine": "affine.mat", "warp": "warp.nii.gz", "inverse_warp": "inverse.nii.gz",
        "mask": "mask.nii.gz", "dseg": "dseg.nii.gz",
        "check": "check.json", "overlay": "overlay.png",
    }  # fmt: skip
    paths = {key: folder / name for key, name in names.items()}
    for key, image in (("spect", spect), ("pet", pet)):
        images.write_image(paths[key], *image, {"Units": images.CBF_UNIT, "Relative": key == "pet"})

    def of(*keys):
        return {key: paths[key] for key in keys}

    registration.register_subject(
        paths, subject="001", study_grid=GRID, seed=0, made_by={},
        settings={"coregister": RIGID, "normalise": NORMALISE},
    )  # fmt: skip
    registration_check.check_registration(
        **of("spect", "study_spect", "study_pet", "transform", "affine", "inverse_warp", "mask"),
        **of("dseg", "check", "overlay"),
        groups=GROUPS, truth=truth, subject="001", made_by={},
    )  # fmt: skip
    return paths


SPECT_POSE, PET_POSE = pose(15, [20, -25, 10]), pose(6, [-4, 5, 3], (0, 1, 1))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    truth = folder / "truth.json"
    truth.write_text(json.dumps({"spect_pose": SPECT_POSE.tolist(), "pet_pose": PET_POSE.tolist()}))
    spect, pet = spect_and_pet(SPECT_POSE, PET_POSE)
    return [run_stage(folder / name, spect, pet, truth) for name in ("first", "second")]


def test_two_runs_write_the_same_bytes(stage):
    for key, path in stage[0].items():
        digests = {hashlib.sha256(run[key].read_bytes()).hexdigest() for run in stage}
        if key == "mask":
            assert path.stat().st_size > 1000
        assert len(digests) == 1, key


def test_images_arrive_on_the_study_grid_left_on_the_left(stage):
    spect, pet = (nib.load(stage[0][key]) for key in ("study_spect", "study_pet"))
    assert spect.shape == pet.shape == tuple(GRID["matrix"])
    assert np.array_equal(spect.affine, pet.affine)
    assert nib.aff2axcodes(spect.affine) == ("R", "A", "S")
    labels = nib.load(stage[0]["dseg"]).get_fdata()
    for image in (spect, pet):
        values = image.get_fdata()
        means = {side: values[np.isin(labels, (side, side + 6000))].mean() for side in (2001, 2002)}
        assert means[2001] < 0.9 * means[2002]  # the deficit is on the left


def test_sidecars_pass_on_unit_and_relative(stage):
    told = json.loads(images.sidecar_path(stage[0]["study_pet"]).read_text())
    assert (told["Units"], told["Relative"]) == (images.CBF_UNIT, True)
    assert not json.loads(images.sidecar_path(stage[0]["study_spect"]).read_text())["Relative"]


def test_ceiling_is_brought_to_the_study_grid_as_pet_was(stage, tmp_path):
    """The PET itself, in the storage order of another scanner, becomes the PET of the study."""
    pet = nib.load(stage[0]["pet"])
    turned = pet.as_reoriented([[0, -1], [1, -1], [2, 1]])
    told = {"Units": images.CBF_UNIT, "Relative": False}
    source, placed = tmp_path / "ceiling.nii.gz", tmp_path / "p2p.nii.gz"
    images.write_image(source, np.asarray(turned.dataobj), turned.affine, told)
    ceiling.place_ceiling(source, stage[0]["study_pet"], placed, {"Name": "spect2pet"})
    expected, found = nib.load(stage[0]["study_pet"]), nib.load(placed)
    np.testing.assert_array_equal(found.affine, expected.affine)
    np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), atol=1e-3)
    sidecar = json.loads(images.sidecar_path(placed).read_text())
    assert sidecar["Description"].startswith("The ceiling")
    assert {**told, "Sources": [str(source)]}.items() <= sidecar.items()


def test_atlas_lands_where_the_anatomy_is(stage):
    dseg = nib.load(stage[0]["dseg"])
    found = np.asarray(dseg.dataobj)
    grid = grids.Grid(dseg.affine, dseg.shape)
    true = grids.resample(*mni.atlas(), grid, np.linalg.inv(PET_POSE), order=0)
    overlap = [
        agreement.dice(found == label, true == label)
        for label in np.unique(true)
        if np.count_nonzero(true == label) > 100
    ]
    assert len(overlap) > 30
    assert np.mean(overlap) > 0.75
    both = (found > 0) & (true > 0) & (found < 9100) & (true < 9100)
    assert np.mean(found[both] % 2 == true[both] % 2) > 0.98


def test_ants_applies_the_saved_transforms_as_the_library_does(stage):
    paths = stage[0]
    share, affine = mni.brain_share()
    pet, grid_affine = images.read_image(paths["study_pet"])
    target = registration._to_ants(pet, grid_affine)
    theirs = ants.apply_transforms(
        target,
        registration._to_ants(share, affine),
        [str(paths["affine"]), str(paths["inverse_warp"])],
        whichtoinvert=[True, False],
    ).numpy()
    grid = grids.Grid(grid_affine, pet.shape)
    places = mapping.mni_places(grid, itk.read_linear(paths["affine"]), paths["inverse_warp"])
    ours = grids.sample(share, affine, places, order=1).reshape(grid.shape)
    assert np.percentile(np.abs(ours - theirs), 99.9) < 0.01
    # And the other way: the PET, brought to MNI space, agrees with the template.
    model, model_affine = mni.cbf_template()
    forward = ants.apply_transforms(
        registration._to_ants(model, model_affine),
        target,
        [str(paths["warp"]), str(paths["affine"])],
    ).numpy()
    assert np.corrcoef(forward[share > 0.5], model[share > 0.5])[0, 1] > 0.8


def test_check_tells_the_true_error_and_improvement(stage):
    check = json.loads(stage[0]["check"].read_text())
    found = itk.read_linear(stage[0]["transform"])
    assert check["target_registration_error_mm"]["mean"] == pytest.approx(
        error_mm(found, SPECT_POSE, PET_POSE), abs=0.1
    )
    assert check["target_registration_error_mm"]["mean"] < 0.7
    rigid = check["coregistration"]
    for measure in ("mutual_information", "correlation", "overlap"):
        assert rigid["after"][measure] > rigid["before"][measure]
        assert rigid["after"][measure] > rigid["mirrored"][measure]
    expected = agreement.rotation_deg(SPECT_POSE @ np.linalg.inv(PET_POSE))
    assert rigid["rotation_deg"] == pytest.approx(expected, abs=1)
    assert check["normalisation"]["overlap"] > 0.9
    assert check["warnings"] == []


def test_true_error_of_a_known_miss(tmp_path):
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"spect_pose": SPECT_POSE.tolist(), "pet_pose": PET_POSE.tolist()}))
    grid = grids.box(np.array([0.0, -18, 6]), 8.0, (20, 24, 20))
    exact = SPECT_POSE @ np.linalg.inv(PET_POSE)
    brain = np.ones(grid.shape, bool)
    assert registration_check.target_error(exact, truth, grid, brain)["max"] < 1e-9
    missed = exact.copy()
    missed[:3, 3] += [2.0, -1.0, 2.0]
    error = registration_check.target_error(missed, truth, grid, brain)
    assert error == pytest.approx({"mean": 3.0, "max": 3.0})


def test_mirrored_image_and_missing_brain_are_warned_of():
    right = {"mutual_information": 1.0, "correlation": 0.9, "overlap": 0.9}
    wrong = {**right, "mutual_information": 1.2}
    brain = np.zeros((4, 4, 4), bool)
    brain[1:3, 1:3, 1:3] = True
    found = registration_check.warnings_of({"after": right, "mirrored": wrong}, brain, 1.0)
    assert len(found) == 1
    assert "mirrored" in found[0]
    brain[0, 1, 1] = True
    found = registration_check.warnings_of({"after": wrong, "mirrored": right}, brain, 0.93)
    assert "93% of the brain" in found[0]
    assert "edge" in found[1]


# --- Real images -------------------------------------------------------------


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """The two real templates through prepare and coregister: prepared, study grid, transform."""
    if "SPECT2PET_REAL_DATA" not in os.environ:
        pytest.skip("SPECT2PET_REAL_DATA is not set: the real templates are not at hand")
    source = Path(os.environ["SPECT2PET_REAL_DATA"])
    folder = tmp_path_factory.mktemp("real")
    settings = {
        "unit": "counts", "relative_mean": 50, "plausible_mean": [10, 120],
        "voxel_mm": [0.5, 10], "field_of_view_mm": [100, 1000], "negative_share": 0.05,
    }  # fmt: skip
    raw = {"spect": "spm_spect_hmpao_template.nii", "pet": "spm_pet_h2o15_template.nii"}
    for modality, name in raw.items():
        preparation.prepare_image(
            source / name, folder / f"{modality}.nii.gz",
            subject="real", modality=modality, unit="counts", settings=settings, made_by={},
        )  # fmt: skip
    registration.coregister_spect(
        spect=folder / "spect.nii.gz", pet=folder / "pet.nii.gz", transform=folder / "xfm.mat",
        study_spect=folder / "study_spect.nii.gz", study_pet=folder / "study_pet.nii.gz",
        subject="real", study_grid={"voxel_mm": 2.0, "matrix": [96, 112, 96]},
        settings=RIGID, seed=1, made_by={},
    )  # fmt: skip
    return source, folder


def test_offset_of_the_real_templates(templates):
    _, folder = templates
    matrix = itk.read_linear(folder / "xfm.mat")
    offset = np.linalg.norm(brain_points() @ (matrix - np.eye(4)).T[:, :3], axis=1).mean()
    assert 2.5 < offset < 3.3
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)


def test_real_templates_are_not_mirrored(templates):
    source, folder = templates
    stored = nib.load(source / "spm_pet_h2o15_template.nii")
    assert nib.aff2axcodes(stored.affine) == ("L", "A", "S")
    prepared = nib.load(folder / "pet.nii.gz")
    assert nib.aff2axcodes(prepared.affine) == ("R", "A", "S")
    # The same value at the same millimetres on the left, asked of both files by their affines.
    place = np.array([-44.0, -20.0, 10.0, 1.0])
    values = [
        image.get_fdata()[tuple(np.rint(np.linalg.inv(image.affine) @ place).astype(int)[:3])]
        for image in (stored, prepared)
    ]
    factor = json.loads((folder / "pet.json").read_text())["ScaleFactor"]
    assert values[0] * factor == pytest.approx(values[1], rel=1e-5)

    spect, pet = (images.read_image(folder / f"study_{name}.nii.gz") for name in ("spect", "pet"))
    grid = grids.Grid(pet[1], pet[0].shape)
    raw, raw_affine = images.read_image(folder / "spect.nii.gz")
    rigid = registration_check.measure_coregistration(
        (raw, raw_affine), spect[0], pet[0], grid, itk.read_linear(folder / "xfm.mat")
    )
    assert rigid["after"]["mutual_information"] > rigid["mirrored"]["mutual_information"]
    # Means of many heads are nearly symmetric, so what is not is compared by itself; with one
    # image mirrored this correlation changes its sign.
    share, affine = mni.brain_share()
    brain = grids.resample(share, affine, grid, order=1) > 0.5
    centre = round(-pet[1][0, 3] / 2)
    assert asymmetry_correlation(spect[0], pet[0], brain, centre) > 0.2


def asymmetry_correlation(a, b, brain, middle):
    """Correlation of the left-right differences of two images about the plane x = middle."""
    reach = min(middle, a.shape[0] - 1 - middle)
    odd = []
    for image in (a, b):
        blurred = ndimage.gaussian_filter(image / image[brain].mean(), 2)
        cut = blurred[middle - reach : middle + reach + 1]
        odd.append(cut - cut[::-1])
    inside = brain[middle - reach : middle + reach + 1]
    inside = inside & inside[::-1]
    return np.corrcoef(odd[0][inside], odd[1][inside])[0, 1]
