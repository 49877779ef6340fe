"""The report: what it says, what it shows, and what it never tells."""

import base64
import gzip
import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from report_studies import (  # fmt: skip
    AFFINE,
    CAPTIONS,
    GAINS,
    SETS,
    SHAPE,
    STAMP,
    Made,
    brain,
    config,
    files_of,
    image,
    lesion_summary,
    uncertainty_summary,
)
from spect2pet.core.errors import InputError
from spect2pet.core.images import write_image
from spect2pet.report import (
    report_checklists,
    report_html,
    report_images,
    report_methods,
    report_origin,
    report_references,
    report_subjects,
    report_words,
)


def unpacked(text, size):
    """Steps of an image, undone by cumulative sums along each axis."""
    steps = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8)
    steps = steps.reshape(size, order="F")
    for axis in range(3):
        steps = np.cumsum(steps, axis=axis, dtype=np.uint8)
    return steps


def script(path, function):
    """The data of a script."""
    text = path.read_text("utf-8")
    assert text.startswith(f"{function}(")
    return json.loads(text[len(function) + 1 : text.rindex(")")])


def section(page, name):
    """The plain text of a section of a page."""
    text = page.read_text("utf-8") if hasattr(page, "read_text") else page
    body = re.search(rf'<section id="{name}".*?</section>', text, re.S).group()
    body = re.sub(r"<svg.*?</svg>|data:image[^\"]*", "", body, flags=re.S)
    return unescape(re.sub(r"<[^>]+>", " ", body))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = Made(tmp_path_factory.mktemp("report")).subjects().evaluation()
    made.table(uncertainty_summary(), "evaluation", "p2p", "uncertainty_summary.tsv")
    made.record(lesion_summary(0.0), "evaluation", "p2p", "lesion_summary.json")
    return made


@pytest.fixture(scope="module")
def page(made):
    return made.build()


# --- Images ---------------------------------------------------------------------


def test_an_image_comes_back_within_half_a_step():
    data = np.random.default_rng(1).uniform(0, 100, (7, 5, 6))
    steps = unpacked(report_images.pack(data, 0.4), data.shape)
    np.testing.assert_allclose(steps * 0.4, data, atol=0.2 + 1e-9)


def test_values_beyond_the_range_are_cut_and_not_wrapped():
    data = np.array([[[-5.0, 0.0, 300.0, 255.0]]])
    assert unpacked(report_images.pack(data, 1.0), data.shape).tolist() == [[[0, 0, 255, 255]]]


def test_voxels_keep_their_place_in_millimetres(made):
    packed = report_images.pack_subject(files_of("003", made.sources), margin=2).shared
    steps = unpacked(packed["images"]["PET"], packed["size"])
    bright = np.argwhere(steps == steps.max()).mean(axis=0)
    there = np.array(packed["affine"]) @ [*bright, 1]
    expected = AFFINE[:3] @ [14.5, 18, 12.5, 1]
    np.testing.assert_allclose(there, expected)
    assert packed["size"] == [18, 22, 16]  # the brain, 14 × 18 × 12, and two voxels around it


def test_all_images_of_a_subject_share_one_step(made):
    packed = report_images.pack_subject(files_of("003", made.sources), margin=50)
    slope = packed.shared["slope"]
    for name, text in {**packed.shared["images"], **packed.models["unet"]["images"]}.items():
        shown = unpacked(text, SHAPE) * slope
        np.testing.assert_allclose(shown, image(name, 2), atol=slope / 2 + 1e-4)


def test_uncertainty_is_shown_in_the_brain_with_a_step_of_its_own(made):
    own = report_images.pack_subject(files_of("004", made.sources), margin=50).models["p2p"]
    shown = unpacked(own["images"]["uncertainty"], SHAPE) * own["uncertaintySlope"]
    np.testing.assert_allclose(shown, np.where(brain(), 4.0, 0), atol=0.02)


def test_images_known_only_relative_have_one_mean(tmp_path):
    made = Made(tmp_path).subjects(relative=True)
    packed = report_images.pack_subject(files_of("002", made.sources), margin=50)
    assert packed.shared["relative"]
    images = {**packed.shared["images"], **packed.models["p2p"]["images"]}
    for name in ("SPECT", "PET", "P2P"):
        shown = unpacked(images[name], SHAPE) * packed.shared["slope"]
        half = packed.shared["slope"] / 2
        assert shown[brain()].mean() == pytest.approx(50, abs=half), name
    mean = image("P2P", 1)[brain()].mean()
    doubt = unpacked(images["uncertainty"], SHAPE) * packed.models["p2p"]["uncertaintySlope"]
    assert doubt[brain()].mean() == pytest.approx(2 * 50 / mean, rel=0.02)


