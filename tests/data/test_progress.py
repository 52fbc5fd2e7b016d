"""Progress bars: they appear after a while on a terminal, and not in a silent block."""

import sys
import threading

import pytest

from limner.data import progress


@pytest.fixture
def bars(monkeypatch):
    """The descriptions of all bars that appear, on a terminal, without a delay."""
    descriptions = []

    class Recorder:
        def __init__(self, **_):
            pass

        def add_task(self, description, **_):
            descriptions.append(description)
            return progress.TaskID(0)

        def start(self):
            pass

        def update(self, *_, **__):
            pass

        def stop(self):
            pass

    monkeypatch.setattr(progress, "Progress", Recorder)
    monkeypatch.setattr(progress, "DELAY", -1.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    return descriptions


def work(description):
    assert list(progress.track([1, 2, 3], 3, description)) == [1, 2, 3]


def test_a_bar_appears_outside_a_silent_block_only(bars):
    work("before")
    with progress.silent(True):
        work("inside")
    work("after")
    with progress.silent(False):
        work("not silent")
    assert bars == ["before", "after", "not silent"]


def test_a_block_inside_a_silent_block_is_silent(bars):
    with progress.silent(True):
        with progress.silent(False):
            work("inner")
        work("outer")
    assert bars == []


def test_an_error_ends_the_silence(bars):
    with pytest.raises(ZeroDivisionError), progress.silent(True):
        1 / 0  # noqa: B018
    work("after")
    assert bars == ["after"]


def test_a_silent_block_does_not_silence_other_threads(bars):
    with progress.silent(True):
        thread = threading.Thread(target=work, args=("thread",))
        thread.start()
        thread.join()
    assert bars == ["thread"]


def test_no_bar_without_a_terminal(bars, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    work("piped")
    assert bars == []


def test_a_download_shows_a_bar_and_stops_it(bars):
    download = progress.Download("faces.zip")
    download.close()
    download.total = 100
    download.update(40)
    download.reset()
    download.update(60)
    download.close()
    assert bars == ["downloading faces.zip"]
