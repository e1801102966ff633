"""The tabs of evidence: what they say is what core computes, and what is shipped; driven without a browser."""

import html
import re
import statistics

import pytest
import torch
from driver import TIMEOUT, unescaped
from streamlit.testing.v1 import AppTest

from core import data, models
from core.data import photos
from core.models import logits_of
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc import uncertainty
from pages.parts.charts import evidence_plots
from pages.parts.views import evidence
from tests.problems import normal

SCE, MMC = "mnist-c4-ce", "mnist-c4-mmc"
SCRIPT = """
from pages.parts.shell import links
from pages.parts.views import evidence
links.begin("test")
{call}
links.end()
"""


def opened(call, **state):
    app = AppTest.from_string(SCRIPT.format(call=call), default_timeout=TIMEOUT)
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def uncertain(sce=SCE, mmc=MMC, **state):
    return opened(f"evidence.uncertainty('t', {sce!r}, {mmc!r})", **state)


def words(app):
    kinds = (app.markdown, app.caption, app.info, app.error)
    return unescaped("\n".join(element.value for kind in kinds for element in kind))


def bars(app):
    """(class, value) as the bars have them."""
    text = "\n".join(element.proto.body for element in app.get("html"))
    return re.findall(r'<span class="ss-name"[^>]*>(.*?)</span><span class="ss-value">(.*?)</span>', text)


@pytest.fixture(scope="module")
def networks():
    return [models.load(name, "cpu") for name in (SCE, MMC)]


def expected(networks, image):
    """The bars of both networks and the two shares of the verdict."""
    shelf = data.gallery.read("mnist").images
    sce, mmc = (logits_of(model, image)[0] for model in networks)
    p = torch.softmax(sce.double(), 0)
    told = [(str(i), f"{100 * float(p[i]):.1f} %") for i in p.argsort(descending=True)[:3].tolist()]
    told += [(str(i), f"−{-float(mmc[i]):.1f}") for i in mmc.argsort(descending=True)[:3].tolist()]
    shares = []
    for kind, model, logits in zip(("max-probability", "min-distance"), networks, (sce, mmc), strict=True):
        mine, others = (uncertainty.score(kind, model, z) for z in (logits[None], logits_of(model, shelf)))
        shares.append(100 * float((others < mine).double().mean()))
    return told, shares


def test_the_first_picture_is_the_lion_and_its_numbers_are_cores(networks):
    app = uncertain()
    row = list(photos.PHOTOS).index(evidence.LION)
    image = uncertainty.outside("photos", (1, 28, 28), 1000)[row : row + 1]
    told, (low, far) = expected(networks, image)
    assert bars(app) == told
    text = words(app)
    assert photos.PHOTOS[evidence.LION].title in text
    assert f"{low:.1f} % of the test images of MNIST make it less sure" in text
    assert f"{far:.1f} % of the test images are farther" in text
    assert len(app.get("plotly_chart")) == 3


def test_auroc_beside_a_histogram_is_cores(networks):
    app = uncertain(**{"t.outside.mnist": "fashion_mnist", "t.which.fashion_mnist": 7})
    image = uncertainty.sheet()[7:8]
    assert bars(app) == expected(networks, image)[0]
    text = words(app)
    for kind, model in zip(("max-probability", "min-distance"), networks, strict=True):
        sets = (data.gallery.read("mnist").images, uncertainty.sheet())
        scores = [uncertainty.score(kind, model, logits_of(model, images)) for images in sets]
        area, error = uncertainty.auroc(*scores)
        assert f"AUROC {area:.4f} ± {error:.4f}: 1,000 test images of the gallery against 300" in text


@pytest.mark.parametrize("source", ["cifar10", "noise", "mnist"])
def test_every_set_can_be_chosen(source):
    app = uncertain(**{"t.outside.mnist": source})
    assert len(bars(app)) == 6
    assert not app.error


def test_an_own_picture_is_read_or_refused_in_a_sentence(networks):
    app = uncertain(**{"t.outside.mnist": evidence.OWN})
    assert "Drop a picture here" in words(app)
    assert bars(app) == []
    picture = data.load("photos", n=1).images
    app.file_uploader[0].set_value(("own.png", data.to_png(picture), "image/png")).run()
    assert not app.exception
    seen = data.read_image(data.to_png(picture), (28, 28), 1, 1.0)
    assert bars(app) == expected(networks, seen)[0]
    app.file_uploader[0].set_value(("own.png", b"no picture", "image/png")).run()
    assert len(app.error) == 1
    assert bars(app) == []


