"""The start page: a finished example at once, every word of it true, and no PyTorch needed to draw it."""

import base64
import html
import subprocess
import sys

import numpy as np
import pytest
import torch
from driver import FIGURE, ROOT, TIMEOUT, decode, levels, markup, opened, panels, unescaped
from streamlit.testing.v1 import AppTest

from core import data, examples, models
from core.data import photos
from core.evaluate.visibility import COSTS, compared
from core.magnify import MagnifyParameters, display_scale, local_statistics, to_display
from core.metrics import ciede2000, l2, mad, roughness
from core.papers.smooth_adversarial_examples import CLAIMS
from pages.parts.shell import page

EXAMPLE = ROOT / "assets" / "examples" / "start"
NAMES = ("original", "cw", "scw")
TITLES = ("Original", "Carlini & Wagner", "Smooth C&W")
RECORD = examples.start()
HELD = ("success", "length")


def picture(held: str, name: str) -> torch.Tensor:
    return data.read_image(EXAMPLE / ("original.png" if name == "original" else f"{held}-{name}.png"))


def magnified(held: str, name: str) -> torch.Tensor:
    return data.read_image(EXAMPLE / f"{held}-{name}-magnified.png")


def check(app: AppTest, held: str) -> None:
    """The six pictures of a comparison, with their labels and distances."""
    assert not app.exception
    shown = list(FIGURE.finditer(markup(app)))
    assert [html.unescape(match["title"]) for match in shown] == [*TITLES, *["… magnified"] * 3]
    facts = RECORD.compared[held].pictures
    for match, name in zip(shown[:3], NAMES, strict=True):
        np.testing.assert_array_equal(decode(base64.b64decode(match["png"])), levels(picture(held, name)[0]))
        assert match["note"] == f"“{facts[name].label}”, {100 * facts[name].probability:.0f} %"
    for match, name in zip(shown[3:], NAMES, strict=True):
        np.testing.assert_array_equal(decode(base64.b64decode(match["png"])), levels(magnified(held, name)[0]))
        if name != "original":
            fact = facts[name]
            assert match["note"] == f"L2 {fact.l2:.2f}, MAD {fact.mad:.1f}, colour {fact.ciede2000:.1f}"


def words(app: AppTest) -> str:
    """What the start page says beside its pictures."""
    (found,) = [unescaped(element.value) for element in app.markdown if element.value.startswith("#### ")]
    return found


def test_two_comparisons_and_what_each_holds_equal():
    app = opened("")
    check(app, "success")
    needed = {name: RECORD.compared["success"].pictures[name].l2 for name in NAMES}
    assert f"**{needed['scw'] / needed['cw']:.1f} times longer**" in words(app)
    app.button_group(key="start.held").set_value("length").run(timeout=TIMEOUT)
    check(app, "length")
    assert app.query_params["held"] == "length"
    times = " and ".join(f"{RECORD.compared['length'].pictures[n].l2 / needed[n]:.0f}" for n in ("cw", "scw"))
    assert "three times the same picture" not in words(app)  # for they can be told apart there
    assert f"L2 = {RECORD.norm:g}: {times} times what they need" in words(app)


def test_the_verdicts_are_those_of_the_shipped_records():
    records = compared(COSTS.read(), "photos")
    told = unescaped(opened("").caption[0].value)
    for claim, stored in zip(CLAIMS, RECORD.verdicts, strict=True):
        verdict = claim.decide(*records)
        assert (stored.outcome, stored.p) == (verdict.outcome, verdict.p)
        assert stored.value == verdict.findings[0].estimate.value
        words = {"holds": "holds here", "fails": "does not hold here", "undecided": "undecided here"}[verdict.outcome]
        assert f"{claim.statement[1:]} ({claim.paper}, {claim.reference}): **{words}**" in told


