"""Workers that are processes: what goes over and comes back, their deaths, and the same door to a cluster."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import works

from core import data, models
from core.attacks import ATTACKS
from core.defenses import DEFENSES
from core.features.projections import Linear, Space
from core.losses import CrossEntropy
from core.train import Recipe
from pages.parts.engine import networks, parcel, performing, pool, process, workers
from pages.parts.engine.networks import Network
from pages.parts.engine.performing import STOP, Outcome, Request
from pages.parts.engine.pool import Job, Limits, Pool
from pages.parts.engine.progress import Progress
from pages.parts.engine.workers import DIED, InProcess, InThread
from pages.parts.shell import jobs
from pages.parts.work import attacks, maps, trainings
from pages.parts.work.trainings import Plan
from tests.servers import dask
from tests.servers import workers as workers_of

ROOT = Path(__file__).parents[2]
LONG = 120


def until(condition: Callable[[], object]) -> None:
    """Wait for what another process does."""
    for _ in range(100 * LONG):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it never came")


@pytest.fixture(scope="module")
def processes() -> Iterator[Pool]:
    """Two worker processes, for all tests of this file."""
    made = Pool([lambda: InProcess((), 4, process.missing())] * 2, Limits(24, 24, 60), cores=2)
    yield made
    made.close()


def submit(pool: Pool, work: Callable, *arguments: object, **named: object) -> Job:
    return pool.submit(Request(work, arguments, dict(named)), "", lambda: True, LONG)


def done(pool: Pool, work: Callable, *arguments: object) -> object:
    """The result of a job that comes to its end."""
    job = submit(pool, work, *arguments)
    assert job.wait(LONG)
    assert (job.state, job.error) == ("done", "")
    return job.result


# --- What travels ---


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_tensors_travel_as_they_are(dtype):
    value = torch.arange(24).view(2, 3, 4).to(dtype).transpose(0, 2)
    found = parcel.unpack(parcel.pack({"a": [value], "b": torch.tensor(3.0), "c": torch.empty(0, 2)}))
    assert found["a"][0].dtype == dtype
    assert found["a"][0].equal(value)
    assert found["b"].shape == ()
    assert found["c"].shape == (0, 2)
    found["a"][0].zero_()  # it can be written, and is nobody else's
    assert not value.to(torch.float32).equal(torch.zeros(4, 3, 2))


def test_what_cannot_travel_is_said():
    with pytest.raises(TypeError, match="cannot be sent to another process"):
        parcel.pack(lambda: None)


def test_values_go_over_and_come_back(processes: Pool):
    value = {"tensor": torch.rand(3, 224, 224, generator=torch.Generator().manual_seed(0)), "array": np.arange(3.0)}
    found = done(processes, works.given_back, value)
    assert isinstance(found, dict)
    assert found["tensor"].equal(value["tensor"])
    np.testing.assert_array_equal(found["array"], value["array"])


@pytest.mark.parametrize("place", ["process", "thread"])
def test_work_hears_what_it_is_told_in_order(processes: Pool, place: str):
    pool = processes if place == "process" else Pool([InThread], Limits(4, 4, 60.0), 1)
    job = submit(pool, works.listening)
    said = ["early", ("learning_rate", 0.01), {"k": None}, "enough"]
    job.tell(said[0])  # perhaps before it computes
    until(lambda: job.progress)
    for word in said[1:]:
        job.tell(word)
    assert job.wait(60)
    assert (job.state, job.result) == ("done", said)
    job.tell("too late")
    silent = submit(pool, works.count, 3)
    silent.tell("it does not listen")
    assert silent.wait(60)
    assert silent.result == 3
    if pool is not processes:
        pool.close()


def test_parts_come_in_order_and_a_result_is_complete(processes: Pool):
    assert done(processes, works.count, 200) == 200
    assert done(processes, works.count, 7, True) == (0, 2, 4, 6, 1, 3, 5)


def test_a_result_that_cannot_come_back_is_one_sentence(processes: Pool, caplog):
    job = submit(processes, works.unsendable)
    assert job.wait(LONG)
    assert (job.state, job.error) == ("failed", performing.UNEXPECTED)
    assert "cannot be sent to another process" in caplog.text


def test_a_request_that_cannot_go_over_is_one_sentence(processes: Pool, caplog):
    job = submit(processes, works.given_back, lambda: None)
    assert job.wait(LONG)
    assert (job.state, job.error) == ("failed", performing.UNEXPECTED)
    assert done(processes, works.count, 3) == 3  # its place is free again


@pytest.mark.parametrize(
    ("error", "sentence", "logged"),
    [
        (ValueError("alpha must be at most 1; got 2."), "alpha must be at most 1; got 2.", False),
        (MemoryError(), performing.MEMORY, False),
        (KeyError("secret"), performing.UNEXPECTED, True),
    ],
    ids=["ValueError", "MemoryError", "KeyError"],
)
def test_what_goes_wrong_there_is_one_sentence(processes: Pool, caplog, error, sentence: str, logged: bool):
    job = submit(processes, works.failing, error)
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("failed", None, sentence)
    assert ("secret" in caplog.text) == logged


# --- Where it is computed ---


def test_workers_are_other_processes_with_an_environment_of_their_own(processes: Pool, monkeypatch):
    environment, niceness = done(processes, works.environment)  # type: ignore[misc]
    assert process.ENVIRONMENT.items() <= environment.items()
    assert niceness == os.getpriority(os.PRIO_PROCESS, 0) + workers.NICE
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert "OMP_WAIT_POLICY" not in process.missing()  # what somebody has set stays


def test_work_needs_no_streamlit():
    modules = ["pages.parts.engine.workers", *jobs.WORK]
    asked = (
        "import sys, importlib; [importlib.import_module(m) for m in sys.argv[1:]]; print('streamlit' in sys.modules)"
    )
    command = [sys.executable, "-c", asked, *modules]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
    assert {f"pages.parts.work.{path.stem}" for path in ROOT.glob("pages/parts/work/[a-z]*.py")} == set(jobs.WORK)


def test_two_compute_at_once_in_two_processes_and_share_the_cores(processes: Pool):
    first = submit(processes, works.until_stopped)
    until(lambda: first.progress and first.progress.snapshot[1] == 2)
    second = submit(processes, works.until_stopped)
    until(lambda: first.progress.snapshot[1] == 1 and second.progress and second.progress.snapshot[1] == 1)
    pids = {first.progress.snapshot[0], second.progress.snapshot[0]}
    assert len(pids | {os.getpid()}) == 3
    second.stop()
    assert second.wait(LONG)
    until(lambda: first.progress.snapshot[1] == 2)
    first.stop()
    assert first.wait(LONG)
    assert (first.state, first.result, second.result) == ("stopped", "half", "half")


def test_an_attack_there_is_the_attack_here(processes: Pool):
    images = data.gallery.read("mnist")[:1]
    network = Network.of(models.card("mnist-c4-ce"))
    attack = ATTACKS["scw"](iterations=20, search_steps=2)
    arguments = attack, network, images.images, images.labels, 3
    there = done(processes, attacks.attack, *arguments)
    here = workers.InThread()
    here.begin(Request(attacks.attack, arguments), there.threads)  # type: ignore[attr-defined]
    until(here.outcome)
    expected = here.outcome().result
    assert there.result.adversarial.equal(expected.result.adversarial)
    assert there.film.steps == expected.film.steps
    assert {name: strip.data for name, strip in there.film.strips.items()} == {
        name: strip.data for name, strip in expected.film.strips.items()
    }


def test_a_training_there_can_be_kept_here(processes: Pool, home):
    plan = Plan("own", "fc2", "mnist", CrossEntropy(dim=2), Recipe(epochs=1, n=100, batch_size=25, sample=30), {})
    job = submit(processes, trainings.train, plan, home / "runs")
    assert job.wait(LONG)
    assert job.error == ""
    card = job.result.keep("kept")
    assert card.accuracy.value == models.card("kept").accuracy.value == job.result.snapshot.epochs[-1].accuracy
    assert models.kept_features("kept").epochs == (0, 1)


def test_several_attacks_a_trail_and_maps_are_made_there(processes: Pool):
    images = data.gallery.read("mnist")
    digit, label = images.images[:1], images.labels[:1]
    network, other = (Network.of(models.card(name)) for name in ("mnist-lenet-graph-2d", "mnist-lenet-ce-2d"))
    quick = [ATTACKS["fgsm"](), ATTACKS["ddn"](passes=10)]
    both = done(processes, attacks.several, quick, network, digit, label, 0)
    assert [finished.result.attack for finished in both] == ["fgsm", "ddn"]  # type: ignore[attr-defined]
    path, seen = done(processes, attacks.trail, quick[1], network, [network, other], digit, int(label), 0)  # type: ignore[misc]
    assert path.result.adversarial.equal(both[1].result.adversarial)  # type: ignore[index]
    assert {name: len(trail.features) for name, trail in seen.items()} == dict.fromkeys(
        (network.name, other.name), len(path.images)
    )
    asker = attacks.Asker(other, DEFENSES["median"]())
    found, asked = done(processes, attacks.transfer, quick[1], network, [asker], digit, label, 0)  # type: ignore[misc]
    assert found.result.adversarial.equal(both[1].result.adversarial)  # type: ignore[index]
    assert asked.logits.equal(attacks.ask(asker, digit, found.result.adversarial_8bit).logits)
    kept = models.kept_features(network.name)
    assert kept is not None
    ((made, distortion),) = done(processes, maps.fit, [Space(kept.features, kept.labels)], Linear())  # type: ignore[misc]
    assert made.points.shape == (len(kept.epochs), len(kept.labels), 2)
    assert distortion.trustworthiness > 0.99  # two dimensions on two
    (trained_on,) = done(processes, maps.features, "mnist", "train", [(network, "the graph")])  # type: ignore[misc]
    assert trained_on.shape == (400, 2)
    job = submit(processes, maps.features, "mnist", "test", [(network, "the graph")])
    assert job.wait(LONG)
    assert "python -m core data get mnist" in job.error  # the home is empty, there as here


def test_networks_travel_by_name_and_are_what_they_were(monkeypatch):
    card = models.card("mnist-fc2-ce")
    monkeypatch.setattr(networks, "_loaded", type(networks._loaded)(2))
    loaded = networks.load(Network.of(card))
    assert loaded.card == card
    assert networks.load(Network.of(card)) is loaded
    with pytest.raises(ValueError, match=r"^mnist-fc2-ce is another network now; choose it again\.$"):
        networks.load(Network(card.name, "0" * 64))
    networks.keep(1)
    networks.load(Network.of(models.card("mnist-c4-ce")))
    assert networks.load(Network.of(card)) is not loaded


# --- Stops and deaths ---


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_worker_that_dies_costs_one_job_one_sentence(processes: Pool, caplog, how):
    other = submit(processes, works.until_stopped)
    until(lambda: other.progress)
    job = submit(processes, works.dying, how)
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("failed", ("a part",), DIED)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert not other.finished
    assert done(processes, works.count, 3) == 3  # it has been replaced
    other.stop()
    assert other.wait(LONG)
    assert other.result == "half"


def test_a_worker_that_dies_with_nothing_to_do_is_replaced():
    made = InProcess((), 4, {})
    pool = Pool([lambda: made], Limits(24, 24, 60), cores=1)
    first = made.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{first}/exe").exists())
    assert done(pool, works.count, 3) == 3
    assert made.pid != first
    pool.close()


def test_a_job_whose_worker_dies_before_it_has_begun_goes_to_the_next():
    made = InProcess((), 4, {})
    pool = Pool([lambda: made], Limits(24, 24, 60), cores=1)
    first = made.pid
    os.kill(first, signal.SIGSTOP)  # so that the job is handed over, and nothing of it done
    job = submit(pool, works.until_stopped)
    until(lambda: job.state == "running")
    os.kill(first, signal.SIGKILL)
    until(lambda: job.progress)
    assert job.progress.snapshot[0] != first
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", "half", "")
    pool.close()


def test_an_order_that_is_there_before_its_job_is_heard_and_one_that_comes_too_late_is_not():
    worker = InProcess((), 4, {})
    os.kill(worker.pid, signal.SIGSTOP)  # until then nothing is read
    worker.begin(Request(works.until_stopped, (), {}), 1)
    worker.order(STOP)
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: (outcome := worker.outcome()) and outcome.state == "stopped")
    worker.order(STOP)
    worker.begin(Request(works.count, (3,), {}), 1)
    found = []
    until(lambda: found.append(worker.outcome()) or found[-1])
    assert (found[-1].state, found[-1].result) == ("done", 3)
    worker.close()


def test_orders_go_to_the_next_worker_with_the_job():
    worker = InProcess((), 4, {})
    os.kill(worker.pid, signal.SIGSTOP)
    worker.begin(Request(works.until_stopped, (), {}), 1)
    worker.order(STOP)
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: (outcome := worker.outcome()) and outcome.state == "stopped")
    worker.close()


def test_work_that_always_kills_its_worker_is_not_tried_for_ever():
    pool = Pool([lambda: InProcess((), 4, {})], Limits(24, 24, 60), cores=1)
    job = submit(pool, works.dying_at_once)
    assert job.wait(LONG)
    assert (job.state, job.error) == ("failed", DIED)
    assert done(pool, works.count, 3) == 3
    pool.close()


def test_a_job_that_does_not_listen_is_killed(processes: Pool, monkeypatch):
    monkeypatch.setattr(pool, "PATIENCE", 0.2)
    job = submit(processes, works.deaf)
    until(lambda: job.progress)
    pid = job.progress.snapshot
    job.stop()
    assert job.wait(LONG)
    assert (job.state, job.result, job.error) == ("stopped", None, "")
    until(lambda: not Path(f"/proc/{pid}/exe").exists())
    assert done(processes, works.count, 3) == 3


def test_workers_end_with_their_pool():
    made = [InProcess((), 4, {}), InProcess((), 4, {})]
    pool = Pool([made.pop, made.pop], Limits(24, 24, 60), cores=1)
    job, idle = submit(pool, works.deaf), submit(pool, works.count, 3)
    until(lambda: job.progress)
    assert idle.wait(LONG)
    assert job.worker is not None
    pids = [job.progress.snapshot, *(worker.pid for worker in pool._idle)]
    assert len(pids) == 2
    pool.close()
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))


SERVER = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import works
from pages.parts.engine.performing import Request
from pages.parts.engine.pool import Limits, Pool
from pages.parts.engine.workers import InProcess
pool = Pool([lambda: InProcess((), 4, {})], Limits(24, 24, 60), cores=1)
job = pool.submit(Request(works.writing, (Path(sys.argv[1]),)), "", lambda: True, 1000)
time.sleep(1000)
"""


