"""The tabs of the MMC centres page: what they say is what core computes and decides; driven without a browser."""

import html
import re
import statistics as averages
from typing import get_args

import pytest
import torch
from driver import TIMEOUT, sent, unescaped
from streamlit.testing.v1 import AppTest

from core import data, models
from core.data import photos
from core.evaluate import records, statistics
from core.evaluate.claims import Claim, Finding, Unit, Verdict
from core.models import logits_of
from core.papers.graph_smoothness.errors import ERRORS
from core.papers.mmc import attacks as mmc_attacks
from core.papers.mmc import claims, dependency, uncertainty
from core.papers.mmc import tables as mmc_tables
from core.papers.mmc.attacks import ACCURACIES
from core.papers.mmc.dependency import DEPENDENCIES
from core.papers.mmc.tables import NORM_RECORDS, OPTIMISER_RECORDS, TIMES_RECORDS
from core.papers.mmc.uncertainty import CERTAINTIES
from pages.parts.charts import evidence_plots
from pages.parts.views import verdicts
from pages.parts.views.mmc import attacks as attacks_tab
from pages.parts.views.mmc import shared as mmc_shared
from pages.parts.views.mmc import tables as tables_tab
from pages.parts.views.mmc import uncertainty as uncertainty_tab
from tests.problems import normal

SCE, MMC = "mnist-c4-ce", "mnist-c4-mmc"
CIFAR = ("cifar10-preactresnet18-ce", "cifar10-preactresnet18-mmc")
SCRIPT = """
from core import models
from pages.parts.shell import links
from pages.parts.views.mmc import {tab}
links.begin("test")
{tab}.draw({arguments})
links.end()
"""


def opened(tab, *names, address=None, **state):
    """A tab with two networks, cross-entropy's first. address: what the page's link says."""
    arguments = ", ".join(f"models.card({name!r})" for name in names)
    app = AppTest.from_string(SCRIPT.format(tab=tab, arguments=arguments), default_timeout=TIMEOUT)
    for key, value in state.items():
        app.session_state[key] = value
    for name, text in (address or {}).items():
        app.query_params[name] = text
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def uncertain(sce=SCE, mmc=MMC, **state):
    return opened("uncertainty", sce, mmc, **state)


def words(app):
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return unescaped("\n".join(element.value for kind in kinds for element in kind))


def said(app, claim, *evidence):
    """The verdict that core decides, after having seen that the page says it with all of its numbers."""
    verdict = claim.decide(*evidence)
    assert verdicts.text(claim, verdict) in [element.value for element in app.markdown]
    return verdict


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


def test_it_opens_where_the_distance_tells_what_the_probability_does_not(networks):
    app = uncertain()
    assert app.session_state["mmc.outside.mnist"] == "noise"
    row = app.session_state["mmc.which.noise"]
    image = uncertainty.outside("noise", (1, 28, 28), 1000)[row : row + 1]
    told, _ = expected(networks, image)
    assert bars(app) == told
    shelf, kinds = data.gallery.read("mnist").images, ("max-probability", "min-distance")
    scores = [
        [uncertainty.score(kind, model, logits_of(model, x)) for x in (image, shelf)]
        for kind, model in zip(kinds, networks, strict=True)
    ]
    assert [float(mine) < float(others.double().quantile(0.01)) for mine, others in scores] == [False, True]
    assert "**lets it in** by probability and **turns it away** by distance. Here the distance tells what" in words(app)


def test_the_counter_examples_are_those_that_the_distance_lets_in(networks):
    app = uncertain()
    _, mmc = networks
    shelf = uncertainty.score("min-distance", mmc, logits_of(mmc, data.gallery.read("mnist").images))
    least = float(shelf.double().quantile(0.01))
    let_in = []
    for source in ("fashion_mnist", "cifar10", "photos", "noise"):
        images = uncertainty.outside(source, (1, 28, 28), 1000)[: uncertainty_tab.SHOWN]
        scores = uncertainty.score("min-distance", mmc, logits_of(mmc, images)).tolist()
        let_in += [(source, row) for row, score in enumerate(scores) if score >= least]
    assert let_in
    _, wall = sent(app, "picker")
    assert [item["label"] for item in wall["items"]] == [f"Fashion-MNIST, {row + 1}" for _, row in let_in]
    assert f"the distance lets these {len(let_in)} in" in words(app)
    source, row = let_in[0]
    app = uncertain(**{"mmc.outside.mnist": source, f"mmc.which.{source}": row})
    assert "A counter-example: " in words(app)


