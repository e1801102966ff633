"""What a link to a page may say, as far as core knows it: each page's settings, by name, with their legal values.

A page reads its own link as it is drawn, and leaves out what it does not know. A lesson is checked before a class sees
it, and without a page being drawn; hence this second knowledge of what a page's widgets offer. What has parameters
(attacks, losses, recipes, projections, defences, magnification), networks, pictures and data sets is asked of core
itself. The rest is listed here, and a test opens the pages and finds every difference.

Checked is each name and each value, on the view of the page that the link opens. Not checked is what depends on two
settings at once (two parameters of an attack that do not go together), and what only a finished result offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

from core import data, glossary, layout, models
from core.attacks import ATTACKS
from core.attacks.smoothfool import LowPassParameters
from core.data import DATASETS
from core.data.corruptions import CORRUPTIONS, SEVERITIES
from core.defenses import DEFENSES, suited
from core.evaluate.visibility import LENGTH, SUCCESS
from core.features.projections import PROJECTIONS
from core.graph import GraphParameters
from core.lessons import Lesson
from core.lessons.reading import Problem
from core.losses import LOSSES, GraphSmoothness, MaxMahalanobis
from core.losses.playground import Playground
from core.magnify import MagnifyParameters
from core.models import Card
from core.papers import smooth_curves
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc.uncertainty import OUTSIDE
from core.params import Parameters, fields
from core.train import Recipe

Check = Callable[[str], object]
"""Takes a setting's text; ValueError, the end of a sentence, where it is not legal."""
Settings = dict[str, Check]

OWN = ("lesson", "stop", "present")
"""What the lesson itself sets, or its audience."""
GAINS = ("fit", "×1", "×5", "×20", "×100")
SIGMAS = (0.5, 1.0, 2.0, 5.0)
SHELVES = {
    "photos": "imagenet-efficientnet-lite0",
    "mnist": "mnist-c4-ce",
    "cifar10": "cifar10-preactresnet18-ce",
}
LARGEST_SEED = 2**31 - 1


VIEWS = ("held", "view", "tab", "compare", "judge", "rough", "across", "box")
"""Settings by which a page is another one, as it is seen: its views, and what is switched within one."""


def views() -> Iterator[tuple[str, str, str]]:
    """(page, setting, value) of every view that a page opens with by a link, its first one left out."""
    for page in names():
        for name, check in settings(page, {}).items():
            if name in VIEWS and isinstance(check, OneOf):
                yield from ((page, name, value) for value in check.legal[1:])


def names() -> list[str]:
    """The pages there are, by their names; "" is the start page."""
    files = sorted((layout.root() / "pages").glob("[0-9]*_*.py"))
    return ["", *(path.stem.partition("_")[2] for path in files)]


def problems(lesson: Lesson) -> list[Problem]:
    """What the pages would leave out of the links of a lesson's stops."""
    found = []
    for stop in lesson.stops:
        found += [Problem(stop.link_line, sentence) for sentence in wrong(stop.page, stop.parameters)]
    return found


def wrong(page: str, given: Mapping[str, str]) -> list[str]:
    """What of a link to `page` that sets `given` cannot be followed, each in a sentence."""
    if page not in _PAGES:
        told = ", ".join(name or "/" for name in _PAGES)
        return [f"there is no page {page}; there are {told}."]
    found = [f"{name} is not for a stop to set; leave it out." for name in OWN if name in given]
    checks = settings(page, given)
    for name, text in given.items():
        if name in OWN:
            continue
        if name not in checks:
            view = _view(page, given)
            found.append(f"{page or 'the start page'} has no setting {name}{f' in its view {view}' if view else ''}.")
            continue
        try:
            checks[name](text)
        except ValueError as error:
            found.append(f"{name}={text}: {error}")
    return found


def settings(page: str, given: Mapping[str, str]) -> Settings:
    """What can be set on a page as a link that sets `given` opens it."""
    return _PAGES[page](given)


def _view(page: str, given: Mapping[str, str]) -> str:
    return given.get({"MMC_centres": "tab", "Compare": "compare"}.get(page, "view"), "")