def test_an_empty_brain_mask_is_one_sentence(made):
    files = files_of("001", made.sources)
    empty = files.mask.with_name("empty.nii.gz")
    write_image(empty, np.zeros(SHAPE, dtype=bool), AFFINE)
    damaged = report_images.Files(files.spect, files.pet, empty, files.p2p, {})
    with pytest.raises(InputError, match="the brain mask is empty; look at"):
        report_images.pack_subject(damaged)


# --- Words ----------------------------------------------------------------------


def row(low, high, n=12, improved=9):
    return {
        "spect_mean": 0.7, "p2p_mean": 0.7 + (low + high) / 2, "difference": (low + high) / 2,
        "difference_low": low, "difference_high": high, "n": n, "improved": improved,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.02, 0.06, "clear of 0)"), (-0.06, -0.02, "on the wrong side"), (-0.01, 0.05, "includes 0")],
)
def test_an_interval_is_said_to_be_clear_of_0_only_where_it_is(low, high, said):
    sentence = report_words.similarity(row(low, high), "")
    assert said in sentence
    assert f"95 % interval {low:.3f} to {high:.3f}".replace("-", "−") in sentence
    assert "9 of 12 are improved" in sentence
    assert "signed-rank" not in sentence


def test_few_subjects_are_said_to_be_few():
    assert "cannot fall below p = 0.0625" in report_words.similarity(row(0.02, 0.06, 5, 5), "")


def test_one_subject_says_nothing_about_others():
    alone = row(np.nan, np.nan, 1, 1) | {"p2p_mean": 0.8, "difference": 0.1}
    assert report_words.similarity(alone, "").endswith("one subject says nothing about others.")


def test_images_that_are_the_same_are_not_called_better():
    assert report_words.direction(0.0, 0.0) == 0


@pytest.mark.parametrize(
    ("gain", "better", "expected"),
    [
        (
            1,
            0.0,
            "P2P is closer to PET than SPECT is, but does not find deficits measurably better",
        ),
        (1, 0.1, "P2P is closer to PET than SPECT is and finds deficits better"),
        (1, -0.1, "P2P is closer to PET than SPECT is, but finds deficits worse"),
        (-1, -0.1, "P2P is further from PET than SPECT is and finds deficits worse"),
        (-1, 0.1, "P2P is further from PET than SPECT is, but finds deficits better"),
    ],
)
def test_the_first_line_speaks_of_similarity_and_of_deficits(tmp_path, gain, better, expected):
    made = Made(tmp_path, models=("p2p",))
    made.evaluation({label: gain * value for label, value in GAINS.items()})
    made.record(lesion_summary(better), "evaluation", "p2p", "lesion_summary.json")
    made.subjects()
    (model,) = made.read().models
    assert report_words.verdict(model) == expected


@pytest.mark.parametrize(
    ("slope", "said"), [(0.8, "nearer to 1"), (0.2, "further from 1"), (0.5, "the same slope")]
)
def test_a_slope_is_nearer_to_1_or_it_is_not(tmp_path, slope, said):
    made = Made(tmp_path, models=("p2p",)).subjects().evaluation(slope=slope)
    (model,) = made.read().models
    sentence = report_words.regions(model, "aal")
    assert said in sentence
    assert "a slope of 0.50 for SPECT" in sentence
    assert f"of {slope:.2f} for P2P" in sentence


def test_a_study_without_gain_in_detection_says_that_similarity_is_no_proof():
    proof = "A higher similarity is here no proof"
    assert report_words.lesions(lesion_summary(0.0)).startswith("STATEMENT. " + proof)
    assert report_words.lesions(lesion_summary(0.1)) == "STATEMENT."


@pytest.mark.parametrize(
    ("rho", "said"),
    [(0.4, "P2P is more wrong (rank"), (0.2, "but weakly so (rank"), (0.0, "It is not shown")],
)
def test_uncertainty_is_praised_no_more_than_it_deserves(tmp_path, rho, said):
    made = Made(tmp_path, models=("p2p",)).subjects().evaluation()
    made.table(uncertainty_summary(rho), "evaluation", "p2p", "uncertainty_summary.tsv")
    (model,) = made.read().models
    sentence = report_words.uncertainty(model)
    assert said in sentence
    assert "the error is 2.0 to 4.0 times that spread" in sentence


