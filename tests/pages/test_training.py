"""The Training page: start, watch, stop, go on, keep; on a machine that has nothing but the gallery."""

import json
import time

import driver
import pytest
import torch
from driver import unescaped, unlinked

from core import data, models
from core.losses import CrossEntropy, GraphSmoothness
from core.models import MODELS
from core.train import Recipe, Training, runs
from pages.parts.charts import plots
from pages.parts.engine.progress import Stop
from pages.parts.views.training import result, session
from pages.parts.work import trainings as training
from pages.parts.work.trainings import Plan

SMALL = Recipe(epochs=3, n=100, batch_size=25, sample=30, test_n=50)
PLAN = Plan("own", "fc2", "mnist", CrossEntropy(dim=2), SMALL, {})


def opened(**state):
    return driver.opened("Training", state)


def press(app, label):
    app.button[[button.label for button in app.button].index(label)].click().run()
    assert not app.exception, app.exception[0].stack_trace


def until(app, condition, seconds=120):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, [error.value for error in app.error]
        time.sleep(0.2)
        app.run()
        assert not app.exception, app.exception[0].stack_trace


def labels(app):
    return [button.label for button in app.button]


def test_the_first_picture_is_there_before_anything_is_pressed():
    app = opened()
    assert len(app.get("plotly_chart")) == 2
    assert "Start" in labels(app)
    assert any("200 test images after epoch 0" in unlinked(caption.value) for caption in app.caption)
    assert not app.error


def test_start_watch_and_keep(home):
    app = opened(train__Recipe__epochs=3)
    press(app, "Start")
    until(app, lambda: "Keep" in labels(app))
    seen = [metric.value for metric in app.metric]
    assert seen[0] == "3 of 3"
    assert not list((home / "runs").glob("*.safetensors"))
    press(app, "Keep")
    assert any("Kept as my\\-network" in success.value for success in app.success)
    assert "my-network" in models.refresh()
    card = models.card("my-network")
    assert (card.network, card.loss, card.embedding, card.recipe["epochs"]) == ("lenet", "graph-smoothness", 2, 3)
    press(app, "Keep")
    assert any("There is a checkpoint my-network already" in unescaped(error.value) for error in app.error)


def test_a_run_that_was_stopped_goes_on(home):
    app = opened(train__Recipe__epochs=200)
    press(app, "Start")
    until(app, lambda: list((home / "runs").glob("*.safetensors")))
    press(app, "Stop")
    until(app, lambda: "Keep" in labels(app))
    assert "Go on" in labels(app)
    before = int(app.metric[0].value.split()[0])
    assert 1 <= before < 200
    press(app, "Go on")
    until(app, lambda: app.metric and int(app.metric[0].value.split()[0]) > before)
    press(app, "Stop")
    until(app, lambda: "Delete" in labels(app))
    press(app, "Delete")
    assert not runs.listing()


def test_a_set_that_is_not_here_is_said_in_one_sentence():
    app = opened(train__dataset="fashion_mnist")
    assert ["python -m core data get fashion_mnist" in unescaped(error.value) for error in app.error] == [True]
    assert "Start" in labels(app)


def test_a_name_that_is_no_folder_is_said_in_one_sentence():
    app = opened(train__name="a b")
    press(app, "Start")
    until(app, lambda: app.error)
    assert "name must be letters, digits" in unescaped(app.error[0].value)


def runs_folder():
    return data.home() / "runs"


def drained(generator):
    seen = []
    while True:
        try:
            seen.append(next(generator))
        except StopIteration as end:
            return seen, end.value


def test_a_job_says_what_training_does(home):
    seen, trained = drained(training.train(PLAN, runs_folder()))
    plain = Training("fc2", "mnist", SMALL, "plain", PLAN.loss)
    epochs = list(plain)
    assert [e.loss for e in trained.snapshot.epochs] == [e.loss for e in epochs]
    assert all(torch.equal(plain.kept[e][0], trained.snapshot.kept[e][0]) for e in range(4))
    assert [progress.fraction for progress in seen if not progress.snapshot.epochs][-1] < 1 / 3 + 1e-6
    assert seen[-1].fraction == 1
    assert len(trained.snapshot.losses) == 12
    assert trained.snapshot.losses[-1][0] == pytest.approx(3)


