"""Checkpoints as nobody should make them: each a good one with one thing done to it, and what must be said of it."""

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save, save_file

from core.layout import CHECKPOINTS
from tests.problems import uniform

GOOD = CHECKPOINTS / "mnist-lenet-ce"
KERNEL = CHECKPOINTS / "mnist-lenet-graph-2d"
Damage = Callable[[Path], None]


def write_card(folder: Path, content: bytes) -> None:
    (folder / "card.json").write_bytes(content)


def card(**changes: Any) -> Damage:
    """Entries of the card are others."""

    def damage(folder: Path) -> None:
        facts = json.loads((folder / "card.json").read_text())
        write_card(folder, json.dumps(facts | changes).encode())

    return damage


def text(content: bytes) -> Damage:
    """The card is this text."""
    return lambda folder: write_card(folder, content)


def entry(name: str, value: str) -> Damage:
    """An entry of the card is this JSON."""

    def damage(folder: Path) -> None:
        facts = json.loads((folder / "card.json").read_text())
        facts.pop(name, None)
        write_card(folder, (json.dumps(facts)[:-1] + f', "{name}": {value}}}').encode())

    return damage


def vouch(folder: Path) -> None:
    """The card vouches for whatever the weights are."""
    card(sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())(folder)


def weights(**changes: torch.Tensor | None) -> Damage:
    """Tensors are others, or missing; dots of their names written __."""

    def damage(folder: Path) -> None:
        state = load_file(folder / "weights.safetensors")
        state |= {key.replace("__", "."): value for key, value in changes.items()}
        save_file({k: v for k, v in state.items() if v is not None}, folder / "weights.safetensors")
        vouch(folder)

    return damage


def header(content: bytes, length: int | None = None, rest: bytes = b"") -> Damage:
    """The weights have this header, said to be so long."""

    def damage(folder: Path) -> None:
        size = struct.pack("<Q", len(content) if length is None else length)
        (folder / "weights.safetensors").write_bytes(size + content + rest)
        vouch(folder)

    return damage


def instead(name: str, make: Callable[[Path], object]) -> Damage:
    """Something else than a file of this name."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return damage


def sparse(size: int) -> Callable[[Path], None]:
    """A file of so many bytes that takes no room."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def kept(**changes: torch.Tensor | None) -> Damage:
    """What was kept of the training is other than it was."""

    def damage(folder: Path) -> None:
        path = folder / "embeddings.safetensors"
        state: dict[str, Any] = load_file(path) | changes
        path.write_bytes(save({k: v for k, v in state.items() if v is not None}))

    return damage