def test_a_link_of_before_that_names_a_picture_means_a_photograph():
    app = opened("uncertainty", SCE, MMC, address={"which": "3"})
    assert (app.session_state["mmc.outside.mnist"], app.session_state["mmc.which.photos"]) == ("photos", 3)
    assert {name: app.query_params[name] for name in ("outside", "which")} == {"outside": "photos", "which": "3"}
    app = opened("uncertainty", SCE, MMC, address={"outside": "noise", "which": "3"})
    assert (app.session_state["mmc.outside.mnist"], app.session_state["mmc.which.noise"]) == ("noise", 3)
    assert {name: app.query_params[name] for name in ("outside", "which")} == {"outside": "noise", "which": "3"}


def test_the_lion_is_the_first_photograph_and_its_numbers_are_cores(networks):
    app = uncertain(**{"mmc.outside.mnist": "photos"})
    row = list(photos.PHOTOS).index(uncertainty_tab.LION)
    image = uncertainty.outside("photos", (1, 28, 28), 1000)[row : row + 1]
    told, (low, far) = expected(networks, image)
    assert bars(app) == told
    text = words(app)
    assert photos.PHOTOS[uncertainty_tab.LION].title in text
    assert f"{low:.1f} % of the test images of MNIST make it less sure" in text
    assert f"{far:.1f} % of the test images are farther" in text
    assert len(app.get("plotly_chart")) == 3


def test_auroc_beside_a_histogram_is_cores(networks):
    app = uncertain(**{"mmc.outside.mnist": "fashion_mnist", "mmc.which.fashion_mnist": 7})
    image = uncertainty.sheet()[7:8]
    assert bars(app) == expected(networks, image)[0]
    text = words(app)
    for kind, model in zip(("max-probability", "min-distance"), networks, strict=True):
        sets = (data.gallery.read("mnist").images, uncertainty.sheet())
        scores = [uncertainty.score(kind, model, logits_of(model, images)) for images in sets]
        area, error = statistics.auroc(*scores)
        assert f"AUROC {area:.4f} ± {error:.4f}: 1,000 test images of the gallery against 300" in text


@pytest.mark.parametrize("source", ["cifar10", "noise", "mnist"])
def test_every_set_can_be_chosen(source):
    app = uncertain(**{"mmc.outside.mnist": source})
    assert len(bars(app)) == 6
    assert not app.error


def test_an_own_picture_is_read_or_refused_in_a_sentence(networks):
    app = uncertain(**{"mmc.outside.mnist": uncertainty_tab.OWN})
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


def test_the_stored_areas_decide_whether_the_claim_holds():
    found = CERTAINTIES.read()
    for names, outcome in (((SCE, MMC), "holds"), (CIFAR, "fails")):
        app = uncertain(*names)
        verdict = said(app, claims.DISTANCE_RELIABLE, found, *names)
        assert (verdict.outcome, len(verdict.findings)) == (outcome, 3)
        assert "python -m core evaluate mmc-uncertainty --n 10000" in words(app)


def test_a_network_that_no_result_knows_is_named():
    app = uncertain("mnist-lenet-ce-2d", MMC)
    told = "No result is stored for mnist-lenet-ce-2d; add it with: python -m core evaluate mmc-uncertainty --models"
    assert told in words(app)
    assert said(app, claims.DISTANCE_RELIABLE, CERTAINTIES.read(), "mnist-lenet-ce-2d", MMC).outcome == "undecided"


def test_dependency_is_cores(networks):
    app = opened("dependency", SCE, MMC)
    images = data.gallery.read("mnist")
    live = [dependency.measure(model, images, "", None) for model in networks]
    for metric, record in zip(app.metric, live, strict=False):
        assert metric.value == f"{100 * record.share.value:.1f} %"
        assert f"{100 * record.share.low:.1f} to {100 * record.share.high:.1f} %, of 1,000" in metric.help
    assert app.metric[2].value == "9.16 %"
    assert said(app, claims.RUNNER_UP, live[0]).outcome == "holds"
    assert said(app, claims.WORSE_AT_CENTERS, *live).outcome == "holds"
    stored = next(record for record in DEPENDENCIES.read() if record.network.name == SCE)
    assert f"{SCE}: {verdicts.share(stored.share, 2)} of 10,000" in words(app)


