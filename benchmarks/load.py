"""Many visitors at once who attack, stop and change pages: how long each waits, and what the server needs.

    python benchmarks/load.py [--visitors 20] [--of photographs] [--waves 1] [--stops 0.1] [--workers 2] [--json FILE]

Visitors are websocket sessions that speak Streamlit's protocol (tests/visitors.py), so that no browser takes the cores
away from the server. Each opens the lab, presses Run on an attack that nobody has made before, and looks again as often
as a tab does, until the verdict is there; who is refused, or told that something went wrong, is counted with the
sentence; a share of them presses Stop. One more visitor changes the page every three seconds, and the health address is
asked ten times a second. After a single wave the same attacks are made without a server, as many at a time as there are
workers, one thread each: by processes that have everything loaded (the ratio says what the server costs), and on the
command line, each a command of its own. Memory is what the server and its workers need together (the proportional set
size), before, at its peak, and half a minute after all have left.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import family, healthy, serving, workers  # noqa: E402
from tests.visitors import Visitor  # noqa: E402

DIGITS, PHOTOGRAPHS = "mnist-c4-ce", "imagenet-efficientnet-lite0"
PAGES = ("", "Compare", "Graph_loss", "MMC_centres", "Embeddings")

BARE = """
import sys, time
import torch
from core import data, models
from core.attacks import ATTACKS, run
torch.set_num_threads(1)
jobs = [line.split() for line in sys.argv[1:]]
def attack(name, seed):
    photo = name == "imagenet-efficientnet-lite0"
    images = data.load("photos", n=None)[:1] if photo else data.gallery.read("mnist")[:1]
    values = ATTACKS["scw"].presets["photograph"] if photo else {}
    run(ATTACKS["scw"](**values), loaded[name], images.images, images.labels, int(seed))
loaded = {name: models.load(name) for name, _ in jobs}
for name in loaded:
    attack(name, 0)
print("ready", flush=True)
sys.stdin.readline()
for name, seed in jobs:
    attack(name, seed)
print("done", flush=True)
"""


def memory(pid: int) -> float:
    """MB of a process and all that it has started, what they share counted once."""
    total = 0
    for each in family(pid):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1000


def computed(pid: int) -> float:
    """Seconds of a core that a process has taken so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def meanwhile(every: float, ask: Callable[[], float]) -> Iterator[list[float]]:
    """What `ask` gives, again and again, as long as the block goes on."""
    found: list[float] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            found.append(ask())
            stop.wait(every)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join()


def timed(ask: Callable[[], object]) -> Callable[[], float]:
    """Seconds that something takes."""

    def asked() -> float:
        begun = time.perf_counter()
        ask()
        return time.perf_counter() - begun

    return asked


def parties(server: int) -> dict[str, list[int]]:
    """The processes that share the cores."""
    return {"workers": workers(server), "the server": [server], "visitors": [os.getpid()]}


class Attacker:
    """A visitor who attacks, and what became of it."""

    def __init__(self, address: str, model: str, seed: int, stops: bool) -> None:
        self.model, self.seed, self.stops = model, seed, stops
        self.words: list[str] = []
        """What was said at the progress bar, each once."""
        self.seconds = self.opened = 0.0
        self.outcome = ""
        self._tab = Visitor(address)

    def open(self) -> None:
        """Look at the lab."""
        self.opened = self._tab.open("Attack_lab", model=self.model, attack="scw", seed=self.seed)

    def attack(self) -> None:
        """Run, and wait for what comes of it."""
        begun = time.perf_counter()
        self._tab.press("Run")
        stopped = False
        while not self._tab.until(self._ended, 0.2):
            if (words := self._tab.progress) and words not in self.words:
                self.words.append(words)
            if self.stops and not stopped and words.startswith("Step"):
                self._tab.press("Stop")
                stopped = True
            if self._tab.closed or time.perf_counter() - begun > 1800:
                self.outcome = "the connection broke" if self._tab.closed else "half an hour was not enough"
                return
        self.seconds = time.perf_counter() - begun
        self.outcome = self._tab.errors[0] if self._tab.errors else "stopped" if stopped else "done"

    def leave(self) -> None:
        """Close the tab."""
        self._tab.close()

    def _ended(self) -> bool:
        over = any(found.button.label == "Run" for found in self._tab.of("button"))
        return over and ('<p class="ss-verdict' in self._tab.markup or bool(self._tab.errors) or self.stops)


def together(attackers: list[Attacker], do: Callable[[Attacker], None]) -> float:
    """Have all do something at once; seconds until the last is done."""
    begun = time.perf_counter()
    threads = [threading.Thread(target=do, args=(each,)) for each in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begun


def alone(jobs: list[tuple[str, int]], processes: int) -> float:
    """Seconds in which so many processes make the same attacks, one thread each, everything loaded before."""
    shares = [[f"{model} {seed}" for model, seed in jobs[i::processes]] for i in range(processes)]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, *share], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for share in shares
        if share
    ]
    for process in started:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            sys.exit("the attacks cannot be made without a server; the message above says why.")
    begun = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        process.wait()
    return time.perf_counter() - begun


def on_command_line(jobs: list[tuple[str, int]], at_a_time: int) -> float:
    """Seconds for the same attacks, each a command."""

    def attack(job: tuple[str, int]) -> None:
        model, seed = job
        preset = ["--dataset", "photos", "--preset", "photograph"] if model == PHOTOGRAPHS else []
        command = ["attack", "--model", model, "--attack", "scw", *preset, "--n", "1", "--seed", str(seed)]
        one = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-m", "smoothscope", *command], cwd=ROOT, env=one, check=True, capture_output=True
        )

    begun = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(attack, jobs))
    return time.perf_counter() - begun


