"""Where the project's files lie, in the repository and in an environment."""

from pathlib import Path

from core import data, examples, layout, models
from core.data import gallery, imagenet
from core.evaluate import maps

ROOT = Path(__file__).resolve().parents[2]


def test_in_the_repository_everything_lies_beside_core(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "app.py").touch()
    assert layout.root(tmp_path) == tmp_path
    (tmp_path / "smoothscope").mkdir()  # the console script's own package: no app in it, so nothing else either
    (tmp_path / "smoothscope" / "__init__.py").touch()
    assert layout.root(tmp_path) == tmp_path


def test_in_an_environment_it_lies_in_the_package_smoothscope(tmp_path):
    (tmp_path / "smoothscope").mkdir()
    (tmp_path / "smoothscope" / "app.py").touch()
    (tmp_path / "app.py").touch()  # somebody else's
    assert layout.root(tmp_path) == tmp_path / "smoothscope"


def test_these_tests_run_the_repository_they_lie_in():
    assert layout.PACKAGES == layout.root() == ROOT


def test_all_that_reads_the_project_s_files_asks_here():
    assert {models.CHECKPOINTS, *(path.parent for path in models.MODELS.values())} <= {
        ROOT / "checkpoints",
        data.home() / "checkpoints",
    }
    assert ROOT / "assets" == layout.ASSETS == gallery.FOLDER.parent == examples.FOLDER.parent == maps.FOLDER.parents[1]
    assert len(imagenet.classes()) == 1000
