"""Reading sessions: blinding, the key, the files that come back, and published statistics."""

import base64
import gzip
import hashlib
import json
import re
from itertools import pairwise

import matplotlib
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reading_sessions import (
    AFFINE,
    SCALE,
    SHAPE,
    SUBJECTS,
    answers_of,
    case_of,
    make_session,
    sources,
)
from spect2pet.core import images
from spect2pet.core.errors import InputError
from spect2pet.core.provenance import RESEARCH_ONLY, write_json
from spect2pet.figures import reader_figure, style
from spect2pet.readers import reader_statistics, readers, reading_page, readings

NAN = np.nan


# --- The plan ------------------------------------------------------------------


def plan(subjects=15, repeats=0.2, secret=bytes(32)):
    people = {f"{k:03d}": k == 3 for k in range(subjects)}
    return readers.plan_session(people, secret, repeats=repeats, grades=5, model="p2p")


@pytest.fixture(scope="module")
def session():
    return plan()


def of_part(key, part):
    return key[key["part"] == part].reset_index(drop=True)


def test_every_image_is_read_blind_once_and_some_again(session):
    blind = of_part(session.key, "blind")
    first, again = blind[blind["repeat_of"].isna()], blind[blind["repeat_of"].notna()]
    assert len(first) == 45
    assert len(set(zip(first["subject"], first["image"], strict=True))) == 45
    assert len(again) == 9
    assert again["repeat_of"].is_unique


@pytest.mark.parametrize(("subjects", "repeats"), [(1, 0.6), (2, 0.6), (5, 0.5), (15, 0.2)])
def test_a_repeat_shows_the_same_image_a_third_of_the_images_later(subjects, repeats):
    session = plan(subjects, repeats)
    blind = of_part(session.key, "blind")
    again = blind[blind["repeat_of"].notna()]
    assert len(again) == round(repeats * 3 * subjects)
    place = blind.set_index("item")["place"]
    for row in again.to_dict("records"):
        assert row["place"] - place[row["repeat_of"]] > subjects
        assert session.shown[row["item"]] == session.shown[row["repeat_of"]]


def test_images_of_one_subject_do_not_follow_one_another(session):
    blind = of_part(session.key, "blind")
    assert sum(a == b for a, b in pairwise(blind["subject"])) <= 1


def test_pairs_show_the_pet_on_the_side_that_the_key_says(session):
    pairs = of_part(session.key, "real")
    assert sorted(pairs["subject"]) == sorted(f"{k:03d}" for k in range(15))
    assert set(pairs["pet_side"]) == {"left", "right"}
    for row in pairs.to_dict("records"):
        pet, p2p = session.images[row["subject"], "PET"], session.images[row["subject"], "P2P"]
        expected = [pet, p2p] if row["pet_side"] == "left" else [p2p, pet]
        assert session.shown[row["item"]] == expected


def test_the_open_part_shows_spect_and_p2p_beside_the_pet(session):
    opened = of_part(session.key, "open")
    assert sorted(opened["image"]) == ["P2P"] * 15 + ["SPECT"] * 15
    for row in opened.to_dict("records"):
        shown = [session.images[row["subject"], name] for name in (row["image"], "PET")]
        assert session.shown[row["item"]] == shown


def test_parts_follow_one_another_and_subjects_keep_their_flag(session):
    key = session.key
    assert list(key["part"].unique()) == ["blind", "real", "open"]
    assert list(key["place"]) == list(range(1, len(key) + 1))
    assert set(key.loc[key["relative"], "subject"]) == {"003"}
    assert key["item"].is_unique


def test_equal_studies_make_equal_sessions_and_others_make_others():
    image = np.ones((3, 4, 5))
    secrets = [
        readers.secret_of(1, [image]),
        readers.secret_of(2, [image]),
        readers.secret_of(1, [image + 1e-6]),
    ]
    assert readers.secret_of(1, [image.copy()]) == secrets[0]
    plans = [plan(4, secret=secret) for secret in secrets]
    assert plan(4, secret=secrets[0]).key.equals(plans[0].key)
    assert len({p.name for p in plans}) == len({p.code for p in plans}) == 3
    assert not plans[0].key["subject"].equals(plans[1].key["subject"])


