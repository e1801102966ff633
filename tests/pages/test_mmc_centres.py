"""The MMC centres page: every number is core's, every view what core computed."""

import json
import math
import re
from functools import partial

import driver
import pytest
import torch
from driver import sent, sound, unescaped, unlinked

from core import data, models
from core.features.density import class_means, own_and_nearest, sample_density
from core.losses import LOSSES, hierarchical_centers, max_mahalanobis_centers
from core.losses.centers import shadow, simplex
from core.models import features_of
from core.papers.mmc import claims
from pages.parts.views import verdicts
from pages.parts.views.mmc.arrangement import EXAMPLES
from pages.parts.views.mmc.centres import FORMULAS
from pages.parts.views.mmc.density import power

opened = partial(driver.opened, "MMC_centres")


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def scenes(app):
    """What the views of a page were sent, each cloud with its points (n, 3)."""
    (found,) = sent(app, "orbit")
    every = torch.tensor(found["values"][found["points"]], dtype=torch.float64)
    for scene in found["scenes"]:
        for cloud in scene["clouds"]:
            cloud["points"] = every[slice(*cloud["rows"])]
    return found["scenes"]


def points(scene, legend=False):
    """All points of a view's centres, or of its clouds of features."""
    return torch.cat([cloud["points"] for cloud in scene["clouds"] if cloud["legend"] is legend])


def charts(app):
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def words(app):
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return unescaped("\n".join(element.value for kind in kinds for element in kind))


def heatmap(chart):
    return chart["data"][0]["z"]


def test_the_page_opens_with_the_tetrahedron():
    app = opened()
    assert metrics(app) == {
        "Smallest angle": "109.4712°",
        "arccos(−1/(L−1))": "109.4712°",
        "Best known here": "109.4712°",
        "Smallest distance": "16.33",
    }
    (scene,) = scenes(app)
    seen = points(scene)
    torch.testing.assert_close(seen, max_mahalanobis_centers(4, 3, 10.0).double(), rtol=0, atol=1e-4)
    assert "Exact: these are the 4 centres themselves" in words(app).replace("**", "")
    rows = heatmap(charts(app)[0])
    assert [row[i] for i, row in enumerate(rows)] == [None] * 4
    off = [value for i, row in enumerate(rows) for j, value in enumerate(row) if i != j]
    assert off == pytest.approx([math.degrees(math.acos(-1 / 3))] * 12, abs=1e-4)


@pytest.mark.parametrize(("classes", "dim"), [(10, 9), (12, 3), (7, 2), (6, 4), (2, 1)])
def test_numbers_are_those_of_cores_centres(classes, dim):
    app = opened(classes=str(classes), dim=str(dim), pairs="distances")
    centers = max_mahalanobis_centers(classes, dim, 10.0).double()
    shown = metrics(app)
    pairs = torch.pdist(centers)
    assert shown["Smallest angle"] == f"{math.degrees(2 * math.asin(pairs.min().item() / 20)):.4f}°"
    assert shown["Smallest distance"] == f"{pairs.min().item():.4g}"
    assert shown["arccos(−1/(L−1))"] == f"{math.degrees(math.acos(-1 / (classes - 1))):.4f}°"
    rows = heatmap(charts(app)[0])
    seen = torch.tensor([rows[i][j] for i in range(classes) for j in range(i + 1, classes)], dtype=torch.float64)
    torch.testing.assert_close(seen, pairs, rtol=0, atol=1e-5)
    (scene,) = scenes(app)
    axes, kept = shadow(centers)
    torch.testing.assert_close(points(scene), centers @ axes, rtol=0, atol=1e-4)
    assert ("A shadow:" in words(app)) is (kept < 0.999)
    if kept < 0.999:
        assert f"{100 * kept:.0f}\u00a0% of the squared lengths" in words(app)


def test_hierarchical_centres_are_seen_with_their_superclasses():
    app = opened(centers="hierarchical", superclasses="3", subclasses="2", dim="8", sub_norm="2.0", pairs="distances")
    centers = hierarchical_centers([0, 0, 1, 1, 2, 2], 8, 10.0, 2.0).double()
    rows = heatmap(charts(app)[0])
    for i in range(6):
        for j in range(6):
            if i != j:
                assert rows[i][j] == pytest.approx(math.dist(centers[i].tolist(), centers[j].tolist()), abs=1e-5)
    # Pythagoras: an equilateral triangle of norm 10, each corner split in two, 4 apart.
    assert rows[0][1] == pytest.approx(4, abs=1e-5)
    assert rows[0][2] == pytest.approx(math.sqrt(300), abs=1e-4)
    (scene,) = scenes(app)
    colours = [cloud["colour"] for cloud in scene["clouds"]]
    assert colours[0] == colours[1] != colours[2]