def test_tables_are_the_stored_ones():
    app = opened("tables")
    text = words(app)
    assert len(app.get("plotly_chart")) == 2
    best = max(mmc_tables.by_norm(NORM_RECORDS.read()), key=lambda group: group.mean)
    assert f"= **{best.value:g}** ({100 * best.mean:.1f} ±" in text
    found = OPTIMISER_RECORDS.read()
    adam = next(group for group in mmc_tables.by_optimiser(found) if group.value == "adam")
    cost = averages.median(record.time for record in found if record.optimiser == "adam")
    assert f"| Adam | {100 * adam.mean:.1f} ± {100 * adam.deviation:.1f} % | {cost:.2f} | 99.5 %" in text
    for claim, collection, outcome in (
        (claims.TEN_IS_BEST, NORM_RECORDS, "undecided"),
        (claims.HUNDRED_IS_CHANCE, NORM_RECORDS, "holds"),
        (claims.SGD_MOST_ACCURATE, OPTIMISER_RECORDS, "undecided"),
        (claims.SGD_QUICKEST, OPTIMISER_RECORDS, "undecided"),
        (claims.LITTLE_COST, TIMES_RECORDS, "holds"),
    ):
        assert said(app, claim, collection.read()).outcome == outcome
        assert collection.read()[0].command in text
        assert collection.read()[0].lacks in text
    (attacked,) = [record for record in TIMES_RECORDS.read() if record.over_standard]
    assert (
        f"multiplies cross-entropy's time by {averages.median(attacked.over_standard):.1f}; the report's by 6.8" in text
    )
    assert text.count("CPU-sized run") == 3


def test_centres_of_other_kinds_are_called_so():
    card = models.card("mnist-lenet-mmc")
    for kind, name in (("optimal", "MMC"), ("random", "MMC (rand)"), ("hierarchical", "HMMC")):
        assert mmc_shared.called(card.model_copy(update={"loss_arguments": {"centers": kind}})) == name
    assert mmc_shared.called(models.card("mnist-lenet-ce-ens")) == "SCE, trained against FGSM of an ensemble"


def test_errors_of_all_losses_are_the_stored_ones():
    app, found = opened("tables"), ERRORS.read()
    tables = [unescaped(element.proto.body) for element in app.get("html")]
    lenets = next(table for table in tables if "Centre loss" in table)
    named = re.findall(r"<tr><td>([^<]+)</td>", lenets)
    assert {"SCE", "MMC", "MMC (rand)", "MM-LDA", "L-GM", "g-SCE", "Graph", "SCE, trained against step l.l."} <= set(
        named
    )
    by_error = {
        r.network.name: r for r in found if r.classifier == "argmax" and r.network.name.startswith("mnist-lenet")
    }
    least = min((r for name, r in by_error.items() if not name.endswith("-2d")), key=lambda r: r.wrong)
    assert named[0] == mmc_shared.called(models.card(least.network.name))
    for name in ("mnist-lenet-ce", "mnist-lenet-g-sce"):
        e = by_error[name].error
        assert f"{100 * e.value:.2f} % ({100 * e.low:.2f} to {100 * e.high:.2f})" in lenets
    near = next(r for r in found if r.network.name == "mnist-lenet-g-sce" and r.classifier == "nearest-center")
    assert f"<td>nearest centre {100 * near.error.value:.2f}</td>" in lenets
    assert "<td>0.31 %</td>" in lenets  # the report's MMC
    assert said(app, claims.AS_ACCURATE, found, "mnist-lenet-ce", "mnist-lenet-mmc").outcome == "holds"
    assert found[0].command in words(app)


def test_a_result_that_is_not_there_is_said(monkeypatch, tmp_path):
    for name in ("NORM_RECORDS", "OPTIMISER_RECORDS", "TIMES_RECORDS"):
        collection = getattr(mmc_tables, name)
        monkeypatch.setattr(mmc_tables, name, collection.at(tmp_path / collection.path.name))
    text = words(opened("tables"))
    assert text.count("This result is not there; make it with: python -m core evaluate mmc-") == 3
    assert tables_tab.mmc_tables is mmc_tables