# --- The page -------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    return folder, make_session(folder)


def content_of(folder):
    """What the page holds, read as a browser does."""
    page = (folder / "session.html").read_text()
    found = re.search(r'<script type="application/json" id="session">(.*?)</script>', page, re.S)
    return json.loads(found.group(1))


def test_the_page_names_no_image_and_no_subject(made):
    folder, session = made
    content = content_of(folder)
    for hidden in ("images", "colours", "sealed"):  # base64, where such letters can stand by chance
        content.pop(hidden)
    text = json.dumps(content)
    assert not re.search(r"SPECT|P2P|PET|00[12]|left|right", text)
    assert session.code not in (folder / "session.html").read_text()
    assert session.key["salt"][0] not in (folder / "session.html").read_text()
    assert all(set(item) == {"id", "part", "images"} for item in content["items"])


def test_the_page_fetches_nothing(made):
    page = (made[0] / "session.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)\s*=\s*[\"']|@import|url\(|https?://", page)
    assert not re.search(r"/\*\{\w+\}\*/", page), "a place was left empty"


def test_the_page_says_that_it_is_for_research(made):
    assert content_of(made[0])["notice"] == RESEARCH_ONLY


def test_texts_of_the_config_cannot_leave_their_script(made):
    assert SCALE[-1] not in (made[0] / "session.html").read_text()
    assert content_of(made[0])["scale"] == SCALE


def test_the_page_commits_to_the_key(made):
    folder = made[0]
    digest = hashlib.sha256((folder / "key.tsv").read_bytes()).hexdigest()
    assert content_of(folder)["commitment"] == digest == readers.commitment(folder / "key.tsv")


def test_the_seal_opens_with_the_code_and_no_other(made):
    folder, session = made
    content = content_of(folder)
    sealed = base64.b64decode(content["sealed"])

    def opened(code):
        pad = hashlib.pbkdf2_hmac(
            "sha256", code.encode(), content["id"].encode(), content["iterations"], len(sealed)
        )
        return bytes(a ^ b for a, b in zip(sealed, pad, strict=True))

    items = json.loads(opened(session.code))
    key = of_part(session.key, "open")
    assert [item["id"] for item in items] == list(key["item"])
    assert [item["names"] for item in items] == [[name, "PET"] for name in key["image"]]
    assert len(items) == content["open"]
    with pytest.raises(ValueError, match=r"decode|Expecting"):
        json.loads(opened("A" + session.code[1:] if session.code[0] != "A" else "B"))
    assert session.key["open_code"][0].replace("-", "") == session.code


def test_images_keep_their_place_and_their_values_to_half_a_step():
    case = case_of(0)
    packed = reading_page.pack_case(case)
    headers = []
    for name, image in case.images.items():
        file = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(packed[name])))
        assert file.get_data_dtype() == np.uint8
        assert np.array_equal(file.affine, AFFINE)
        assert nib.aff2axcodes(file.affine) == ("R", "A", "S")
        assert np.abs(file.get_fdata() - image).max() <= 70 / 255 / 2 + 1e-5
        headers.append(gzip.decompress(base64.b64decode(packed[name]))[:352])
    assert len(set(headers)) == 1, "a header tells what an image is"


def test_negative_noise_does_not_tell_what_an_image_is():
    case = case_of(0)
    case.images["SPECT"][0, 0, 0] = -5
    packed = base64.b64decode(reading_page.pack_case(case)["SPECT"])
    assert nib.Nifti1Image.from_bytes(gzip.decompress(packed)).get_fdata().min() == 0


def test_equal_cases_are_packed_to_equal_bytes():
    assert reading_page.pack_case(case_of(1)) == reading_page.pack_case(case_of(1))