def test_random_centres_follow_their_seed():
    first, other = (points(scenes(opened(centers="random", seed=str(s)))[0]) for s in (0, 1))
    assert (first.norm(dim=1) - 10).abs().max() < 1e-4
    assert (first - other).abs().max() > 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [("optimal", "down to L/2 dimensions"), ("random", "come to 90°"), ("hierarchical", "as C₁ can put")],
)
def test_every_kind_of_centres_is_told_for_itself(kind, told):
    app = opened(centers=kind)
    assert told in words(app)
    assert [formula.value.strip("$\n") for formula in app.latex] == [FORMULAS[kind]]
    on_one_sphere = {"optimal": "on the sphere of their norm", "random": "on the sphere of their norm"}
    assert on_one_sphere.get(kind, "in the sphere of the largest norm") in words(app)
    assert ("as far apart as can be" in words(app)) is (kind == "optimal")


def test_the_construction_fills_its_matrix_centre_by_centre():
    app = opened(build="1", step="2", classes="5", dim="6")
    rows = simplex(5)
    shown = heatmap(charts(app)[0])
    for i in range(5):
        for j in range(4):
            if i < 2 and j <= i:
                assert shown[i][j] == pytest.approx(rows[i, j], abs=1e-12)
            else:
                assert shown[i][j] is None
    assert points(scenes(app)[0]).shape == (2, 3)
    assert f"−1/(L−1) = −{1 / 4:.4f}" in words(app)
    assert f"= {rows[1, 1]:.4f}" in words(app)
    app.slider(key="mmc.step").set_value(5).run()
    assert points(scenes(sound(app))[0]).shape == (5, 3)
    assert "needs no new dimension" in words(app)


def test_a_step_beyond_fewer_classes_is_the_last():
    app = opened(build="1", step="8", classes="10", dim="9")
    app.slider(key="mmc.Arrangement.classes").set_value(3).run()
    assert points(scenes(sound(app))[0]).shape == (3, 3)


def test_examples_are_one_press():
    app = opened(classes="30", dim="5", build="0")
    for label, values in EXAMPLES.items():
        app.button(key=f"mmc.example.{label}").click().run()
        sound(app)
        count = values.get("superclasses", 1) * values.get("subclasses", 1) if "superclasses" in values else 0
        assert len(points(scenes(app)[0])) == (count or values["classes"])
        assert not app.error


def test_what_cannot_be_is_said_in_one_sentence():
    app = opened(classes="5", dim="1")
    assert [unescaped(error.value) for error in app.error] == ["dim must be at least 2 for 5 classes; got 1."]
    app = opened(classes="500", tab="Nonsense")
    assert "classes must be at most 100; got 500." in words(app)
    assert "there is no such tab here" in words(app)


@pytest.fixture
def networks():
    """Name -> (network, features, centres) on the gallery, as core computes them."""
    images = data.gallery.read("mnist")
    found = {}
    for name in ("mnist-c4-mmc", "mnist-c4-ce"):
        model = models.load(name)
        z = features_of(model, images.images)
        centers = model.head.centers if name.endswith("mmc") else class_means(z, images.labels, 10)
        found[name] = model, z, centers
    return images.labels, found


def test_features_are_drawn_around_their_centres(networks):
    labels, found = networks
    app = opened(tab="Features", drawn="3.5.8")
    views = scenes(app)
    assert len(views) == 2
    mine = torch.isin(labels, torch.tensor([3, 5, 8]))
    plots_shown = charts(app)
    for place, (_, z, centers) in enumerate(found.values()):
        unit = torch.pdist(centers.double()).mean()
        seen = points(views[place])
        torch.testing.assert_close(
            torch.pdist(seen), torch.pdist(centers[[3, 5, 8]].double() / unit), rtol=0, atol=1e-4
        )  # three centres are seen where they are
        assert len(points(views[place], legend=True)) == int(mine.sum())
        own, other = own_and_nearest(z.double() / unit, labels, centers.double() / unit)
        drawn = [trace for trace in plots_shown[2 * place]["data"] if trace.get("name") in {"3", "5", "8"}]
        x = torch.tensor([v for t in drawn for v in t["x"]], dtype=torch.float64)
        y = torch.tensor([v for t in drawn for v in t["y"]], dtype=torch.float64)
        order = torch.cat([(labels == c).nonzero()[:, 0] for c in (3, 5, 8)])
        torch.testing.assert_close(x, own[order], rtol=0, atol=1e-6)
        torch.testing.assert_close(y, other[order], rtol=0, atol=1e-6)
        assert f"Median distance to the own centre {own[mine].median():.3f}" in words(app)
    table = app.dataframe[0].value
    assert list(table["class"]) == list(data.DATASETS["mnist"].classes)
    assert table["images"].sum() == 1000


