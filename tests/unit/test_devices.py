"""The device that trains: what it counts in, and what is said when its memory is full."""

import numpy as np
import pytest
import torch

from model_settings import model_settings
from packed_slices import packed
from spect2pet.core.errors import InputError
from spect2pet.core.tables import read_table
from spect2pet.train import devices, training
from spect2pet.train.frames import Frame
from trainings import tiny, train

torch.set_num_threads(1)

CPU = torch.device("cpu")
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def leave_torch_as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    for present, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda present=present: present)
        assert devices.choose("auto").type == kind
        assert devices.choose("cpu").type == "cpu"


def test_a_gpu_that_is_demanded_and_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device is cuda, but torch finds no GPU"):
        devices.choose("cuda")


@pytest.mark.parametrize(
    ("precision", "counted"),
    [("float32", torch.float32), ("auto", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_networks_count_in_the_precision_that_is_asked_for(precision, counted):
    with devices.autocast(CPU, precision):
        assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == counted
    assert torch.nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32


# --- Memory ------------------------------------------------------------------------


def state_of(**changes):
    settings = model_settings(depth=2, width=1, discriminator_width=1, norm="none", **changes)
    frame = Frame((32, 32), 4.0)
    return training.new_state(settings, frame, 5, CPU), settings, frame


def test_activations_are_those_counted_by_hand():
    # Down to 1 × 16² and 2 × 8² (LeakyReLU before the second), back up by ReLU 2 × 8²,
    # 1 × 16², ReLU 2 × 16², 1 × 32².
    generator = 256 + (256 + 128) + (128 + 256) + (512 + 1024)
    assert devices.activations(*state_of(gan_weight=0, output="linear")) == generator
    assert devices.activations(*state_of(gan_weight=0, output="tanh")) == generator + 1024
    # 1 × 16², 2 × 8², 4 × 4², 8 × 3², each with its LeakyReLU, and the logits 2².
    discriminator = 2 * (256 + 128 + 64 + 72) + 4
    assert devices.activations(*state_of(output="linear")) == generator + discriminator


def test_counting_activations_leaves_no_hooks_behind():
    state, settings, frame = state_of()
    first = devices.activations(state, settings, frame)
    assert devices.activations(state, settings, frame) == first
    for network in state.networks.values():
        assert not any(module._forward_hooks for module in network.modules())


def test_more_memory_takes_more_slices_and_parameters_take_some():
    state, settings, frame = state_of()
    sizes = [devices.largest_batch(state, settings, frame, n * MEGABYTE) for n in (1, 10, 100)]
    assert 0 < sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] / sizes[1] == pytest.approx(10, rel=0.05)
    # Four copies of every parameter, and nothing is left of a memory that only holds them.
    parameters = sum(p.numel() for n in state.networks.values() for p in n.parameters())
    assert devices.largest_batch(state, settings, frame, 16 * parameters) == 0


def fail_with(error, monkeypatch, megabytes=100.0):
    """Let the second step of a training run out of memory."""
    step = training.step

    def failing(state, *others):
        if state.step == 1:
            raise error
        return step(state, *others)

    monkeypatch.setattr(training, "step", failing)
    monkeypatch.setattr(devices, "total_memory", lambda device: int(megabytes * MEGABYTE))


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["gpu", "cpu", "python"])
def test_out_of_memory_is_a_sentence_with_the_batch_size(tmp_path, monkeypatch, error):
    fail_with(error, monkeypatch)
    with pytest.raises(InputError) as caught:
        train(tmp_path, batch_size=4)
    assert str(caught.value) == (
        "memory of the cpu (0.1 GB) ran out with models: batch_size 4 on slices of 32 × 40; "
        "a batch_size of about 2 would fit"
    )
    assert caught.value.__suppress_context__


def test_what_fits_is_what_the_count_says_where_that_is_less(tmp_path, monkeypatch):
    state = training.new_state(tiny(), packed().frame, 5, CPU)
    fits = devices.largest_batch(state, tiny(), packed().frame, MEGABYTE)
    assert 1 < fits < 32
    fail_with(OUT_OF_MEMORY[0], monkeypatch, megabytes=1)
    monkeypatch.setattr(training, "step", failing_step)
    with pytest.raises(InputError, match=rf"batch_size 64 .* a batch_size of about {fits} would"):
        train(tmp_path, batch_size=64)


def failing_step(*others):
    raise OUT_OF_MEMORY[0]


@pytest.mark.parametrize(("batch_size", "megabytes"), [(1, 100), (8, 0.05)])
def test_where_no_batch_fits_the_network_has_to_be_smaller(
    tmp_path, monkeypatch, batch_size, megabytes
):
    fail_with(OUT_OF_MEMORY[0], monkeypatch, megabytes)
    monkeypatch.setattr(training, "step", failing_step)
    with pytest.raises(InputError, match="no batch_size would fit; lower width or depth"):
        train(tmp_path, batch_size=batch_size)


def test_methods_without_batches_say_so_too(tmp_path, monkeypatch):
    def failing(*others):
        raise OUT_OF_MEMORY[0]

    monkeypatch.setattr(training, "validate", failing)
    with pytest.raises(InputError, match=r"memory of the cpu .* ran out with volumes of 32 × 40"):
        train(tmp_path, method="richardson_lucy")


def test_other_errors_are_not_taken_for_a_lack_of_memory(tmp_path, monkeypatch):
    fail_with(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), monkeypatch)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        train(tmp_path)


def test_the_memory_of_this_machine_is_counted_in_bytes():
    assert 1e8 < devices.total_memory(CPU) < 1e14


# --- Compiled networks ---------------------------------------------------------------


def test_without_a_compiler_compiling_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    network = torch.nn.Conv2d(1, 1, 3)
    with pytest.raises(InputError, match=r"compile is on, but none of c\+\+.*turn compile off"):
        devices.hasten(network, wanted=True)
    assert devices.hasten(network, wanted=False) is network


@pytest.mark.skipif(
    not any(map(devices.shutil.which, devices.COMPILERS)), reason="needs a C++ compiler"
)
def test_compiled_networks_learn_the_same(tmp_path):
    plain = read_table(train(tmp_path / "plain", dropout=0).history)
    fast = read_table(train(tmp_path / "fast", dropout=0, compile=True).history)
    np.testing.assert_allclose(fast.to_numpy(), plain.to_numpy(), rtol=5e-3, atol=1e-3)
