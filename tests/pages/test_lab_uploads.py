"""Whatever a person brings along, a file or a checkpoint, works, or one sentence says why not and the page goes on."""

import io
import json
import shutil
import struct
import threading
import zlib

import numpy as np
import pytest
import torch
from driver import Lab, levels
from PIL import Image

from core import data, models
from pages.parts.engine.bounded import Bounded
from pages.parts.inputs import choose
from pages.parts.shell import cache, page, reading

MNIST = data.gallery.read("mnist")
DRAWN = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def huge() -> bytes:
    """A real 20,000 x 20,000 PNG: 400 million black pixels in under half a megabyte."""
    packer = zlib.compressobj(9)
    row = bytes(20_001)
    body = b"".join(packer.compress(row) for _ in range(20_000)) + packer.flush()
    chunks = b""
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)),
        (b"IDAT", body),
        (b"IEND", b""),
    ):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter to see it upright
    return saved(DRAWN, "JPEG", exif=exif)


def palette() -> bytes:
    image = DRAWN.convert("P")
    return saved(image, transparency=int(np.array(image)[0, 0]))


PICTURES = {
    "plain.png": saved(DRAWN),
    "cmyk.jpg": saved(DRAWN.convert("CMYK"), "JPEG"),
    "sixteen.png": saved(Image.fromarray(np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64))),
    "palette.png": palette(),
    "rotated.jpg": rotated(),
    "animated.gif": saved(DRAWN, "GIF", save_all=True, append_images=[DRAWN.rotate(90)]),
    "modern.avif": saved(DRAWN, "AVIF"),
    "dot.png": saved(Image.new("RGB", (1, 1), "red")),
}
REFUSED = {
    "letter.png": (b"Dear all,", "not a picture"),
    "empty.png": (b"", "empty"),
    "cut.png": (PICTURES["plain.png"][:-5000], "damaged or cut short"),
    "cut.jpg": (saved(DRAWN, "JPEG")[:2000], "damaged or cut short"),
    "line.png": (saved(Image.new("L", (3000, 1))), "too long and thin"),
    "float.tif": (saved(Image.new("F", (8, 8)), "TIFF"), "32-bit"),
}


@pytest.fixture(scope="module")
def open_lab() -> Lab:
    """One session takes all the files, one after the other, as a stubborn visitor would."""
    return Lab()


def upload(lab: Lab, name: str, content: bytes) -> None:
    lab.app.file_uploader(key="lab.file").set_value((name, content, "")).run()
    lab.sound()


def still_works(lab: Lab) -> None:
    lab.press_key("lab.next")
    row = lab.app.session_state["lab.row.mnist"]
    np.testing.assert_array_equal(lab.pictures["Original"].levels, levels(MNIST.images[row]))
    assert lab.errors == []


@pytest.mark.parametrize("name", list(PICTURES))
def test_a_picture_is_shown(open_lab: Lab, name: str):
    upload(open_lab, name, PICTURES[name])
    assert open_lab.errors == []
    expected = data.read_image(PICTURES[name], (28, 28), 1)
    np.testing.assert_array_equal(open_lab.pictures["Original"].levels, levels(expected[0]))
    assert name in open_lab.words
    assert "not known, so its answer is attacked" in open_lab.words
    still_works(open_lab)


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_bad_file_gets_one_sentence(open_lab: Lab, name: str):
    content, complaint = REFUSED[name]
    before = open_lab.pictures["Original"].levels
    upload(open_lab, name, content)
    (error,) = open_lab.errors
    assert complaint in error
    assert error.endswith(".")
    np.testing.assert_array_equal(open_lab.pictures["Original"].levels, before)
    open_lab.rerun()  # it stays until the file is another, or another picture is chosen
    assert open_lab.errors == [error]
    assert open_lab.verdict is None
    still_works(open_lab)


def test_an_error_goes_with_its_file():
    lab = Lab()
    upload(lab, "letter.png", b"Dear all,")
    lab.rerun()
    assert [error.startswith("letter.png: ") for error in lab.errors] == [True]
    upload(lab, "mine.png", data.to_png(MNIST.images[5]))
    assert lab.errors == []
    assert "mine.png" in lab.words
    upload(lab, "letter.png", b"Dear all,")
    assert len(lab.errors) == 1
    lab.app.file_uploader(key="lab.file").set_value(None).run()
    lab.sound()
    assert lab.errors == []


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """What was asked of the decoder."""
    asked: list[str] = []
    real = reading.read_image

    def read(content: bytes, *arguments, **named):
        asked.append(str(arguments))
        return real(content, *arguments, **named)

    monkeypatch.setattr(reading, "read_image", read)
    monkeypatch.setattr(cache, "_pictures", Bounded(64))
    return asked


@pytest.mark.parametrize(("name", "content"), [("own.png", PICTURES["plain.png"]), ("letter.png", b"Dear all,")])
def test_a_picture_is_decoded_once_for_each_network_and_by_whomever(decoded, name, content):
    lab = Lab()
    upload(lab, name, content)
    for _ in range(3):
        lab.rerun()
    assert len(decoded) == 1
    other = Lab()
    upload(other, f"the-same-{name}", content)
    assert len(decoded) == 1
    assert bool(other.errors) == (name == "letter.png")
    other.app.selectbox(key="lab.model").set_value("cifar10-resnet32-ce").run()
    other.sound()
    assert len(decoded) == 2
    lab.app.selectbox(key="lab.model").set_value("mnist-lenet-ce").run()
    lab.sound()
    assert len(decoded) == 2  # of the same size