def test_of_centres_in_superclasses_it_is_told_where_mistakes_go():
    app = opened(tab="Features", mmc="cifar10-whitened-hmmc", ce="cifar10-preactresnet18-ce")
    images = data.gallery.read("cifar10")
    groups = torch.tensor(data.DATASETS["cifar10"].groups)
    model = models.load("cifar10-whitened-hmmc")
    named = model(images.images).argmax(1)  # the nearest centre's class
    wrong, strayed = int((named != images.labels).sum()), int((groups[named] != groups[images.labels]).sum())
    assert "Centres in superclasses (HMMC)" in words(app)
    assert (
        f"{wrong} of 1000 images are nearest to another class's centre, {strayed} of those to one of another "
        f"superclass, {100 * strayed / wrong:.0f} %." in words(app)
    )
    assert "Centres in superclasses" not in words(opened(tab="Features"))


def test_fewer_than_two_classes_are_not_drawn():
    app = opened(tab="Features", drawn="3")
    assert "it must be two or more different class numbers" in words(app)
    app.button_group(key="mmc.classes.mnist").set_value(["3"]).run()
    assert "Choose at least two classes." in words(sound(app))


def test_sample_density_is_cores_and_the_claim_is_judged(networks):
    labels, found = networks
    app = opened(tab="Loss and density")
    measured = [
        sample_density(LOSSES[m.card.loss](**m.card.loss_arguments), m.head, z, labels) for m, z, _ in found.values()
    ]
    medians = [float(one.by_contour.nanmedian()) for one in measured]
    shown = metrics(app)
    assert shown["Fixed centres"] == power(medians[0])
    assert shown["Linear logits"] == power(medians[1])
    assert shown["Ratio"] == power(medians[0] - medians[1])
    assert medians[0] > medians[1] + 5  # by more than five powers of ten on these two networks
    verdict = claims.DENSER.decide(*measured)
    assert verdict.outcome == "holds"
    assert verdicts.text(claims.DENSER, verdict) in [unlinked(element.value) for element in app.markdown]
    lines = charts(app)[3]["data"]
    assert lines[1]["y"] == pytest.approx(measured[0].by_contour.nanmedian(0).values.tolist())
    assert lines[3]["y"] == pytest.approx(measured[1].by_contour.nanmedian(0).values.tolist())


def test_the_band_of_mmc_has_its_closed_area_and_sces_none():
    app = opened(tab="Loss and density", level="1.0", label="2")
    areas = [
        [float(v) for v in re.findall(r"([\d.]+) in this window, ([\d.]+) in one twice", caption.value)[0]]
        for caption in app.caption
        if "Area of the band" in caption.value
    ]
    sce, quadratic, mmc = areas
    assert mmc == pytest.approx([2 * math.pi * 0.5] * 2, abs=0.15)
    assert sce[1] > 1.8 * sce[0]  # a strip: twice as long in a window twice as wide
    assert len(areas) == 3
    assert quadratic[1] < 1.8 * quadratic[0]


def test_networks_that_fit_are_offered_and_others_not():
    app = opened(tab="Features")
    first, second = app.selectbox(key="mmc.fixed"), app.selectbox(key="mmc.linear.mnist")
    assert first.value == "mnist-c4-mmc"
    assert second.value == "mnist-c4-ce"
    heads = {name: models.card(name).head for name in models.refresh()}
    assert len(first.options) == sum(head == "centers" for head in heads.values())
    second.set_value("mnist-lenet-ce").run()
    assert "LeNet" in scenes(sound(app))[1]["title"]


@pytest.mark.parametrize(
    ("exponent", "text"), [(14.4, "2.5 × 10¹⁴"), (0.0, "1.0 × 10⁰"), (-3.0, "1.0 × 10⁻³"), (2.9999, "1.0 × 10³")]
)
def test_powers_are_written_as_persons_write_them(exponent, text):
    assert power(exponent) == text