@dataclass(frozen=True)
class OneOf:
    """A setting that is one of a few, by their text."""

    legal: tuple[str, ...]

    def __call__(self, text: str) -> None:
        if text not in self.legal:
            told = ", ".join(self.legal[:12]) + (", …" if len(self.legal) > 12 else "")
            raise ValueError(f"it must be one of {told}.")


def one_of(choices: Iterable[object]) -> Check:
    """A setting that is one of `choices`."""
    return OneOf(tuple(str(each) for each in choices))


def some_of(choices: Iterable[object], between: str, least: int = 0) -> Check:
    """A setting that is several of `choices`, each once."""
    legal = {str(each) for each in choices}

    def check(text: str) -> None:
        found = [each for each in text.split(between) if each]
        if not set(found) <= legal or len(set(found)) < len(found) or len(found) < least:
            raise ValueError(f"it must be some of {', '.join(sorted(legal))}, each once, with {between!r} between.")

    return check


def whole(low: int, high: int) -> Check:
    """A setting that is a whole number."""

    def check(text: str) -> None:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
        if number is None or not low <= number <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}.")

    return check


FLAG = one_of((0, 1))


def declared(
    cls: type[Parameters], prefix: str = "", only: Iterable[str] = (), without: Iterable[str] = ()
) -> Settings:
    """The declared parameters of `cls`, by their names in a link after `prefix`; those of `only`, if it names some."""
    wanted = [info for info in fields(cls) if info.name in only or (not only and info.name not in without)]
    return {f"{prefix}{info.name}": info.read for info in wanted}


def _seed() -> Settings:
    return {"seed": whole(0, LARGEST_SEED)}


def _magnify(prefix: str = "view.") -> Settings:
    """How pictures are looked at."""
    shown = declared(MagnifyParameters, prefix, only=("beta", "sigma_domain", "sigma_range"))
    return shown | {"view.gain": one_of(GAINS), "view.sigma_h": one_of(SIGMAS)}


def _usable() -> dict[str, Card]:
    return models.survey()[0]


def _card(given: Mapping[str, str], first: str) -> Card | None:
    cards = _usable()
    return cards.get(given.get("model", first), cards.get(first))


@cache
def _pictures(dataset: str) -> frozenset[str]:
    """What links call the pictures that are always there for networks of a data set."""
    if dataset == "imagenet":
        return frozenset(data.load("photos").names)
    if dataset in DATASETS and DATASETS[dataset].gallery:
        return frozenset(map(str, data.gallery.read(dataset).indices.tolist()))
    return frozenset()


def _picture(card: Card | None) -> Settings:
    def check(text: str) -> None:
        if card is not None and text not in _pictures(card.dataset):
            if card.dataset == "imagenet":
                told = f"one of {', '.join(sorted(_pictures(card.dataset)))}."
            else:
                told = "the number of a test image that the gallery has."
            raise ValueError(f"it must be {told}")

    return {"image": check}


def _attack(given: Mapping[str, str], first: str, name: str = "attack", prefix: str = "") -> Settings:
    """An attack and its parameters."""
    cls = ATTACKS.get(given.get(name, first))
    return {name: one_of(ATTACKS)} | (declared(cls, prefix) if cls is not None else {})


def _start(given: Mapping[str, str]) -> Settings:
    return {"held": one_of((SUCCESS, LENGTH))}


def _lab(given: Mapping[str, str]) -> Settings:
    cls = ATTACKS.get(given.get("attack", "scw"))
    pins = some_of([info.name for info in fields(cls)] if cls else (), ".")
    found = _attack(given, "scw") | _picture(_card(given, "mnist-c4-ce")) | _seed() | _magnify()
    card = _card(given, "mnist-c4-ce")
    behind = suited(card.dataset) if card is not None else {}
    found |= {"through": one_of(["none", *behind])}
    if (defense := behind.get(given.get("through", "none"))) is not None:
        found |= {"box": one_of(("white", "gray"))} | declared(defense, "through.", without=("weights",))
    return found | {"model": one_of(_usable()), "live": FLAG, "many": FLAG, "pins": pins}