def test_pictures_are_decoded_one_at_a_time(monkeypatch):
    """However many arrive at once, a server holds one that is being decoded; and equal ones are decoded once."""
    under_way, most, asked = [0], [0], []
    gate = threading.Event()

    def read(content, *arguments, **named):
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        asked.append(content)
        gate.wait(10)
        under_way[0] -= 1
        return torch.zeros(1, 1, 28, 28)

    monkeypatch.setattr(reading, "read_image", read)
    monkeypatch.setattr(cache, "_pictures", Bounded(64))
    contents = [b"a", b"a", b"b", b"a", b"b"]
    threads = [threading.Thread(target=cache.picture, args=(c, repr(c), (1, 28, 28), 1.0)) for c in contents]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert sorted(asked) == [b"a", b"b"]


def test_what_can_be_read_is_offered_and_heic_is_explained(open_lab: Lab):
    box = open_lab.app.file_uploader(key="lab.file")
    offered = {kind.lstrip(".") for kind in box.proto.type}
    assert offered == set(choose.UPLOADS)
    assert "avif" in offered
    assert not offered & {"heic", "heif"}  # which an iPhone turns into JPEG only for a page that does not ask for them
    assert "HEIC" in box.help
    heic = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(100)
    upload(open_lab, "IMG_0001.jpg", heic)
    (error,) = open_lab.errors
    assert "save it as JPEG first" in error
    still_works(open_lab)


def test_a_huge_picture_is_refused_before_it_is_decoded(open_lab: Lab):
    upload(open_lab, "huge.png", huge())
    (error,) = open_lab.errors
    assert "more than the 25 megapixels" in error
    still_works(open_lab)


def test_an_own_picture_is_attacked_and_put_away(open_lab: Lab):
    digit = data.to_png(MNIST.images[5])
    upload(open_lab, "mine.png", digit)
    open_lab.run(iterations=10, search_steps=2)
    result = open_lab.result
    model = models.load("mnist-c4-ce")
    assert torch.equal(result.images, MNIST.images[5:6])
    assert result.labels.tolist() == model(MNIST.images[5:6]).argmax(1).tolist()
    assert result.status == ("fooled",)
    open_lab.app.file_uploader(key="lab.file").set_value(None).run()
    open_lab.sound()
    assert "mine.png" not in open_lab.words
    assert open_lab.verdict is None


def copy_checkpoint(home, name: str, flip: bool) -> None:
    folder = home / "checkpoints" / name
    shutil.copytree(models.CHECKPOINTS / "mnist-c4-ce", folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"name": name, "title": f"Copy {name}"}))
    if flip:
        weights = bytearray((folder / "weights.safetensors").read_bytes())
        weights[len(weights) // 2] ^= 1
        (folder / "weights.safetensors").write_bytes(weights)


def test_a_damaged_checkpoint_is_refused_by_name_and_the_others_serve(home):
    copy_checkpoint(home, "mnist-flipped", flip=True)
    copy_checkpoint(home, "mnist-whole", flip=False)
    damaged = home / "checkpoints" / "mnist-no-card"
    damaged.mkdir()
    (damaged / "card.json").write_text("{")
    models.refresh()
    lab = Lab()
    assert "mnist-no-card: its card.json is damaged" in lab.words
    network = lab.app.selectbox(key="lab.model")
    network.set_value("mnist-flipped").run()
    lab.sound()
    (error,) = lab.errors
    assert error.startswith("mnist-flipped: weights.safetensors is not the file its card describes")
    assert not lab.pictures
    lab.app.selectbox(key="lab.model").set_value("mnist-whole").run()
    lab.sound()
    assert lab.errors == []
    lab.run(iterations=10, search_steps=2)
    assert lab.result.model == "mnist-whole"
    assert lab.result.status == ("fooled",)


def test_a_run_can_be_stopped_after_a_damaged_checkpoint_was_chosen(home):
    copy_checkpoint(home, "mnist-flipped", flip=True)
    models.refresh()
    lab = Lab()
    lab.set(iterations=10_000, search_steps=9)
    lab.press("Run")
    lab.app.selectbox(key="lab.model").set_value("mnist-flipped").run()
    lab.sound()
    assert lab.running is not None
    assert "Original" in lab.pictures  # of the run that goes on
    lab.press("Stop")
    lab.finish()
    assert not lab.pictures
    lab.app.selectbox(key="lab.model").set_value("mnist-c4-ce").run()
    assert lab.result.stopped


def test_a_card_is_no_markdown(home):
    copy_checkpoint(home, "mnist-whole", flip=False)
    path = home / "checkpoints" / "mnist-whole" / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"title": "*C4* [here](x) $a$ :red[b]"}))
    models.refresh()
    lab = Lab()
    lab.app.selectbox(key="lab.model").set_value("mnist-whole").run()
    lab.run(iterations=10, search_steps=2)
    (caption,) = [c.value for c in lab.app.caption if " on " in c.value]
    assert page.plain("*C4* [here](x) $a$ :red[b]") in caption