UNUSABLE: dict[str, tuple[Damage, str]] = {
    "card-empty": (text(b""), "card.json is damaged"),
    "card-cut": (text(b'{"name": "card-cut", '), "card.json is damaged"),
    "card-binary": (text(bytes(range(256))), "card.json is damaged"),
    "card-list": (text(b"[]"), "wrong entry 'as a whole'"),
    "card-null": (text(b"null"), "wrong entry 'as a whole'"),
    "card-deep": (text(b"[" * 60_000), "card.json is damaged"),
    "card-deep-closed": (text(b"[" * 30_000 + b"]" * 30_000), "card.json is damaged"),
    "card-deep-inside": (entry("recipe", '{"a":' * 400 + "1" + "}" * 400), "wrong entry 'recipe.a'"),
    "card-100-MB": (instead("card.json", sparse(100_000_000)), "card.json is larger than 64 kB"),
    "card-folder": (instead("card.json", Path.mkdir), "card.json is no plain file"),
    "card-pipe": (instead("card.json", os.mkfifo), "card.json is no plain file"),
    "card-nowhere": (instead("card.json", lambda p: p.symlink_to("none")), "card.json cannot be read"),
    "card-round": (instead("card.json", lambda p: p.symlink_to(p)), "card.json cannot be read"),
    "card-nan": (entry("crop_fraction", "NaN"), "card.json is damaged"),
    "card-infinite": (entry("std", "[1e999]"), "wrong entry 'std.0'"),
    "card-5000-digits": (entry("seed", "9" * 5000), "card.json is damaged"),
    "card-500-digits": (entry("seed", "9" * 500), "wrong entry 'seed'"),
    "card-surprise": (card(**{"x" * 5000: 1}), "wrong entry 'xxxxxxxx"),
    "name-other": (card(name="another"), "its card.json is that of 'another'"),
    "title-list": (card(title=["x"]), "wrong entry 'title'"),
    "title-lines": (card(title="a\nb"), "wrong entry 'title'"),
    "title-half": (entry("title", '"\\ud800"'), "wrong entry 'title'"),
    "title-long": (card(title="x" * 50_000), "wrong entry 'title'"),
    "adversarial-list": (card(recipe={"adversarial": ["fgsm"]}), "wrong entry 'recipe.adversarial'"),
    "adversarial-number": (card(recipe={"adversarial": 3}), "wrong entry 'recipe'"),
    "epochs-word": (card(recipe={"epochs": "many"}), "wrong entry 'recipe'"),
    "epochs-none": (card(recipe={"epochs": None}), "wrong entry 'recipe'"),
    "n-word": (card(recipe={"epochs": 3, "n": "all"}), "wrong entry 'recipe'"),
    "versions-list": (card(versions=["1"]), "wrong entry 'versions'"),
    "start-list": (card(start=["x"]), "wrong entry 'start'"),
    "data-photos": (card(dataset="photos"), "unknown data set 'photos'; known are mnist,"),
    "data-unknown": (card(dataset="usps"), "unknown data set 'usps'"),
    "data-path": (card(dataset="folder:/etc"), "unknown data set 'folder:/etc'"),
    "data-other": (card(dataset="cifar10"), "cifar10 has images of shape (3, 32, 32)"),
    "data-imagenet": (card(dataset="imagenet"), "imagenet has images of shape (3, 224, 224) in 1000 classes"),
    "shape-channels": (card(input_shape=[3, 28, 28]), "its card says (3, 28, 28)"),
    "shape-3000": (card(input_shape=[1, 3000, 3000]), "its card says (1, 3000, 3000)"),
    "shape-huge": (card(input_shape=[1, 10**9, 10**9]), "wrong entry 'input_shape.1'"),
    "shape-flat": (card(input_shape=[28, 28]), "wrong entry 'input_shape.0'"),
    "classes-7": (card(classes=7), "head.weight has shape (10, 84) instead of (7, 84)"),
    "classes-huge": (card(classes=10**12), "wrong entry 'classes'"),
    "mean-none": (card(mean=[]), "wrong entry 'mean'"),
    "mean-many": (card(mean=[0.1] * 5000), "wrong entry 'mean'"),
    "std-zero": (card(std=[0.0]), "wrong entry 'std.0'"),
    "network-unknown": (card(network="vit"), "unknown network 'vit'; known are c4,"),
    "network-arguments": (card(network_arguments={"depth": 3}), "lenet does not take {'depth': 3}"),
    "network-many-arguments": (card(network_arguments={str(i): i for i in range(300)}), "wrong entry"),
    "network-channels": (card(network_arguments={"channels": 3}), "has shape (6, 1, 5, 5) instead of (6, 3, 5, 5)"),
    "network-negative": (card(network_arguments={"channels": -1}), "lenet does not take {'channels': -1}"),
    "network-word": (card(network_arguments={"channels": "three"}), "lenet does not take"),
    "network-list": (card(network_arguments={"channels": [1]}), "wrong entry 'network_arguments.channels'"),
    "network-huge": (card(network="fc2", network_arguments={"size": 1_000_000}), "more than are loaded here"),
    "network-wide": (card(network="vgg-f", network_arguments={"hidden": 10**7}), "more than are loaded here"),
    "network-variant": (card(network="efficientnet-lite0", network_arguments={"variant": "b9"}), "does not take"),
    "network-device": (card(head_arguments={"device": "meta"}), "head linear does not take {'device': 'meta'}"),
    "head-unknown": (card(head="attention"), "unknown head 'attention'"),
    "head-arguments": (card(head="kernel", head_arguments={"alpha": "x"}), "head kernel does not take {'alpha': 'x'}"),
    "head-huge": (card(head="kernel", head_arguments={"references": 10**12}), "more than are loaded here"),
    "head-overflow": (card(head="kernel", head_arguments={"references": 2**52}), "more than are loaded here"),
    "network-overflow": (card(network="vgg-f", network_arguments={"hidden": 2**52}), "vgg-f does not take"),
    "embedding-huge": (card(embedding=10**12), "wrong entry 'embedding'"),
    "embedding-wide": (card(embedding=10_000), "its weights lack embedding.linear.weight"),
    "embedding-none": (card(embedding=0), "wrong entry 'embedding'"),
    "embedding-norm": (card(embedding=2, embedding_norm="l7"), "wrong entry 'embedding_norm'"),
    "weights-away": (card(weights="../../weights.safetensors"), "wrong entry 'weights'"),
    "weights-path": (card(weights="/etc/passwd"), "wrong entry 'weights'"),
    "weights-package": (card(weights="package:antigravity"), "no package carries weights of 'antigravity'"),
    "weights-other-package": (
        card(weights="package:efficientnet-lite0"),
        "its weights are those of efficientnet-lite0",
    ),
    "weights-missing": (instead("weights.safetensors", lambda path: None), "weights.safetensors cannot be read"),
    "weights-folder": (instead("weights.safetensors", Path.mkdir), "weights.safetensors is no plain file"),
    "weights-pipe": (instead("weights.safetensors", os.mkfifo), "weights.safetensors is no plain file"),
    "weights-empty": (instead("weights.safetensors", Path.touch), "weights.safetensors is not a safetensors file"),
    "weights-terabyte": (instead("weights.safetensors", sparse(10**12)), "weights.safetensors is larger than 1 GB"),
    "weights-zeros": (instead("weights.safetensors", sparse(10**8)), "weights.safetensors is not a safetensors file"),
    "weights-pickle": (header(b"\x80\x04cposix\nsystem\n"), "weights.safetensors is not a safetensors file"),
    "header-long": (header(b"{}", 2**63), "weights.safetensors is not a safetensors file"),
    "header-deep": (header(b'{"a":' * 90_000), "weights.safetensors is not a safetensors file"),
    "header-list": (header(b"[1]"), "weights.safetensors is not a safetensors file"),
    "header-entry": (header(b'{"a": 3}'), "weights.safetensors is not a safetensors file"),
    "header-offsets": (
        header(b'{"head.bias": {"dtype": "F32", "shape": [10], "data_offsets": [0, 4000000000]}}'),
        "weights.safetensors is not a safetensors file",
    ),
    "header-negative": (
        header(b'{"head.bias": {"dtype": "F32", "shape": [-1, -10], "data_offsets": [0, 40]}}', rest=bytes(40)),
        "weights.safetensors is not a safetensors file",
    ),
    "header-kind": (
        header(b'{"head.bias": {"dtype": "C64", "shape": [10], "data_offsets": [0, 80]}}', rest=bytes(80)),
        "weights.safetensors is not a safetensors file",
    ),
    "tensor-shape": (weights(head__bias=torch.zeros(11)), "head.bias has shape (11,) instead of (10,)"),
    "tensor-missing": (weights(head__bias=None), "its weights lack head.bias"),
    "tensor-extra": (weights(evil=torch.zeros(1)), "its weights hold evil, which the network lacks"),
    "tensor-kind": (weights(head__bias=torch.zeros(10, dtype=torch.int64)), "head.bias has values of another kind"),
}
"""Name -> what is done to a LeNet of this name, and words of the sentence that says so. None is ever loaded."""