def test_what_is_shipped_decides_whether_the_claim_holds():
    shipped = mmc_tables.read("mmc-uncertainty")["points"]
    better = 0
    for outside in ("fashion_mnist", "cifar10", "noise"):
        a, b = shipped[f"{SCE}|max-probability|{outside}"], shipped[f"{MMC}|min-distance|{outside}"]
        better += b["auroc"] - a["auroc"] > 2 * (a["spread"] ** 2 + b["spread"] ** 2) ** 0.5
    text = words(uncertain())
    assert f"MMC's distance is the better score for {better} of 3 sets" in text
    assert "python -m core evaluate mmc-uncertainty --n 10000" in text


def test_a_network_that_no_result_knows_is_named():
    text = words(uncertain("mnist-lenet-ce", MMC))
    assert "No result is shipped for mnist-lenet-ce; add it with: python -m core evaluate mmc-uncertainty" in text


def test_the_claim_is_judged_by_the_numbers():
    cards = [models.card(name) for name in (SCE, MMC)]

    def rows(*areas):
        return [
            {"model": card.name, "score": score, "outside": "noise", "auroc": area, "spread": 0.01}
            for card, score, area in zip(cards, ("max-probability", "min-distance"), areas, strict=True)
        ]

    assert "claim holds here" in evidence._compared(rows(0.8, 0.9), *cards, "min-distance")
    assert "does not hold here" in evidence._compared(rows(0.9, 0.8), *cards, "min-distance")
    assert "better score for 0 of 1" in evidence._compared(rows(0.9, 0.91), *cards, "min-distance")


def test_dependency_is_cores(networks):
    app = opened(f"evidence.dependency({SCE!r}, {MMC!r})")
    images = data.gallery.read("mnist")
    for metric, model in zip(app.metric, networks, strict=False):
        found = uncertainty.dependency(logits_of(model, images.images), images.labels)
        share, error = found.comparable()
        assert metric.value == f"{100 * share:.1f} ± {100 * error:.1f} %"
    assert app.metric[2].value == "9.16 %"
    shipped = mmc_tables.read("mmc-dependency")["points"][SCE]
    assert f"{SCE}: {100 * shipped['comparable']:.2f} ± {100 * shipped['spread']:.2f} % of 10,000" in words(app)


def test_tables_are_the_shipped_ones():
    app = opened("evidence.tables()")
    text = words(app)
    assert len(app.get("plotly_chart")) == 2
    points = mmc_tables.read("mmc-norms")["points"].values()
    means = {norm: statistics.fmean(p["accuracy"] for p in points if p["norm"] == norm) for norm in mmc_tables.NORMS}
    best = max(means, key=means.get)
    assert f"= **{best:g}** ({100 * means[best]:.1f} ±" in text
    points = mmc_tables.read("mmc-optimisers")["points"].values()
    mine = [p for p in points if p["optimiser"] == "adam"]
    mean, deviation = mmc_tables.spread([100 * p["accuracy"] for p in mine])
    assert (
        f"| Adam | {mean:.1f} ± {deviation:.1f} % | {statistics.median(p['time'] for p in mine):.2f} | 99.5 %" in text
    )
    for name in ("mmc-norms", "mmc-optimisers", "mmc-times"):
        assert mmc_tables.read(name)["command"] in text
    assert text.count("CPU-sized run") == 3


def test_a_result_that_is_not_there_is_said(monkeypatch, tmp_path):
    read = mmc_tables.read
    monkeypatch.setattr(mmc_tables, "read", lambda name: read(name, tmp_path))
    text = words(opened("evidence.tables()"))
    assert text.count("This result is not there; make it with: python -m core evaluate mmc-") == 3
    (tmp_path / "mmc-attacks.json").write_text("{")
    app = opened(f"evidence.adversarial({SCE!r}, {MMC!r})")
    assert "mmc-attacks.json in assets/results is damaged" in words(app)


