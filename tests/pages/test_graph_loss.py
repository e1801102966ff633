"""The Graph loss page: its numbers are core's, its charts draw what core computed, everything is in the link."""

import json
from collections import Counter
from functools import partial

import driver
import pytest
import torch
from driver import markup, sent, unescaped, unlinked

from core import data, models
from core.losses import LOSSES, graph_smoothness, label_smoothness, similarity_graph
from core.losses.playground import Playground, play
from core.papers.graph_smoothness import claims, figures
from core.papers.graph_smoothness.figures import FIGURES
from pages.parts.components.graph import FAINTEST, edges, opacities
from pages.parts.inputs.forms import AUTOMATIC
from pages.parts.views import verdicts
from pages.parts.views.graph_loss import batch as batches
from pages.parts.views.graph_loss import play as playground

SHORT = {"points": "40", "steps": "20"}


opened = partial(driver.opened, "Graph_loss")


def charts(app):
    return [json.loads(element.proto.spec) for element in app.get("plotly_chart")]


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def the_batch(name, **settings):
    card = models.card(name)
    return batches.batch(card, data.gallery.read(card.dataset), **({"balanced": True, "seed": 0} | settings))


@pytest.mark.parametrize(
    ("address", "name", "epoch", "alpha", "k"),
    [
        ({}, "mnist-lenet-graph-2d", 2, 2.0, 5),
        ({"model": "mnist-c4-mmc", "k": "none", "alpha": "0.5", "epoch": "12"}, "mnist-c4-mmc", 12, 0.5, None),
    ],
)
def test_the_loss_is_cores_on_the_features_that_training_kept(address, name, epoch, alpha, k):
    app = opened(**address)
    kept, batch = models.kept_features(name), the_batch(name)
    place = {index: row for row, index in enumerate(kept.indices.tolist())}
    rows = [place[index] for index in batch.images.indices.tolist()]
    z, y = kept.features[kept.epochs.index(epoch), rows], batch.images.labels
    assert torch.equal(y, kept.labels[rows])
    assert sorted(Counter(y.tolist()).values()) == [10] * 10
    if name == "mnist-c4-mmc":
        z = torch.nn.functional.normalize(z)
        assert any("brought to length 1 first" in unescaped(caption.value) for caption in app.caption)
    assert metrics(app)["Loss, sum of the bars"] == f"{graph_smoothness(z, y, alpha, k):.4g}"
    weights = similarity_graph(z, alpha, k)
    red = int(((weights > 0) & (y[:, None] != y)).sum()) // 2
    assert metrics(app)[f"Punished, of {int((weights > 0).sum()) // 2:,} edges"] == f"{red:,}"
    bars = next(chart for chart in charts(app) if chart["data"][0]["type"] == "bar")["data"][0]
    torch.testing.assert_close(torch.tensor(bars["x"]), label_smoothness(weights, y, 10))
    assert sum(bars["x"]) == pytest.approx(float(graph_smoothness(z, y, alpha, k)), rel=1e-5)
    matrix = next(chart for chart in charts(app) if chart["data"][0]["type"] == "heatmap")["data"][0]["z"]
    order = y.argsort(stable=True)
    torch.testing.assert_close(torch.tensor(matrix), weights[order][:, order], atol=1e-5, rtol=0)


def test_the_loss_falls_over_training():
    batch = the_batch("mnist-lenet-graph-2d")
    values = batches.losses(batch, 10, 2.0, None)
    assert values[-1] < 0.6 * values[0]
    drawn = [c["data"][0] for c in charts(opened(k="none")) if len(c["data"]) == 2 and c["data"][0]["mode"] == "lines"]
    assert [line["x"] for line in drawn] == [list(batch.epochs)]
    assert drawn[0]["y"] == pytest.approx(values)


def test_a_network_that_kept_nothing_is_asked_now():
    batch = the_batch("cifar10-resnet32-ce")
    model = models.load("cifar10-resnet32-ce", "cpu")
    with torch.no_grad():
        z = torch.nn.functional.normalize(model.features(batch.images.images))
    assert batch.epochs == ()
    torch.testing.assert_close(batch.features[0], z)
    app = opened(model="cifar10-resnet32-ce", k="9")
    shown = float(metrics(app)["Loss, sum of the bars"])
    assert shown == pytest.approx(float(graph_smoothness(z, batch.images.labels, 2.0, 9)), rel=2e-3)