def test_the_share_of_the_ceiling_is_told_where_it_is_known():
    words = report_words.ceiling({"share_of_ceiling": 0.514}, {"ssim_mean": 0.966})
    assert words.startswith("That is 51 % of the way to the ceiling of 0.966")
    assert "no way towards" in report_words.ceiling({"share_of_ceiling": -0.1}, {"ssim_mean": 0.9})
    assert report_words.ceiling({"share_of_ceiling": np.nan}, {}) == ""


# --- Pieces of the page ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345, "0.123"), (-0.0004, "0.000"), (-1.5, "−1.500"), (25.346, "25.35"),
        (151.26, "151.3"), (15126.0, "15126"), (7, "7"), (None, "–"), (float("nan"), "–"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value, shown):
    assert report_html.number(value) == shown


def test_p_values_are_written_as_papers_do():
    assert [report_html.p_value(p) for p in (0.0004, 0.0312, float("nan"))] == [
        "< 0.001", "0.031", "–",
    ]  # fmt: skip


def test_a_table_joins_intervals_and_hides_what_is_not_the_result():
    rows = pd.DataFrame(
        {
            "set": ["test", "train"],
            "relative": [False, False],
            "gain": [0.1, 0.2],
            "gain_low": [0.05, np.nan],
            "gain_high": [0.15, np.nan],
            "t_p": [0.0001, 0.5],
            "name": ["<b>", "x"],
        }
    )
    drawn = report_html.table(rows, {"gain": {"Description": "what & why"}})
    heads = re.findall(r"<button type=\"button\">(.*?)</button>", drawn)
    assert heads == ["Set", "Gain over SPECT", "95 % CI", "t p", "Name"]
    assert "0.050 to 0.150" in drawn
    assert 'title="what &amp; why"' in drawn
    assert "<b>" not in drawn
    assert re.findall(r"<tr( class=\"other\")?><td>(\w+)", drawn) == [
        ("", "test"), (' class="other"', "train"),
    ]  # fmt: skip
    assert 'class="table folded"' in drawn


def test_every_caption_of_the_workflow_becomes_html():
    for name, source in CAPTIONS.items():
        words = report_html.caption(source, model="p2p", atlas="aal", subject="001")
        assert "{{" not in words, name
        assert "``" not in words, name
        assert "diagnosis" not in words or name == "workflow", name


# --- The page ---------------------------------------------------------------------


def test_the_headline_is_that_of_the_test_subjects(page):
    text = section(page, "result")
    gains = [GAINS[label] for label, name in SETS.items() if name == "test"]
    assert f"a mean gain of {np.mean(gains):.3f}" in text
    assert "3 of 3 are improved" in text
    assert "In 3 test subjects" in text
    assert "0.79 " in text  # the published study beside it
    assert "STATEMENT." in text


def test_other_sets_change_nothing_of_the_headline(tmp_path, page):
    gains = {label: -5 * g if SETS[label] != "test" else g for label, g in GAINS.items()}
    made = Made(tmp_path).subjects().evaluation(gains)
    made.table(uncertainty_summary(), "evaluation", "p2p", "uncertainty_summary.tsv")
    made.record(lesion_summary(0.0), "evaluation", "p2p", "lesion_summary.json")
    assert section(made.build(), "result") == section(page, "result")


def test_the_page_fetches_nothing_and_says_what_it_is_not_for(page):
    text = page.read_text("utf-8")
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in text
    assert text.count("For research, not for diagnosis.") >= 2
    assert not re.search(r"<!--\{|/\*\{", text), "a place was not filled"


def test_every_subject_has_a_script_and_a_picture(page):
    folder = page.with_suffix("")
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names == sorted(
        [f"sub-{label}.{kind}" for label in SETS for kind in ("js", "webp")]
        + [f"{model}/sub-{label}.js" for label in SETS for model in ("p2p", "unet")]
    )
    shared = script(folder / "sub-003.js", "report.subject")
    assert set(shared["images"]) == {"SPECT", "PET"}
    assert "0.800 → 0.950" in shared["details"]
    own = script(folder / "p2p" / "sub-003.js", "report.model")
    assert set(own["images"]) == {"P2P", "uncertainty"}
    assert "0.700" in own["details"]
    assert "0.800" in own["details"]
    text = page.read_text("utf-8")
    assert re.findall(r'href="#subject=(\w+)"', text) == ["003", "004", "005", "002", "001"]