def _compare(given: Mapping[str, str]) -> Settings:
    card = _card(given, "imagenet-efficientnet-lite0")
    found = _picture(card) | _seed() | _magnify()
    found |= {"model": one_of(_usable()), "compare": one_of(("several", "along", "networks"))}
    found |= {"view.perturbations": FLAG}
    mode = given.get("compare", "several")
    if mode == "networks":
        found |= _attack(given, "scw") | {"columns": whole(1, 6)}
        kin = [
            c.name
            for c in _usable().values()
            if card and (c.dataset, c.input_shape) == (card.dataset, card.input_shape)
        ]
        opening = ("none", "none", "jpeg", "median", "bilateral", "bit_depth")
        for i in range(1, _columns(given, 4) + 1):
            found |= {f"{i}.network": one_of(["same", *kin]), f"{i}.defense": one_of(["none", *DEFENSES])}
            defense = DEFENSES.get(given.get(f"{i}.defense", opening[i - 1]))
            found |= declared(defense, f"{i}.") if defense is not None else {}
        return found
    found |= {"view.match": one_of(("success", "norm")), "view.norm": _norm}
    if mode == "along":
        return found | _along(given)
    found |= {"columns": whole(1, 6)}
    for i in range(1, _columns(given, 3) + 1):
        first = ("cw", "scw", "smoothfool", "sddn", "ddn", "deepfool")[i - 1]
        found |= _attack(given, first, f"{i}.attack", f"{i}.")
    return found


def _columns(given: Mapping[str, str], first: int) -> int:
    text = given.get("columns", "")
    return min(max(int(text), 1), 6) if text.isascii() and text.isdigit() else first


def _norm(text: str) -> None:
    if text != "none" and not 0.001 <= float(text) <= 1000:
        raise ValueError("it must be a number from 0.001 to 1000, or none.")


def _along(given: Mapping[str, str]) -> Settings:
    """One attack along a parameter."""
    cls = ATTACKS.get(given.get("attack", "scw"))
    found = {"attack": one_of(ATTACKS)}
    if cls is None:
        return found
    numbers = {info.name: info for info in fields(cls) if info.kind in ("int", "float") and info.name != "target"}
    order = sorted(numbers, key=lambda n: (not numbers[n].first, numbers[n].advanced))
    info = numbers.get(given.get("parameter", order[0]), numbers[order[0]])

    def values(text: str) -> None:
        parts = [part for part in text.replace(",", " ").replace(";", " ").split() if part]
        if not 1 <= len(parts) <= 6:
            raise ValueError("it must be from 1 to 6 numbers, with commas between them.")
        for part in parts:
            info.read(part)

    return found | {"parameter": one_of(order), "values": values} | declared(cls, without=(info.name,))


def _smoothing(given: Mapping[str, str]) -> Settings:
    view = given.get("view", "pixel")
    found: Settings = {"view": one_of(SMOOTHING_VIEWS)}
    if view == "magnification":
        kinds = {"attack": one_of(("cw", "scw", "smoothfool")), "of": one_of(("adversarial", "clean"))}
        return found | kinds | _magnify()
    if view == "toy":
        return found | declared(LowPassParameters) | {"angle": one_of(range(-45, 136, 5))}
    if view == "steps":
        return found
    card = _usable().get(SHELVES.get(given.get("pictures", "photos"), ""))
    found |= {"pictures": one_of(SHELVES), "alpha": _alpha} | _picture(card)
    found |= declared(GraphParameters, only=("bandwidth",))
    if view == "pixel":
        found |= {"at": partial(_pixel, (224, 224) if card is None else card.input_shape[1:])}
    elif view == "pictures":
        found |= {"pattern": one_of(("noise", "gradient", "checkerboard")), "normalised": FLAG}
    return found


SMOOTHING_VIEWS = ("pixel", "pictures", "magnification", "solver", "toy", "steps")


def _alpha(text: str) -> None:
    """One of the stops of the page's slider: even in -log(1 - alpha), what lacks to 1 in two digits."""
    if text not in {str(stop) for stop in stops_near_one(0.0, 0.9995, (0.95, 0.997))}:
        raise ValueError("it must be a stop of the slider, as 0.0, 0.9, 0.95, 0.99, 0.997 or 0.9995.")