def test_attacks_are_the_shipped_ones():
    app = opened(f"evidence.adversarial({SCE!r}, {MMC!r})")
    assert len(app.get("plotly_chart")) == 2
    text, points = words(app), mmc_tables.read("mmc-attacks")["points"]
    table = app.get("html")[-1].proto.body
    for point in points.values():
        if point["dataset"] == "mnist":
            cell = f"{100 * point['accuracy']:.0f} ± {100 * point['spread']:.0f} %"
            row = next(row for row in table.split("<tr>") if f">{html.escape(point['title'])}</td>" in row)
            assert f'title="{point["n"]} images"' in row
            assert cell in row
    strong = [key for key in points if re.match(r"mnist-c4-mmc-fgsm\|(pgd|mim)\|0\.3", key)]
    hardened = min(points[key]["accuracy"] for key in strong)
    assert re.search(rf"MMC: .*; \d+ % and {100 * hardened:.0f} % trained against FGSM", text)
    assert "like for like" not in text
    for point in (points[f"{SCE}|pgd|0.1|plain"], points[f"{MMC}|pgd|0.1|adaptive"]):  # the same for cross-entropy
        assert f"Accuracy {100 * point['accuracy']:.1f} ± {100 * point['spread']:.1f} % of {point['n']}." in text
        crossed = sum(own > other for _, _, own, other in point["moves"])
        assert f"{crossed} end nearer to another centre" in text
    gap = points[f"{MMC}|pgd|0.1|plain"]["accuracy"] - points[f"{MMC}|pgd|0.1|adaptive"]["accuracy"]
    assert f"on this MMC network it is {100 * gap:.0f} and" in text
    titles = {key: trial.title for key, trial in mmc_attacks.trials("mnist").items()}
    assert app.selectbox[0].options == list(titles.values())
    app.selectbox[0].set_value("noise").run()
    noise = points[f"{MMC}|noise"]
    assert f"Accuracy {100 * noise['accuracy']:.1f} ± {100 * noise['spread']:.1f} % of {noise['n']}." in words(app)


def test_adversarial_training_on_cifar():
    """The strongest gradient attack in each ball, from the shipped numbers of all three networks."""
    points = mmc_tables.read("mmc-attacks")["points"]

    def left(name: str, ball: str) -> str:
        return f"{100 * min(points[f'{name}|{one}']['accuracy'] for one in (f'pgd|{ball}|plain', f'mim|{ball}')):.0f} %"

    ce = "cifar10-preactresnet18-ce"
    text = words(opened(f"evidence.adversarial({ce!r}, 'cifar10-preactresnet18-mmc')"))
    assert (
        "strongest gradient attack of ε = 8/256 and 16/256. "
        f"SCE: {left(ce, '0.03125')} and {left(ce, '0.0625')} plainly trained; "
        f"{left(f'{ce}-adv', '0.03125')} and {left(f'{ce}-adv', '0.0625')} trained against fast FGSM."
    ) in text


def test_unlike_trainings_are_told(monkeypatch: pytest.MonkeyPatch):
    def card(name: str) -> models.Card:
        short = {"n": 12_000, "epochs": 6} if name == "mnist-c4-mmc-fgsm" else {}
        return own(name).model_copy(update={"recipe": own(name).recipe | short})

    own = models.card
    monkeypatch.setattr(models, "card", card)
    text = words(opened(f"evidence.adversarial({SCE!r}, {MMC!r})"))
    assert "mnist-c4-ce-fgsm saw 60,000 images, 12 epochs; mnist-c4-mmc-fgsm saw 12,000 images, 6 epochs." in text


def test_moves_draw_every_image_once_before_and_after():
    rows = torch.tensor([[0.1, 1.0, 0.8, 0.4], [0.2, 0.9, 0.3, 0.8], [0.1, 1.0, 0.9, 0.2]])
    figure = evidence_plots.moved(rows, [False, True, False], "t", 1.0, "k")
    traces = {trace.name: trace for trace in figure.data}
    assert torch.tensor(traces["before"].x).tolist() == rows[:, 0].tolist()
    assert list(traces["after, fooled"].y) == rows[[0, 2], 3].tolist()
    assert list(traces["after, still right"].x) == rows[[1], 2].tolist()


def test_histograms_hold_every_image():
    inside, outside = normal(100).double(), normal(50, seed=1).double() - 3
    ticks = evidence_plots.nines_ticks(12.0)
    figure = evidence_plots.histogram(inside, outside, -9.0, ("a", "b", "c"), ticks, "x", "k")
    assert [sum(trace.y) for trace in figure.data] == pytest.approx([100, 100])
    assert figure.layout.shapes[0].x0 == -9.0
    assert figure.data[0].x[0] - figure.data[0].width / 2 == pytest.approx(-9.0)
    assert evidence_plots.distance_ticks(-2.3, 1.2) == (
        [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0],
        ["−1000", "−100", "−10", "−1", "−0.1", "−0.01"],
    )
    assert ticks[1] == ["90 %", "99.9 %", *(f"1−10<sup>−{v}</sup>" for v in (6, 9, 12))]