def test_what_a_training_hears_is_done_at_that_step_and_noted(home):
    work = training.train(PLAN, runs_folder())
    progress = next(work)
    while progress.snapshot.done < 4 and not progress.snapshot.epochs:
        progress = next(work)
    progress = work.send((("learning_rate", 0.001), ("label_smoothing", 0.2), ("dim", 3)))
    (first, second) = progress.snapshot.card.changes
    assert (first.parameter, first.value) == ("learning_rate", 0.001)
    assert (second.parameter, second.value) == ("label_smoothing", 0.2)
    assert first.step == second.step == 4
    _, trained = drained(work)
    assert trained.card.changes == (first, second)
    again = Training("fc2", "mnist", SMALL, "again", PLAN.loss, changes=trained.card.changes)
    list(again)
    assert all(torch.equal(again.model.state_dict()[key], value) for key, value in trained.weights.items())


def test_rate_and_loss_are_changed_while_it_runs_and_after_it_was_stopped(home):
    app = opened(train__Recipe__epochs=300)
    press(app, "Start")
    until(app, lambda: app.metric)
    assert app.select_slider(key="train.now.learning_rate").value == 0.006
    app.select_slider(key="train.now.learning_rate").set_value(0.001).run()
    until(app, lambda: any("Learning rate 0\\.001 from step" in caption.value for caption in app.caption))
    app.select_slider(key="train.now.alpha").set_value(4.1).run()
    until(app, lambda: any(caption.value.startswith("Alpha ") for caption in app.caption))
    press(app, "Stop")
    until(app, lambda: "Keep" in labels(app))
    trained, _ = app.session_state["train.trained"]
    assert [change.parameter for change in trained.card.changes] == ["learning_rate", "alpha"]
    lines = [
        shape for chart in app.get("plotly_chart") for shape in json.loads(chart.proto.spec)["layout"].get("shapes", [])
    ]
    assert len(lines) == 2
    press(app, "Keep")
    assert models.card("my-network").changes == trained.card.changes
    assert "--change" in models.card("my-network").source
    assert any("learning rate 0\\.001 from step" in caption.value for caption in app.caption)
    press(app, "Go on")
    until(app, lambda: app.metric)
    assert app.select_slider(key="train.now.learning_rate").value == 0.001
    assert any("Learning rate 0\\.001 from step" in caption.value for caption in app.caption)
    press(app, "Stop")
    until(app, lambda: "Delete" in labels(app))


def test_a_name_that_is_taken_gets_a_number(home):
    first = training.train(PLAN, runs_folder())
    next(first)
    next(first)
    second = training.train(PLAN, runs_folder())
    next(second)
    next(second)
    assert {path.stem for path in (home / "runs").glob("*")} == {"own", "own-2"}
    assert next(iter(MODELS)) in training.training_names()


def test_stop_hands_over_what_there_is(home):
    work = training.train(PLAN, runs_folder())
    progress = next(work)
    while not progress.snapshot.epochs:
        progress = next(work)
    with pytest.raises(StopIteration) as end:
        work.throw(Stop())
    assert len(end.value.value.snapshot.epochs) == 1
    assert "1 of 3 epochs" in session.describe(runs.listing()["own"])
    _, trained = drained(training.train(runs.listing()["own"]))
    assert [epoch.index for epoch in trained.snapshot.epochs] == [1, 2, 3]


def test_a_long_curve_is_thinned(home, monkeypatch):
    monkeypatch.setattr(training, "CURVE", 5)
    _, trained = drained(training.train(PLAN, runs_folder()))
    steps = [x for x, _ in trained.snapshot.losses]
    assert len(steps) <= 10
    assert steps == sorted(steps)