def write_subject(folder, flags=(False, False, False)):
    """The images of a subject on a larger grid than the brain needs."""
    paths = []
    shape = (40, 44, 38)
    for name, flag in zip(("SPECT", "P2P", "PET"), flags, strict=True):
        image = np.zeros(shape)
        image[10:30, 10:34, 10:28] = case_of(0).images[name]
        paths.append(folder / f"{name}.nii.gz")
        images.write_image(paths[-1], image, AFFINE, {"Relative": flag})
    mask = np.zeros(shape, bool)
    mask[13:27, 13:31, 13:25] = True
    images.write_image(folder / "mask.nii.gz", mask, AFFINE)
    return [*paths, folder / "mask.nii.gz"]


def test_a_case_is_cut_to_the_brain_and_stays_in_its_place(tmp_path):
    case = reading_page.read_case(*write_subject(tmp_path), margin=3)
    assert {image.shape for image in case.images.values()} == {SHAPE}
    assert np.allclose(case.images["PET"], case_of(0).images["PET"])
    assert np.allclose(case.affine @ [0, 0, 0, 1], AFFINE @ [10, 10, 10, 1])
    assert not case.relative


def test_a_case_known_only_relative_has_means_of_50(tmp_path):
    case = reading_page.read_case(*write_subject(tmp_path, (False, False, True)), margin=3)
    assert case.relative
    for image in case.images.values():
        assert image[3:17, 3:21, 3:15].mean() == pytest.approx(50)


def test_an_empty_mask_is_named(tmp_path):
    paths = write_subject(tmp_path)
    images.write_image(paths[-1], np.zeros((40, 44, 38), bool), AFFINE)
    with pytest.raises(InputError, match=r"mask\.nii\.gz: the brain mask is empty"):
        reading_page.read_case(*paths)


def test_a_page_that_nobody_could_send_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_page, "LARGEST_PAGE", 1000)
    with pytest.raises(InputError, match="lower `readers: subjects`"):
        reading_page.write_page(tmp_path / "session.html", {}, sources(), {})
    assert not list(tmp_path.iterdir())


# --- The files that come back ------------------------------------------------------


def read(folder, *tables, names=("a.csv", "b.csv", "c.csv")):
    paths = []
    for name, table in zip(names, tables, strict=False):
        paths.append(folder / name)
        table.to_csv(paths[-1], index=False, quoting=1, lineterminator="\r\n")
    key = readers.read_key(folder / "key.tsv")
    return readings.read_readings(paths, key, readers.commitment(folder / "key.tsv"))


@pytest.fixture
def handed_in(tmp_path):
    session = make_session(tmp_path)
    return tmp_path, session, answers_of(tmp_path / "key.tsv")


def test_the_key_is_read_as_it_was_written(made):
    folder, session = made
    key = readers.read_key(folder / "key.tsv")
    expected = session.key.astype(object).where(session.key.notna(), None)
    assert key.astype(object).equals(expected.assign(relative=False).astype(object))


def test_answers_meet_their_images(handed_in):
    folder, _, _ = handed_in
    grade = {"SPECT": "1", "P2P": "2", "PET": "3"}
    table = answers_of(
        folder / "key.tsv", value=lambda row: grade.get(row["image"], row["pet_side"])
    )
    found = read(folder, table.sample(frac=1, random_state=0))
    scored = found[found["part"] != "real"]
    assert (scored["score"] == scored["image"].map({"SPECT": 1, "P2P": 2, "PET": 3})).all()
    pairs = found[found["part"] == "real"]
    assert (pairs["choice"] == pairs["pet_side"]).all()
    assert pairs["score"].isna().all()
    assert (found["seconds"] == 7).all()


def test_comments_go_nowhere(handed_in):
    folder, _, table = handed_in
    assert "Secret" not in read(folder, table).to_csv()


def test_a_file_that_a_spreadsheet_saved_again_is_read(handed_in):
    folder, _, table = handed_in
    path = folder / "x.csv"
    path.write_text(table.to_csv(index=False, sep=";"), encoding="utf-8-sig")
    key, seal = readers.read_key(folder / "key.tsv"), readers.commitment(folder / "key.tsv")
    assert (readings.read_readings([path], key, seal)["reader"] == "AB").all()


