"""Training slices from memory and from disk: the same batches, whatever happens."""

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_settings import model_settings
from packed_slices import DEPTH, LEARNT, mapped, packed, rows_of
from spect2pet.train.networks import LEVEL, with_neighbours
from spect2pet.train.sources import AHEAD, Source

torch.set_num_threads(1)

CPU = torch.device("cpu")
BATCHES = [torch.tensor([5, 1]), torch.tensor([2]), torch.tensor([3, 6, 4])]


def on_disk(tmp_path, dtype="float32"):
    data = packed()
    return replace(data, train=mapped(data.train, tmp_path / "train.npy", dtype))


def source(data, context=1, resident=False, **changes):
    room = {"resident_gb": 8 if resident else 0}
    return Source(data, model_settings(**{"context": context, **room, **changes}), CPU)


def numbered(depth=5, volumes=3):
    """Slices whose SPECT says where they are and whose PET says so a thousand higher."""
    place = np.arange(depth * volumes, dtype=np.float32).reshape(-1, 1, 1)
    spect = np.broadcast_to(place, (depth * volumes, 4, 6))
    learnt = {("train", f"{volume:02d}"): list(range(depth)) for volume in range(volumes)}
    return replace(
        packed(),
        train=np.stack([spect, spect + 1000], axis=1),
        rows=rows_of(learnt, depth),
        depth=depth,
        levels=[1.0] * volumes,
        ratios=[1.0] * volumes,
    )


@pytest.fixture(autouse=True)
def threads():
    """The number of threads before a test, which is that after it."""
    before = threading.active_count()
    yield before
    assert threading.active_count() == before


# --- What a batch holds ----------------------------------------------------------


@pytest.mark.parametrize("context", [1, 5])
def test_slices_from_memory_and_from_disk_are_the_same(tmp_path, context):
    data = on_disk(tmp_path)
    streamed, resident = source(data, context), source(data, context, resident=True)
    assert (streamed.resident, resident.resident) == (False, True)
    count = 0
    for ours, theirs in zip(streamed.batches(BATCHES), resident.batches(BATCHES), strict=True):
        assert ours.dtype == theirs.dtype == torch.float32
        assert torch.equal(ours, theirs)
        assert ours.shape == (len(BATCHES[count]), context + 1, 32, 40)
        count += 1
    assert count == 3


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("context", [1, 5])
def test_half_precision_on_disk_comes_as_float32_within_rounding(tmp_path, context, resident):
    half = source(on_disk(tmp_path, "float16"), context, resident)
    full = source(packed(), context, resident=True)
    for ours, theirs in zip(half.batches(BATCHES), full.batches(BATCHES), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=2**-11, atol=1e-7)
        assert not torch.equal(ours, theirs)


@pytest.mark.parametrize("resident", [False, True])
def test_a_batch_holds_the_slices_that_were_asked_for_and_their_pet_last(resident):
    data = packed()
    (batch,) = source(data, resident=resident).batches([torch.tensor([5, 1, 6])])
    np.testing.assert_array_equal(batch.numpy(), data.train[[5, 1, 6]])


@pytest.mark.parametrize("resident", [False, True])
def test_neighbours_stand_in_order_and_never_leave_their_volume(resident):
    data = numbered()
    rows = torch.tensor([0, 4, 5, 7, 9, 10, 14])
    (batch,) = source(data, 5, resident).batches([rows])
    assert batch[:, :-1, 0, 0].int().tolist() == [
        [0, 0, 0, 1, 2],
        [2, 3, 4, 4, 4],
        [5, 5, 5, 6, 7],
        [5, 6, 7, 8, 9],
        [7, 8, 9, 9, 9],
        [10, 10, 10, 11, 12],
        [12, 13, 14, 14, 14],
    ]
    assert batch[:, -1, 0, 0].tolist() == (rows + 1000).tolist()


@pytest.mark.parametrize("resident", [False, True])
def test_a_context_wider_than_the_volume_stays_in_it(resident):
    (batch,) = source(numbered(depth=2), 7, resident).batches([torch.tensor([2, 3])])
    assert batch[:, :-1, 0, 0].int().tolist() == [[2, 2, 2, 2, 3, 3, 3], [2, 2, 2, 3, 3, 3, 3]]


def test_training_and_inference_see_the_same_neighbours():
    data = packed()
    (batch,) = source(data, 3, resident=True).batches([torch.arange(DEPTH, 2 * DEPTH)])
    volume = torch.from_numpy(data.train[DEPTH : 2 * DEPTH, 0])
    assert torch.equal(batch[:, :-1], with_neighbours(volume, 3))