OWN_DATA = {"data-photos", "data-unknown", "data-path"}
"""Those of UNUSABLE that a script may load all the same: pages know nothing of their data."""

LOADED: dict[str, tuple[Damage, str]] = {
    "values-other": (instead("weights.safetensors", lambda p: save_file(doubled(), p)), "is not the file its card"),
    "values-nan": (weights(head__bias=torch.full((10,), torch.nan)), "its logits are not finite"),
    "labels-outside": (weights(head__reference_labels=torch.full((1000,), 99)), "its stored features are of classes"),
    "labels-negative": (weights(head__reference_labels=torch.full((1000,), -1)), "its stored features are of classes"),
}
"""As UNUSABLE, but only the values of the weights tell, so it is found out when a page wants to use it. Those of labels
are done to a network with a kernel head."""

KEPT: dict[str, Damage] = {
    "kept-empty": instead("embeddings.safetensors", Path.touch),
    "kept-folder": instead("embeddings.safetensors", Path.mkdir),
    "kept-pipe": instead("embeddings.safetensors", os.mkfifo),
    "kept-terabyte": instead("embeddings.safetensors", sparse(10**12)),
    "kept-lacking": kept(labels=None),
    "kept-nan": kept(features=torch.full((5, 500, 84), torch.nan)),
    "kept-huge-values": kept(features=torch.full((5, 500, 84), 1e38)),
    "kept-whole-numbers": kept(features=torch.ones(5, 500, 84, dtype=torch.int64)),
    "kept-complex": kept(features=torch.ones(5, 500, 84, dtype=torch.complex64)),
    "kept-narrow": kept(features=uniform(5, 500, 83)),
    "kept-flat": kept(features=uniform(5, 500, 0)),
    "kept-nothing": kept(
        epochs=torch.zeros(0, dtype=torch.int64),
        features=uniform(0, 500, 84),
        predictions=torch.zeros(0, 500, dtype=torch.int16),
    ),
    "kept-labels": kept(labels=torch.full((500,), 77)),
    "kept-negative-labels": kept(labels=torch.full((500,), -3)),
    "kept-answers": kept(predictions=torch.full((5, 500), 500, dtype=torch.int16)),
    "kept-answers-real": kept(predictions=uniform(5, 500)),
    "kept-indices": kept(indices=torch.arange(500) + 10_000),
    "kept-twice": kept(indices=torch.zeros(500, dtype=torch.int64)),
    "kept-epochs": kept(epochs=torch.tensor([0, 1, 2, 2, 3])),
    "kept-past": kept(epochs=torch.tensor([-4, -3, -2, -1, 0])),
}
"""What was kept of the training is damaged: the network itself can be used, and its past cannot be shown."""

