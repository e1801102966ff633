"""The examples that pages show at once: computed by this module, kept in assets/examples, never by hand."""

from __future__ import annotations

import argparse
import io
import json
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from core import data, models
from core.attacks import ATTACKS, AttackResult, CarliniWagner, SmoothCarliniWagner, run
from core.data import photos, quantize, to_png
from core.data.store import write_together
from core.evaluate.comparison import asked
from core.layout import ASSETS
from core.magnify import MagnifyParameters, display_scale, local_statistics, to_display
from core.metrics import l2, linf, roughness
from core.models import Classifier, logits_of
from core.params import Subparsers

FOLDER = ASSETS / "examples"
MODEL = "imagenet-efficientnet-lite0"
MAGNIFY = MagnifyParameters.preset("authors' code", radius=None)  # as the lab starts


DUEL = ("cw", "scw", "smoothfool")
"""Attacks of the Compare page's example."""


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _write_tour(target: Path, contents: dict[str, bytes]) -> Path:
    try:
        write_together({target / name: partial(_write, content) for name, content in contents.items()})
    except OSError as error:
        raise ValueError(f"the tour cannot be written to {target} ({error.strerror}); free some space.") from None
    return target


def _photograph(name: str) -> Tensor:
    shelf = data.load("photos")
    if name not in shelf.names:
        raise ValueError(f"photo must be one of {', '.join(shelf.names)}; got {name!r}.")
    return shelf[shelf.names.index(name)].images


def make(photo: str, margin: float, folder: Path = FOLDER) -> Path:
    """Attack the photograph `photo` with C&W and sC&W at one margin and write what the start page shows.

    Everything is of the pictures as written, in 8 bits: labels, distances, magnification. Returns the folder of the
    tour. Raises ValueError if an attack does not fool the network in 8 bits, or if the disk is full.
    """
    clean = _photograph(photo)
    classes = data.load("photos").classes
    model = models.load(MODEL)
    answer = model(clean).argmax(1)
    pictures = {"original": clean}
    facts: dict[str, Any] = {}
    for cls in (CarliniWagner, SmoothCarliniWagner):
        result = run(cls.preset("paper, ImageNet", margin=margin), model, clean, answer)
        if not bool(result.success_8bit[0]):
            raise ValueError(f"{cls.name} does not fool {MODEL} in 8 bits at margin {margin:g}; take a larger margin.")
        pictures[cls.name] = quantize(result.adversarial)
        facts[cls.name] = {"parameters": result.parameters, "seconds": round(result.seconds, 1)}

    everything = torch.cat(list(pictures.values()))
    probabilities = model(everything).softmax(1)
    s = local_statistics(everything, MAGNIFY.sigma_domain, MAGNIFY.sigma_range, MAGNIFY.radius)
    magnified = list(s.magnify(MAGNIFY.beta))
    scale = display_scale(magnified)
    files: dict[str, Tensor] = {}
    for i, (name, picture) in enumerate(pictures.items()):
        r = picture - clean
        best = int(probabilities[i].argmax())
        facts.setdefault(name, {}).update(
            {
                "label": classes[best],
                "probability": float(probabilities[i, best]),
                "l2": float(l2(r)[0]),
                "linf": float(linf(r)[0]),
                "roughness": float(roughness(r, 1.0)[0]),
            }
        )
        files[f"{name}.png"] = picture[0]
        files[f"{name}-magnified.png"] = to_display([magnified[i]], scale)[0]
    tour = {
        "model": MODEL,
        "photo": photo,
        "title": photos.PHOTOS[photo].title,
        "credit": photos.PHOTOS[photo].credit,
        "margin": margin,
        "magnify": MAGNIFY.values(),
        "limit": scale.limit,
        "clipped": scale.clipped,
        "pictures": facts,
        "made by": f"python -m core tours --photo {photo} --margin {margin:g}",
    }
    contents = {name: to_png(picture) for name, picture in files.items()}
    contents["tour.json"] = (json.dumps(tour, indent=1) + "\n").encode()
    return _write_tour(folder / "start", contents)


def make_duel(photo: str, folder: Path = FOLDER) -> Path:
    """Attack the photograph `photo` with `DUEL`, with the presets that pages start from, and write what they did.

    Only the perturbations are kept, in half precision; `read_duel` adds them to the photograph and asks the network.
    """
    clean = _photograph(photo)
    model = models.load(MODEL)
    answer = model(clean).argmax(1)
    arrays: dict[str, Any] = {}
    facts = {}
    for name in DUEL:
        cls = ATTACKS[name]
        result = run(cls(**cls.presets.get("photograph", {})), model, clean, answer)
        if not bool(result.success[0]):
            raise ValueError(f"{name} does not fool {MODEL} on {photo}; take another photograph.")
        arrays[name] = result.perturbation[0].half().numpy()
        facts[name] = {"parameters": result.parameters, "seconds": round(result.seconds, 1)}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    tour = {
        "model": MODEL,
        "photo": photo,
        "seed": 0,
        "attacks": facts,
        "made by": f"python -m core tours --duel {photo}",
    }
    text = (json.dumps(tour, indent=1) + "\n").encode()
    return _write_tour(folder / "compare", {"perturbations.npz": file.getvalue(), "tour.json": text})


def duel_facts(folder: Path = FOLDER) -> dict[str, Any]:
    """What the Compare page's example was made with: model, photo, seed, attacks (parameters and seconds of each)."""
    facts: dict[str, Any] = json.loads((folder / "compare" / "tour.json").read_text(encoding="utf-8"))
    return facts


def read_duel(model: Classifier, folder: Path = FOLDER) -> list[AttackResult]:
    """The results of the Compare page's example, in its order; `model` is that of `duel_facts`, and asked anew."""
    facts = duel_facts(folder)
    clean = _photograph(facts["photo"])
    logits = logits_of(model, clean)
    results = []
    with np.load(folder / "compare" / "perturbations.npz") as arrays:
        for name, fact in facts["attacks"].items():
            before = AttackResult(
                attack=name,
                parameters=fact["parameters"],
                model=facts["model"],
                seed=facts["seed"],
                seconds=fact["seconds"],
                stopped=False,
                images=clean,
                labels=logits.argmax(1),
                adversarial=clean,
                status=("failed",),
                logits_clean=logits,
                logits=logits,
                logits_8bit=logits,
                trace={},
            )
            adversarial = (clean + torch.from_numpy(arrays[name]).float()).clamp(0, 1)
            results.append(asked(before, adversarial, model))
    return results


def add_command(subparsers: Subparsers) -> None:
    """Register `examples`, which remakes what pages show at once."""
    parser = subparsers.add_parser("examples", help="remake the examples of the pages, in assets/examples")
    parser.add_argument("--photo", default="coffee", help="photograph of the start page (default %(default)s)")
    parser.add_argument("--margin", type=float, default=2.0, help="of its attacks, in logits (default %(default)s)")
    parser.add_argument("--compare", metavar="PHOTO", help="remake the Compare page's instead, from this photograph")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print(make_duel(arguments.compare) if arguments.compare else make(arguments.photo, arguments.margin))
    return 0
