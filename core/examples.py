"""The examples that pages show at once: computed by this module, kept in assets/examples, never by hand.

A folder an example: example.json, its record, and the files whose SHA-256 the record has.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from core import data, models
from core.attacks import ATTACKS, Attack, AttackResult, run
from core.data import ImageSet, photos, to_png
from core.data.store import write_together
from core.evaluate import records, visibility
from core.evaluate.claims import Claim, Outcome
from core.evaluate.comparison import asked, unrounded
from core.evaluate.records import Collection, Data, Frozen, Network, Record, Setting, Sha256
from core.evaluate.visibility import LENGTH, NORM, SUCCESS
from core.layout import ASSETS
from core.magnify import MagnifyParameters, display_scale, local_statistics, to_display
from core.metrics import roughness
from core.models import Classifier, logits_of
from core.params import Subparsers, fields

FOLDER = ASSETS / "examples"
FILE = "example.json"
MODEL = "imagenet-efficientnet-lite0"
MAGNIFY = MagnifyParameters.preset("authors' code", radius=None)  # as the lab starts
ORIGINAL = "original"
"""What the clean picture is called among those of the start page."""
COMPARED = ("cw", "scw", "smoothfool")
"""Attacks of the Compare page's example."""
ALONG = "scw", "alpha"
"""Attack and parameter of its film strip."""
PERTURBATIONS = "perturbations.npz"


class Picture(Frozen):
    """What the network says of a picture, and how far it is from the original. All of the 8-bit picture."""

    label: str
    probability: float
    l2: float
    roughness: float
    """Omega of the perturbation, sigma_h = 1."""
    mad: float
    ciede2000: float
    """The largest difference of colour."""


class Side(Frozen):
    """The pictures of one comparison, all magnified on one scale."""

    limit: float
    """The magnified value that is drawn black or white."""
    clipped: float
    """Share of magnified values beyond it."""
    pictures: dict[str, Picture]
    """ORIGINAL, and by key in ATTACKS."""


class Decided(Frozen):
    """What shipped records say to a claim, for a page that must not import PyTorch; the first number of its verdict."""

    statement: str
    paper: str
    outcome: Outcome
    of: str
    value: float
    low: float
    high: float
    p: float | None


class Attacked(Frozen):
    """An attack of an example."""

    attack: Setting
    seconds: float


class ExampleRecord(Record):
    """What all examples hold: attacks on one photograph, and the files that were written."""

    attacks: dict[str, Attacked]
    """By comparison and key in ATTACKS: "success-cw"."""
    files: dict[str, Sha256]
    """SHA-256 of the files beside the record."""

    @property
    def photo(self) -> str:
        """Key in core.data.photos.PHOTOS."""
        return str(self.protocol.parameters["photo"])

    @property
    def model(self) -> str:
        """The name of the attacked network."""
        return "" if self.network is None else self.network.name


E = TypeVar("E", bound=ExampleRecord)


class StartRecord(ExampleRecord):
    """The start page's: a photograph attacked twice, compared at equal success and at equal length."""

    kind: ClassVar[str] = "example-start"

    photo_title: str
    photo_credit: str
    norm: float
    """L2, of the comparison at equal length."""
    magnify: Setting
    compared: dict[str, Side]
    """SUCCESS and LENGTH."""
    verdicts: tuple[Decided, ...]


class CompareRecord(ExampleRecord):
    """The Compare page's: a photograph attacked with COMPARED, or ALONG a parameter, the perturbations kept, most of
    them in half precision.

    Every attack twice, "success-" and "length-" before its key, which along a parameter has its place after it: the
    shortest that it finds, and what is to be brought to one norm, which differ where it rounds every iterate to 8 bits.
    """

    kind: ClassVar[str] = "example-compare"

    seed: int
    converged: dict[str, bool | None]
    """Of every attack, as `AttackResult.converged` has it."""


START = Collection(StartRecord, FOLDER / "start" / FILE)
COMPARE = Collection(CompareRecord, FOLDER / "compare" / FILE)
FILMSTRIP = Collection(CompareRecord, FOLDER / "filmstrip" / FILE)


