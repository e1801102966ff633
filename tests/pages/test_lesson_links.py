"""What core says that a link may set (`core.lessons.places`) is what the pages read, view by view."""

import ast
from importlib import import_module

import pytest
from driver import ROOT, opened

from core.lessons import places, reading
from pages.parts.inputs import forms
from pages.parts.shell import page
from pages.parts.views import display
from pages.parts.views.compare import comparison
from pages.parts.views.curves import across, corrupted, defences, rough
from pages.parts.views.curves import controls as curves
from pages.parts.views.lab import through
from pages.parts.views.mmc import uncertainty
from pages.parts.views.smoothing import apart, shared, toy, whole
from pages.parts.views.training import controls as training

ADDRESSES = [
    "",
    "Attack_lab",
    "Attack_lab?attack=smoothfool&model=cifar10-preactresnet18-ce",
    "Attack_lab?attack=noise",
    "Attack_lab?through=jpeg",
    "Compare",
    "Compare?columns=2&2.attack=fgsm&model=mnist-c4-ce",
    "Compare?compare=along&model=mnist-c4-ce&attack=smoothfool&parameter=sigma_g",
    "Compare?compare=networks&model=mnist-c4-ce",
    *(f"Smoothing?view={view}&pictures=mnist" for view in ("pixel", "pictures", "solver")),
    *(f"Smoothing?view={view}" for view in ("magnification", "toy", "steps")),
    "Embeddings",
    "Embeddings?projection=umap",
    "Graph_loss",
    "Graph_loss?view=playground",
    "Graph_loss?view=figures",
    *(f"MMC_centres?tab={tab.replace(' ', '+')}" for tab in places.TABS),
    "MMC_centres?centers=random",
    "MMC_centres?centers=hierarchical&dim=64",
    "Curves",
    "Training",
    "Training?loss=cross-entropy&network=c4",
    "Glossary",
]
UNSEEN = {
    "image": "after a click on a vertex",
    "which": "the tab knows it without an address",
    "outside": "of two sources",
    "start": "where there is a network of the kind",
    "width": "of one network",
    "view.match": "below a result",
    "view.norm": "below a result",
    "regions": "where a space is flat",
}
"""Settings that a page does not read in every state, so that a link may set what this one has not."""


@pytest.mark.slow
@pytest.mark.parametrize("address", ADDRESSES)
def test_names_are_those_that_the_page_reads(address: str):
    name, parameters = reading.place(address)
    assert places.wrong(name, parameters) == []
    app = opened(name, **parameters)
    read = set(app.session_state["link"].entries) - set(places.OWN)
    known = set(places.settings(name, parameters))
    assert read <= known, f"core does not know {sorted(read - known)}"
    assert known - read <= set(UNSEEN), f"the page does not read {sorted(known - read)}"


def views(script: str) -> list[str]:
    """The keys of VIEWS in a page's script, which cannot be imported; names of constants by their values."""
    body = ast.parse((ROOT / page.file(script)).read_text(encoding="utf-8")).body
    constants: dict[str, str] = {}
    for node in body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
        ):
            pairs = zip(node.targets[0].elts, node.value.elts, strict=True)
            constants |= {target.id: value.value for target, value in pairs}
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("VIEWS", "MODES"):
            return [constants.get(getattr(key, "id", ""), getattr(key, "value", "")) for key in node.value.keys]
    raise AssertionError(f"{script} has no views")


def legal(name: str, address: str, choices) -> None:
    """All of `choices`, and no other, are legal for a setting of a page in a state."""
    where, parameters = reading.place(address)
    check = places.settings(where, parameters)[name]
    for each in choices:
        check(str(each))
    with pytest.raises(ValueError, match="it must be"):
        check("another")


def test_values_are_those_that_the_pages_offer():
    assert list(places.SMOOTHING_VIEWS) == views("Smoothing")
    legal("view", "Graph_loss", views("Graph_loss"))
    legal("compare", "Compare", views("Compare"))
    assert tuple(display.GAINS) == places.GAINS
    assert display.SIGMAS == places.SIGMAS
    assert shared.SHELVES == places.SHELVES
    assert places.stops_near_one(0.0, 0.9995, (0.95, 0.997)) == shared.ALPHAS
    assert forms.stops_near_one(0.0, 0.9995, {0.95, 0.997}) == shared.ALPHAS
    legal("attack", "Smoothing?view=magnification", apart.KINDS)
    legal("of", "Smoothing?view=magnification", apart.SHOWN)
    legal("pattern", "Smoothing?view=pictures", whole.PATTERNS)
    legal("angle", "Smoothing?view=toy", toy.ANGLES)
    legal("view", "Curves", curves.VIEWS)
    legal("against", "Curves", curves.AGAINST)
    legal("below", "Curves", curves.MEANS[curves.WIDTH])
    legal("rough", "Curves", rough.ASPECTS)
    legal("behind", "Curves", ["rough:mnist-lenet-ce:0.5"])
    legal("box", "Curves", defences.BOXES)
    legal("across", "Curves", across.KINDS)
    legal("severity", "Curves", [corrupted.ALL, *corrupted.SEVERITIES])
    legal("corruption", "Curves", ["fog.mnist-lenet-ce"])
    legal("behind", "Curves", ["rough:mnist-lenet-ce:0.5"])
    legal("box", "Attack_lab?through=jpeg", through.BOXES)
    legal("width", "Training", training.WIDTHS)
    legal("outside", "MMC_centres?tab=Uncertainty", [uncertainty.FIRST, "fashion_mnist", "photos"])
    assert comparison.MOST == 6


def test_every_view_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    """Of each view of each page there is a picture, and axe-core sees it."""
    for folder in ("benchmarks", "tests/browser"):
        monkeypatch.syspath_prepend(ROOT / folder)
    pictured, reached = import_module("screenshots").VIEWS.values(), import_module("test_reach").PAGES
    for paths in (pictured, reached):
        opened = [reading.place(path.lstrip("/")) for path in paths]
        for name, parameters in opened:
            assert places.wrong(name, parameters) == []
        there = {(name, key, value) for name, parameters in opened for key, value in parameters.items()}
        views = set(places.views())
        assert len(views) > 30
        assert views - there == set()
    assert {f"/{name}" for name in places.names()} <= {path.partition("?")[0] for path in reached}
