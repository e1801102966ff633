"""What whoever runs a server may set, each by an environment variable `SMOOTHSCOPE_NAME`: one object, declared once.

README's table, `smoothscope doctor` and the checks at the start derive from the fields. Where the data lie
(`SMOOTHSCOPE_HOME`) is core's own (`core.data.home`), for the command line needs it too.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.params import one_sentence

PREFIX = "SMOOTHSCOPE_"
OTHERS = frozenset({"SMOOTHSCOPE_HOME"})
"""Variables of this prefix that are read elsewhere."""
_HOST = re.compile(r"(\*|(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])", re.IGNORECASE)
_SCHEDULER = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s/]+:\d{1,5}")
"""Address of a Dask scheduler, as it prints it when it starts."""


class Settings(BaseSettings):
    """Fair shares of one server, and how far it trusts its visitors; ValueError in one sentence if not legal."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
    )

    workers: int = Field(
        2,
        ge=0,
        le=64,
        description="Jobs that compute at the same time, each in a process of its own (0.4 GB). 0: two in the server "
        "itself, which takes less memory and answers more slowly.",
    )
    jobs_per_session: int = Field(2, ge=1, le=64, description="Jobs of one visitor, under way and waiting together.")
    jobs_waiting: int = Field(24, ge=0, le=10_000, description="Jobs that may wait for their turn, of all visitors.")
    longest_job: float = Field(
        600.0, ge=1, le=1e6, description="Seconds after which a job is stopped; it keeps its best."
    )
    longest_training: float = Field(3600.0, ge=1, le=1e6, description="Seconds after which a training is stopped.")
    grace: float = Field(
        60.0, ge=0, le=86_400, description="Seconds for which a job goes on when its visitor's connection has dropped."
    )
    largest_picture: int = Field(
        25, ge=1, le=150, description="Megapixels of the largest picture that is read; decoding takes 16 bytes a pixel."
    )
    results_kept: int = Field(32, ge=1, le=10_000, description="Finished attacks in memory, at most 12 MB each.")
    networks_kept: int = Field(4, ge=1, le=1000, description="Networks in memory, in the server and in each worker.")
    pictures_kept: int = Field(64, ge=1, le=10_000, description="Decoded uploads in memory, at most 0.6 MB each.")
    image_sets_kept: int = Field(6, ge=1, le=100, description="Data sets in memory, at most 125 MB each.")
    statistics_kept: int = Field(
        64, ge=1, le=10_000, description="Local statistics of magnified pictures in memory, at most 5 MB each."
    )
    shared: bool | None = Field(
        None,
        description="The server is for several people: each sees and deletes only their own trainings, which are "
        "limited. By default it is, unless it listens on this machine alone and no proxy is before it.",
    )
    trainings_kept: int = Field(5, ge=1, le=1000, description="Trainings that one visitor of a shared server may keep.")
    trainings_of_all: int = Field(
        100, ge=1, le=1_000_000, description="Trainings that a shared server keeps of all its visitors together."
    )
    training_size: float = Field(200.0, ge=1, le=10_000, description="MB of one training kept on a shared server.")
    runs_expire: float = Field(
        14.0, ge=0, le=3650, description="Days after which a shared server deletes what a visitor kept; 0: never."
    )
    public: bool = Field(
        False,
        description="Strangers come: nothing of a training is kept on the disk. Implies `SMOOTHSCOPE_SHARED`.",
    )
    cluster: str | None = Field(
        None,
        description="Address of a Dask scheduler that gets the jobs, tcp://HOST:PORT; takes the package `distributed`.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names, separated by commas, by which browsers reach the server; others are refused. All if empty.",
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(one_sentence(error, variable)) from None

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(
                    f"{variable('allowed_hosts')} must be names of hosts without scheme and port, separated by commas; "
                    f"got {host!r}."
                )
        return hosts

    @field_validator("cluster")
    @classmethod
    def _check_cluster(cls, address: str | None) -> str | None:
        if address is not None and not _SCHEDULER.fullmatch(address):
            raise ValueError(f"{variable('cluster')} must be an address like tcp://HOST:8786; got {address!r}.")
        return address

    @property
    def several(self) -> bool | None:
        """Whether several people use the server; None where the way they come has to say it."""
        return True if self.public else self.shared


def variable(field: str) -> str:
    """The environment variable that sets `field`."""
    return PREFIX + field.upper()


def unknown() -> dict[str, str]:
    """Variables of our prefix that set nothing -> the one that was perhaps meant, or nothing: misspelt, most likely."""
    known = [variable(field).removeprefix(PREFIX) for field in Settings.model_fields]
    found = {}
    for name in sorted(os.environ):
        word = name.upper().removeprefix(PREFIX)
        if name.upper().startswith(PREFIX) and word not in known and name.upper() not in OTHERS:
            found[name] = "".join(PREFIX + match for match in difflib.get_close_matches(word, known, 1))
    return found


_override: Settings | None = None


def settings() -> Settings:
    """The settings in effect: read once from the environment. Where they are not legal the defaults, see `problem`."""
    return _override or _read()[0]


def problem() -> str | None:
    """What is wrong with the settings, in one sentence; no page is served then."""
    return None if _override else _read()[1]


@functools.cache
def _read() -> tuple[Settings, str | None]:
    try:
        return Settings(), None
    except ValueError as error:
        logging.getLogger(__name__).error("%s", error)
        return Settings.model_construct(), str(error)


def refresh() -> None:
    """Read the environment again."""
    _read.cache_clear()


@contextlib.contextmanager
def overridden(**values: Any) -> Iterator[Settings]:
    """Within it `settings()` are these, the rest as in the environment; for tests. ValueError if not legal."""
    global _override
    before, _override = _override, Settings(**values)
    try:
        yield _override
    finally:
        _override = before
