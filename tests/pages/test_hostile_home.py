"""A home full of bad checkpoints takes no page down; each is listed with its sentence, and what can be used is."""

import shutil

import pytest
from driver import opened, unescaped
from streamlit.testing.v1 import AppTest

from core import models
from core.lessons import places
from tests import hostile

PAGES = places.names()
MODEL_PAGES = [page for page in PAGES if page not in ("", "Glossary")]


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return unescaped("\n".join(element.value for kind in kinds for element in kind))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    hostile.put_all(home)
    return home


@pytest.fixture
def full(collection, monkeypatch):
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(collection))
    models.refresh()
    return collection


@pytest.mark.parametrize("page", PAGES)
def test_a_home_full_of_bad_checkpoints_takes_no_page_down(full, page):
    app = opened(page)
    if page in MODEL_PAGES:
        expected = len(hostile.UNUSABLE) + len(hostile.NAMES) + 1
        if "MMC" in page:
            app = opened(page, tab="Features")
        assert f"{expected} checkpoints cannot be used" in [expander.label for expander in app.expander]
        said = words(app)
        assert "adversarial-list: card.json has a wrong entry 'recipe.adversarial'; correct it." in said
        assert "python -m core models list" in said
    assert str(full) not in words(app)
    assert not app.error


PAST = ["kept-nan", "kept-folder", "kept-labels", "kept-narrow"]
ODD = [*hostile.LOADED, *PAST, *hostile.HARMLESS]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    ("page", "setting"),
    [
        ("Attack_lab", {"model": ""}),
        ("Graph_loss", {"model": ""}),
        ("Embeddings", {"1": "", "2": "none", "3": "none"}),
    ],
)
def test_a_page_says_what_is_wrong_with_the_network_that_it_is_to_show(home, page, setting, name):
    damage = {n: d for n, (d, _) in hostile.LOADED.items()} | hostile.KEPT | hostile.HARMLESS
    hostile.put(home, name, damage[name])
    app = opened(page, **{key: value or name for key, value in setting.items()})
    assert app.query_params.get(next(iter(setting))) in (name, [name])
    said = [unescaped(error.value) for error in app.error]
    if name in hostile.LOADED:
        assert [hostile.LOADED[name][1] in error for error in said] == [True], said
    elif name in hostile.KEPT and "Attack" not in page:
        assert ["its embeddings.safetensors is" in error for error in said] == [True], said
    else:
        assert said == []
    assert str(home) not in words(app)


@pytest.mark.parametrize("name", ["values-other", "values-nan"])
@pytest.mark.parametrize("tab", ["Features", "Loss and density", "Uncertainty", "Runner-up", "Attacks"])
def test_mmc_says_what_is_wrong_with_a_network(home, name, tab):
    hostile.put(home, name, hostile.LOADED[name][0])
    app = opened("MMC_centres", tab=tab, ce=name)
    assert [hostile.LOADED[name][1] in unescaped(error.value) for error in app.error] == [True]


@pytest.mark.parametrize("name", [*hostile.LOADED, "kept-nan", "loss-unknown", "loss-arguments", "kept-constant"])
def test_training_says_what_is_wrong_with_the_network_to_begin_with(home, name):
    damage = {n: d for n, (d, _) in hostile.LOADED.items()} | hostile.KEPT | hostile.HARMLESS
    hostile.put(home, name, damage[name])
    card = models.card(name)
    app = opened("Training", network="lenet", loss=card.loss, start=name)
    boxes = [box for box in app.selectbox if box.label == "Begin with"]
    if name == "loss-unknown":
        assert not any(name in box.options for box in boxes)
        return
    (box,) = boxes
    assert box.value == name
    box.select("fresh weights").run()
    assert not app.exception
    assert not app.error
    next(box for box in app.selectbox if box.label == "Begin with").select(name).run()
    assert not app.exception, app.exception[0].stack_trace
    assert bool(app.error) == (name != "kept-constant")


def test_a_network_that_goes_bad_while_it_is_shown_is_left_for_another(home):
    folder = hostile.put(home, "own", lambda folder: None)
    app = opened("Attack_lab", model="own")
    assert app.selectbox(key="lab.model").value == "own"
    hostile.UNUSABLE["adversarial-list"][0](folder)
    app.run()
    assert not app.exception
    assert app.selectbox(key="lab.model").value == "mnist-c4-ce"
    assert "own: card.json has a wrong entry 'recipe.adversarial'" in words(app)
    shutil.rmtree(folder)
    app.run()
    assert not app.exception
    assert not [expander.label for expander in app.expander if "cannot be used" in expander.label]
