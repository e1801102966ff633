"""What jobs of tests compute, in processes of their own too: importable by its name."""

import os
import signal
import time
from pathlib import Path

import torch

from pages.parts.engine.progress import Progress, Stop


def count(n, parts=False):
    """0 ... n - 1, a step each; with parts, the even ones as such."""
    for i in range(n):
        yield Progress(i / n, i, part=i if parts and i % 2 == 0 else None)
    return tuple(i for i in range(n) if i % 2) if parts else n


def where():
    """The process that computes."""
    yield from ()
    return os.getpid()


def until_stopped(told=None):
    """Says who computes it and with how many threads, until it is stopped."""
    try:
        while True:
            yield Progress(0.5, (os.getpid(), torch.get_num_threads()))
            time.sleep(0.01)
    except Stop:
        return "half"


def listening():
    """Gives back all that it has heard, once that ends with "enough"."""
    heard, words = [], None
    while heard[-1:] != ["enough"]:
        words = yield Progress(0.5, tuple(heard))
        heard += words or ()
        time.sleep(0.01)
    return heard


def deaf():
    """One endless step."""
    yield Progress(0.1, os.getpid())
    while True:
        time.sleep(0.05)


def heedless():
    """Goes on when it is stopped, and keeps nothing."""
    while True:
        try:
            yield Progress(0.1, None)
        except Stop:
            yield Progress(0.2, None)


def failing(error):
    yield Progress(0.5, None)
    raise error


def dying(how):
    yield Progress(0.5, "last words", part="a part")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(3)


def dying_at_once():
    os.kill(os.getpid(), signal.SIGKILL)
    yield Progress(0.5, None)


def unsendable():
    yield Progress(0.5, None)
    return lambda: None


def environment():
    yield Progress(0.5, None)
    return dict(os.environ), os.getpriority(os.PRIO_PROCESS, 0)


def given_back(value):
    yield Progress(0.5, value)
    return value


def writing(path: Path):
    """Writes a line a step for as long as it lives."""
    try:
        while True:
            with path.open("a") as file:
                file.write(".")
            yield Progress(0.5, None)
            time.sleep(0.02)
    except Stop:
        return None
