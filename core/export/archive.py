"""A result to take home: pictures, arrays, parameters, and a script that makes the adversarial images again."""

from __future__ import annotations

import io
import json
import platform
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import core
from core import models
from core.attacks import ATTACKS, AttackResult
from core.data import careful, to_png
from core.defenses import Defense
from core.magnify import MagnifyParameters, display_scale, magnify

SCRIPT = Path(__file__).with_name("reproduce.py")
"""The script that goes into every package."""
NETWORKS = "networks"
"""Folder of a package for networks that do not come with the project."""
LARGEST_NETWORK = 100_000_000
"""Bytes of weights up to which they go into a package."""
README = """# Taken home from Smoothscope {version}

One picture, attacked: {runs}.

- `clean.png` and, for each run, its adversarial picture (8 bits), its perturbation (mid-grey is no change, amplified
  {gain:.4g} times) and both magnified on one scale (white is +{white:.4g} standard deviations)
- `arrays.npz`: the same as float32, with logits and traces
- `parameters.json`: network, attack, parameters, seed, what came of it, versions
- `reproduce.py`: makes the adversarial pictures again from `clean`{networks}

To make them again, in Smoothscope's folder, where `make app` has been run:

    .venv/bin/python FOLDER/reproduce.py

or, where Smoothscope is installed as a package (its README, "As a package"), in any folder:

    env/bin/python FOLDER/reproduce.py

FOLDER is this one. It says of each picture how far it differs, and ends with 0 if none does by more than 1e-5.
"""


@dataclass(frozen=True)
class Item:
    """An attack on one image to take home."""

    name: str
    """What its files are called; letters, digits, hyphens."""
    result: AttackResult
    """Of one image."""
    sha256: str
    """Of the attacked network's weights."""
    threads: int
    """With which it was computed: sums in another order end in other last digits."""
    norm: float | None = None
    """The L2 norm it was brought to afterwards by `core.evaluate.comparison.at_norm`."""
    start: Tensor | None = None
    """(1, C, H, W) the adversarial image of an earlier run, if it went on from one."""
    defense: Defense | None = None
    """What the attacked network saw the pictures through."""


