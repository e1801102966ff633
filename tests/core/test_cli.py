"""python -m core: what it prints and writes, and one sentence and exit status 2 for everything that cannot be."""

import json
import shlex

import pytest

from core import data, models
from core.__main__ import main
from core.attacks import ATTACKS
from core.evaluate import records
from core.evaluate.report import AttackRecord
from core.params import fields
from core.train import loop

QUICK = ["--iterations", "10", "--search-steps", "1"]
ATTACK = ["attack", "--model", "mnist-c4-ce", "--attack", "scw", *QUICK]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine where nothing is installed."""
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    models.refresh()
    yield tmp_path / "home"
    monkeypatch.undo()
    models.refresh()


def ask(capsys, *arguments):
    """(exit status, standard output, standard error) of a command."""
    status = main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys, *arguments):
    """The one sentence that a command is refused with."""
    status, _, err = ask(capsys, *arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").removesuffix("\n")


def test_data_list(capsys):
    status, out, err = ask(capsys, "data", "list")
    assert (status, err) == (0, "")
    for dataset in data.DATASETS.values():
        assert dataset.name in out
    assert "gallery only" in out


def test_models_list(capsys, home):
    (home / "checkpoints" / "broken").mkdir(parents=True)
    (home / "checkpoints" / "broken" / "card.json").write_text("{")
    models.refresh()
    status, out, err = ask(capsys, "models", "list")
    assert (status, err) == (0, "")
    assert "broken: its card.json is damaged" in out
    accuracy = models.card("mnist-c4-ce").accuracy
    line = next(line for line in out.splitlines() if "mnist-c4-ce" in line)
    assert f"{100 * accuracy.value:.2f} % of {accuracy.n}" in line


def test_models_list_names_whole_names_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = ask(capsys, "models", "list")
    assert "imagenet-efficientnet-lite0" in out


def test_models_show(capsys):
    status, out, _ = ask(capsys, "models", "show", "mnist-c4-ce")
    assert status == 0
    assert json.loads(out) == json.loads(models.card("mnist-c4-ce").model_dump_json())
    assert "there is no model 'nobody'; there are " in refused(capsys, "models", "show", "nobody")


def test_attack_writes_what_it_prints(capsys, tmp_path):
    path = tmp_path / "new" / "result.json"
    status, out, err = ask(capsys, *ATTACK, "--n", 5, "--alpha", 0.9, "--seed", 1, "--out", path)
    assert (status, err) == (0, "")
    (record,) = records.read(path, AttackRecord)
    assert record.protocol.name == "scw"
    parameters = record.protocol.parameters
    assert (parameters["alpha"], parameters["iterations"]) == (0.9, 10)
    assert set(parameters) == {info.name for info in fields(ATTACKS["scw"])}
    assert record.network == records.Network.of(models.card("mnist-c4-ce"))
    assert (record.data.name, record.data.source, record.data.n, record.seed) == ("mnist", "gallery", 5, 1)
    assert record.n == len(record.rows) == 5
    fooled = record.rows["l2"][record.rows["status"] == "fooled"]
    assert record.fooled == len(fooled)
    assert record.mean_l2 == pytest.approx(fooled.mean())
    assert f"{record.fooled / 5:.3f}" in out
    assert f"{record.mean_l2:.3f}" in out
    assert "From the gallery" in out
    assert f"written to {path} and result.parquet" in out.replace("\n", "")
    again = ask(capsys, *shlex.split(record.command)[3:], "--out", tmp_path / "again.json")
    assert again[0] == 0
    (second,) = records.read(tmp_path / "again.json", AttackRecord)
    assert second.rows == record.rows


def test_the_seed_chooses_the_images(capsys, tmp_path):
    def indices(seed):
        main([*ATTACK, "--n", "4", "--iterations", "1", "--seed", str(seed), "--out", str(tmp_path / "x.json")])
        return records.read(tmp_path / "x.json", AttackRecord)[0].rows["index"].tolist()

    assert indices(0) == indices(0) != indices(1)


def test_a_preset_is_a_start(capsys, tmp_path):
    path = tmp_path / "x.json"
    arguments = ["attack", "--model", "mnist-c4-ce", "--attack", "scw", "--preset", "paper, ImageNet", *QUICK]
    assert ask(capsys, *arguments, "--n", 1, "--margin", 2, "--out", path)[0] == 0
    written = records.read(path, AttackRecord)[0].protocol.parameters
    assert (written["alpha"], written["margin"], written["initial_c"]) == (0.997, 2, 100)
    assert "has no preset 'mine'; it has 'paper, MNIST', " in refused(capsys, *ATTACK, "--preset", "mine")


def test_photographs_can_be_attacked(capsys, tmp_path):
    path = tmp_path / "x.json"
    arguments = ["--dataset", "photos", "--attack", "cw", "--n", 1, "--iterations", 1, "--search-steps", 1]
    assert ask(capsys, "attack", "--model", "imagenet-efficientnet-lite0", *arguments, "--out", path)[0] == 0
    assert records.read(path, AttackRecord)[0].data.source == "files"


def test_a_folder_leaves_no_path_in_the_result(capsys, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = folder / "000_cat.png"
    picture.write_bytes(data.to_png(data.load("photos").images[0]))
    named = models.load("imagenet-efficientnet-lite0", "cpu")(data.load(f"folder:{folder}").images).argmax().item()
    picture.rename(folder / f"{named:03d}_cat.png")
    path = tmp_path / "x.json"
    arguments = ["--dataset", f"folder:{folder}", "--attack", "cw", "--n", 1, "--iterations", 1, "--search-steps", 1]
    status, _, err = ask(capsys, "attack", "--model", "imagenet-efficientnet-lite0", *arguments, "--out", path)
    assert (status, err) == (0, "")
    assert records.read(path, AttackRecord)[0].data.name == "folder:pictures"
    assert str(tmp_path) not in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nobody"], "there is no model 'nobody'"),
        (["--attack", "nothing"], "invalid choice: 'nothing'"),
        (["--dataset", "nowhere"], "There is no data set 'nowhere'"),
        (["--dataset", "folder:nowhere"], "There is no folder nowhere"),
        (["--dataset", "cifar10"], "mnist-c4-ce takes images of shape (1, 28, 28); those of cifar10 have (3, 32, 32)"),
        (["--alpha", "2"], "alpha must be at most 0.9999; got 2"),
        (["--alpha", "high"], "alpha must be a number; got 'high'"),
        (["--alpha", "nan"], "alpha must be a finite number; got nan"),
        (["--neighbourhood", "5"], "neighbourhood must be one of"),
        (["--iterations", "0"], "iterations must be at least 1; got 0"),
        (["--sigma", "2"], "unrecognized arguments: --sigma 2"),
        (["surplus"], "unrecognized arguments: surplus"),
        (["--n", "0"], "n must be at least 1; got 0"),
        (["--n", "-3"], "n must be at least 1; got -3"),
        (["--n", "1001"], "n must be at most"),
        (["--n", "many"], "argument --n: invalid int value: 'many'"),
        (["--n", "2", "--batch-size", "0"], "batch_size must be at least 1; got 0"),
        (["--n", "1", "--seed", "-1"], "seed must be from 0"),
        (["--n", "1", "--seed", "99999999999"], "seed must be from 0"),
    ],
)
def test_attack_refuses(capsys, arguments, words):
    assert words in refused(capsys, *ATTACK, *arguments)


@pytest.mark.parametrize("place", ["folder", "file/below", "file/below/deeper"])
def test_an_unwritable_result_is_refused_before_the_attack(capsys, tmp_path, monkeypatch, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(models, "load", lambda name: pytest.fail("the attack began"))
    assert "cannot be written" in refused(capsys, *ATTACK, "--n", 1, "--out", tmp_path / place)


def test_an_old_result_survives_a_refusal(capsys, tmp_path):
    path = tmp_path / "x.json"
    path.write_text("kept")
    refused(capsys, *ATTACK, "--n", 1001, "--out", path)
    assert path.read_text() == "kept"
    assert list(tmp_path.glob("x*")) == [path]


def test_train_makes_a_model_of_which_the_others_know(capsys, home, monkeypatch):
    digits = data.gallery.read("mnist")
    monkeypatch.setattr(loop, "load", lambda *_, **__: digits[:100])
    status, out, err = ask(capsys, "train", "--name", "own", "--epochs", 2, "--batch-size", 50)
    assert (status, err) == (0, "")
    assert "epoch   2/2" in out
    assert models.load("own", "cpu").card.recipe["epochs"] == 2
    assert ask(capsys, "models", "show", "own")[0] == 0
    assert ask(capsys, "attack", "--model", "own", "--attack", "cw", *QUICK, "--n", 1)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a"], "python -m core data get mnist"),
        (["--name", "../a"], "name must be letters"),
        (["--name", "a", "--epochs", "0"], "epochs must be at least 1; got 0"),
        (["--name", "a", "--network", "c5"], "invalid choice: 'c5'"),
        ([], "the following arguments are required: --name"),
    ],
)
def test_train_refuses(capsys, arguments, words):
    assert words in refused(capsys, "train", *arguments)


@pytest.mark.parametrize("arguments", [[], ["bake"], ["models"], ["models", "list", "more"], ["data", "list", "--x"]])
def test_wrong_commands_are_refused(capsys, arguments):
    assert "see python -m core" in refused(capsys, *arguments)


def test_a_network_of_photographs_is_attacked_on_those_that_are_here(capsys, tmp_path):
    out = tmp_path / "record.json"
    assert (
        ask(capsys, "attack", "--model", "imagenet-efficientnet-lite0", "--attack", "fgsm", "--n", 1, "--out", out)[0]
        == 0
    )
    assert "--dataset photos" in out.read_text()


@pytest.mark.parametrize("arguments", [["--help"], ["attack", "--help"], ["train", "--help"], ["models", "--help"]])
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    out, err = capsys.readouterr()
    assert (stopped.value.code, err) == (0, "")
    assert out.startswith("usage: python -m core")
    if arguments[0] == "attack":
        assert all(info.help in out for cls in ATTACKS.values() for info in fields(cls))


def test_ctrl_c_says_so(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "load", interrupted)
    assert ask(capsys, *ATTACK, "--n", 1) == (130, "", "stopped.\n")
