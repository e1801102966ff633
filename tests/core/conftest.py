"""What the tests of core share: a terminal that is the same everywhere."""

from collections.abc import Iterator

import pytest

SPOKEN_OF = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES")
"""By what other variables a person tells rich and argparse how to print."""


@pytest.fixture(autouse=True)
def plain_terminal() -> Iterator[None]:
    """Wide, so that no path of a temporary folder wraps what a command prints, and without colours.

    Commands that a test starts in a process of their own inherit it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "2000")
        for name in SPOKEN_OF:
            patch.delenv(name, raising=False)
        yield