def growth(sizes: list[float], attacks: int) -> str:
    """By how much memory grew, on a straight line through the waves, of `attacks` each, after the first 200."""
    later = sizes[-(-200 // attacks) :]
    if len(later) < 3:
        return "too few waves"
    slope = statistics.linear_regression(range(len(later)), later).slope
    return f"{slope / later[0] / attacks * 100:+.1%} ({len(later)} waves)"


def percentile(values: list[float], share: float) -> float:
    """The value that a share of the values does not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20, help="(default %(default)s)")
    parser.add_argument("--of", choices=["photographs", "digits", "both"], default="photographs")
    parser.add_argument("--waves", type=int, default=1, help="attacks of each, one after the other")
    parser.add_argument("--stops", type=float, default=0.0, help="share of the visitors who stop (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the server (default %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    kinds = {"photographs": [PHOTOGRAPHS], "digits": [DIGITS], "both": [DIGITS, PHOTOGRAPHS]}[arguments.of]
    seeds, pages = itertools.count(1), itertools.cycle(PAGES)
    attackers: list[Attacker] = []
    waves: list[float] = []
    bare: list[float] = []
    commands: list[float] = []
    health: list[float] = []
    changes: list[float] = []
    sizes: list[float] = []
    at_rest: list[float] = []
    """Of memory, after each wave."""
    cores: list[dict[str, float]] = []
    """Seconds of a core, of each wave and those who took them."""
    settings = {"SMOOTHSCOPE_WORKERS": str(arguments.workers), "SMOOTHSCOPE_JOBS_WAITING": "100"}
    with serving(settings) as (address, server):
        pid = server.pid
        for kind in [*kinds, *kinds]:  # networks are loaded, by both workers
            first = [Attacker(address, kind, next(seeds), False) for _ in range(arguments.workers)]
            together(first, Attacker.open)
            together(first, Attacker.attack)
            together(first, Attacker.leave)
        other = Visitor(address)
        for page in PAGES:
            other.open(page)
        time.sleep(5)
        before = memory(pid)
        for _ in range(arguments.waves):
            wave = [
                Attacker(address, kinds[i % len(kinds)], next(seeds), i < arguments.stops * arguments.visitors)
                for i in range(arguments.visitors)
            ]
            with (
                meanwhile(0.1, timed(lambda: healthy(address, 300))) as answers,
                meanwhile(3.0, timed(lambda: other.open(next(pages)))) as opened,
                meanwhile(0.5, lambda: memory(pid)) as needed,
            ):
                together(wave, Attacker.open)
                took = {name: -sum(map(computed, pids)) for name, pids in parties(pid).items()}
                waves.append(together(wave, Attacker.attack))
                cores.append({name: took[name] + sum(map(computed, pids)) for name, pids in parties(pid).items()})
                together(wave, Attacker.leave)
            attackers += wave
            health += answers
            changes += opened
            sizes += needed
            jobs = [(each.model, each.seed) for each in wave if not each.stops]
            at_rest.append(memory(pid))
            if arguments.waves == 1:  # else it is memory that is asked for
                bare.append(alone(jobs, arguments.workers))
                commands.append(on_command_line(jobs, arguments.workers))
        other.close()
        time.sleep(30)
        after = memory(pid)
    seconds = [each.seconds for each in attackers if each.outcome == "done"]
    table = Table("", "", title=f"{arguments.visitors} visitors, {arguments.of}, {arguments.workers} workers")
    rows = {
        "all done after, s": ", ".join(f"{wave:.1f}" for wave in waves),
        f"the same without a server, {arguments.workers} processes, s": ", ".join(f"{one:.1f}" for one in bare),
        f"on the command line, {arguments.workers} at a time, s": ", ".join(f"{one:.1f}" for one in commands),
        "ratio to the one, to the other": ", ".join(
            f"{waves[0] / one:.2f}, {waves[0] / other:.2f}" for one, other in zip(bare, commands, strict=True)
        ),
        "of a core's seconds": "; ".join(
            ", ".join(f"{name} {seconds:.1f}" for name, seconds in each.items()) for each in cores
        ),
        "a visitor waits, s": f"median {statistics.median(seconds):.1f}, longest {max(seconds):.1f}",
        "outcomes": "; ".join(f"{n} {what}" for what, n in Counter(each.outcome for each in attackers).items()),
        "told their place while they waited": f"{sum(any('Waiting' in w for w in each.words) for each in attackers)}",
        "health, s": f"95 % within {percentile(health, 0.95):.3f}, slowest {max(health):.3f} (n = {len(health)})",
        "a change of page, s": f"95 % within {percentile(changes, 0.95):.2f}, slowest {max(changes):.2f} "
        f"(n = {len(changes)})",
        "memory, MB": f"before {before:.0f}, peak {max(sizes):.0f}, after {after:.0f} ({after / before - 1:+.0%})",
        "growth, for each hundred attacks after the first two hundred": growth(at_rest, arguments.visitors),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
    if arguments.json:
        found = {
            "waves": waves,
            "alone": bare,
            "on the command line": commands,
            "cores": cores,
            "seconds": seconds,
            "health": health,
            "changes": changes,
            "memory": [before, *at_rest, max(sizes), after],
            "outcomes": [each.outcome for each in attackers],
        }
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
