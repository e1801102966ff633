"""Strangers' pictures are decoded in a process of their own: what breaks there is one sentence, and the next works."""

import os
import threading
import time

import pytest
import works

from core import data
from core.data import ImageError
from pages.parts.engine import process
from pages.parts.engine.aside import Aside
from pages.parts.engine.performing import Request
from pages.parts.engine.workers import DIED, InProcess
from pages.parts.shell import reading

MNIST = data.gallery.read("mnist")
SHAPE = (1, 28, 28)
LONG = 120


@pytest.fixture(scope="module")
def process_of_its_own():
    made = Aside(lambda: InProcess((reading.__name__,), 1, process.missing()), idle=3600)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def aside(process_of_its_own: Aside, home, monkeypatch: pytest.MonkeyPatch) -> Aside:
    monkeypatch.setattr(reading, "_aside", process_of_its_own)
    return process_of_its_own


def where(aside: Aside) -> int:
    """The process that computes."""
    outcome = aside.compute(Request(works.where), LONG)
    assert outcome is not None
    return outcome.result


def test_a_picture_comes_back_as_it_is_and_was_read_elsewhere(aside):
    picture = reading.picture(data.to_png(MNIST.images[5]), SHAPE, 1.0, 25)
    assert picture.equal(MNIST.images[5:6])
    assert where(aside) != os.getpid()


def test_what_is_wrong_with_one_is_said_as_before():
    with pytest.raises(ImageError, match=r"^The file is not a picture that can be read here"):
        reading.picture(b"Dear all,", SHAPE, 1.0, 25)
    wide = data.to_png(MNIST.images[0].repeat(1, 40, 40))
    with pytest.raises(ImageError, match="more than the 1 megapixels"):
        reading.picture(wide, SHAPE, 1.0, 1)


def test_a_decoder_that_dies_costs_one_picture_and_not_the_server(aside, caplog):
    outcome = aside.compute(Request(works.dying, ("kill",)), LONG)
    assert outcome is not None
    assert outcome.error == DIED
    assert "a worker has died" in caplog.text
    assert reading.picture(data.to_png(MNIST.images[5]), SHAPE, 1.0, 25).equal(MNIST.images[5:6])


def test_a_picture_that_takes_too_long_is_given_up(aside, monkeypatch):
    before = where(aside)
    assert aside.compute(Request(works.deaf), 0.2) is None
    assert where(aside) != before

    class Slow:
        def compute(self, request, longest):
            assert longest == reading.LONGEST

    monkeypatch.setattr(reading, "_aside", Slow())
    with pytest.raises(ImageError, match="more than 60 s to decode"):
        reading.picture(b"", SHAPE, 1.0, 25)


def test_the_process_goes_when_nothing_comes_and_comes_again():
    made = Aside(lambda: InProcess((), 1, process.missing()), idle=0.1)
    first = where(made)
    for _ in range(100 * LONG):
        if made._worker is None:
            break
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert where(made) != first
    made.close()


def test_one_waits_for_the_other(aside):
    """Two pages that ask at once get their own answers."""
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        outcome = aside.compute(Request(works.count, (number,)), LONG)
        found[number] = outcome and outcome.result

    threads = [threading.Thread(target=ask, args=(number,)) for number in (3, 5, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {3: 3, 5: 5, 8: 8}
