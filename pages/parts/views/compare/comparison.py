"""Attacks side by side on one image: as one job, by name, and on one norm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from core.attacks import ATTACKS, Attack, AttackResult
from core.evaluate.comparison import matched, unrounded
from core.models import Classifier
from core.params import Parameters, fields, parameter
from pages.parts.shell.cache import Bounded, fingerprint
from pages.parts.shell.jobs import Progress, Stop
from pages.parts.views import attacking
from pages.parts.views.attacking import Finished, Snapshot

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
class Underway:
    """A comparison that is being computed: the columns that are done, and the attack that runs."""

    done: tuple[Finished, ...]
    snapshot: Snapshot | None


def work(
    attacks: Sequence[Attack], model: Classifier, images: Tensor, labels: Tensor, seed: int
) -> Generator[Progress[Underway], None, tuple[Finished, ...]]:
    """`attacks` on one image, one after the other; those that have been run before are there at once."""
    done: list[Finished] = []
    for i, attack in enumerate(attacks):
        known = attacking.results.get(attacking.key(attack, model, images, labels, seed))
        if known is None:
            running = attacking.work(attack, model, images, labels, seed)
            try:
                while True:
                    inner = next(running)
                    try:
                        yield Progress((i + inner.fraction) / len(attacks), Underway(tuple(done), inner.snapshot))
                    except Stop as stop:
                        running.throw(stop)
            except StopIteration as end:
                known = end.value
            if known is not None and known.result.stopped:
                return (*done, known)
        assert known is not None
        done.append(known)
        try:
            yield Progress((i + 1) / len(attacks), Underway(tuple(done), None))
        except Stop:
            break
    return tuple(done)


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
