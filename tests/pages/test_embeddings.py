"""The Embeddings page: every number on it is core's, in a home that has nothing but the gallery."""

import csv
import io
import json
import re
import shutil
import time

import driver
import numpy as np
import pytest
import torch
from driver import Lab, sent, unescaped
from PIL import Image

from core import models
from core.attacks import ATTACKS
from core.data import gallery
from core.evaluate import maps as shipped_maps
from core.features import projections
from core.features.projections import Circle, Linear, Space, Umap
from core.models import BATCH
from core.papers.graph_smoothness.claims import CLUSTERED
from core.params import quick
from pages.parts.engine.bounded import Bounded
from pages.parts.engine.networks import Network
from pages.parts.views import verdicts
from pages.parts.views.embeddings import spaces
from pages.parts.work import maps

PAIR = ("mnist-lenet-graph-2d", "mnist-lenet-ce-2d")


def opened(address=None, /, **state):
    return driver.opened("Embeddings", state, **{"dataset": "mnist"} | (address or {}))


def run(app):
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def press(app, label):
    app.button[[button.label for button in app.button].index(label)].click()
    return run(app)


def until(app, condition, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, [error.value for error in app.error]
        time.sleep(0.2)
        run(app)


def plot(app):
    """What the scatter plot was sent: its data, and their content, with arrays for the names of arrays."""
    (data,) = sent(app, "scatter")
    content, values = data["content"], data["values"]
    for name in ("labels", "indices"):
        content[name] = values[content[name]].astype(int).tolist()
    for panel in content["panels"]:
        shape = (len(panel["epochs"]), len(content["labels"]))
        panel["points"] = values[panel["points"]]
        panel["answers"] = values[panel["answers"]].reshape(shape)
        assert panel["points"].shape == (*shape, 2)
    for regions in filter(None, (panel["regions"] for panel in content["panels"])):
        regions["answers"] = values[regions["answers"]].reshape(regions["rows"], regions["columns"])
    for trail in filter(None, data["trails"]):
        trail["points"] = values[trail["points"]]
    return data, content


def select(app, rows):
    """What a lasso does."""
    app.session_state["embed.selected.mnist"] = rows
    return run(app)


def test_the_page_opens_with_figure_1_of_the_papers_pair():
    app = opened()
    data, content = plot(app)
    assert [panel["title"] for panel in content["panels"]] == [
        "Graph smoothness, LeNet, 2D",
        "Cross-entropy (SCE), LeNet, 2D",
    ]
    assert data["selected"] == []
    assert data["trails"] == [None, None]
    for panel, name in zip(content["panels"], PAIR, strict=True):
        kept = models.kept_features(name)
        assert panel["epochs"] == list(range(21))
        place = {index: row for row, index in enumerate(kept.indices.tolist())}
        rows = [place[index] for index in content["indices"]]
        # Two features are drawn as they are: the numbers in the browser are those that the network computed.
        assert np.array_equal(panel["points"], kept.features[:, rows].numpy())
        assert np.array_equal(panel["answers"], kept.predictions[:, rows].numpy())
        last = kept.features[-1, rows]
        score = projections.distortion(last, last)
        assert f"Trustworthiness {score.trustworthiness:.3f}, variance kept 100 %" in panel["note"]
    images = gallery.read("mnist")
    shown = set(content["indices"])
    assert content["labels"] == [int(y) for y, i in zip(images.labels, images.indices, strict=True) if int(i) in shown]


def test_one_frame_for_all_epochs_and_networks_of_a_view():
    names = ("mnist-c4-ce-fgsm", "mnist-c4-graph", "mnist-c4-mmc")
    app = opened({"1": names[0], "2": names[1], "3": names[2]})
    _, content = plot(app)
    view = spaces.view([models.card(name) for name in names])
    made = projections.fitted(Linear(), [network.space for network in view.networks])
    for panel, network, own in zip(content["panels"], view.networks, made, strict=True):
        for row, features in enumerate(network.space.features):
            assert np.array_equal(panel["points"][row], projections.project(features, own.frame).numpy())
        score = projections.distortion(own.points[-1], network.space.features[-1])
        assert (
            f"Trustworthiness {score.trustworthiness:.3f}, variance kept {100 * score.variance:.0f} %" in panel["note"]
        )
    # Networks of equal width share the frame, and all show the same images.
    assert {tuple(content["indices"])} == {tuple(view.images.indices.tolist())}


def test_the_circle_stands_on_the_centres_of_the_loss():
    app = opened({"1": "mnist-c4-mmc", "2": "none", "projection": "circle"})
    (panel,) = plot(app)[1]["panels"]
    assert "The centres of the loss stand evenly round a circle." in panel["note"]
    space = spaces.view([models.card("mnist-c4-mmc")]).networks[0].space
    assert torch.equal(space.centers, models.load("mnist-c4-mmc", "cpu").head.centers)
    (own,) = projections.fitted(Circle(), [space])
    assert np.array_equal(panel["points"], own.points.numpy())


def test_shipped_maps_are_there_at_once_and_others_are_a_job():
    app = opened({"1": "mnist-c4-graph", "2": "none", "projection": "umap"})
    (panel,) = plot(app)[1]["panels"]
    card = models.card("mnist-c4-graph")
    shipped = shipped_maps.read(card, Umap(), shipped_maps.space_of(card))
    assert [card.recipe["epochs"]] == panel["epochs"][-1:]
    kept = models.kept_features(card.name)
    place = {index: row for row, index in enumerate(kept.indices.tolist())}
    rows = [place[index] for index in plot(app)[1]["indices"]]
    assert np.array_equal(panel["points"], shipped.points[:, rows].numpy())

    app = opened({"1": "mnist-c4-graph", "2": "none", "projection": "tsne", "perplexity": "5", "epochs": "1"})
    # The old map stays until the new one is there, and one sees that forming.
    (old,) = plot(app)[1]["panels"]
    assert any("until it has, this is the shared linear frame" in info.value for info in app.info)
    assert old["epochs"] == list(models.kept_features("mnist-c4-graph").epochs)
    press(app, "Fit t-SNE")
    seen = {}

    def finished():
        texts = [element.proto.text for element in app.get("progress")]
        if texts and (counted := re.search(r"map 1 of 1, step (\d+) of 750", unescaped(texts[0]))):
            seen[int(counted[1])] = plot(app)[1]["panels"][0]["points"][0]
        return not texts

    until(app, finished)
    assert len(seen) > 2
    assert all(not np.allclose(a, old["points"][-1]) for a in seen.values())
    assert len({points.tobytes() for points in seen.values()}) == len(seen)
    until(app, lambda: any(e.proto.component_name == "smoothscope.scatter" for e in app.get("bidi_component")))
    (panel,) = plot(app)[1]["panels"]
    assert len(panel["epochs"]) == 1
    assert "perplexity 5, seed 0" in panel["note"]


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_three_losses_have_their_maps_at_once(dataset):
    app = opened({"dataset": dataset})
    press(app, "Three losses")
    names = [app.session_state[f"embed.{dataset}.{place}"] for place in (1, 2, 3)]
    assert [models.card(name).loss for name in names] == ["graph-smoothness", "cross-entropy", "max-mahalanobis"]
    for projection, title in (("umap", "UMAP"), ("tsne", "t-SNE")):
        choose(app, "embed.projection", projection)
        assert not any(label.startswith("Fit") for label in (button.label for button in app.button))
        panels = plot(app)[1]["panels"]
        assert len(panels) == 3
        assert all(panel["note"].startswith(f"{title} of ") for panel in panels)


def test_a_selection_shows_its_pictures_and_the_way_to_the_lab():
    app = opened()
    _, content = plot(app)
    images = gallery.read("mnist")
    chosen = content["indices"][5:8]
    select(app, chosen)
    data, _ = plot(app)
    assert data["selected"] == [5, 6, 7]
    assert any("**3 selected**" in m.value for m in app.markdown)
    (wall,) = sent(app, "picker")
    assert [item["row"] for item in wall["items"]] == [5, 6, 7]
    row = images.indices.tolist().index(chosen[0])
    name = images.classes[int(images.labels[row])]
    assert any(f"**Test image {chosen[0]}: {name}**" in unescaped(m.value) for m in app.markdown)
    (link,) = [e.proto for e in app.get("page_link") if e.proto.label == "Attack this one in the lab"]
    assert f"image={chosen[0]}" in link.query_string
    assert f"model={PAIR[0]}" in link.query_string


def test_misclassified_a_class_and_movers_can_be_selected():
    app = opened()
    _, content = plot(app)
    labels, answers = np.array(content["labels"]), content["panels"][0]["answers"]
    wrong = np.flatnonzero(answers[-1] != labels).tolist()
    press(app, f"Misclassified ({len(wrong)})")
    assert plot(app)[0]["selected"] == wrong
    press(app, f"All of this class ({int((labels == 0).sum())})")
    assert plot(app)[0]["selected"] == np.flatnonzero(labels == 0).tolist()
    press(app, "Its movers (20)")
    points = content["panels"][0]["points"]
    way = np.linalg.norm(points[-1] - points[-2], axis=1)
    # Kept in float16, several went equally far.
    np.testing.assert_allclose(np.sort(way[plot(app)[0]["selected"]]), np.sort(way)[-20:], rtol=1e-4)


def test_the_trail_of_an_attack_lies_where_its_images_do():
    app = opened({"attack": "deepfool"})
    _, content = plot(app)
    select(app, [content["indices"][0]])
    press(app, "Draw its trail")
    until(app, lambda: "embed.trail" in app.session_state)
    trail = app.session_state["embed.trail"]
    data, _ = plot(app)
    assert trail.attacked == PAIR[0]
    assert trail.attack == ATTACKS["deepfool"]()
    for drawn, name in zip(data["trails"], PAIR, strict=True):
        model = models.load(name, "cpu")
        torch.testing.assert_close(torch.tensor(drawn["points"]), model.features(trail.path.images))
        answers = model(trail.path.images).argmax(1)
        turned = (answers != answers[0]).nonzero()
        assert drawn["flip"] == (int(turned[0, 0]) if len(turned) else None)
    assert data["trails"][0]["flip"] is not None
    assert any(f"L2 = {float(trail.path.result.l2[0]):.3g}" in m.value for m in app.markdown)
    press(app, "Remove the trail")
    assert plot(app)[0]["trails"] == [None, None]


def choose(app, key, value):
    """What a select box does."""
    app.selectbox(key=key).set_value(value)
    return run(app)


def test_a_trail_and_a_selection_go_with_their_network_and_data():
    app = opened({"attack": "deepfool"})
    chosen = plot(app)[1]["indices"][0]
    select(app, [chosen])
    press(app, "Draw its trail")
    until(app, lambda: "embed.trail" in app.session_state)
    choose(app, "embed.mnist.2", "none")  # it fools the first
    assert plot(app)[0]["trails"][0] is not None
    choose(app, "embed.mnist.1", "mnist-c4-mmc")
    data, _ = plot(app)
    assert (data["trails"], data["selected"]) == ([None], [0])
    assert not any("DeepFool on test image" in m.value for m in app.markdown)
    choose(app, "embed.mnist.1", PAIR[0])
    assert plot(app)[0]["trails"] == [None]  # it was forgotten, not hidden

    press(app, "Draw its trail")
    until(app, lambda: "embed.trail" in app.session_state)
    choose(app, "embed.dataset", "cifar10")
    data, content = plot(app)
    assert set(data["trails"]) == {None}
    assert data["selected"] == []  # the test image of the same number is another picture
    choose(app, "embed.dataset", "mnist")
    data, content = plot(app)
    assert set(data["trails"]) == {None}
    assert [content["indices"][row] for row in data["selected"]] == [chosen]


def named(regions, points):
    """The classes that regions show at points (n, 2)."""
    left, right, bottom, top = regions["extent"]
    column = ((points[:, 0] - left) / (right - left) * regions["columns"]).astype(int)
    row = ((top - points[:, 1]) / (top - bottom) * regions["rows"]).astype(int)
    return regions["answers"][row, column]


def test_regions_are_what_the_networks_head_names_there():
    app = opened()
    _, content = plot(app)
    for panel, name in zip(content["panels"], PAIR, strict=True):
        regions, head = panel["regions"], models.load(name, "cpu").head
        (left, right, bottom, top), (rows, columns) = regions["extent"], regions["answers"].shape
        # The opening view, and half as much again, is inside.
        (a, b, c, d) = panel["extent"]
        assert right - left == pytest.approx(1.5 * max(b - a, d - c))
        assert left < a < b < right
        assert bottom < c < d < top
        x = left + (right - left) * (torch.arange(columns) + 0.5) / columns
        y = top - (top - bottom) * (torch.arange(rows) + 0.5) / rows
        for row in range(0, rows, 40):
            z = torch.stack([x, y[row].expand(columns)], 1)
            assert (head(z).argmax(1).numpy() == regions["answers"][row]).mean() > 0.98  # all but at a border
    assert any("asked of its head at 240 × 240 places" in caption.value for caption in app.caption)
    app.toggle(key="embed.regions").set_value(False)
    run(app)
    assert [panel["regions"] for panel in plot(app)[1]["panels"]] == [None, None]
    assert app.query_params["regions"] == "0"


def test_regions_follow_a_frame_and_many_dimensions_have_none():
    app = opened({"projection": "circle", "2": "mnist-c4-mmc"})
    first, second = plot(app)[1]["panels"]
    assert second["regions"] is None
    last = first["points"][-1]
    left, right, bottom, top = first["regions"]["extent"]
    inside = (last[:, 0] > left) & (last[:, 0] < right) & (last[:, 1] > bottom) & (last[:, 1] < top)
    assert inside.mean() > 0.99
    assert (named(first["regions"], last[inside]) == first["answers"][-1][inside]).mean() > 0.95
    app = opened({"1": "mnist-c4-mmc", "2": "none"})
    assert "Decision regions" not in [toggle.label for toggle in app.toggle]


def test_an_own_picture_has_no_place_here():
    lab = Lab()
    png = io.BytesIO()
    Image.fromarray((gallery.read("mnist").images[0, 0] * 255).byte().numpy()).save(png, "PNG")
    lab.app.file_uploader(key="lab.file").set_value(("test image 12: 3.png", png.getvalue(), "image/png")).run()
    lab.run(**quick(ATTACKS[lab.attack]))
    assert lab.shown.choice.index is None
    lab.app.switch_page("pages/4_Embeddings.py")
    lab.app.query_params["dataset"] = "mnist"
    run(lab.app)
    assert "Trail of the lab's attack" not in [button.label for button in lab.app.button]


def test_the_attack_of_the_lab_leaves_its_trail_here():
    lab = Lab({"attack": "deepfool"})
    lab.run()
    shown = lab.app.session_state["lab.shown"]
    lab.app.switch_page("pages/4_Embeddings.py")
    lab.app.query_params["dataset"] = "mnist"
    run(lab.app)
    press(lab.app, "Trail of the lab's attack")
    until(lab.app, lambda: "embed.trail" in lab.app.session_state)
    trail = lab.app.session_state["embed.trail"]
    assert trail.attacked == shown.choice.card.name == "mnist-c4-ce"
    assert trail.image == f"test image {shown.choice.index}"
    where = gallery.read("mnist").indices.tolist().index(shown.choice.index)
    assert torch.equal(trail.path.images[0], shown.choice.image[0])
    assert torch.equal(trail.path.images[0], gallery.read("mnist").images[where])
    torch.testing.assert_close(trail.path.images[-1], shown.run.result.adversarial[0], atol=1e-6, rtol=0)
    assert sorted(trail.seen) == sorted(PAIR)
    assert all(drawn is not None for drawn in plot(lab.app)[0]["trails"])
    choose(lab.app, "embed.mnist.1", "mnist-c4-mmc")  # the second has seen it too
    assert [drawn is None for drawn in plot(lab.app)[0]["trails"]] == [True, False]
    choose(lab.app, "embed.mnist.2", "none")
    assert "embed.trail" not in lab.app.session_state


def test_the_coordinates_are_those_of_the_picture():
    cards = [models.card(name) for name in PAIR]
    drawn = spaces.at_once(cards, Linear())
    images = spaces.view(cards).images
    rows = list(csv.DictReader(io.StringIO(spaces.table(drawn, images).decode())))
    assert len(rows) == 2 * 21 * len(images)
    last = rows[-1]
    assert (last["model"], int(last["epoch"]), int(last["test_image"])) == (PAIR[1], 20, int(images.indices[-1]))
    assert float(last["x"]) == pytest.approx(float(drawn[1].map.points[-1, -1, 0]), rel=1e-6)
    assert last["class"] == images.classes[int(images.labels[-1])]


def test_a_network_that_kept_nothing_is_shown_as_it_is(home):
    target = home / "checkpoints" / "own"
    shutil.copytree(models.CHECKPOINTS / "mnist-lenet-graph-2d", target)
    (target / models.EMBEDDINGS).unlink()
    card = json.loads((target / "card.json").read_text())
    (target / "card.json").write_text(json.dumps(card | {"name": "own"}))
    app = opened({"1": "own", "2": "none"})
    _, content = plot(app)
    (panel,) = content["panels"]
    images = gallery.read("mnist")
    assert content["indices"] == images.indices.tolist()
    features = models.load("own", "cpu").features(images.images)
    np.testing.assert_allclose(panel["points"][0], features.numpy(), atol=1e-5)


def test_what_is_damaged_is_said_in_a_sentence(home):
    target = home / "checkpoints" / "broken"
    shutil.copytree(models.CHECKPOINTS / "mnist-lenet-graph-2d", target)
    card = json.loads((target / "card.json").read_text())
    (target / "card.json").write_text(json.dumps(card | {"name": "broken"}))
    (target / models.EMBEDDINGS).write_bytes(b"nothing of the kind")
    app = opened({"1": "broken", "2": "none"})
    assert any("is damaged; get the checkpoint again" in unescaped(error.value) for error in app.error)


def test_all_test_images_at_once_are_a_job(monkeypatch):
    """Ten thousand points; the set itself is not here, so that of the gallery stands in for it."""
    images = gallery.read("mnist")
    monkeypatch.setattr(spaces.cache, "images", lambda name: images)
    monkeypatch.setattr(maps.data, "load", lambda name, split: images)
    monkeypatch.setattr(maps, "_images", Bounded(1))
    cards = [models.card(PAIR[0])]
    told = []
    work = maps.features("mnist", "test", [(Network.of(cards[0]), "the graph")])
    try:
        while True:
            told.append(next(work))
    except StopIteration as end:
        spaces.keep_seen(cards, "test", end.value)
    words = [f"the graph: {n:,} of 1,000 images" for n in range(0, 1000, BATCH)]
    assert [progress.snapshot for progress in told] == words
    view = spaces.seen_now(cards, "test")
    assert len(view.images) == 1000
    (drawn,) = spaces.drawn_of(view, Linear())
    model = models.load(PAIR[0], "cpu")
    torch.testing.assert_close(drawn.map.points[0], model.features(images.images), atol=1e-5, rtol=1e-5)
    assert drawn.epochs == [20]


def test_training_images_of_figure_1_and_what_they_say_to_the_paper():
    app = opened({"images": "training"})
    assert not sent(app, "scatter")
    press(app, "Send 400 training images through the networks")
    until(app, lambda: sent(app, "scatter"))
    _, content = plot(app)
    images = gallery.read("mnist", split="train")
    assert content["indices"] == images.indices.tolist()
    assert content["labels"] == images.labels.tolist()
    features = [models.load(name, "cpu").features(images.images) for name in PAIR]
    for panel, expected in zip(content["panels"], features, strict=True):
        assert panel["epochs"] == [20]
        np.testing.assert_allclose(panel["points"][0], expected.numpy(), atol=1e-4)
    verdict = CLUSTERED.decide(*features, images.labels)
    assert verdicts.WORDS[verdict.outcome] in " ".join(unescaped(block.value) for block in app.markdown)
    # A training image is not among the lab's; what is selected of test images is another matter.
    select(app, [])
    app.session_state["embed.selected.mnist.train"] = [int(images.indices[3])]
    run(app)
    told = [unescaped(block.value) for block in app.markdown]
    assert f"**Training image {int(images.indices[3])}: 3**" in told
    assert "Attack this one in the lab" not in [link.label for link in app.get("page_link")]
    assert spaces.table(spaces.drawn_of(spaces.seen_now([models.card(n) for n in PAIR], "train"), Linear()), images)[
        :30
    ].startswith(b"model,epoch,training_image")
    app.radio(key="embed.images").set_value("gallery")
    run(app)
    assert plot(app)[0]["selected"] == []


def test_training_images_want_a_linear_projection():
    app = opened({"images": "training", "projection": "umap"})
    assert "These images are shown in a linear projection only" in app.info[0].value


def test_networks_without_common_images_are_named(monkeypatch):
    kept = models.kept_features(PAIR[0])
    apart = kept.__class__(kept.epochs, kept.features, kept.predictions, kept.indices + 20_000, kept.labels)
    monkeypatch.setattr(spaces.models, "kept_features", lambda name: apart)
    with pytest.raises(ValueError, match="kept no images in common; train them with the same seed"):
        spaces._view([models.card(PAIR[0])], gallery.read("mnist"))


def test_the_view_keeps_only_finite_spaces():
    with pytest.raises(ValueError, match="features must be finite"):
        Space(torch.full((1, 4, 2), torch.nan), torch.zeros(4, dtype=torch.long))
