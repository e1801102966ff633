"""core.data.careful: what is kept of files is what they hold now."""

import os
import time

import pytest

from core.data import careful


@pytest.fixture
def later(monkeypatch):
    """It is an hour later: what was written so far is no longer new."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)


@pytest.fixture
def asked():
    """The paths that were read, and a reader of which what it said is kept."""
    paths = []

    def read(*which):
        """What is in them."""
        paths.append(which)
        return tuple(path.read_text() for path in which)

    return paths, careful.kept(read)


def rewrite(path, text):
    """Another content of the same length, which says that it is as old as the one before."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def replace(path, text):
    other = path.with_name("other")
    other.write_text(text)
    other.replace(path)


def test_what_has_not_changed_is_read_once(tmp_path, later, asked):
    paths, read = asked
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    assert [read(one), read(two), read(one), read(one, two), read(one, two)] == [
        ("1",),
        ("2",),
        ("1",),
        *[("1", "2")] * 2,
    ]
    assert paths == [(one,), (two,), (one, two)]
    assert read.__doc__ == "What is in them."


@pytest.mark.parametrize("change", [rewrite, replace])
@pytest.mark.parametrize("which", [0, 1])
def test_a_change_of_any_file_is_seen(tmp_path, later, asked, change, which):
    paths, read = asked
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        file.write_text("old")
    assert read(*files) == ("old", "old")
    time.sleep(0.02)  # more than a tick of the clock by which files are stamped
    change(files[which], "new")
    expected = ["old", "old"]
    expected[which] = "new"
    assert [read(*files), read(*files)] == [tuple(expected)] * 2
    assert len(paths) == 2


def test_what_was_written_a_moment_ago_is_read_again(tmp_path, asked):
    """A second change within a tick of that clock would leave no trace."""
    paths, read = asked
    file = tmp_path / "file"
    for text in ("old", "new"):
        file.write_text(text)
        assert read(file) == (text,)
    assert [read(file), len(paths)] == [("new",), 3]


def test_what_is_wrong_is_said_every_time_and_not_kept(tmp_path, later, asked):
    paths, read = asked
    file = tmp_path / "file"
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            read(file)
    file.write_text("there")
    assert read(file) == ("there",)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read(file)
    file.write_bytes(b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            read(file)
    assert len(paths) == 6