def test_the_same_study_makes_the_same_bytes(made, page):
    folder = page.parent
    paths = [page, *sorted(p for p in page.with_suffix("").rglob("*") if p.is_file())]
    first = [path.read_bytes() for path in paths]
    made.build()
    assert [path.read_bytes() for path in paths] == first
    assert not list(folder.rglob(".partial-*"))


def test_a_subject_who_left_the_study_leaves_the_folder(tmp_path):
    made = Made(tmp_path, models=("p2p",)).subjects().evaluation()
    page = made.build()
    stale = page.with_suffix("") / "sub-999.js"
    stale.write_text("old")
    made.build()
    assert not stale.exists()


def test_nothing_private_of_the_configuration_is_shown(tmp_path):
    made = Made(tmp_path, models=("p2p",), given=True)
    made.config = config(
        subjects="/data/Smith/t.tsv", scan="/data/Jones", model="/data/Miller/m.safetensors",
        exclude=["007"], prepare={"spect_series": "Dr Brown"}, readers={"scores": "/data/White"},
    )  # fmt: skip
    page = made.subjects().evaluation().build()
    everything = "".join(
        path.read_text("utf-8") for path in (page, *page.with_suffix("").rglob("*.js"))
    )
    for word in ("Smith", "Jones", "Miller", "Brown", "White", "/data"):
        assert word not in everything
    assert "007" in section(page, "warnings")


def test_hostile_text_stays_text(tmp_path):
    made = Made(tmp_path, models=("p2p",))
    made.warnings = {"004": ["</script><img src=x onerror=alert(1)>"]}
    page = made.subjects().evaluation().build()
    assert "<img src=x" not in page.read_text("utf-8")
    assert "<img src=x" in section(page, "warnings")
    details = script(page.with_suffix("") / "sub-004.js", "report.subject")["details"]
    assert "&lt;img src=x" in details


def test_figures_without_a_place_of_their_own_are_shown_too(tmp_path):
    made = Made(tmp_path, models=("p2p",)).subjects().evaluation()
    source = made.folder / "figures" / "p2p" / "similarity.png"
    made.path("figures", "figures", "p2p", "new_kind.png").write_bytes(source.read_bytes())
    made.path("figures", "figures", "of_all.png").write_bytes(source.read_bytes())
    page = made.build()
    assert "New kind" in section(page, "evidence")
    assert "Of all" in section(page, "methods")


def test_without_any_pet_only_inference_is_reported(tmp_path):
    made = Made(tmp_path, models=("p2p",), given=True)
    made.alone = set(SETS)
    table = pd.DataFrame(
        {"subject": list(SETS), "relative": False, "outside": [0, 0, 2, 0, 0],
         "warning": [None, None, "too bright; too coarse", None, None]}
    )  # fmt: skip
    made.table(table, "synthetic", "p2p", "inference.tsv")
    page = made.subjects().build()
    text = section(page, "result")
    assert "None has a PET" in text
    assert "1 of 5 lies outside" in text
    assert "too coarse" in section(page, "warnings")
    assert "SSIM" not in section(page, "subjects")
    assert "<title>spect2pet: Report of inference</title>" in page.read_text("utf-8")
    shared = script(page.with_suffix("") / "sub-001.js", "report.subject")
    assert set(shared["images"]) == {"SPECT"}


def test_a_given_model_is_not_said_to_have_been_trained(tmp_path):
    page = Made(tmp_path, models=("p2p",), given=True).subjects().evaluation().build()
    assert "by a model that was trained elsewhere" in section(page, "result")
    assert "Adam" not in section(page, "text")
    assert "Nothing was trained" in section(page, "text")


def test_a_subject_without_pet_stands_among_those_with_one(tmp_path):
    made = Made(tmp_path, models=("p2p",), given=True)
    made.alone = {"002"}
    page = made.subjects().evaluation().build()
    assert "In 4 test subjects" in section(page, "result")
    folder = page.with_suffix("")
    assert set(script(folder / "sub-002.js", "report.subject")["images"]) == {"SPECT"}
    assert script(folder / "p2p" / "sub-002.js", "report.model")["details"] == ""
    assert not (folder / "sub-002.webp").exists()
    row = re.search(r"<tr><td><a href=\"#subject=002\">.*?</tr>", page.read_text("utf-8")).group()
    assert "nan" not in row