def test_missing_answers_and_rows_are_counted(handed_in):
    folder, session, table = handed_in
    opened = table["part"] == "open"
    table = table[~opened].copy()
    table.loc[0, "value"] = ""
    found = read(folder, table)
    assert len(found) == len(session.key)
    summary = summarise(found)
    assert summary["missing"] == opened.sum() + 1
    assert summary["readers"]["AB"]["blind"] == {"answered": 6, "missing": 1}
    assert summary["readers"]["AB"]["open"] == {"answered": 0, "missing": 4}


def change(column, row, value):
    def changed(table):
        table.loc[row, column] = value
        return table

    return changed


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda t: t.assign(session="s0000000000"), "is of another session than the key"),
        (lambda t: t.assign(commitment="0" * 64), "the key is not as it was"),
        (change("item", 2, "bfffff"), "case 'bfffff' is not in the key"),
        (lambda t: pd.concat([t, t.tail(1)]), "stands there twice"),
        (change("part", 0, "open"), "is in another part"),
        (change("value", 0, "6"), "is '6', where 1 to 5 is possible"),
        (change("value", 0, "0"), "is '0', where 1 to 5"),
        (change("value", 0, "4.5"), "is '4.5', where 1 to 5"),
        (change("value", 0, "left"), "is 'left', where 1 to 5"),
        (change("value", 8, "3"), "is '3', where left or right is possible"),
        (change("reader", 1, "XY"), "must hold the answers of one reader"),
        (lambda t: t.assign(reader="Dr. A. Name"), "initials of 1 to 8 letters"),
        (lambda t: t.assign(reader=""), "initials of 1 to 8 letters"),
        (lambda t: t.drop(columns="item"), "no column 'item'"),
        (lambda t: t.head(0), "no rows"),
    ],
)
def test_a_wrong_file_is_refused_with_one_sentence(handed_in, spoil, sentence):
    folder, _, table = handed_in
    with pytest.raises(InputError, match=sentence) as caught:
        read(folder, spoil(table.astype(object)))
    assert "a.csv: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_files_of_one_reader_are_refused(handed_in):
    folder, _, table = handed_in
    with pytest.raises(InputError, match=r"b\.csv: is by reader AB like .*a\.csv"):
        read(folder, table, table.assign(reader="ab"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"<html>\n", b'a,"b\n1,2,3,"'])
def test_what_is_no_csv_is_refused(handed_in, content):
    folder = handed_in[0]
    (folder / "x.csv").write_bytes(content)
    key, seal = readers.read_key(folder / "key.tsv"), readers.commitment(folder / "key.tsv")
    with pytest.raises(InputError, match=r"x\.csv: .*give the file that the page exported"):
        readings.read_readings([folder / "x.csv"], key, seal)


def test_no_files_and_no_key_are_named(handed_in):
    folder, _, table = handed_in
    with pytest.raises(InputError, match=r"holds no \.csv file"):
        readings.read_readings([], readers.read_key(folder / "key.tsv"), "")
    table.to_csv(folder / "other.tsv", sep="\t", index=False)
    for path in (folder / "none.tsv", folder / "other.tsv"):
        with pytest.raises(InputError, match=rf"{path.name}: is not the key of a reading session"):
            readers.read_key(path)


def test_a_key_that_was_changed_no_longer_fits_the_answers(handed_in):
    folder, _, table = handed_in
    key = (folder / "key.tsv").read_text()
    swapped = key.replace("\tSPECT\t", "\tx\t").replace("\tPET\t", "\tSPECT\t")
    (folder / "key.tsv").write_text(swapped.replace("\tx\t", "\tPET\t"))
    with pytest.raises(InputError, match="the key is not as it was"):
        read(folder, table)


# --- Statistics against published values ---------------------------------------------

#: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: 4 observers of 12
#: units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
#: Ratings of the first two of three raters, data set `anxiety` of the R package irr.
ANXIETY = np.array(
    [
        [3, 3, 3, 4, 5, 5, 2, 3, 5, 2, 2, 6, 1, 5, 2, 2, 1, 2, 4, 3],
        [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4],
    ]
)