def test_a_drawn_batch_has_other_images_by_seed():
    drawn = [the_batch("mnist-lenet-ce-2d", balanced=False, seed=seed) for seed in (0, 1)]
    assert len(set(drawn[0].images.indices.tolist())) == 100
    assert drawn[0].images.indices.tolist() != drawn[1].images.indices.tolist()
    assert drawn[0].norm == "batch"
    torch.testing.assert_close(drawn[0].features.mean(1), torch.zeros(21, 2), atol=1e-4, rtol=0)
    app = opened(model="mnist-lenet-ce-2d", balanced="0", batch="1", epoch="20")
    value = graph_smoothness(drawn[1].features[-1], drawn[1].images.labels, 2.0, 5)
    assert metrics(app)["Loss, sum of the bars"] == f"{value:.4g}"


def problem(n=30, k=4):
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(n, 2, generator=generator), torch.arange(n) % 3
    return z, y, batches.seen(z, y, 3, 2.0, k)


def test_every_edge_is_drawn_once_in_its_colour():
    *_, seen = problem()
    drawn = edges(seen.weights, seen.punished, 10.0)
    assert {(i, j) for i, j, *_ in drawn} == {(i, j) for i, j in seen.weights.nonzero().tolist() if i < j}
    assert len(drawn) == int((seen.weights > 0).sum()) // 2
    for i, j, weight, opacity, red in drawn:
        assert weight == float(seen.weights[i, j])
        assert red == bool(seen.punished[i, j])
        assert opacity == pytest.approx(float(opacities(seen.weights, 10.0)[i, j]))
    assert [weight for _, _, weight, *_ in drawn] == sorted(weight for _, _, weight, *_ in drawn)
    faint = opacities(seen.weights, 0.05)
    assert len(edges(seen.weights, seen.punished, 0.05)) == int((faint >= FAINTEST).sum()) // 2 < len(drawn)


def picture(app):
    """What the graph was sent, with arrays for the names of arrays."""
    (found,) = sent(app, "graph")
    return found | {name: found["values"][found[name]] for name in ("points", "labels", "ends", "weights", "punished")}


def test_the_picture_holds_the_images_where_their_features_are():
    batch, app = the_batch("mnist-lenet-graph-2d"), opened(temperature="5.0")
    shown = picture(app)
    assert torch.equal(torch.from_numpy(shown["points"]), batch.frame[2].float())
    assert shown["labels"].tolist() == batch.images.labels.tolist()
    assert all(
        f"test image {i};" in note for i, note in zip(batch.images.indices.tolist(), shown["notes"], strict=True)
    )
    seen = batches.seen(batch.features[2], batch.images.labels, 10, 2.0, 5)
    drawn = edges(seen.weights, seen.punished, 5.0)
    assert [(i, j) for i, j in shown["ends"].T] == [(i, j) for i, j, *_ in drawn]
    assert shown["weights"].tolist() == torch.tensor([edge[2] for edge in drawn]).tolist()
    assert shown["punished"].tolist() == [edge[4] for edge in drawn]
    assert shown["picked"] == -1


def test_temperature_changes_the_picture_alone():
    *_, seen = problem()
    plain, warm = opacities(seen.weights, 1.0), opacities(seen.weights, 5.0)
    torch.testing.assert_close(plain, seen.weights / seen.weights.max())
    torch.testing.assert_close(warm**5, plain)
    cold, hot = opened(temperature="0.2"), opened(temperature="5.0")
    assert metrics(cold) == metrics(hot)
    assert picture(cold)["opacities"] != picture(hot)["opacities"]


def test_the_picked_images_strongest_pairs():
    *_, seen = problem()
    hardest = batches.strongest(seen, 50, 7)
    assert [w for *_, w in hardest] == sorted(seen.weights[7][seen.punished[7]].tolist(), reverse=True)
    assert {i for i, *_ in hardest} == {7}
    assert len(batches.strongest(seen, 10**4)) == int(seen.punished.sum()) // 2