def test_a_worker_does_not_outlive_a_server_that_is_killed(tmp_path):
    written = tmp_path / "lines"
    command = [sys.executable, "-c", SERVER, str(written), str(ROOT), str(Path(__file__).parent)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(written.exists)
    (worker,) = workers_of(server.pid)
    server.kill()
    server.wait()
    until(lambda: not Path(f"/proc/{worker}/exe").exists())


def test_a_worker_that_was_starting_when_its_server_was_killed_ends_too():
    script = (
        "import time; from pages.parts.engine.workers import InProcess; made = InProcess((), 4, {}); time.sleep(1000)"
    )
    server = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    until(lambda: workers_of(server.pid))
    (worker,) = workers_of(server.pid)
    os.kill(worker, signal.SIGSTOP)  # it has not come to itself yet
    server.kill()
    server.wait()
    os.kill(worker, signal.SIGCONT)
    until(lambda: not Path(f"/proc/{worker}/exe").exists())


# --- Telling ---


def test_progress_is_thinned_but_parts_are_not(monkeypatch):
    told: list[tuple[float, bool, object]] = []
    clock = [100.0]
    monkeypatch.setattr(performing, "time", type("clock", (), {"monotonic": lambda: clock[0]}))

    class Line:
        def tell(self, progress, again):
            told.append((progress.fraction, again, progress.part))

        def orders(self):
            return ()

    def work():
        seen = object()
        yield Progress(0.0, seen)
        yield Progress(0.1, seen)  # too soon
        clock[0] += 1
        yield Progress(0.2, seen)
        yield Progress(0.3, seen, part="a part")
        clock[0] += 1
        yield Progress(0.4, None)
        clock[0] += 1
        yield Progress(0.5, None)

    assert performing.perform(Request(work), Line(), 1) == Outcome("done")
    assert told == [(0.0, False, None), (0.2, True, None), (0.3, True, "a part"), (0.4, False, None), (0.5, True, None)]


def test_an_unchanged_snapshot_is_sent_once():
    made = InProcess((), 4, {})
    made.begin(Request(works.given_back, ("x" * 1000,)), 1)
    until(made.outcome)
    progress, _ = made.look()
    assert progress == Progress(0.5, "x" * 1000)
    made.close()


def test_the_settings_choose_who_computes(monkeypatch):
    from pages.parts.shell import settings

    started: list[str] = []
    monkeypatch.setattr(jobs, "InProcess", lambda *_: started.append("process") or InThread())
    monkeypatch.setattr(jobs, "OnCluster", lambda address: started.append(address) or InThread())
    for given, expected in (
        ({"workers": 3, "cluster": None}, ["process"] * 3),
        ({"workers": 0, "cluster": None}, []),
        ({"workers": 2, "cluster": "tcp://there:8786"}, ["tcp://there:8786"] * 2),
    ):
        started.clear()
        with settings.overridden(**given):
            made = jobs.make_pool()
        made._prepare(missing=1)
        assert started == expected[1:]
        made._prepare(missing=0)
        assert started == expected
        assert len(made._idle) == (given["workers"] or jobs.IN_THREADS)


# --- A cluster ---


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask scheduler with two workers, each a process."""
    with dask(Path(__file__).parent) as address:
        yield address
    for client in workers._clients.values():
        client.close()
    workers._clients.clear()


def test_the_same_call_goes_to_a_cluster(cluster: str, caplog):
    places = Pool([lambda: workers.OnCluster(cluster)] * 2, Limits(24, 24, 60), cores=2)
    assert done(places, works.count, 7, True) == (0, 2, 4, 6, 1, 3, 5)
    images = data.gallery.read("mnist")[:1]
    network = Network.of(models.card("mnist-c4-ce"))
    found = done(places, attacks.attack, ATTACKS["fgsm"](), network, images.images, images.labels, 0)
    assert found.result.status == ("fooled",) or found.result.status == ("failed",)
    first, second = (submit(places, works.until_stopped) for _ in range(2))
    until(lambda: first.progress and second.progress)
    assert first.progress.snapshot[0] != second.progress.snapshot[0]
    first.stop()
    assert first.wait(LONG)
    assert (first.state, first.result) == ("stopped", "half")
    assert not second.finished
    second.stop()
    assert second.wait(LONG)
    job = submit(places, works.failing, ValueError("alpha must be at most 1."))
    assert job.wait(LONG)
    assert (job.state, job.error) == ("failed", "alpha must be at most 1.")
    places.close()


def test_a_cluster_that_is_not_there_is_one_sentence(caplog):
    places = Pool([lambda: workers.OnCluster("tcp://127.0.0.1:9")], Limits(24, 24, 60), cores=1)
    job = submit(places, works.count, 3)
    assert job.wait(LONG)
    assert (job.state, job.error) == ("failed", workers.GONE)
    places.close()


def test_the_server_s_own_process_is_set_up_before_anything_is_computed():
    """However it was started: a page imports from the engine before PyTorch reads its environment."""
    for page in [*ROOT.glob("pages/[0-9]*.py"), ROOT / "app.py"]:
        asked = (
            "import os, sys\n"
            "class Watch:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'torch':\n"
            "            found = map(os.environ.get, ('OMP_WAIT_POLICY', 'MALLOC_ARENA_MAX'))\n"
            "            os.write(1, ' '.join(map(str, found)).encode())\n"
            "            os._exit(0)\n"
            "sys.meta_path.insert(0, Watch())\n"
            f"exec(compile(open({str(page)!r}).read(), {str(page)!r}, 'exec'))\n"
            "import threading\n"
            "for thread in threading.enumerate():\n"
            "    if thread.name == 'warm-up':\n"
            "        thread.join()\n"
        )
        bare = {name: value for name, value in os.environ.items() if name not in process.ENVIRONMENT}
        found = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, env=bare, capture_output=True, text=True)
        assert found.stdout.split() == ["passive", "2"], page


def test_threads_of_the_server_do_not_wait_for_workers(processes: Pool):
    """Submitting, stopping and looking are quick while all workers are busy: pages are drawn by the same process."""
    busy = [submit(processes, works.until_stopped) for _ in range(4)]
    seen = threading.Event()
    threading.Thread(target=lambda: (submit(processes, works.count, 3).stop(), seen.set()), daemon=True).start()
    assert seen.wait(LONG)
    for job in busy:
        job.stop()
        assert job.wait(LONG)