def test_ordinal_alpha_is_that_of_krippendorffs_example():
    assert reader_statistics.krippendorff_alpha(OBSERVERS) == pytest.approx(0.815, abs=5e-4)


def test_ordinal_alpha_is_that_of_another_package():
    """Of krippendorff 0.9.0 from PyPI, level_of_measurement="ordinal"."""
    ratings = [
        [3, 5, 2, 4, 4, 1, NAN, 3, 2, 5],
        [4, 5, 2, 3, 4, 2, 3, NAN, 2, 4],
        [2, 4, 1, 4, 5, 1, 3, 3, 1, NAN],
    ]
    assert reader_statistics.krippendorff_alpha(ratings) == pytest.approx(0.7998698378890072)
    assert reader_statistics.krippendorff_alpha(OBSERVERS) == pytest.approx(0.8153875037548814)


def test_alpha_of_full_agreement_is_1_and_of_none_not_known():
    assert reader_statistics.krippendorff_alpha([[1, 2, 5], [1, 2, 5]]) == 1
    assert np.isnan(reader_statistics.krippendorff_alpha([[3, 3], [3, 3]]))
    assert np.isnan(reader_statistics.krippendorff_alpha([[1, NAN], [NAN, 2]]))
    assert np.isnan(reader_statistics.alpha_interval([[3, 3], [3, 3]], 1)).all()


def test_the_interval_of_alpha_holds_it_and_repeats_itself():
    low, high = reader_statistics.alpha_interval(OBSERVERS, 7)
    assert low < 0.815 < high <= 1
    assert reader_statistics.alpha_interval(OBSERVERS, 7) == (low, high)


def test_the_interval_of_alpha_holds_the_truth_in_about_95_of_100_studies():
    draw = np.random.default_rng(0)

    def study(cases):
        truth = draw.normal(size=cases)
        noisy = truth + draw.normal(scale=0.6, size=(3, cases))
        return np.digitize(noisy, [-1.2, -0.4, 0.4, 1.2]) + 1

    truth = reader_statistics.krippendorff_alpha(study(40_000))
    intervals = [reader_statistics.alpha_interval(study(40), k, 200) for k in range(200)]
    covered = sum(low <= truth <= high for low, high in intervals)
    assert 176 <= covered <= 199


def test_weighted_kappa_is_that_of_another_package():
    """Of irr for R, kappa2(anxiety[, 1:2], "squared"): 0.297."""
    kappa, low, high = reader_statistics.weighted_kappa(*ANXIETY, 6)
    assert kappa == pytest.approx(0.297, abs=5e-4)
    assert low < kappa < high


def test_weighted_kappa_is_the_intraclass_correlation_of_fleiss_and_cohen():
    """Educ Psychol Meas 33:613 (1973): 2 cov / (var + var + squared difference of means)."""
    draw = np.random.default_rng(3)
    first = draw.integers(1, 6, 60)
    second = np.clip(first + draw.integers(-1, 2, 60), 1, 5)
    covariance = np.cov(first, second, ddof=0)
    shift = (first.mean() - second.mean()) ** 2
    expected = 2 * covariance[0, 1] / (np.trace(covariance) + shift)
    assert reader_statistics.weighted_kappa(first, second, 5)[0] == pytest.approx(expected)


def test_weighted_kappa_of_one_grade_alone_is_not_known():
    assert np.isnan(reader_statistics.weighted_kappa([3, 3], [3, 3], 5)).all()
    assert np.isnan(reader_statistics.weighted_kappa([], [], 5)).all()


# --- Tables ----------------------------------------------------------------------------