def test_a_link_names_a_picked_image():
    batch = the_batch("mnist-lenet-graph-2d")
    seen = batches.seen(batch.features[2], batch.images.labels, 10, 2.0, 5)
    i, j, weight = batches.strongest(seen, 1)[0]
    app = opened(image=str(int(batch.images.indices[i])))
    assert picture(app)["picked"] == i
    assert any(f"test image {int(batch.images.indices[i])}" in unescaped(text.value) for text in app.markdown)
    assert f"</b> {weight:.3f}" in markup(app)
    named = batch.images.classes
    assert f"{named[int(batch.images.labels[i])]} – {named[int(batch.images.labels[j])]}" in markup(app)
    app.button(key="graph.all").click().run()
    assert "image" not in app.query_params


def test_the_circle_goes_class_by_class():
    labels = torch.tensor([2, 0, 1, 0, 2, 1])
    places = batches.circle(labels)
    torch.testing.assert_close(places.norm(dim=1), torch.ones(6))
    angles = torch.atan2(places[:, 0], places[:, 1]) % (2 * torch.pi)
    assert labels[angles.argsort()].tolist() == [0, 0, 1, 1, 2, 2]


def test_photographs_have_no_classes_to_push():
    app = opened(model="imagenet-efficientnet-lite0")
    assert any("choose a network of digits" in info.value for info in app.info)


def test_the_playground_draws_what_core_plays():
    app = opened(
        view="playground", losses="max-mahalanobis,graph-smoothness", **SHORT, **{"max-mahalanobis.norm": "3.0"}
    )
    setting = Playground(points=40, steps=20)
    images = playground.chosen_images(setting, data.gallery.read("mnist"))
    motions = [
        play(loss, setting, images.images, images.labels, 10)
        for loss in (LOSSES["max-mahalanobis"](norm=3), LOSSES["graph-smoothness"]())
    ]
    chart = charts(app)[0]
    assert [frame["name"] for frame in chart["frames"]] == [str(step) for step in range(21)]
    for t, frame in enumerate(chart["frames"]):
        drawn = [trace for trace in frame["data"] if trace["name"] != "centre"]
        for number, trace in enumerate(drawn):
            mine = motions[number // 10].positions[t, images.labels == number % 10]
            torch.testing.assert_close(torch.tensor([trace["x"], trace["y"]]).T, mine, atol=6e-4, rtol=0)
    falling = charts(app)[1]["data"]
    assert [line["customdata"] for line in falling] == [pytest.approx(motion.losses.tolist()) for motion in motions]


def test_space_holds_two_panels():
    app = opened(view="playground", dim="3", **SHORT)
    assert any("2 losses at a time in 3 dimensions" in caption.value for caption in app.caption)
    kinds = Counter(trace["type"] for trace in charts(app)[0]["data"])
    assert kinds == {"scatter3d": 20}


def test_a_link_with_losses_that_are_none():
    app = opened(view="playground", losses="graph-smoothness,none", **SHORT)
    assert any("was left out of the link" in unescaped(warning.value) for warning in app.warning)


def test_the_papers_figures_are_the_stored_trainings():
    app = opened(view="figures")
    found = FIGURES.read()
    for chart, name in zip(charts(app), figures.SWEEPS, strict=True):
        near, own = (figures.series(found, name, c) for c in ("10-nn", "argmax"))
        for trace, series in zip(chart["data"], (near, own), strict=False):
            assert trace["y"] == pytest.approx([100 * v for v in series.mean])
            assert [y + e for y, e in zip(trace["y"], trace["error_y"]["array"], strict=True)] == pytest.approx(
                [100 * v for v in series.high]
            )
        claim = claims.CLAIMS[name]
        assert verdicts.text(claim, claim.decide(found)) in [unlinked(element.value) for element in app.markdown]
    assert verdicts.text(claims.CLOSE, claims.CLOSE.decide(found)) in [
        unlinked(element.value) for element in app.markdown
    ]
    assert any("reaches **85.7 %**" in element.value for element in app.markdown)
    assert any("CPU-sized run" in caption.value for caption in app.caption)
    assert [code.value for code in app.code] == [found[0].command]
    assert any(found[0].lacks in unescaped(caption.value) for caption in app.caption)


def test_a_parameter_that_is_left_out_says_what_that_means():
    slider = opened(k="none").select_slider(key="graph.k")
    assert slider.value == AUTOMATIC
    assert slider.options[:2] == ["all", "1"]