def copied(monkeypatch, tmp_path, *changed):
    """The tab's records of attacks, in a folder where they can be changed."""
    path = tmp_path / "mmc-attacks.json"
    records.write(path, changed or ACCURACIES.read())
    monkeypatch.setattr(attacks_tab, "ACCURACIES", ACCURACIES.at(path))
    return path


def test_a_number_that_was_changed_by_hand_is_not_shown(monkeypatch, tmp_path):
    path = copied(monkeypatch, tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"mean_l2": 1', '"mean_l2": 2', 1), encoding="utf-8")
    app = opened("attacks", SCE, MMC)
    assert len(app.error) == 1
    assert "a number of a record is wrong" in words(app)
    assert app.get("plotly_chart") == []
    path.write_text(text.replace('"command": "python', '"command": "pythom', 1), encoding="utf-8")
    assert "is not what was measured; make it again with" in words(opened("attacks", SCE, MMC))
    path.write_text("{", encoding="utf-8")
    assert "mmc-attacks.json is damaged" in words(opened("attacks", SCE, MMC))


def test_a_record_of_other_weights_is_refused_in_one_sentence(monkeypatch, tmp_path):
    found = ACCURACIES.read()
    other = records.Network(name=MMC, sha256="0" * 64)
    changed = [r.model_copy(update={"network": other}) if r.network.name == MMC else r for r in found]
    copied(monkeypatch, tmp_path, *changed)
    app = opened("attacks", SCE, MMC)
    assert [unescaped(warning.value) for warning in app.warning] == [
        f"The stored result for {MMC} is left out: it is of other weights; make it again with: {found[0].command}"
    ]
    assert said(app, claims.MORE_ROBUST, [r for r in found if r.network.name != MMC], SCE, MMC).outcome == "undecided"
    assert len(app.get("plotly_chart")) == 1  # cross-entropy's


def moved(record):
    """What the caption below the moves of a record says."""
    rows = record.moves[:40]
    crossed = int((rows[:, 2] > rows[:, 3]).sum())
    return f"{crossed} end nearer to another centre, {int((~record.rows['right'][:40]).sum())} are named wrongly."


def test_attacks_are_the_stored_ones():
    app = opened("attacks", SCE, MMC)
    assert len(app.get("plotly_chart")) == 2
    found = [record for record in ACCURACIES.read() if record.data.name == "mnist"]
    text, table = words(app), app.get("html")[-1].proto.body
    alike = [record for record in found if models.card(record.network.name).network == "c4"]
    assert len(alike) < len(found)
    for record in alike:
        share = record.accuracy
        cell = f"{100 * share.value:.0f} % <small>({100 * share.low:.0f} to {100 * share.high:.0f})</small>"
        title = html.escape(mmc_attacks.trial_of(record).title)
        row = next(row for row in table.split("<tr>") if f">{title}</td>" in row)
        assert f'title="{share.n} images"' in row
        assert cell in row
    for trial in mmc_attacks.trials("mnist"):  # no cell is empty: on both networks with cross-entropy the two are one
        row = next(row for row in table.split("<tr>") if f">{html.escape(trial.title)}</td>" in row)
        assert row.count("as plain") == (2 if trial.adaptive else 0)
        assert "<small></small>" not in row
    shown = {(record.network.name, mmc_attacks.trial_of(record).key): record for record in found}
    for record in (shown[SCE, "pgd|0.1|plain"], shown[MMC, "pgd|0.1|adaptive"]):  # the same for cross-entropy
        assert f"Accuracy {verdicts.share(record.accuracy)} of {record.data.n}." in text
        assert moved(record) in text
    assert said(app, claims.PLAIN_ABOVE_ADAPTIVE, found, MMC).outcome == "holds"
    assert said(app, claims.TARGETED, found, MMC).outcome == "undecided"
    assert said(app, claims.MORE_ROBUST, found, SCE, MMC).outcome == "holds"
    assert said(app, claims.RELIABLE, found, SCE, MMC).outcome == "fails"
    for name in (SCE, MMC):
        verdict = said(app, claims.HARDENED, found, name, f"{name}-fgsm")
        assert verdict.outcome in ("holds", "undecided")
    assert "like for like" not in text
    assert app.selectbox[0].options == [trial.title for trial in mmc_attacks.trials("mnist")]
    app.selectbox[0].set_value("noise").run()
    noise = shown[MMC, "noise"]
    assert f"Accuracy {verdicts.share(noise.accuracy)} of {noise.data.n}." in words(app)


def test_the_table_of_attacks_has_a_column_for_each_loss_of_the_chosen_architecture():
    app = opened("attacks", "mnist-lenet-ce", "mnist-lenet-mm-lda")
    table = app.get("html")[-1].proto.body
    wanted = ["SCE", "Centre loss", "g-SCE", "Graph", "L-GM", "MM-LDA", "MMC", "MMC (rand)"]
    wanted += [f"SCE, trained against {what}" for what in ("FGSM of an ensemble", "step l.l.", "PGD", "SmoothFool")]
    assert [html.unescape(each) for each in re.findall(r"<th[^>]*>([^<]+)</th>", table)][-len(wanted) :] == wanted
    for record in ACCURACIES.read():
        if record.network.name == "mnist-lenet-mm-lda":
            assert f"{100 * record.accuracy.value:.0f} % <small>" in table


def test_attacks_on_cifar():
    """0 of 200 and 4 of 200 are not told apart, and adversarial training is a gain in both balls."""
    app, found = opened("attacks", *CIFAR), ACCURACIES.read()
    verdict = said(app, claims.MORE_ROBUST, found, *CIFAR)
    assert verdict.outcome == "undecided"
    assert [round(200 * one.estimate.value) for one in verdict.findings] == [0, 4, 4]
    assert verdict.p == pytest.approx(0.125)
    assert said(app, claims.HARDENED, found, CIFAR[0], f"{CIFAR[0]}-adv").outcome == "holds"
    assert "SCE, trained against fast FGSM, under the strongest gradient attack of each ball" in words(app)


def test_unlike_trainings_are_told(monkeypatch: pytest.MonkeyPatch):
    def card(name: str) -> models.Card:
        short = {"n": 12_000, "epochs": 6} if name == "mnist-c4-mmc-fgsm" else {}
        return own(name).model_copy(update={"recipe": own(name).recipe | short})

    own = models.card
    monkeypatch.setattr(models, "card", card)
    text = words(opened("attacks", SCE, MMC))
    assert "mnist-c4-ce-fgsm saw 60,000 images, 12 epochs; mnist-c4-mmc-fgsm saw 12,000 images, 6 epochs." in text


@pytest.mark.parametrize(
    ("outcome", "p", "start", "end"),
    [
        ("holds", 0.0123456, "**Holds here:** it is so", "By hand, p = 0.0123."),
        ("fails", None, "**Does not hold here:** it is so", "By hand."),
        ("undecided", 0.2, "**Undecided here:** it is so", "By hand, p = 0.2. Nobody knows."),
    ],
)
def test_a_verdict_is_said_with_all_it_rests_on(outcome, p, start, end):
    claim = Claim("it is so", "A paper", "section 1", lambda: None)
    finding = Finding(of="left", unit="points", estimate=statistics.fisher(4, 200, 0, 200).difference)
    why = "Nobody knows." if outcome == "undecided" else ""
    verdict = Verdict(outcome=outcome, findings=(finding,), test="By hand", p=p, why=why)
    text = unescaped(verdicts.text(claim, verdict))
    assert text.startswith(f"{start} (A paper, section 1). Measured: left: **+2.0** points (−0.")
    assert text.endswith(end)


WRITTEN = {
    "share": "**12.3 %** (−10.0 to 40.0)",
    "points": "**+12.3** points (−10.0 to +40.0)",
    "area": "**+0.1234** (−0.1000 to +0.4000)",
    "ratio": "**0.123** (−0.100 to 0.400)",
    "powers of ten": "**+0.1** powers of ten (−0.1 to +0.4)",
    "plain": "**+0.123** (−0.1 to +0.4)",
}
"""By unit: 0.1234, between -0.1 and 0.4."""


@pytest.mark.parametrize("unit", get_args(Unit))
def test_every_unit_has_its_way_to_be_written(unit):
    estimate = statistics.Estimate(value=0.1234, low=-0.1, high=0.4, n=3, method="")
    assert verdicts.number(Finding(of="", unit=unit, estimate=estimate)).replace("-", "−") == WRITTEN[unit]


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