def test_a_damaged_table_is_one_sentence(tmp_path):
    made = Made(tmp_path, models=("p2p",)).subjects().evaluation()
    (made.folder / "evaluation" / "methods.json").write_text("{")
    with pytest.raises(InputError, match=r"methods\.json: cannot be read .*run the workflow again"):
        made.read()


def test_five_hundred_subjects_make_a_page_that_stays_small(made, tmp_path):
    study = made.read()
    many = [
        type(one)(f"s{k:03}", one.set, one.files, one.sidecars, one.check, one.overlay)
        for k, one in enumerate(study.subjects * 100)
    ]
    table = report_subjects.table_of_subjects(type(study)(**{**vars(study), "subjects": many}))
    assert table.count("<tr") == 501
    assert len(table) < 500_000


# --- Methods text and checklists ------------------------------------------------------


def test_citations_are_numbered_as_they_come():
    sections, references = report_methods.number_citations(
        [("A", "x [@holm], y [@ssim,holm]"), ("B", "z [@adam]")]
    )
    assert [words for _, words in sections] == ["x [1], y [2, 1]", "z [3]"]
    assert [reference.split(" ")[0] for reference in references] == ["Holm", "Wang", "Kingma"]


def test_the_methods_have_the_numbers_of_the_study(made, page):
    text = section(page, "text")
    for words in (
        "5 people were simulated (seed 2020",
        "1 training, 1 validation and 3 test subjects",
        "grid of 2 mm (96 × 112 × 88 voxels)",
        "halves a slice 4 times (16 channels",
        "The loss was 100 × mean absolute difference from PET and 40 × (1 − SSIM)",
        "2 networks from seeds 2025 to 2026",
        "1 control, 4 patient",
    ):
        assert words in text, words
    assert "[@" not in text
    cited = {int(n) for found in re.findall(r"\[([\d, ]+)\]", text) for n in found.split(",")}
    listed = re.findall(r"<li>", page.read_text("utf-8").partition('id="methods-text"')[2])
    assert cited == set(range(1, len(listed) + 1))


def test_every_kind_of_model_has_its_words(made):
    settings = config(
        models={
            "spect": {"method": "spect"},
            "lucy": {"method": "richardson_lucy"},
            "gan": {"method": "pix2pix", "norm": "instance", "feature_weight": 2, "choose": "best"},
        }
    )["models"]
    study = made.read()
    for name, said in (
        ("spect", "its gain is 0 by construction"),
        ("lucy", "Richardson–Lucy algorithm"),
        ("gan", "as in pix2pix [@isola] and 2 × feature matching"),
    ):
        model = type(study.models[0])(name, settings[name])
        assert said in report_methods.model_text(study, model)


def test_every_reference_can_be_cited_and_none_twice():
    assert len(set(report_references.REFERENCES.values())) == len(report_references.REFERENCES)


def test_claim_has_its_44_items_in_order(made):
    items = report_checklists.claim(made.read())
    assert [int(item.name.partition(".")[0]) for item in items] == list(range(1, 45))
    funding = items[-1]
    assert funding.answer == report_checklists.TO_FILL
    assert not funding.complete


def test_checklists_claim_less_of_real_subjects_than_of_simulated_ones(made, tmp_path):
    simulated = made.read()
    real = type(simulated)(**{**vars(simulated), "config": config(subjects="t.tsv")})
    for checklist in (report_checklists.claim, report_checklists.relaince):
        known = [sum(item.complete for item in checklist(study)) for study in (simulated, real)]
        assert known[1] < known[0]
        for item in checklist(real):
            assert "simulat" not in item.answer.lower() or "No simulation" in item.answer


def test_provenance_holds_seeds_versions_and_fingerprints(page):
    text = section(page, "made")
    assert STAMP["CodeFingerprint"] in text
    assert STAMP["Libraries"]["numpy"] in text
    assert "study_grid: voxel_mm" in text


def test_the_configuration_hides_paths_and_shows_numbers():
    config = {"subjects": "Taro.tsv", "readers": {"subjects": 15, "scores": ["Taro.csv"]}}
    rows = dict(report_origin.config_rows(config))
    assert rows == {"subjects": "given", "readers: subjects": "15", "readers: scores": "given"}