def stops_near_one(low: float, high: float, include: Iterable[float]) -> list[float]:
    """About 61 values from low to high, both in [0, 1), even in -log(1 - value): what lacks to 1 in two digits."""
    exponents = [(1 - i / 60) * _log10(1 - high) + i / 60 * _log10(1 - low) for i in range(61)]
    lacking = sorted({float(f"{10**e:.2g}") for e in exponents} | {1 - high, 1 - low})
    between = {round(1 - lack, 12) for lack in lacking[1:-1]}
    return sorted({float(low), float(high)} | between | {float(v) for v in include})


def _log10(value: float) -> float:
    from math import log10

    return log10(value)


def _pixel(size: tuple[int, int], text: str) -> None:
    x, _, y = text.partition(",")
    numbers = [int(part) if part.isascii() and part.isdigit() and len(part) < 5 else -1 for part in (x, y)]
    if not (0 <= numbers[0] < size[1] and 0 <= numbers[1] < size[0]):
        raise ValueError(f"it must be column,row of a pixel, from 0,0 to {size[1] - 1},{size[0] - 1}.")


def _embeddings(given: Mapping[str, str]) -> Settings:
    cards = [c for c in _usable().values() if c.dataset in DATASETS and DATASETS[c.dataset].gallery]
    sets = sorted({card.dataset for card in cards})
    there = [card.name for card in cards if card.dataset == given.get("dataset", "mnist")]
    cls = PROJECTIONS.get(given.get("projection", "linear"))
    found: Settings = {"dataset": one_of(sets), "projection": one_of(PROJECTIONS), "attack": one_of(ATTACKS)}
    found |= {"1": one_of(there), "2": one_of(["none", *there]), "3": one_of(["none", *there])}
    found |= {"images": one_of(("gallery", "all")), "one_scale": FLAG, "regions": FLAG}
    return found | (declared(cls) if cls is not None else {})


def _graph_loss(given: Mapping[str, str]) -> Settings:
    found: Settings = {"view": one_of(("sees", "playground", "figures"))}
    view = given.get("view", "sees")
    if view == "figures":
        return found
    if view == "playground":
        sets = [name for name, dataset in DATASETS.items() if dataset.gallery]
        found |= {"dataset": one_of(sets), "losses": some_of(LOSSES, ",", 1)} | declared(Playground)
        for name in (given.get("losses") or "graph-smoothness,cross-entropy,max-mahalanobis").split(","):
            if name in LOSSES:
                apart = (
                    ("dim", "norm", "reduction", "references", "head_alpha") if name == "graph-smoothness" else ("dim",)
                )
                found |= declared(LOSSES[name], f"{name}.", without=apart)
        return found
    found |= {"model": one_of(_usable()), "batch": whole(0, 999), "balanced": FLAG, "image": whole(0, 10**6)}
    found |= {"temperature": _between(0.1, 10), "positions": one_of(("features", "circle")), "epoch": whole(0, 10**6)}
    return found | declared(GraphSmoothness, only=("alpha", "k"))


def _between(low: float, high: float) -> Check:
    def check(text: str) -> None:
        if not low <= float(text) <= high:
            raise ValueError(f"it must be a number from {low:g} to {high:g}.")

    return check


TABS = ("Centres", "Features", "Loss and density", "Uncertainty", "Runner-up", "Attacks", "Tables")


def _mmc(given: Mapping[str, str]) -> Settings:
    found: Settings = {"tab": one_of(TABS)}
    tab = given.get("tab", TABS[0])
    if tab == "Tables":
        return found
    if tab == "Centres":
        return found | _centres(given)
    cards = {
        name: card for name, card in _usable().items() if card.dataset in DATASETS and DATASETS[card.dataset].gallery
    }
    fixed = [name for name, card in cards.items() if card.head == "centers"]
    mine = cards.get(given.get("mmc", "mnist-c4-mmc"))
    linear = [
        n for n, c in cards.items() if mine is not None and c.dataset == mine.dataset and c.head.startswith("linear")
    ]
    found |= {"mmc": one_of(fixed), "ce": one_of(linear)}
    match tab:
        case "Features":
            found["drawn"] = some_of(range(mine.classes if mine is not None else 10), ".", 2)
        case "Loss and density":
            found |= {"label": one_of("123"), "level": one_of((0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0))}
            found["ratio"] = one_of((0.25, 0.5, 1.0, 1.5, 2.0, 4.0))
        case "Uncertainty":
            own = mine.dataset if mine is not None else "mnist"
            found |= {"outside": one_of(dict.fromkeys(("noise", *OUTSIDE, "photos", own))), "which": whole(0, 19)}
        case "Attacks":
            trials = (
                mmc_attacks.trials(mine.dataset) if mine is not None and mine.dataset in mmc_attacks.EPSILONS else ()
            )
            found["attack"] = one_of(trial.key for trial in trials)
    return found