def readings_of(scores, parts=("blind",), subjects=8, right=()):
    """Readings by a function of reader, part, subject number and image; pairs that are right."""
    rows = []
    about = {"session": "s1", "model": "p2p", "grades": 5, "seconds": 10.0, "relative": False}
    for reader in ("AB", "CD"):
        for part in parts:
            for k in range(subjects):
                for image in ("SPECT", "P2P") if part == "open" else ("SPECT", "P2P", "PET"):
                    item = f"{part}{k}{image}"
                    row = {"reader": reader, "part": part, "subject": f"{k:03d}", "image": image}
                    row |= {"item": item, "repeat_of": None, "pet_side": None, "choice": None}
                    rows.append({**about, **row, "score": scores(reader, part, k, image)})
                    if part == "blind" and k < 3:
                        row |= {"item": f"again{item}", "repeat_of": item}
                        # The second reading of AB is the first, of CD one grade lower.
                        second = scores(reader, part, k, image) - (reader == "CD")
                        rows.append({**about, **row, "score": second})
        for k in range(subjects):
            row = {"reader": reader, "part": "real", "subject": f"{k:03d}", "image": None}
            row |= {"item": f"real{k}", "repeat_of": None, "pet_side": "left", "score": NAN}
            rows.append({**about, **row, "choice": "left" if (reader, k) in right else "right"})
    return pd.DataFrame(rows)


GRADES = {"SPECT": 2, "P2P": 3, "PET": 5}


def scores_by(reader, part, k, image):
    """CD gives SPECT one grade more; odd subjects get one less from both, where there is one."""
    return max(GRADES[image] + (reader == "CD" and image == "SPECT") - k % 2, 1)


def summarise(found):
    scores, tests = (
        reader_statistics.tabulate_scores(found),
        reader_statistics.compare_scores(found),
    )
    agreement = reader_statistics.tabulate_agreement(found, 1)
    choices = reader_statistics.tabulate_choices(found)
    return reader_statistics.summarise_readings(found, scores, tests, agreement, choices)


def test_means_are_over_subjects_and_not_over_readers():
    table = reader_statistics.tabulate_scores(readings_of(scores_by)).set_index(["reader", "image"])
    of_all = table.loc["all", "SPECT"]
    subjects = np.array([2.5, 1.5] * 4)
    assert of_all["mean"] == pytest.approx(2.0)
    assert (of_all["subjects"], of_all["answers"]) == (8, 16)
    half = stats.t.ppf(0.975, 7) * subjects.std(ddof=1) / np.sqrt(8)
    assert of_all["low"] == pytest.approx(2 - half)
    assert of_all["high"] == pytest.approx(2 + half)
    assert table.loc["AB", "SPECT"]["mean"] == pytest.approx(1.5)
    assert table.loc["CD", "SPECT"]["mean"] == pytest.approx(2.5)
    assert list(table.reset_index().columns.sort_values()) == sorted(reader_statistics.SCORES)


def test_images_are_compared_by_signed_ranks_and_corrected_for_their_number():
    draw = np.random.default_rng(5)
    table = {(k, i): draw.integers(1, 6) for k in range(8) for i in GRADES}
    found = readings_of(lambda reader, part, k, image: table[k, image])
    tests = reader_statistics.compare_scores(found)
    of_all = tests[tests["reader"] == "all"].set_index(["image", "other"])
    expected = {}
    for image, other in (("SPECT", "P2P"), ("SPECT", "PET"), ("P2P", "PET")):
        before = [table[k, image] for k in range(8)]
        after = [table[k, other] for k in range(8)]
        expected[image, other] = stats.wilcoxon(after, before).pvalue
        row = of_all.loc[(image, other)]
        assert row["difference"] == pytest.approx(np.mean(after) - np.mean(before))
        assert row["wilcoxon_p"] == pytest.approx(expected[image, other])
    running = 0.0
    for rank, pair in enumerate(sorted(expected, key=expected.get)):
        running = max(running, min((3 - rank) * expected[pair], 1))
        assert of_all.loc[pair, "wilcoxon_p_holm"] == pytest.approx(running)