def test_only_slices_of_the_table_are_learnt_from():
    expected = LEARNT["train", "01"] + [DEPTH + k for k in LEARNT["train", "02"]]
    assert source(packed()).rows.tolist() == expected


def test_the_size_that_stays_in_memory_counts_float32(tmp_path):
    data = on_disk(tmp_path, "float16")
    gigabytes = data.train.size * 4 / 1e9
    assert source(data, resident_gb=gigabytes * 1.001).resident
    assert not source(data, resident_gb=gigabytes * 0.999).resident


def test_no_batches_end_at_once(tmp_path):
    for resident in (False, True):
        assert list(source(on_disk(tmp_path), resident=resident).batches([])) == []


@pytest.mark.parametrize("resident", [False, True])
def test_subjects_scaled_one_by_one_have_the_same_level_and_pet_that_of_spect(resident):
    data = replace(packed(), levels=[0.25, 0.4], ratios=[2.0, 1.25])
    rows = torch.tensor([1, DEPTH + 1])
    (batch,) = source(data, 3, resident, scaling="subject").batches([rows])
    (plain,) = source(data, 3, resident).batches([rows])
    # SPECT of level 0.25 is doubled to 0.5; its PET, twice as bright, stays as it is.
    expected = plain.clone()
    expected[0, :3] *= LEVEL / 0.25
    expected[0, 3] *= LEVEL / 0.25 / 2
    expected[1, :3] *= LEVEL / 0.4
    expected[1, 3] *= LEVEL / 0.4 / 1.25
    torch.testing.assert_close(batch, expected)


# --- The reading thread ------------------------------------------------------------


class Disk:
    """An array on a disk, which may fail and counts what is read."""

    def __init__(self, array, fails_at=None):
        self.array, self.fails_at, self.reads = array, fails_at, 0
        self.size = array.size

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        self.reads += 1
        if self.fails_at is not None and self.reads > self.fails_at:
            raise OSError("Input/output error")
        return self.array[index]


def test_an_error_while_reading_reaches_the_caller():
    data = replace(packed(), train=Disk(packed().train, fails_at=4))
    met = []
    with pytest.raises(OSError, match="Input/output error"):
        met.extend(source(data).batches(BATCHES))
    assert len(met) == 2  # as each batch is read in two parts


def test_batches_are_read_ahead_but_not_without_end(threads):
    data = replace(packed(), train=Disk(packed().train))
    batches = source(data).batches([torch.tensor([1])] * 50)
    next(batches)
    time.sleep(0.3)
    # The one that was taken, those that wait, and the one that finds no place.
    assert AHEAD < data.train.reads / 2 <= AHEAD + 2
    assert threading.active_count() == threads + 1
    batches.close()
    assert threading.active_count() == threads


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux alone tells of its pages")
def test_what_was_read_of_the_file_does_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("spect2pet.train.sources.RELEASED_AFTER", 10)
    data = numbered(volumes=2000)
    data = replace(data, train=mapped(data.train, tmp_path / "train.npy"))
    read = source(data)

    def mapped_kib():
        text = Path("/proc/self/smaps").read_text()
        return int(re.search(r"train\.npy\n(?:\w+:.*\n)*?Rss: +(\d+) kB", text).group(1))

    assert sum(len(batch) for batch in read.batches(read.rows.split(8))) == 10_000
    # The last ten batches at most, of a file of 1875 KiB, and what the system reads around them.
    assert mapped_kib() < 1000
    assert np.asarray(data.train)[-1, 0, 0, 0] == 9_999


def test_giving_up_early_ends_the_thread(threads):
    data = replace(packed(), train=Disk(packed().train))
    for batch in source(data).batches([torch.tensor([1])] * 500):
        assert len(batch) == 1
        break
    assert threading.active_count() == threads
    assert data.train.reads < 100


def test_an_error_of_the_caller_ends_the_thread():
    def learn():
        for _ in source(packed()).batches([torch.tensor([1])] * 500):
            raise RuntimeError("the loss is not finite")

    with pytest.raises(RuntimeError, match="not finite"):
        learn()


def test_a_slow_reader_is_waited_for():
    class Slow(Source):
        def _read(self, rows):
            time.sleep(0.05)
            return super()._read(rows)

    slow = Slow(packed(), model_settings(resident_gb=0), CPU)
    met = list(slow.batches(BATCHES))
    for ours, theirs in zip(met, source(packed()).batches(BATCHES), strict=True):
        assert torch.equal(ours, theirs)