def test_the_embedding_draws_every_point_once_in_every_frame():
    generator = torch.Generator().manual_seed(0)
    frames, classes = [torch.randn(40, 2, generator=generator) for _ in range(3)], torch.arange(40) % 4
    figure = plots.embedding(frames, classes, "abcd", ["0", "1", "2"])
    assert [frame.name for frame in figure.frames] == ["0", "1", "2"]
    for frame, points in zip(figure.frames, frames, strict=True):
        for index, trace in enumerate(frame.data):
            drawn = torch.tensor([trace.x, trace.y]).T
            assert torch.equal(drawn, points[classes == index])
    x, every = figure.layout.xaxis.range, torch.cat(frames)
    assert ((every[:, 0] >= x[0]) & (every[:, 0] <= x[1])).float().mean() >= 0.98
    assert len({trace.marker.symbol for trace in figure.data}) == 4


def test_the_regions_behind_a_training_are_what_its_head_names(home):
    _, trained = drained(training.train(PLAN, runs_folder()))
    snapshot = trained.snapshot
    assert sorted(snapshot.heads) == [0, 1, 2, 3]
    points = [snapshot.kept[epoch][0] for epoch in range(4)]
    extent = plots.reach(points)
    shaded = [result._regions(snapshot, epoch, extent) for epoch in range(4)]
    figure = plots.embedding(points, snapshot.labels, list("0123456789"), list("0123"), shaded)
    for epoch, frame in enumerate(figure.frames):
        state, drawn = snapshot.heads[epoch], frame.data[-1]
        x = drawn.x0 + drawn.dx * torch.arange(80)
        y = drawn.y0 + drawn.dy * torch.arange(80)
        places = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
        logits = places @ state["weight"].T + state["bias"]
        named = torch.from_numpy(drawn.z.copy())
        assert (logits.argmax(-1) == named).double().mean() > 0.999
        z, said = snapshot.kept[epoch]
        assert ((z @ state["weight"].T + state["bias"]).argmax(1) == said).all()
    assert figure.data[-1].type == "heatmap"
    assert figure.layout.updatemenus[0].buttons[0].args[1]["frame"]["redraw"]


def test_a_kernel_head_that_stores_nothing_names_nothing(home):
    plan = Plan("own", "fc2", "mnist", GraphSmoothness(dim=2, references=20), SMALL, {})
    _, trained = drained(training.train(plan, runs_folder()))
    assert sorted(trained.snapshot.heads) == [1, 2, 3]
    assert trained.snapshot.heads[1]["references"].shape == (20, 2)
    wide = Plan("own", "fc2", "mnist", CrossEntropy(), SMALL, {})
    assert drained(training.train(wide, runs_folder()))[1].snapshot.heads == {}


def test_a_network_goes_on_from_its_weights():
    app = opened(train__network__mnist="fc2", train__loss="cross-entropy", train__Recipe__epochs=1)
    app.selectbox(key="train.start.mnist.fc2.cross-entropy").select("mnist-fc2-ce").run()
    assert not app.exception
    assert not app.error
    assert app.query_params["start"] == "mnist-fc2-ce"
    press(app, "Start")
    until(app, lambda: "Keep" in labels(app))
    accuracy = next(metric.value for metric in app.metric if metric.label == "Test accuracy")
    assert float(accuracy.split()[0]) > 90


def test_a_network_of_another_kind_to_begin_with_is_said_in_one_sentence():
    app = opened(
        **{
            "train__start__mnist__fc2__cross-entropy": "mnist-fc2-ce",
            "train__network__mnist": "fc2",
            "train__loss": "cross-entropy",
            "train__CrossEntropy__dim": 2,
        }
    )
    (error,) = app.error
    assert "cannot be begun with: embedding must be the same" in unescaped(error.value)


def test_an_ensemble_is_named_in_a_box_and_label_leaking_is_told_of():
    app = opened(train__Recipe__adversarial="fgsm", train__Recipe__sources="mnist-fc2-ce")
    box = app.text_input(key="train.Recipe.sources")
    assert box.value == "mnist-fc2-ce"
    told = next(each for each in app.segmented_control if each.key == "train.Recipe.adversarial")
    assert "label leaking" in told.help
    box.set_value("mnist-fc2-ce, mnist-lenet-ce").run()
    assert not app.exception
    assert app.query_params["sources"] == "mnist-fc2-ce, mnist-lenet-ce"
    box = app.text_input(key="train.Recipe.sources").set_value("a b").run()
    assert any("name must be letters" in unescaped(error.value) for error in app.error)