def test_agreement_is_told_between_and_within_readers():
    table = reader_statistics.tabulate_agreement(readings_of(scores_by), 1)
    blind = table[table["part"] == "blind"].set_index(["reader", "other"])
    assert blind.loc[("AB", "AB"), "value"] == pytest.approx(1)
    assert blind.loc[("AB", "AB"), "identical"] == 1
    assert blind.loc[("CD", "CD"), "identical"] == 0
    assert blind.loc[("CD", "CD"), "n"] == 9
    both = blind.loc[("AB", "CD")]
    assert both["n"] == 24
    # Of SPECT they agree nowhere but where the lowest grade stops AB from going lower.
    assert both["identical"] == pytest.approx(16 / 24)
    assert 0 < both["value"] < 1
    assert blind.loc[("all", "all"), "measure"] == "Krippendorff's alpha"
    assert blind.loc[("all", "all"), "n"] == 24


def test_telling_pet_from_p2p_has_wilsons_interval():
    right = {("AB", k) for k in range(7)} | {("CD", 0)}
    table = reader_statistics.tabulate_choices(readings_of(scores_by, right=right))
    table = table.set_index("reader")
    assert list(table.index) == ["all", "AB", "CD"]
    assert (table.loc["AB", "correct"], table.loc["AB", "n"]) == (7, 8)
    # Wilson, J Am Stat Assoc 22:209 (1927).
    p, n, z = 7 / 8, 8, stats.norm.ppf(0.975)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert table.loc["AB", "low"] == pytest.approx(centre - half)
    assert table.loc["AB", "high"] == pytest.approx(centre + half)
    # 7 or 8 of 8, or as rare on the other side: 2 (8 + 1) / 256.
    assert table.loc["AB", "p"] == pytest.approx(18 / 256)
    assert table.loc["all", "share"] == 0.5


def test_one_reader_without_open_part_or_repeats_is_enough():
    found = readings_of(scores_by)
    found = found[(found["reader"] == "AB") & found["repeat_of"].isna()].reset_index(drop=True)
    found.loc[found["part"] == "real", "choice"] = None
    summary = summarise(found)
    assert summary["which_is_real"] is None
    assert summary["alpha"] == {}
    assert reader_statistics.tabulate_agreement(found, 1).empty


def test_no_answers_at_all_give_empty_tables():
    found = readings_of(lambda *_: NAN).assign(choice=None)
    summary = summarise(found)
    assert summary["missing"] == len(found)
    assert summary["tests"] == []
    reader_figure.draw_scores(
        found,
        reader_statistics.tabulate_scores(found),
        reader_statistics.compare_scores(found),
        reader_statistics.tabulate_choices(found),
    )


def test_the_summary_is_json_and_of_test_subjects(tmp_path):
    summary = summarise(readings_of(scores_by, ("blind", "open")))
    write_json(tmp_path / "summary.json", summary)
    text = (tmp_path / "summary.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["set"] == "test"
    assert json.loads(text)["scores"]["open"]["P2P"]["mean"] == pytest.approx(2.5)
    assert json.loads(text)["readers"]["AB"]["median_seconds"] == 10


def test_the_figure_shows_every_share_and_repeats_its_bytes(tmp_path):
    found = readings_of(scores_by, ("blind", "open"), right={("AB", 1), ("CD", 2)})
    parts = (
        reader_statistics.tabulate_scores(found),
        reader_statistics.compare_scores(found),
        reader_statistics.tabulate_choices(found),
    )
    bytes_of = []
    for name in ("a", "b"):
        figure = reader_figure.draw_scores(found, *parts)
        style.save(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
        bytes_of.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("png", "svg")])
    assert bytes_of[0] == bytes_of[1]
    bars = [p for p in figure.axes[0].patches if isinstance(p, matplotlib.patches.Rectangle)]
    widths = {}
    for bar in bars:
        widths.setdefault(round(bar.get_y(), 3), []).append(bar.get_width())
    assert len(widths) == 5
    assert all(sum(row) == pytest.approx(100) for row in widths.values())
    assert RESEARCH_ONLY in (text.get_text() for text in figure.texts)


def test_subjects_of_the_session_are_those_of_the_study(made):
    assert set(made[1].key["subject"]) == set(SUBJECTS)
