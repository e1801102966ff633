"""What is taken home: lossless, complete, and its script makes the same image again."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import data, models
from core.attacks import ATTACKS, AttackResult, Run, run
from core.data import quantize
from core.evaluate.comparison import matched
from core.export.archive import Item, file_name, package
from core.export.reproduce import main
from core.magnify import MagnifyParameters, display_scale, magnify
from core.params import quick

ROOT = Path(__file__).parents[3]
MNIST = data.gallery.read("mnist")
MODEL = models.load("mnist-c4-ce")
DISPLAY = MagnifyParameters(beta=0.7, sigma_domain=3.0, sigma_range=0.2)


def attacked(name: str, seed: int = 0, **values) -> AttackResult:
    return run(ATTACKS[name](**values), MODEL, MNIST.images[:1], MNIST.labels[:1], seed)


def item(name: str, result: AttackResult, norm: float | None = None) -> Item:
    return Item(name, result, MODEL.card.sha256, torch.get_num_threads(), norm)


def unzip(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(folder)
    return folder


def png(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image)


def levels(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0] * 255).round().byte().numpy()


def reproduce(folder: Path, where: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """What README.md of a package says, done in a folder, with nothing set that would help."""
    (command,) = re.findall(r"^    \.venv/bin/python (.*)$", (folder / "README.md").read_text(encoding="utf-8"), re.M)
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, command.replace("FOLDER", str(folder))],
        cwd=where,
        env=bare | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_everything_is_in_it_and_lossless(tmp_path: Path):
    result = attacked("scw", iterations=15, alpha=0.9)
    folder = unzip(package([item("scw", result)], MNIST.classes, DISPLAY), tmp_path)
    names = {"clean", "scw", "clean-magnified", "scw-magnified", "scw-perturbation"}
    assert {path.name for path in folder.iterdir()} == {f"{name}.png" for name in names} | {
        "arrays.npz",
        "parameters.json",
        "reproduce.py",
        "README.md",
    }
    np.testing.assert_array_equal(png(folder / "clean.png"), levels(result.images))
    np.testing.assert_array_equal(png(folder / "scw.png"), levels(quantize(result.adversarial)))
    gain = 0.5 / float(result.perturbation.abs().max())
    np.testing.assert_array_equal(
        png(folder / "scw-perturbation.png"), levels((0.5 + result.perturbation / torch.tensor(1 / gain)).clamp(0, 1))
    )
    pair = [magnify(x, **DISPLAY.values()) for x in (result.images, result.adversarial_8bit)]
    scale = display_scale(pair)
    for name, picture in zip(("clean", "scw"), pair, strict=True):
        np.testing.assert_array_equal(png(folder / f"{name}-magnified.png"), levels(scale.apply(picture)))

    arrays = np.load(folder / "arrays.npz")
    assert arrays["clean"].dtype == np.float32
    np.testing.assert_array_equal(arrays["clean"], result.images[0].numpy())
    np.testing.assert_array_equal(arrays["scw.adversarial"], result.adversarial[0].numpy())
    np.testing.assert_array_equal(arrays["scw.perturbation"], result.perturbation[0].numpy())
    np.testing.assert_array_equal(arrays["scw.logits"], result.logits[0].numpy())
    np.testing.assert_array_equal(arrays["scw.trace.distortion"], result.trace["distortion"][:, 0].numpy())

    facts = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    told = facts["runs"]["scw"]
    assert ATTACKS[told["attack"]](**told["parameters"]).values() == result.parameters
    assert (told["model"], told["seed"], told["status"]) == ("mnist-c4-ce", 0, "fooled")
    assert told["named"]["adversarial"] == MNIST.classes[int(result.predictions[0])]
    assert told["l2"] == float(result.l2[0])
    assert MagnifyParameters(**facts["display"]["magnify"]) == DISPLAY
    assert facts["versions"]["torch"] == torch.__version__


def test_the_script_makes_the_same_images_again(tmp_path: Path):
    """A whole run, one that was stopped, one with randomness, one brought to a norm: all in one package."""
    driver = Run(ATTACKS["cw"](iterations=200), MODEL, MNIST.images[:1], MNIST.labels[:1])
    for _ in range(25):
        next(driver)
    stopped = driver.result()
    assert stopped.stopped
    smooth = attacked("scw", iterations=15)
    content = package(
        [
            item("whole", smooth),
            item("stopped", stopped),
            item("random", attacked("noise", seed=7)),
            item("longer", matched(smooth, MODEL, 3.0), norm=3.0),
        ],
        MNIST.classes,
        DISPLAY,
    )
    done = reproduce(unzip(content, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["whole", "stopped", "random", "longer"]
    assert all(float(line.rpartition(" ")[2]) <= 1e-5 for line in lines)


@pytest.mark.slow
def test_whatever_was_attacked_is_attacked_again(tmp_path: Path):
    """Every attack on a picture that somebody brought, towards a target, gone on with, pushed: one package."""
    brought = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 1, 28, 28)) / np.float32(255)).float()
    label = MODEL(brought).argmax(1)  # nobody knows the truth: the network's own answer is attacked
    target = int(MODEL(brought)[0].argsort()[-3])
    fitting = {name: cls for name, cls in ATTACKS.items() if name != "color_shift"}  # of a grey picture
    made = {name: run(cls(**quick(cls)), MODEL, brought, label, seed=5) for name, cls in fitting.items()}
    items = [item(f"{i}-{name}", result) for i, (name, result) in enumerate(made.items())]
    aimed = {name: {"target": target} | quick(ATTACKS[name]) for name in ("cw", "scw", "deepfool", "smoothfool")}
    items += [item(f"aimed-{n}", run(ATTACKS[n](**values), MODEL, brought, label)) for n, values in aimed.items()]
    pushed = run(ATTACKS["scw"](iterations=10, search_steps=1, push=True), MODEL, brought, label)
    assert "push" in pushed.trace
    items.append(item("pushed", pushed))
    for name in ("cw", "sddn"):
        cls, start = ATTACKS[name], made[name].adversarial
        further = run(cls(**quick(cls)), MODEL, brought, label, seed=5, start=start)
        items.append(replace(item(f"further-{name}", further), start=start))
    folder = unzip(package(items, MNIST.classes, DISPLAY), tmp_path)
    assert not (folder / "networks").exists()
    done = reproduce(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [each.name for each in items]


def test_a_network_of_ones_own_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = tmp_path / "home" / "checkpoints" / "mine"
    shutil.copytree(models.MODELS["mnist-fc2-ce"], own)
    card = json.loads((own / "card.json").read_text(encoding="utf-8"))
    (own / "card.json").write_text(json.dumps(card | {"name": "mine"}), encoding="utf-8")
    monkeypatch.setenv("SMOOTHSCOPE_HOME", str(tmp_path / "home"))
    models.refresh()
    try:
        model = models.load("mine")
        result = run(ATTACKS["fgsm"](), model, MNIST.images[:1], MNIST.labels[:1])
        taken = Item("mine", result, model.card.sha256, 1)
        folder = unzip(package([taken], MNIST.classes, DISPLAY), tmp_path / "taken")
        gone = unzip(package([replace(taken, sha256="0" * 64)], MNIST.classes, DISPLAY), tmp_path / "trained anew")
    finally:
        monkeypatch.undo()
        models.refresh()
    done = reproduce(folder, SMOOTHSCOPE_HOME=str(tmp_path / "another home"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (gone / "networks").exists()
    with pytest.raises(SystemExit, match=r"^there is no model 'mine'"):
        main(gone)


def test_the_script_says_where_it_has_to_be_run(tmp_path: Path):
    folder = unzip(package([item("fgsm", attacked("fgsm"))], MNIST.classes, DISPLAY), tmp_path)
    done = reproduce(folder, where=folder)
    if done.returncode:  # else it is installed as a package here
        assert done.stderr.startswith("Smoothscope is not found here.")
        assert f'.venv/bin/python "{folder / "reproduce.py"}"' in done.stderr


def test_the_script_notices_another_image(tmp_path: Path):
    folder = unzip(package([item("fgsm", attacked("fgsm"))], MNIST.classes, DISPLAY), tmp_path)
    arrays = dict(np.load(folder / "arrays.npz"))
    arrays["fgsm.adversarial"][0, 3, 3] += 2e-5
    np.savez_compressed(folder / "arrays.npz", **arrays)
    assert main(folder) == 1


def test_refusals():
    one, other = attacked("fgsm"), run(ATTACKS["fgsm"](), MODEL, MNIST.images[1:2], MNIST.labels[1:2])
    with pytest.raises(ValueError, match="at least one result"):
        package([], MNIST.classes, DISPLAY)
    with pytest.raises(ValueError, match="one and the same image"):
        package([item("a", one), item("b", other)], MNIST.classes, DISPLAY)
    with pytest.raises(ValueError, match="different names"):
        package([item("a", one), item("a", one)], MNIST.classes, DISPLAY)


@pytest.mark.parametrize(
    ("text", "name"), [("Smooth C&W, α 0.95", "smooth-c-w-a-0.95"), ("../..", "run"), ("été", "t")]
)
def test_file_names(text: str, name: str):
    assert file_name(text) == name
