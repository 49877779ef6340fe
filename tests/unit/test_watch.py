"""Signals set a mark and nothing else; the clock says when the state is to be kept."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from spect2pet.train.watch import SIGNALS, Watch

NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGUSR1: "SIGUSR1"}


@pytest.fixture(autouse=True)
def handlers():
    """Handlers of our own, so that a signal that nobody takes over ends no test run."""
    heard = []
    former = {n: signal.signal(n, lambda number, _: heard.append(number)) for n in SIGNALS}
    yield heard
    for number, handler in former.items():
        signal.signal(number, handler)


def test_those_signals_are_watched_that_schedulers_send():
    assert set(SIGNALS) == set(NAMES)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_sets_the_mark_and_the_state_is_to_be_kept(number, handlers):
    with Watch(keep_minutes=60) as watch:
        assert watch.stopped_by is None
        assert not watch.is_time
        os.kill(os.getpid(), number)
        assert watch.stopped_by == NAMES[number]
        assert watch.is_time
        watch.has_kept()
        assert watch.stopped_by == NAMES[number]
        assert watch.is_time
    assert handlers == []


@pytest.mark.parametrize("number", SIGNALS)
def test_handlers_are_given_back(number, handlers):
    before = [signal.getsignal(number) for number in SIGNALS]
    with Watch(60) as watch:
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
    os.kill(os.getpid(), number)
    assert handlers == [number]
    assert watch.stopped_by is None


def test_handlers_are_given_back_after_an_error_too():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ValueError, match="wrong"), Watch(60):
        raise ValueError("wrong")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_it_is_time_when_the_minutes_are_over_and_again_after_as_many(monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr("spect2pet.train.watch.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    with Watch(keep_minutes=10) as watch:
        seconds[0] += 599
        assert not watch.is_time
        seconds[0] += 1
        assert watch.is_time
        seconds[0] += 60
        watch.has_kept()
        seconds[0] += 599
        assert not watch.is_time
        seconds[0] += 1
        assert watch.is_time
    assert watch.stopped_by is None


def test_other_threads_do_without_signals(handlers):
    times = []

    def work():
        with Watch(keep_minutes=60) as watch:
            times.append(watch.is_time)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert times == [False]
    os.kill(os.getpid(), signal.SIGTERM)
    assert handlers == [signal.SIGTERM]