@pytest.mark.parametrize("held", HELD)
def test_the_facts_are_those_of_the_pictures(held):
    model = models.load(RECORD.model)
    clean = picture(held, "original")
    shelf = data.load("photos")
    row = shelf.names.index(RECORD.photo)
    assert torch.equal(clean, shelf.images[row : row + 1])
    assert (RECORD.photo_title, RECORD.photo_credit) == (
        photos.PHOTOS[RECORD.photo].title,
        photos.PHOTOS[RECORD.photo].credit,
    )
    facts = RECORD.compared[held].pictures
    assert set(facts) == set(NAMES)
    for name in NAMES:
        fact, shown = facts[name], picture(held, name)
        probabilities = model(shown)[0].softmax(0)
        best = int(probabilities.argmax())
        assert fact.label == shelf.classes[best]
        assert (fact.label != facts["original"].label) == (name != "original")
        assert fact.probability == pytest.approx(float(probabilities[best]), abs=1e-3)
        assert fact.l2 == pytest.approx(float(l2(shown - clean)[0]), abs=1e-5)
        assert fact.mad == pytest.approx(float(mad(clean, shown)[0]), abs=1e-3)
        assert fact.ciede2000 == pytest.approx(float(ciede2000(clean, shown).amax()), abs=1e-3)
        assert fact.roughness == pytest.approx(float(roughness(shown - clean, 1.0)[0]), rel=1e-4, abs=1e-9)
    if held == "length":
        assert facts["cw"].l2 == pytest.approx(RECORD.norm, rel=2e-3)
        assert facts["scw"].l2 == pytest.approx(RECORD.norm, rel=2e-3)
        assert facts["scw"].roughness < facts["cw"].roughness  # clouds, noise


@pytest.mark.parametrize("held", HELD)
def test_the_magnified_pictures_share_the_scale_that_is_told(held):
    settings, row = MagnifyParameters(**RECORD.magnify.parameters), RECORD.compared[held]
    found = [
        local_statistics(picture(held, name), settings.sigma_domain, settings.sigma_range, settings.radius).magnify(
            settings.beta
        )
        for name in NAMES
    ]
    scale = display_scale(found)
    assert scale.limit == pytest.approx(row.limit, rel=1e-4)
    assert scale.clipped == pytest.approx(row.clipped, abs=1e-4)
    for name, expected in zip(NAMES, to_display(found, scale), strict=True):
        # Exactly, but for a value that another processor rounds to the other side of a half.
        difference = np.abs(levels(magnified(held, name)[0]).astype(int) - levels(expected[0]))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


def test_the_button_leads_to_the_lab_which_magnifies_alike():
    app = opened("")
    (button,) = [button for button in app.button if button.label == "Try it in the Attack lab"]
    button.click().run(timeout=TIMEOUT)
    assert not app.exception
    for name in ("beta", "sigma_domain", "sigma_range"):
        assert app.session_state[f"lab.MagnifyParameters.{name}"] == RECORD.magnify.parameters[name]
    assert RECORD.magnify.parameters["radius"] is None  # the lab leaves it out
    assert "Magnified original" in panels(app)


def test_every_page_is_introduced_by_what_is_seen_there():
    every = [link.proto for link in opened("").get("page_link")]
    links = [(link.page, link.label) for link in every if not link.query_string]  # those with one lead into lessons
    introduced = links[1 + len(page.ICONS) :]  # those above are the navigation's
    assert introduced == [(name, page.SEEN[name]) for name in page.ICONS]
    for name, sentence in page.SEEN.items():
        assert len(sentence) < 60
        assert name.replace("_", " ").lower() not in sentence.lower()


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
print("torch" in sys.modules, "core.attacks" in sys.modules)
"""


def test_the_navigation_has_its_height_before_anything_else_is_drawn(monkeypatch):
    monkeypatch.setattr(page, "finish", lambda: None)
    app = opened("")
    assert next(button.label for button in app.button) == "Present"


def test_the_warm_up_brings_what_the_other_pages_need():
    done = subprocess.run(
        [sys.executable, "-c", WARMED], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert done.stdout == "True True\n"


def test_what_is_here_is_said_and_where_it_lies_is_not(home):
    app = opened("")
    next(button for button in app.button if button.label.startswith("What is here")).click().run(timeout=TIMEOUT)
    assert not app.exception
    (told,) = [element.value for element in app.markdown if element.value.startswith("| | here |")]
    assert "| **MNIST** | a thousand test images | The whole set: `python -m core data get mnist` |" in told
    shipped = len(list((ROOT / "checkpoints").glob("*/card.json")))
    counted = next(line for line in told.splitlines() if line.startswith("| **Networks**"))
    assert sum(int(word) for word in counted.split("|")[2].split() if word.isdigit()) == shipped
    assert str(home) not in told
