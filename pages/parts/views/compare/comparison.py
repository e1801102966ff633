"""Attacks side by side on one image: which are known already, by name, and on one norm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from core.attacks import ATTACKS, Attack, AttackResult
from core.evaluate.comparison import matched, unrounded
from core.models import Classifier
from core.params import Parameters, fields, parameter
from pages.parts.engine.bounded import Bounded, fingerprint
from pages.parts.inputs.choose import Choice
from pages.parts.views import attacking
from pages.parts.work.attacks import Finished

SCOPE = "compare"
MOST = 6
"""Columns at most."""


class Matching(Parameters):
    """How perturbations of different attacks are made comparable."""

    match: Literal["success", "norm"] = parameter(
        "success",
        title="Equal",
        help="“success” shows each attack's least distorted success as it is. “norm” scales every perturbation to one "
        "L2 norm, clips to black and white, and asks the network again; attacks that round every iterate to 8 bits "
        "run without rounding for it, because what was rounded grows in whole levels.",
    )
    norm: float | None = parameter(
        3.0,
        ge=0.001,
        le=1000,
        log=True,
        slider=(0.1, 20),
        title="Common norm",
        symbol="L2",
        help="Left automatic, that of the longest perturbation, so that none becomes shorter than it is.",
    )


def searched(attacks: Sequence[Attack], matching: Matching) -> list[Attack]:
    """The attacks as they have to run for what `matching` then does with their perturbations."""
    return [unrounded(attack) for attack in attacks] if matching.match == "norm" else list(attacks)


@dataclass(frozen=True)
class Wanted:
    """What a job is for: attacks on one image, of which some may be known from before."""

    attacks: tuple[Attack, ...]
    choice: Choice
    keys: tuple[str, ...]
    """Of what each gives (`attacking.key`)."""
    known: Mapping[str, Finished]
    along: bool = False
    """One attack along a parameter is what was asked for."""

    @property
    def missing(self) -> dict[str, Attack]:
        """Those that are to be made, each once, in their order."""
        return {key: each for key, each in zip(self.keys, self.attacks, strict=True) if key not in self.known}

    def runs(self, made: Sequence[Finished]) -> tuple[Finished, ...]:
        """What there is for the first columns without a gap; made: of the `missing` ones, as far as they have come."""
        there = {**self.known, **dict(zip(self.missing, made, strict=False))}
        found: list[Finished] = []
        for key in self.keys:
            if key not in there or (found and found[-1].result.stopped):
                break
            found.append(there[key])
        return tuple(found)

    def keep(self, made: Sequence[Finished]) -> None:
        """Keep those that have reached their end."""
        for key, finished in zip(self.missing, made, strict=False):
            attacking.keep(key, finished, self.choice.card)


def wanted(
    attacks: Sequence[Attack], choice: Choice, labels: Tensor, seed: int, along: bool, shipped: bool = False
) -> Wanted:
    """`attacks` on a picture, with what is known of them. shipped: also from runs that came with a lesson."""
    keys = tuple(attacking.key(each, choice.model, choice.image, labels, seed) for each in attacks)
    found = {key: attacking.results.get(key) for key in keys}
    if shipped:
        found |= {k: attacking.shipped(a, choice, seed) for k, a in zip(keys, attacks, strict=True) if found[k] is None}
    return Wanted(tuple(attacks), choice, keys, {key: run for key, run in found.items() if run is not None}, along)


def titles(attacks: Sequence[Attack]) -> list[str]:
    """What each column is called: its attack, and the values in which it differs from others of its kind.

    Where all are of one kind, the values alone. No two are called the same.
    """
    kinds = Counter(attack.name for attack in attacks)
    found: list[str] = []
    for attack in attacks:
        alike = [other for other in attacks if other.name == attack.name]
        differing = [
            f"{info.symbol or info.title} = {_value(getattr(attack, info.name))}"
            for info in fields(type(attack))
            if len({getattr(other, info.name) for other in alike}) > 1
        ]
        if len(kinds) > 1 or not differing:
            differing.insert(0, attack.title)
        title = ", ".join(differing)
        again = sum(known == title or known.startswith(f"{title} (") for known in found)
        found.append(f"{title} ({again + 1})" if again else title)
    return found


def filmstrip(attacks: Sequence[Attack]) -> bool:
    """All are of one kind, along a parameter: pictures that are read as one row."""
    return len({attack.name for attack in attacks}) == 1


def _value(value: object) -> str:
    return "automatic" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


_scaled: Bounded[AttackResult] = Bounded(64)


def on_one_norm(
    results: Sequence[AttackResult], model: Classifier, matching: Matching
) -> tuple[list[AttackResult], float | None]:
    """`results` as `matching` wants them, and the norm that they were brought to, if any."""
    lengths = [float(result.l2[0]) for result in results]
    if matching.match == "success" or not any(lengths):
        return list(results), None
    norm = max(lengths) if matching.norm is None else matching.norm
    scaled = []
    for result in results:
        key = fingerprint(result.images, result.adversarial, result.status, model.card.sha256, norm)
        known = _scaled.get(key)
        if known is None:
            known = matched(result, model, norm)
            _scaled.put(key, known)
        scaled.append(known)
    return scaled, norm


def rebuilt(result: AttackResult) -> Attack:
    """The attack that made `result`."""
    return ATTACKS[result.attack](**result.parameters)
