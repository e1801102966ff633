"""Visitors who do anything at all, for as long as you like: does the server stay well, quick, and small?

    python benchmarks/soak.py [--minutes 30] [--visitors 4] [--kills 0] [--seed 0] [--log FILE] [--json FILE]

Each visitor moves a random widget of the page again and again, presses buttons (Run, Start, Stop among them), changes
the page, leaves and comes again, through Streamlit's own protocol (tests/visitors.py). Meanwhile as many worker
processes as `--kills` says are killed at random moments. Printed are what was done, every sentence in red with its
number, the seconds that the health address took, and memory by the minute. The exit status is 1 if a page showed a
traceback or the server ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from load import meanwhile, memory, percentile, timed
from rich.console import Console
from rich.table import Table

from tests.servers import healthy, serving, workers
from tests.visitors import Visitor

PAGES = ("", "Attack_lab", "Compare", "Smoothing", "Embeddings", "Graph_loss", "MMC_centres", "Curves", "Training")
SHOWN = 12
"""Sentences that are printed."""


class Restless:
    """A visitor, and what was seen."""

    def __init__(self, address: str, seed: int) -> None:
        self._address, self._random = address, Random(seed)
        self.done: Counter[str] = Counter()
        self.sentences: Counter[str] = Counter()
        self.tracebacks: list[str] = []

    def go(self, until: float) -> None:
        """Do anything until it is time."""
        while time.monotonic() < until:
            with Visitor(self._address) as visitor:
                self._stay(visitor, until)
            self.done["tab closed"] += 1

    def _stay(self, visitor: Visitor, until: float) -> None:
        path, last = "", "opened"
        while time.monotonic() < until and not visitor.closed:
            chance = self._random.random()
            if not path or chance < 0.1:
                path = self._random.choice(PAGES) or "/"
                visitor.open(path.strip("/"))
                last = f"opened {path}"
                self.done["page opened"] += 1
            elif chance < 0.12:
                return
            else:
                last = visitor.move(self._random)
                self.done[last.partition(" ")[0]] += 1
            for sentence in visitor.errors:
                self.sentences[sentence] += 1
            for found in visitor.of("exception"):
                self.tracebacks.append(f"{path}, {last}: {found.exception.type} {found.exception.message}")
            time.sleep(self._random.expovariate(2))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="(default %(default)s)")
    parser.add_argument("--visitors", type=int, default=4, help="(default %(default)s)")
    parser.add_argument("--kills", type=int, default=0, help="workers killed meanwhile (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default %(default)s)")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="gets what the server prints")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    killed = 0
    settings = {"SMOOTHSCOPE_LONGEST_JOB": "60", "SMOOTHSCOPE_LONGEST_TRAINING": "60"}
    with (
        tempfile.TemporaryDirectory() as home,
        serving(settings | {"SMOOTHSCOPE_HOME": home}, log=arguments.log) as (address, server),
    ):
        end = time.monotonic() + 60 * arguments.minutes
        moments = sorted(random.uniform(time.monotonic() + 20, end) for _ in range(arguments.kills))
        people = [Restless(address, arguments.seed * 1000 + number) for number in range(arguments.visitors)]
        threads = [threading.Thread(target=each.go, args=(end,), daemon=True) for each in people]
        with (
            meanwhile(0.25, timed(lambda: healthy(address, 300))) as health,
            meanwhile(60, lambda: memory(server.pid)) as sizes,
        ):
            for thread in threads:
                thread.start()
            while time.monotonic() < end and server.poll() is None:
                if moments and time.monotonic() > moments[0]:
                    moments.pop(0)
                    if there := workers(server.pid):
                        os.kill(random.choice(there), signal.SIGKILL)
                        killed += 1
                time.sleep(0.2)
            for thread in threads:
                thread.join(300)
            stuck = sum(thread.is_alive() for thread in threads)
        well = server.poll() is None and healthy(address)
    done = sum((each.done for each in people), Counter[str]())
    sentences = sum((each.sentences for each in people), Counter[str]())
    tracebacks = [one for each in people for one in each.tracebacks]
    table = Table(
        "", "", title=f"{arguments.minutes:g} minutes, {arguments.visitors} visitors, {killed} workers killed"
    )
    table.add_row("done", ", ".join(f"{what} {n}" for what, n in done.most_common()))
    table.add_row("the server is well at the end", "yes" if well else "no")
    table.add_row("visitors who wait for ever", str(stuck))
    table.add_row("tracebacks", "\n".join(tracebacks[:SHOWN]) or "none")
    table.add_row(
        "health, s", f"95 % within {percentile(health, 0.95):.3f}, slowest {max(health):.2f} (n = {len(health)})"
    )
    table.add_row("memory by the minute, MB", ", ".join(f"{size:.0f}" for size in sizes))
    table.add_row(
        f"sentences in red ({len(sentences)})",
        "\n".join(f"{n} x {sentence[:120]}" for sentence, n in sentences.most_common(SHOWN)) or "none",
    )
    Console().print(table)
    if arguments.json:
        found = {"done": done, "sentences": sentences, "tracebacks": tracebacks, "health": health, "memory": sizes}
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 1 if tracebacks or stuck or not well else 0


if __name__ == "__main__":
    sys.exit(main())