def _centres(given: Mapping[str, str]) -> Settings:
    """Of the tab Centres."""
    kind = given.get("centers", "optimal")
    found = declared(MaxMahalanobis, only=("centers", "norm", *(("sub_norm",) if kind == "hierarchical" else ())))
    building = given.get("build") == "1"
    found |= {"dim": whole(1, 512)} | (
        {"step": whole(1, 100)} if building else {"pairs": one_of(("angles", "distances"))}
    )
    if kind == "hierarchical":
        return found | {"superclasses": whole(2, 20), "subclasses": whole(2, 5)}
    found |= {"classes": whole(2, 100)}
    return found | ({"seed": whole(0, 99)} if kind == "random" else {"build": FLAG})


CURVES_VIEWS = (
    *("success", "cost", "table", "through"),
    *("width", "fooling", "defences", "across"),
    *("networks", "corrupted", "rough"),
)


def _curves(given: Mapping[str, str]) -> Settings:
    def point(text: str) -> None:
        key, *numbers = text.split(".")[:3]
        legal = key in smooth_curves.KEYS and len(numbers) == 2 and text.split(".")[3:] in ([], ["own"])
        if not legal or not all(n.isascii() and n.isdigit() and len(n) < 9 for n in numbers):
            raise ValueError("it must be ENTRY.BUDGET.RANK, as a click on a point writes it.")

    def corruption(text: str) -> None:
        key, _, name = text.partition(".")
        if key not in CORRUPTIONS or name not in models.MODELS:
            raise ValueError("it must be CORRUPTION.NETWORK, as a click on a point writes it.")

    def behind(text: str) -> None:
        if len(text.split(":")) != 3 or not all(text.split(":")):
            raise ValueError("it must be VIEW:ONE:OTHER, as a click on a point writes it.")

    return {
        "model": one_of(_usable()),
        "view": one_of(CURVES_VIEWS),
        "below": one_of(("l2", "roughness", "mad")),
        "against": one_of(("l2", "mad", "roughness", "linf", "ssim", "ciede2000")),
        "beside": one_of(("roughness", "mad")),
        "budget": one_of(smooth_curves.BUDGETS),
        "curves": some_of(smooth_curves.TITLES, ","),
        "judge": one_of(smooth_curves.JUDGES),
        "point": point,
        "severity": one_of((0, *SEVERITIES)),
        "corruption": corruption,
        "rough": one_of(("needed", "shown", "found", "goes")),
        "behind": behind,
        "box": one_of(("gray", "white")),
        "across": one_of(("single", "universal")),
    }


def _training(given: Mapping[str, str]) -> Settings:
    dataset = given.get("dataset", "mnist")
    loss = LOSSES.get(given.get("loss", "graph-smoothness"))
    found: Settings = {"dataset": one_of(n for n, d in DATASETS.items() if "train" in d.splits), "loss": one_of(LOSSES)}
    found |= {"network": one_of(models.NETWORKS), "width": one_of((0.125, 0.25, 0.5, 0.75, 1.0))} | declared(Recipe)
    alike = [c.name for c in _usable().values() if c.dataset == dataset and loss is not None and c.loss == loss.name]
    return found | {"start": one_of(["fresh weights", *alike])} | (declared(loss) if loss is not None else {})


def _glossary(given: Mapping[str, str]) -> Settings:
    return {"term": one_of(glossary.terms())}


_PAGES: dict[str, Callable[[Mapping[str, str]], Settings]] = {
    "": _start,
    "Attack_lab": _lab,
    "Compare": _compare,
    "Smoothing": _smoothing,
    "Embeddings": _embeddings,
    "Graph_loss": _graph_loss,
    "MMC_centres": _mmc,
    "Curves": _curves,
    "Training": _training,
    "Glossary": _glossary,
}
