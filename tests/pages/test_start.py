"""The start page: a finished example at once, every word of it true, and no PyTorch needed to draw it."""

import base64
import html
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from driver import FIGURE, ROOT, TIMEOUT, decode, levels, markup, open_start, panels

from core import data, models
from core.data import photos
from core.magnify import MagnifyParameters, display_scale, local_statistics, to_display
from core.metrics import l2, linf, roughness

TOUR = ROOT / "assets" / "examples" / "start"
NAMES = ("original", "cw", "scw")
TITLES = ("Original", "Carlini & Wagner", "Smooth C&W")
FACTS = json.loads((TOUR / "tour.json").read_text(encoding="utf-8"))


def picture(name: str) -> torch.Tensor:
    return data.read_image(TOUR / f"{name}.png")


def test_six_pictures_and_their_labels():
    app = open_start()
    assert not app.exception
    shown = list(FIGURE.finditer(markup(app)))
    assert [html.unescape(match["title"]) for match in shown] == [*TITLES, *["… magnified"] * 3]
    for match, name in zip(shown[:3], NAMES, strict=True):
        np.testing.assert_array_equal(decode(base64.b64decode(match["png"])), levels(picture(name)[0]))
        fact = FACTS["pictures"][name]
        assert match["note"] == f"“{fact['label']}”, {100 * fact['probability']:.0f} %"
    for match, name in zip(shown[3:], NAMES, strict=True):
        np.testing.assert_array_equal(decode(base64.b64decode(match["png"])), levels(picture(f"{name}-magnified")[0]))
    (caption,) = [caption.value for caption in app.caption]
    for name in ("cw", "scw"):
        assert f"{FACTS['pictures'][name]['l2']:.2f}" in caption
    assert f"margin {FACTS['margin']:g}" in caption
    assert f"α = {FACTS['pictures']['scw']['parameters']['alpha']:g}" in caption


def test_the_facts_are_those_of_the_pictures():
    model = models.load(FACTS["model"])
    clean = picture("original")
    shelf = data.load("photos")
    row = shelf.names.index(FACTS["photo"])
    assert torch.equal(clean, shelf.images[row : row + 1])
    assert (FACTS["title"], FACTS["credit"]) == (
        photos.PHOTOS[FACTS["photo"]].title,
        photos.PHOTOS[FACTS["photo"]].credit,
    )
    assert set(FACTS["pictures"]) == set(NAMES)
    labels = set()
    for name in NAMES:
        fact, shown = FACTS["pictures"][name], picture(name)
        probabilities = model(shown)[0].softmax(0)
        best = int(probabilities.argmax())
        assert fact["label"] == shelf.classes[best]
        labels.add(best)
        assert fact["probability"] == pytest.approx(float(probabilities[best]), abs=1e-3)
        r = shown - clean
        assert fact["l2"] == pytest.approx(float(l2(r)[0]), abs=1e-5)
        assert fact["linf"] == pytest.approx(float(linf(r)[0]), abs=1e-6)
        assert fact["roughness"] == pytest.approx(float(roughness(r, 1.0)[0]), rel=1e-4, abs=1e-9)
    assert len(labels) == 3  # "three different answers"
    assert FACTS["pictures"]["scw"]["roughness"] < FACTS["pictures"]["cw"]["roughness"]


def test_the_magnified_pictures_share_the_scale_that_is_told():
    settings = MagnifyParameters(**FACTS["magnify"])
    magnified = [
        local_statistics(picture(name), settings.sigma_domain, settings.sigma_range, settings.radius).magnify(
            settings.beta
        )
        for name in NAMES
    ]
    scale = display_scale(magnified)
    assert scale.limit == pytest.approx(FACTS["limit"], rel=1e-4)
    assert scale.clipped == pytest.approx(FACTS["clipped"], abs=1e-4)
    for name, expected in zip(NAMES, to_display(magnified, scale), strict=True):
        # Exactly, but for a value that another processor rounds to the other side of a half.
        difference = np.abs(levels(picture(f"{name}-magnified")[0]).astype(int) - levels(expected[0]))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


def test_the_button_leads_to_the_lab_which_magnifies_alike():
    app = open_start()
    (button,) = [button for button in app.button if button.label == "Try it in the Attack lab"]
    button.click().run(timeout=TIMEOUT)
    assert not app.exception
    for name in ("beta", "sigma_domain", "sigma_range"):
        assert app.session_state[f"lab.MagnifyParameters.{name}"] == FACTS["magnify"][name]
    assert FACTS["magnify"]["radius"] is None  # the lab leaves it out
    assert "Magnified original" in panels(app)


WITHOUT_TORCH = """
import sys, threading
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"the start page needs {name}")
sys.meta_path.insert(0, Refuse())
threading.excepthook = lambda failed: None  # the warm-up for the lab needs it, and nobody waits for that
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
print(sum(element.proto.body.count("<img ") for element in app.get("html")))
"""


def test_it_is_drawn_without_pytorch():
    drawn = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert drawn.stdout == "6\n", drawn.stderr


WARMED = """
import sys, threading
from streamlit.testing.v1 import AppTest
AppTest.from_file("app.py", default_timeout=60).run()
for thread in threading.enumerate():
    if thread.name == "warm-up":
        thread.join()
print("torch" in sys.modules, sorted(name for name in sys.modules if name.startswith("core.")))
"""


def test_the_warm_up_leaves_core_alone():
    """A visitor who clicks at once imports core in another thread, and two threads must not import it at once."""
    done = subprocess.run(
        [sys.executable, "-c", WARMED], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert done.stdout == "True ['core.layout']\n"