HARMLESS: dict[str, Damage] = {
    "loss-unknown": card(loss="triplet"),
    "loss-arguments": card(loss="graph-smoothness", loss_arguments={"alpha": "x", "beta": 3}),
    "loss-bounds": card(loss="graph-smoothness", loss_arguments={"alpha": -1e300}),
    "markup": card(title="*a* [b](javascript:x) $c$ :red[d] <script>e</script>", loss="<b>$x$</b>"),
    "no-recipe": card(recipe={}),
    "kept-constant": kept(features=torch.zeros(5, 500, 84)),
    "kept-largest": kept(features=torch.full((5, 500, 84), 65504.0).half()),
}
"""Odd, but the network works, and every page must."""

NAMES = ["two words", "x" * 200, "$(date)", os.fsdecode("é\u202etxt".encode()), os.fsdecode(b"\xff\xa0")]
"""Names of folders that no checkpoint can have; as bytes, for not every locale has these letters."""


def doubled() -> dict[str, torch.Tensor]:
    return {key: 2 * value for key, value in load_file(GOOD / "weights.safetensors").items()}


def put(home: Path, name: str, damage: Damage) -> Path:
    """A good checkpoint `name` in `home`, with that done to it; returns its folder."""
    folder = home / "checkpoints" / name
    shutil.copytree(KERNEL if name.startswith("labels") else GOOD, folder)
    card(name=name)(folder)
    damage(folder)
    return folder


def put_all(home: Path) -> None:
    """All of them in one home."""
    for name, (damage, _) in (UNUSABLE | LOADED).items():
        put(home, name, damage)
    for name, harm in (KEPT | HARMLESS).items():
        put(home, name, harm)
    for name in NAMES:
        shutil.copytree(GOOD, home / "checkpoints" / name)
    shutil.copytree(GOOD, home / "checkpoints" / GOOD.name)  # which would hide the project's
    (home / "checkpoints" / "empty").mkdir()
    (home / "checkpoints" / "file").touch()