def start(folder: Path = FOLDER) -> StartRecord:
    """The start page's example. ValueError in one sentence if it is not there, or not what was computed."""
    return _only(START.at(folder / "start" / FILE))


def comparison(folder: Path = FOLDER) -> CompareRecord:
    """The Compare page's example. ValueError in one sentence if it is not there, or not what was computed."""
    return _only(COMPARE.at(folder / "compare" / FILE))


def filmstrip(folder: Path = FOLDER) -> CompareRecord:
    """The example of one attack along a parameter. ValueError in one sentence if it is not there, or not what was
    computed."""
    return _only(FILMSTRIP.at(folder / "filmstrip" / FILE))


def _only(collection: Collection[E]) -> E:
    found = collection.read()
    if len(found) != 1:
        raise ValueError(f"{collection.path.name} must hold one example; make it with: python -m core examples")
    return found[0]


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _write(folder: Path, record: ExampleRecord, files: Mapping[str, bytes]) -> Path:
    """All files of an example, or none."""
    every = records.contents(folder / FILE, [record]) | {folder / name: content for name, content in files.items()}
    try:
        write_together({path: partial(_put, content) for path, content in every.items()})
    except OSError as error:
        raise ValueError(f"the example cannot be written to {folder} ({error.strerror}); free some space.") from None
    return folder


def _photograph(name: str) -> ImageSet:
    shelf = data.load("photos")
    if name not in shelf.names:
        raise ValueError(f"photo must be one of {', '.join(shelf.names)}; got {name!r}.")
    return shelf[shelf.names.index(name)]


