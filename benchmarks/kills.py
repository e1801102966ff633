"""Kills at random moments: of the server in a training, of a worker, of a training on the command line. Is all whole?

    python benchmarks/kills.py [--of server worker training] [--kills 50] [--seed 0]

What is killed gets SIGKILL, which it cannot notice.

server: one training that is begun on the page; its server is killed, another is started on the same home, "Go on" is
pressed there, and so on; in the end it is trained to its last epoch and held against one that nobody has killed.

worker: somebody attacks a picture and a worker is killed; what the page says is counted, one sentence at most, and the
next attack must be done.

training: `python -m core train`, killed and given again, until the network is there; held against one of a piece.

Equal is bit for bit. The exit status is 1 if anything was not.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import torch
from load import ROOT, Attacker
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from core.losses import GraphSmoothness
from core.train import Recipe, Training, resume
from tests.servers import serving, workers
from tests.visitors import Visitor

EPOCHS = 600
"""Of a training that is killed on the page: more than are done between fifty kills."""
DIGITS = "mnist-c4-ce"
SHORT = ["train", "--network", "fc2", "--name", "own", "--n", "500", "--batch-size", "20"]
"""A training on the command line."""


def wait(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until something is so; TimeoutError if it is not."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("it never came")
        time.sleep(0.02)


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not the same bit for bit."""
    assert one.keys() == other.keys()
    return [name for name in one if not one[name].equal(other[name])]


def ended(pids: list[int]) -> None:
    """Wait until processes are no more."""
    wait(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))


def kill(server: int) -> None:
    """Kill the workers of a server."""
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)


def servers(kills: int, dice: Random) -> list[tuple[str, str]]:
    """Kill the server of a training again and again."""
    words: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as home:
        # One worker with one thread: sums in another order end in other last digits.
        settings = {"SMOOTHSCOPE_HOME": home, "OMP_NUM_THREADS": "1", "SMOOTHSCOPE_WORKERS": "1"}
        state = Path(home) / "runs" / "my-network.safetensors"
        for _ in range(kills):
            with serving(settings) as (address, server), Visitor(address) as visitor:
                visitor.open("Training", epochs=EPOCHS)
                button = "Go on" if state.exists() else "Start"
                visitor.press(button)
                words[f"begun with {button}"] += 1
                time.sleep(dice.uniform(0, 4))
                words.update(visitor.errors)
                mine = workers(server.pid)
                server.kill()
                server.wait()
            ended(mine)
        killed = resume(state, "my-network")
        done = killed.done
        list(killed)
    recipe = Recipe(**{**Recipe.presets["ten seconds"], "epochs": EPOCHS})
    whole = Training("lenet", "mnist", recipe, "whole", GraphSmoothness(dim=2, references=200))
    list(whole)
    unequal = differing(killed.model.state_dict(), whole.model.state_dict())
    return [
        ("servers killed in one training", f"{kills} ({', '.join(f'{n} {what}' for what, n in words.items())})"),
        ("epochs done meanwhile", f"{done} of {EPOCHS}"),
        ("the network and an untouched one", "equal" if not unequal else f"NOT EQUAL: {', '.join(unequal)}"),
    ]


def worker(kills: int, dice: Random) -> list[tuple[str, str]]:
    """Kill a worker while somebody attacks."""
    outcomes: Counter[str] = Counter()
    after: Counter[str] = Counter()
    with serving({"SMOOTHSCOPE_WORKERS": "1", "OMP_NUM_THREADS": "1"}) as (address, server):
        with Visitor(address) as first:
            first.open("Attack_lab")  # workers start with a page that has jobs
            wait(lambda: workers(server.pid))
        for number in range(kills):
            one = Attacker(address, DIGITS, 2 * number + 1, False)
            one.open()
            killer = threading.Timer(dice.uniform(0, 1.5), kill, [server.pid])
            killer.start()
            one.attack()
            killer.join()
            outcomes[one.outcome] += 1
            one.leave()
            following = Attacker(address, DIGITS, 2 * number + 2, False)
            following.open()
            following.attack()
            after[following.outcome] += 1
            following.leave()
    good = all(what == "done" for what in after)
    return [
        ("workers killed under an attack", f"{kills}: {'; '.join(f'{n} {what}' for what, n in outcomes.items())}"),
        ("the attack after it", f"{'' if good else 'NOT ALL DONE: '}{'; '.join(f'{n} {w}' for w, n in after.items())}"),
    ]


def trainings(kills: int, dice: Random) -> list[tuple[str, str]]:
    """Kill a command again and again, each time within twice the seconds that the first needs for its first epoch."""
    command = [sys.executable, "-m", "core", *SHORT, "--epochs", str(10 * kills)]
    networks, done, first = [], 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("killed", "whole"):
            home = Path(folder) / name
            environment = os.environ | {"SMOOTHSCOPE_HOME": str(home), "OMP_NUM_THREADS": "1"}
            state = home / "runs" / "own.safetensors"
            while name == "killed" and done < kills:
                begun = time.monotonic()
                with subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                ) as process:
                    if not first:
                        wait(state.exists)
                        first = time.monotonic() - begun
                    else:
                        time.sleep(dice.uniform(0, 2 * first))
                    if process.poll() is not None:
                        break
                    process.kill()
                done += 1
            subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
            networks.append(load_file(home / "checkpoints" / "own" / "weights.safetensors"))
    unequal = differing(*networks)
    return [
        ("kills of one training by command", str(done)),
        ("its network and one of a piece", "equal" if not unequal else f"NOT EQUAL: {', '.join(unequal)}"),
    ]


KINDS = {"server": servers, "worker": worker, "training": trainings}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs="+", choices=list(KINDS), default=list(KINDS), help="(default: all)")
    parser.add_argument("--kills", type=int, default=50, help="of each (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dice = Random(arguments.seed)
    table = Table("", "", title=f"{arguments.kills} kills of each")
    wrong = False
    for kind in arguments.of:
        for row in KINDS[kind](arguments.kills, dice):
            table.add_row(*row)
            wrong |= "NOT" in row[1]
    Console().print(table)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