def file_name(text: str) -> str:
    """`text` as part of a file name: "Smooth C&W, α 0.95" is "smooth-c-w-a-0.95"."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower().replace("α", "a").replace("σ", "s")).strip("-.") or "run"


def package(
    items: Sequence[Item], classes: Sequence[str], display: MagnifyParameters, gain: float | None = None
) -> bytes:
    """A zip of everything about `items`, attacks on one and the same image.

    It holds, losslessly: PNGs of the clean image, each adversarial image (rounded to 8 bits), each perturbation
    (mid-grey is no change; gain: None takes the largest that clips none) and all of them magnified as `display` says,
    on one scale; arrays.npz, the same as float32 and the logits and traces; parameters.json; reproduce.py; README.md,
    which says how it is run; and the networks that do not come with the project, as far as they are still here.
    """
    if not items:
        raise ValueError("items must hold at least one result; got none.")
    clean = items[0].result.images
    if any(len(item.result.images) != 1 or not torch.equal(item.result.images, clean) for item in items):
        raise ValueError("items must be attacks on one and the same image; take others home by themselves.")
    if len({item.name for item in items}) < len(items):
        raise ValueError("items must have different names; rename those that are equal.")
    peak = max(float(item.result.perturbation.abs().max()) for item in items)
    gain = gain or (0.5 / peak if peak > 0 else 1.0)
    shown = {"clean": clean} | {item.name: item.result.adversarial_8bit for item in items}
    settings = display.values()
    magnified = {name: magnify(picture, **settings) for name, picture in shown.items()}
    scale = display_scale(list(magnified.values()))
    pictures: dict[str, Tensor] = dict(shown)
    pictures |= {f"{name}-magnified": scale.apply(picture) for name, picture in magnified.items()}
    pictures |= {f"{i.name}-perturbation": amplified(i.result.perturbation, gain) for i in items}

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, picture in pictures.items():
            zipped.writestr(f"{name}.png", to_png(picture), zipfile.ZIP_STORED)
        arrays = io.BytesIO()
        np.savez_compressed(arrays, **_arrays(items))
        zipped.writestr("arrays.npz", arrays.getvalue(), zipfile.ZIP_STORED)
        facts = {
            "runs": {item.name: _facts(item, classes) for item in items},
            "display": {"magnify": settings, "white": scale.limit, "clipped": scale.clipped, "gain": gain},
            "versions": versions(),
        }
        zipped.writestr("parameters.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        zipped.writestr("reproduce.py", SCRIPT.read_text(encoding="utf-8"))
        own = dict(file for item in items for file in _network(item))
        for name, content in own.items():
            zipped.writestr(name, content, zipfile.ZIP_STORED)
        runs = ", ".join(f"`{item.name}` by {ATTACKS[item.result.attack].title}" for item in items)
        networks = f"; `{NETWORKS}` holds those that do not come with Smoothscope" if own else ""
        text = README.format(version=core.__version__, runs=runs, gain=gain, white=scale.limit, networks=networks)
        zipped.writestr("README.md", text)
    return file.getvalue()


def _network(item: Item) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files of the attacked network; nothing of one that comes with the project or has gone."""
    name = item.result.model
    if models.is_shipped(name) or name not in models.MODELS:
        return
    folder = models.MODELS[name]
    try:
        card = models.Card.read(folder / models.CARD)
        if card.sha256 != item.sha256 or ":" in card.weights:  # another by now, or a package's
            return
        weights, _ = careful.read_bytes(folder / card.weights, LARGEST_NETWORK)
    except (ValueError, careful.Unreadable):
        return
    yield f"{NETWORKS}/{name}/{models.CARD}", (folder / models.CARD).read_bytes()
    yield f"{NETWORKS}/{name}/{card.weights}", weights


def amplified(r: Tensor, gain: float) -> Tensor:
    """A perturbation around mid-grey, in [0, 1]; +-0.5 / gain is black and white, to the last digit as on a page."""
    return (0.5 + r / r.new_tensor(1 / gain)).clamp(0, 1)


def versions() -> dict[str, str]:
    """What the numbers may depend on besides the parameters."""
    return {
        "smoothscope": core.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "system": platform.system(),
    }


def _arrays(items: Sequence[Item]) -> Mapping[str, Any]:
    found = {"clean": items[0].result.images[0].numpy()}
    for item in items:
        r = item.result
        parts = {
            "adversarial": r.adversarial[0],
            "perturbation": r.perturbation[0],
            "logits_clean": r.logits_clean[0],
            "logits": r.logits[0],
            "logits_8bit": r.logits_8bit[0],
        }
        if item.start is not None:
            parts["start"] = item.start[0]
        parts |= {f"trace.{name}": values if values.ndim == 1 else values[:, 0] for name, values in r.trace.items()}
        found |= {f"{item.name}.{name}": values.numpy() for name, values in parts.items()}
    return found


def _facts(item: Item, classes: Sequence[str]) -> dict[str, Any]:
    r = item.result
    return {
        "model": r.model,
        "weights_sha256": item.sha256,
        "attack": r.attack,
        "parameters": r.parameters,
        "seed": r.seed,
        "label": int(r.labels[0]),
        "steps": len(r.trace.get("step", ())),
        "stopped": r.stopped,
        "converged": None if r.converged is None else bool(r.converged[0]),
        "threads": item.threads,
        "norm": item.norm,
        "defense": None if item.defense is None else {"name": item.defense.name, "parameters": item.defense.values()},
        "status": r.status[0],
        "named": {
            "truth": classes[int(r.labels[0])],
            "clean": classes[int(r.predictions_clean[0])],
            "adversarial": classes[int(r.predictions[0])],
            "adversarial_8bit": classes[int(r.predictions_8bit[0])],
        },
        "l2": float(r.l2[0]),
        "seconds": r.seconds,
    }
