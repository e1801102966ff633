"""A real server under many visitors, and when it or a worker is killed; the visitors speak its protocol themselves."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from core.losses import GraphSmoothness
from core.train import Recipe, Training, resume
from pages.parts.shell.jobs import LONGEST_PACE
from tests import servers
from tests.visitors import Visitor

VERDICT = '<p class="ss-verdict'
LONG = 180


def until(condition: Callable[[], object]) -> None:
    """Wait for what a server does."""
    for _ in range(20 * LONG):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never came")


def attacked(visitor: Visitor) -> bool:
    """Press Run; whether a verdict came of it."""
    visitor.press("Run")
    assert visitor.until(lambda: VERDICT in visitor.markup or visitor.errors, LONG)
    return VERDICT in visitor.markup


@pytest.mark.slow
def test_all_pages_of_a_cold_server_may_be_opened_at_once(tmp_path: Path):
    """Two threads that import core from two ends would each get modules that are not finished."""
    home = {"SMOOTHSCOPE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    names = ["app", *(path.stem.partition("_")[2] for path in servers.ROOT.glob("pages/[0-9]*.py"))]
    assert len(names) == 10
    with servers.serving(home) as (address, _), ThreadPoolExecutor(len(names)) as pool:
        tabs = [Visitor(address) for _ in names]
        list(pool.map(Visitor.open, tabs, ["", *names[1:]]))
        for tab in tabs:
            assert [found.exception.message for found in tab.of("exception")] == []
            tab.close()


@pytest.mark.slow
def test_a_crowd_is_served_and_pages_go_on(server: str):
    """Ten attack at once, others change pages meanwhile: nobody is refused, and nobody waits for them all."""
    with ThreadPoolExecutor(10) as pool:
        crowd = list(pool.map(lambda _: Visitor(server), range(10)))
        list(pool.map(lambda numbered: numbered[1].open("Attack_lab", seed=1000 + numbered[0]), enumerate(crowd)))
        other = Visitor(server)
        other.open("MMC_centres")
        over = threading.Event()
        waits: list[float] = []

        def look_round() -> None:
            while not over.is_set():
                waits.append(other.open("Graph_loss") + other.open("MMC_centres"))

        looking = threading.Thread(target=look_round)
        looking.start()
        begun = time.perf_counter()
        outcomes = list(pool.map(attacked, crowd))
        seconds = time.perf_counter() - begun
        over.set()
        looking.join()
    assert outcomes == [True] * 10
    assert [visitor.errors for visitor in crowd] == [[]] * 10
    assert min(waits) < seconds
    for visitor in (*crowd, other):
        visitor.close()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_one_sentence(tmp_path: Path):
    """In each state: with nothing to do, while it computes, and while another waits for it."""
    home = {"SMOOTHSCOPE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "SMOOTHSCOPE_WORKERS": "1"}
    with servers.serving(home) as (address, server), Visitor(address) as one, Visitor(address) as other:
        for visitor in (one, other):
            visitor.open("Attack_lab", iterations=10_000, search_steps=20, seed=1)
        until(lambda: servers.workers(server.pid))
        (idle,) = servers.workers(server.pid)
        os.kill(idle, signal.SIGKILL)
        until(lambda: idle not in servers.workers(server.pid))

        one.press("Run")
        assert one.until(lambda: one.progress.startswith("Step"), LONG)
        other.press("Run")
        assert other.until(lambda: other.progress.startswith("Waiting for a free place"), LONG)
        assert other.until(lambda: other.paces in ([1.0], [LONGEST_PACE]), LONG)  # 200,000 steps come first
        (busy,) = servers.workers(server.pid)
        os.kill(busy, signal.SIGKILL)
        assert one.until(lambda: one.errors, LONG)
        (sentence,) = one.errors
        assert sentence.startswith("The process that computed this has died")
        assert other.until(lambda: other.progress.startswith("Step"), LONG)  # whose turn it was is served
        assert other.until(lambda: other.paces == [pytest.approx(0.4)], LONG)  # as the lab looks at an attack
        other.press("Stop")
        assert other.until(lambda: VERDICT in other.markup or not other.progress, LONG)
        assert other.errors == []
        one.open("Attack_lab", iterations=10, search_steps=2)
        assert attacked(one)


@pytest.mark.slow
def test_a_run_goes_on_when_the_server_was_killed(tmp_path: Path):
    """Bit for bit, on the state of the last whole epoch; and no worker goes on without its server."""
    home = {"SMOOTHSCOPE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    state = tmp_path / "runs" / "my-network.safetensors"
    with servers.serving(home) as (address, server):
        with Visitor(address) as visitor:
            visitor.open("Training", epochs=40)
            visitor.press("Start")
            until(state.exists)
            until(lambda: servers.workers(server.pid))
            left = servers.workers(server.pid)
            server.kill()
            server.wait()
        until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in left))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = resume(state, "my-network")
        assert 1 <= again.done < 40
        last = again.done + 1
        next(iter(again))
        recipe = Recipe(**{**Recipe.presets["ten seconds"], "epochs": 40})
        whole = Training("lenet", "mnist", recipe, "whole", GraphSmoothness(dim=2, references=200))
        for epoch in whole:
            if epoch.index == last:
                break
    finally:
        torch.set_num_threads(before)
    assert again.history[-1].loss == whole.history[-1].loss
    for name, value in whole.model.state_dict().items():
        assert value.equal(again.model.state_dict()[name]), name


@pytest.mark.slow
def test_a_training_outlives_a_broken_connection(tmp_path: Path):
    """For as long as the settings say; then it stops, and is there to be gone on with."""
    home = {"SMOOTHSCOPE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "SMOOTHSCOPE_GRACE": "4"}
    state = tmp_path / "runs" / "my-network.safetensors"
    with servers.serving(home) as (address, _):
        with Visitor(address) as visitor:
            visitor.open("Training", epochs=1000)
            visitor.press("Start")
            until(state.exists)
        closed, written = time.monotonic(), state.stat().st_mtime_ns
        until(lambda: state.stat().st_mtime_ns != written)  # another epoch, with nobody there
        while state.stat().st_mtime_ns != written or time.monotonic() < closed + 4:
            written = state.stat().st_mtime_ns
            assert time.monotonic() < closed + LONG, "it does not stop"
            time.sleep(3)
        with Visitor(address) as visitor:
            visitor.open("Training")
            assert any(found.button.label == "Go on" for found in visitor.of("button"))