def _sha256(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def make_start(photo: str, claims: Sequence[Claim[...]], norm: float = NORM, folder: Path = FOLDER) -> Path:
    """Attack the photograph `photo` with C&W and sC&W and write what the start page shows.

    Twice: as short as each fools the network, and brought to one L2 norm. Everything is of the pictures as written, in
    8 bits: labels, distances, magnification. claims: that are decided from the shipped records of both attacks, each
    called with C&W's and with sC&W's. Returns the folder of the example. Raises ValueError if an attack does not
    fool the network in 8 bits both ways, if no record decides the claims, or if the disk is full.
    """
    chosen = _photograph(photo)
    clean, model = chosen.images, models.load(MODEL)
    answer = logits_of(model, clean).argmax(1)
    shown: dict[str, dict[str, Tensor]] = {SUCCESS: {ORIGINAL: clean}, LENGTH: {ORIGINAL: clean}}
    attacks = {}
    for name in visibility.COMPARED:
        for held, result in visibility.pictures(name, model, clean, answer, norm).items():
            if not bool(result.success_8bit):
                raise ValueError(f"{name} does not fool {MODEL} in 8 bits at equal {held}; take another photograph.")
            shown[held][name] = result.adversarial_8bit
            made = Setting(name=name, parameters=result.parameters)
            attacks[f"{held}-{name}"] = Attacked(attack=made, seconds=round(result.seconds, 1))
    files = {f"{ORIGINAL}.png": to_png(clean[0])}
    compared = {held: _side(held, found, model, chosen.classes, files) for held, found in shown.items()}
    record = StartRecord(
        network=Network.of(model.card),
        data=Data.of(chosen, None),
        protocol=Setting(name="start", parameters={"photo": photo, "norm": norm}),
        command=f"python -m core examples --photo {photo} --norm {norm:g}",
        versions=records.versions(),
        attacks=attacks,
        files=_sha256(files),
        photo_title=photos.PHOTOS[photo].title,
        photo_credit=photos.PHOTOS[photo].credit,
        lacks="It is of one picture: what lies beside it, instead of rows.",
        norm=norm,
        magnify=Setting.of(MAGNIFY),
        compared=compared,
        verdicts=tuple(_verdicts(claims)),
    )
    return _write(folder / "start", record, files)


def _side(
    held: str, shown: Mapping[str, Tensor], model: Classifier, classes: Sequence[str], files: dict[str, bytes]
) -> Side:
    """One comparison of pictures (1, C, H, W) by name, clean first; adds what is to be written to `files`."""
    everything = torch.cat(list(shown.values()))
    probabilities = logits_of(model, everything).softmax(1)
    best = probabilities.argmax(1)
    s = local_statistics(everything, MAGNIFY.sigma_domain, MAGNIFY.sigma_range, MAGNIFY.radius)
    magnified = list(s.magnify(MAGNIFY.beta))
    scale = display_scale(magnified)
    clean = everything[:1].expand_as(everything)
    told = visibility.figures(clean, everything, best != best[0])
    omega = roughness(everything - clean, 1.0)
    pictures = {}
    for i, (name, picture) in enumerate(shown.items()):
        pictures[name] = Picture(
            label=classes[int(best[i])],
            probability=float(probabilities[i, best[i]]),
            l2=float(told["l2"][i]),
            roughness=float(omega[i]),
            mad=float(told["mad"][i]),
            ciede2000=float(told["ciede2000"][i]),
        )
        if name != ORIGINAL:
            files[f"{held}-{name}.png"] = to_png(picture[0])
        files[f"{held}-{name}-magnified.png"] = to_png(to_display([magnified[i]], scale)[0])
    return Side(limit=scale.limit, clipped=scale.clipped, pictures=pictures)


def _verdicts(claims: Sequence[Claim[...]]) -> Iterator[Decided]:
    for claim in claims:
        verdict = claim.decide(*visibility.compared(visibility.COSTS.read(), "photos"))
        if not verdict.findings:
            raise ValueError(f"no record decides the claims; run: python -m core evaluate {visibility.COSTS.of.kind}")
        first = verdict.findings[0]
        yield Decided(
            statement=claim.statement,
            paper=f"{claim.paper}, {claim.reference}",
            outcome=verdict.outcome,
            of=first.of,
            value=first.estimate.value,
            low=first.estimate.low,
            high=first.estimate.high,
            p=verdict.p,
        )


def make_comparison(photo: str, folder: Path = FOLDER) -> Path:
    """Attack the photograph `photo` with COMPARED, with the presets that pages start from, and write what they did.

    Only the perturbations are kept, most in half precision; `read_comparison` adds them to the photograph and asks the
    network. Returns the folder of the example. ValueError if an attack fails, or if the disk is full.
    """
    attacks = {name: ATTACKS[name](**ATTACKS[name].presets.get("photograph", {})) for name in COMPARED}
    return _make(photo, attacks, folder / "compare", "comparison", f"python -m core examples --compare {photo}")


def make_filmstrip(photo: str, folder: Path = FOLDER) -> Path:
    """The same of the attack of ALONG, at those values of its parameter that tell most; for `read_filmstrip`."""
    name, parameter = ALONG
    cls = ATTACKS[name]
    preset = cls.presets.get("photograph", {})
    values = next(info.telling for info in fields(cls) if info.name == parameter)
    attacks = {f"{name}-{i}": cls(**(preset | {parameter: value})) for i, value in enumerate(values, 1)}
    return _make(photo, attacks, folder / "filmstrip", "filmstrip", f"python -m core examples --filmstrip {photo}")


def _make(photo: str, made: Mapping[str, Attack], folder: Path, protocol: str, command: str) -> Path:
    """Attack a photograph with all of `made` and write what they did."""
    chosen = _photograph(photo)
    clean, model = chosen.images, models.load(MODEL)
    answer = logits_of(model, clean).argmax(1)
    arrays: dict[str, Any] = {}
    attacks, converged = {}, {}
    for name, attack in made.items():
        free = unrounded(attack)
        shortest = run(attack, model, clean, answer)
        longer = shortest if free == attack else run(free, model, clean, answer)
        for held, searched, result in ((SUCCESS, attack, shortest), (LENGTH, free, longer)):
            if not bool(result.success[0]):
                raise ValueError(f"{name} does not fool {MODEL} on {photo}; take another photograph.")
            if held == SUCCESS or result is not shortest:
                arrays[f"{held}-{name}"] = _kept(result, model).numpy()
            attacks[f"{held}-{name}"] = Attacked(attack=Setting.of(searched), seconds=round(result.seconds, 1))
            converged[f"{held}-{name}"] = None if result.converged is None else bool(result.converged[0])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    files = {PERTURBATIONS: file.getvalue()}
    record = CompareRecord(
        network=Network.of(model.card),
        data=Data.of(chosen, None),
        protocol=Setting(name=protocol, parameters={"photo": photo}),
        command=command,
        versions=records.versions(),
        attacks=attacks,
        files=_sha256(files),
        seed=0,
        converged=converged,
    )
    return _write(folder, record, files)


def _kept(result: AttackResult, model: Classifier) -> Tensor:
    """(C, H, W) the perturbation of a result, in half precision unless its saved picture would then fool no more."""
    half = result.perturbation.half()
    there = bool(asked(result, (result.images + half.float()).clamp(0, 1), model).success_8bit[0])
    return (half if there or not bool(result.success_8bit[0]) else result.perturbation)[0]


def read_comparison(model: Classifier, folder: Path = FOLDER) -> dict[str, list[AttackResult]]:
    """The results of the Compare page's example, in its order; `model` is that of its record, and asked anew.

    For SUCCESS the shortest that were found, for LENGTH those that are to be brought to one norm.

    ValueError in one sentence if the perturbations are not those that were computed.
    """
    return _read(comparison(folder), folder / "compare", model)


def read_filmstrip(model: Classifier, folder: Path = FOLDER) -> dict[str, list[AttackResult]]:
    """The same of the example along a parameter."""
    return _read(filmstrip(folder), folder / "filmstrip", model)


def _read(record: CompareRecord, folder: Path, model: Classifier) -> dict[str, list[AttackResult]]:
    """What the perturbations of `record`, which lie in `folder`, do to its photograph."""
    clean = _photograph(record.photo).images
    logits = logits_of(model, clean)
    content = (folder / PERTURBATIONS).read_bytes()
    if _sha256({PERTURBATIONS: content}) != record.files:
        raise ValueError(f"{PERTURBATIONS} is not what was computed; make it again with: {record.command}")
    results: dict[str, list[AttackResult]] = {SUCCESS: [], LENGTH: []}
    with np.load(io.BytesIO(content)) as arrays:
        for name, made in record.attacks.items():
            before = AttackResult(
                attack=made.attack.name,
                parameters=made.attack.parameters,
                model=record.model,
                seed=record.seed,
                seconds=made.seconds,
                stopped=False,
                images=clean,
                labels=logits.argmax(1),
                adversarial=clean,
                status=("failed",),
                logits_clean=logits,
                logits=logits,
                logits_8bit=logits,
                trace={},
                converged=None if record.converged[name] is None else torch.tensor([record.converged[name]]),
            )
            held, _, which = name.partition("-")
            kept = name if name in arrays else f"{SUCCESS}-{which}"  # of an attack that is the same in both
            adversarial = (clean + torch.from_numpy(arrays[kept]).float()).clamp(0, 1)
            results[held].append(asked(before, adversarial, model))
    return results


def add_command(subparsers: Subparsers, claims: Sequence[Claim[...]]) -> None:
    """Register `examples`, which remakes what pages show at once. claims: of `make_start`."""
    parser = subparsers.add_parser("examples", help="remake the examples of the pages, in assets/examples")
    parser.add_argument("--photo", default="china", help="photograph of the start page (default %(default)s)")
    parser.add_argument("--norm", type=float, default=NORM, help="L2 of its second comparison (default %(default)s)")
    parser.add_argument("--compare", metavar="PHOTO", help="remake the Compare page's instead, from this photograph")
    parser.add_argument("--filmstrip", metavar="PHOTO", help="remake its film strip instead, from this photograph")
    parser.set_defaults(run=partial(_run, claims))


def _run(claims: Sequence[Claim[...]], arguments: argparse.Namespace) -> int:
    if arguments.compare:
        print(make_comparison(arguments.compare))
    elif arguments.filmstrip:
        print(make_filmstrip(arguments.filmstrip))
    else:
        print(make_start(arguments.photo, claims, arguments.norm))
    return 0
