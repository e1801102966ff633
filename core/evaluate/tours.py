"""The example that the start page shows at once: computed by this module, kept in assets/tours, never by hand."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from core import data, models
from core.attacks import CarliniWagner, SmoothCarliniWagner, run
from core.data import photos, quantize, to_png
from core.data.store import write_together
from core.magnify import MagnifyParameters, display_scale, local_statistics, to_display
from core.metrics import l2, linf, roughness

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "tours"
MODEL = "imagenet-efficientnet-lite0"
MAGNIFY = MagnifyParameters.preset("authors' code", radius=None)  # as the lab starts


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def make(photo: str, margin: float, folder: Path = FOLDER) -> Path:
    """Attack the photograph `photo` with C&W and sC&W at one margin and write what the start page shows.

    Everything is of the pictures as written, in 8 bits: labels, distances, magnification. Returns the folder of the
    tour. Raises ValueError if an attack does not fool the network in 8 bits, or if the disk is full.
    """
    model = models.load(MODEL)
    shelf = data.load("photos")
    if photo not in shelf.names:
        raise ValueError(f"photo must be one of {', '.join(shelf.names)}; got {photo!r}.")
    clean = shelf[shelf.names.index(photo)].images
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
            {"label": shelf.classes[best], "probability": float(probabilities[i, best]),
             "l2": float(l2(r)[0]), "linf": float(linf(r)[0]), "roughness": float(roughness(r, 1.0)[0])}
        )  # fmt: skip
        files[f"{name}.png"] = picture[0]
        files[f"{name}-magnified.png"] = to_display([magnified[i]], scale)[0]
    tour = {
        "model": MODEL, "photo": photo, "title": photos.PHOTOS[photo].title, "credit": photos.PHOTOS[photo].credit,
        "margin": margin, "magnify": MAGNIFY.values(), "limit": scale.limit, "clipped": scale.clipped,
        "pictures": facts, "made by": f"python -m core tours --photo {photo} --margin {margin:g}",
    }  # fmt: skip
    target = folder / "start"
    contents = {name: to_png(picture) for name, picture in files.items()}
    contents["tour.json"] = (json.dumps(tour, indent=1) + "\n").encode()
    try:
        write_together({target / name: partial(_write, content) for name, content in contents.items()})
    except OSError as error:
        raise ValueError(f"the tour cannot be written to {target} ({error.strerror}); free some space.") from None
    return target
