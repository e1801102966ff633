"""Several people at one server: each has their own trainings, only so many and for so long; a public one keeps none."""

import os
import re
import threading
import time

import pytest
import streamlit as st
from driver import unescaped
from test_training import PLAN, SMALL, labels, opened, press, until

from core import models
from core.losses import CrossEntropy
from core.train import Training, checkpoint, runs
from pages.parts.shell import settings, visitor
from pages.parts.views.training import kept
from pages.parts.work import trainings as training
from pages.parts.work.trainings import Trained

DAY = 86_400


@pytest.fixture(autouse=True)
def browser(monkeypatch):
    """A browser that has no cookie yet, and no proxy."""
    for name in ("cookies", "headers"):
        monkeypatch.setattr(type(st.context), name, property(lambda self: {}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = Training("fc2", "mnist", SMALL.replace(epochs=1), "mine", CrossEntropy())
    list(run)
    return Trained.of(
        run, training.Snapshot(tuple(run.history), (), dict(run.kept), run.sample.labels, "", 1, 1, run.card, {})
    )


@pytest.fixture
def shared():
    """A server for several."""
    kept.sweep.clear()
    with settings.overridden(shared=True):
        yield


@pytest.fixture
def public():
    with settings.overridden(public=True):
        yield


def state_of(folder, name="own"):
    """The state of a run after one epoch."""
    path = folder / f"{name}.safetensors"
    next(iter(Training("fc2", "mnist", SMALL, name, PLAN.loss, state=path)))
    return path


def aged(path, days):
    os.utime(path, (time.time() - days * DAY,) * 2)


def errors(app):
    return [unescaped(error.value) for error in app.error]


def key_of(app):
    """The folder of the visitor who has this session, as the page has it."""
    number = app.session_state["visitor.number"]
    return visitor.hashlib.sha256(number.encode()).hexdigest()[:16]


# --- Who it is ---


@pytest.mark.parametrize(
    ("address", "headers", "several"),
    [
        ("127.0.0.1", {}, False),
        ("127.8.8.8", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("0.0.0.0", {}, True),
        ("192.168.1.7", {}, True),
        ("smooth.example.org", {}, True),
        (None, {}, True),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, True),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.1"}, True),
    ],
)
def test_a_server_that_others_reach_is_for_several(monkeypatch, address, headers, several):
    monkeypatch.setattr(st, "get_option", {"server.address": address}.__getitem__)
    monkeypatch.setattr(type(st.context), "headers", property(lambda self: headers))
    assert visitor.several() is several
    with settings.overridden(shared=not several):
        assert visitor.several() is not several
    with settings.overridden(public=True, shared=False):
        assert visitor.several()


def test_the_cookie_says_who_it_is_if_it_may(monkeypatch, shared):
    monkeypatch.setattr(st, "session_state", {})
    cookies = {visitor.COOKIE: "../" * 10 + "ab"}  # no number
    monkeypatch.setattr(type(st.context), "cookies", property(lambda self: cookies))
    first = visitor.key()
    assert first is not None
    assert re.fullmatch("[0-9a-f]{32}", st.session_state["visitor.number"])  # which gets into a script of the page's
    assert (len(first), int(first, 16) >= 0) == (16, True)
    assert visitor.key() == first  # as long as the session lasts
    cookies[visitor.COOKIE] = st.session_state["visitor.number"]
    st.session_state.clear()
    assert visitor.key() == first  # after a reload
    assert cookies[visitor.COOKIE] not in first
    cookies.clear()
    st.session_state.clear()
    assert visitor.key() not in (first, None)


# --- Their own trainings ---


def test_a_person_at_their_own_machine_sees_all_of_their_home(home):
    state_of(home / "runs")
    aged(home / "runs" / "own.safetensors", 400)
    app = opened()
    assert app.selectbox(key="train.unfinished").options == ["own"]
    assert "visitor.number" not in app.session_state
    app.run()
    assert (home / "runs" / "own.safetensors").exists()


def test_each_visitor_lists_and_deletes_only_their_own_runs(home, shared):
    state_of(home / "runs", "operators")
    anne, bert = opened(visitor__number="a" * 32), opened(visitor__number="b" * 32)
    state_of(home / "runs" / key_of(anne), "annes")
    anne.run()
    bert.run()
    assert anne.selectbox(key="train.unfinished").options == ["annes"]
    assert "Delete" not in labels(bert)
    press(anne, "Delete")
    assert not errors(anne)
    assert not list((home / "runs" / key_of(anne)).iterdir())
    assert (home / "runs" / "operators.safetensors").exists()


def test_what_is_trained_lies_with_its_visitor(home, shared):
    app = opened(train__Recipe__epochs=200)
    press(app, "Start")
    until(app, lambda: list((home / "runs" / key_of(app)).glob("*.safetensors")))
    other = opened()
    assert "Go on" not in labels(other)
    press(app, "Stop")
    until(app, lambda: "Go on" in labels(app))
    assert [path.name for path in (home / "runs").iterdir()] == [key_of(app)]


def test_a_run_under_way_is_not_deleted(home):
    path = home / "runs" / "own.safetensors"
    steps = Training("fc2", "mnist", SMALL, "own", PLAN.loss, state=path).steps()
    while not path.exists():
        next(steps)
    app = opened()
    press(app, "Delete")
    assert errors(app) == ["the run own is under way; stop it, or wait until it has ended."]
    assert path.exists()
    aged(path, 400)
    assert runs.expire(path.parent, 1) == []
    steps.close()
    press(app, "Delete")
    assert not list(path.parent.iterdir())


def test_old_runs_go_and_young_ones_stay(tmp_path):
    old, young = state_of(tmp_path, "old"), state_of(tmp_path, "young")
    left = tmp_path / "left.lock"
    left.touch()
    for path in (old, left, young.with_suffix(".lock")):  # a lock's own age says nothing while there is a state
        aged(path, 15)
    aged(young, 13)
    assert sorted(runs.expire(tmp_path, 14)) == ["left", "old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["young.lock", "young.safetensors"]
    assert runs.expire(tmp_path / "none", 14) == []


def test_what_visitors_kept_expires_and_nothing_else(home, shared, finished):
    mine = {kept.OWNER: b"0123456789abcdef"}
    for name in ("old", "young"):
        finished.keep(name, mine)
    finished.keep("operators")
    run, other = state_of(home / "runs" / "0123456789abcdef"), state_of(home / "runs")
    cut_off = home / "checkpoints" / ".keeping-x"
    cut_off.mkdir()
    for path in (home / "checkpoints" / "old" / kept.OWNER, home / "checkpoints" / "operators", run, other, cut_off):
        aged(path, 20)
    opened()
    assert sorted(path.name for path in (home / "checkpoints").iterdir()) == ["operators", "young"]
    assert (run.exists(), other.exists()) == (False, True)


def test_with_no_expiry_all_of_it_stays(home, finished):
    finished.keep("old", {kept.OWNER: b"0123456789abcdef"})
    run = state_of(home / "runs" / "0123456789abcdef")
    for path in (run, home / "checkpoints" / "old" / kept.OWNER):
        aged(path, 3000)
    kept.sweep.clear()
    with settings.overridden(shared=True, runs_expire=0):
        opened()
    assert run.exists()
    assert (home / "checkpoints" / "old").exists()


# --- How many, how large ---


def test_so_many_trainings_and_no_more(home, finished):
    with settings.overridden(shared=True, trainings_kept=1):
        app = opened(visitor__number="a" * 32, train__trained=(finished, tuple("0123456789")))
        press(app, "Keep")
        assert not errors(app)
        assert (home / "checkpoints" / "mine" / kept.OWNER).read_text() == key_of(app)
        app.text_input(key="train.keep.name").set_value("another")
        press(app, "Keep")
        assert errors(app) == ["You keep 1 trainings here, and may keep 1; delete one first."]
        press(app, "Start")
        assert "Stop" not in labels(app)
        assert errors(app) == ["You keep 1 trainings here, and may keep 1; delete one first."]
        other = opened(visitor__number="b" * 32)
        assert "Kept networks" not in [block.label for block in other.get("popover")]
        assert "Delete" not in labels(other)  # nor another's network
        press(app, "Delete")
        assert not errors(app)
        assert "mine" not in models.refresh()


def test_so_many_of_all_visitors(home, finished):
    finished.keep("somebodys", {kept.OWNER: b"0123456789abcdef"})
    state_of(home / "runs" / "fedcba9876543210")
    with settings.overridden(shared=True, trainings_of_all=2):
        app = opened()
        press(app, "Start")
        assert errors(app) == ["This server keeps 2 trainings, which is all it may; try again another day."]


def test_a_training_that_is_too_large_ends_with_a_sentence(home):
    folder = home / "runs" / "0123456789abcdef"
    with pytest.raises(ValueError, match=r"^This training takes .* MB on the disk, and may take 1 kB here; ") as told:
        list(training.train(PLAN, folder, 1000))
    assert "\n" not in str(told.value)
    assert not list(folder.iterdir())


# --- Public ---


def test_a_public_server_keeps_nothing_of_a_training(home, public):
    state_of(home / "runs", "operators")
    number = "a" * 32
    state_of(home / "runs" / visitor.hashlib.sha256(number.encode()).hexdigest()[:16], "of-before-it-was-public")
    before = sorted(home.rglob("*"))
    app = opened(train__Recipe__epochs=2, visitor__number=number)
    assert "Delete" not in labels(app)
    press(app, "Start")
    assert "the run is saved" not in " ".join(block.value for block in app.markdown)
    until(app, lambda: "Stop" not in labels(app))
    assert not app.error
    assert next(metric.value for metric in app.metric) == "2 of 2"
    assert "Keep" not in labels(app)
    assert [block.value for block in app.info] == [
        "This server is public, and keeps nothing of a training: it can be looked at until the page is closed."
    ]
    assert sorted(home.rglob("*")) == before


# --- One name, two who want it ---


def test_of_two_who_keep_under_one_name_one_gets_it(home, monkeypatch, finished):
    both = threading.Barrier(2)
    real = checkpoint.put

    def put(*arguments):
        both.wait(30)  # neither has found the name taken
        real(*arguments)

    monkeypatch.setattr(checkpoint, "put", put)
    said = []

    def keep(text):
        try:
            said.append(finished.keep("wanted", {"whose": text}).name)
        except ValueError as error:
            said.append(str(error))

    threads = [threading.Thread(target=keep, args=(text,)) for text in (b"first", b"second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["There is a checkpoint wanted already; choose another name.", "wanted"]
    assert (home / "checkpoints" / "wanted" / "whose").read_text() in ("first", "second")
    assert [path.name for path in (home / "checkpoints").iterdir()] == ["wanted"]
    assert models.load("wanted").card.name == "wanted"
