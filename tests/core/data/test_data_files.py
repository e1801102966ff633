"""Picture files: every one works as a person expects, or one sentence says why not."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageFile

from core import data
from core.data import files

ROOT = Path(__file__).parents[3]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width=64, height=48):
    """Something with structure everywhere, so that cutting it short is felt."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def refused(file, complaint, **options):
    with pytest.raises(data.ImageError, match=complaint) as caught:
        data.read_image(file, **options)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


def header_only(width, height):
    """A PNG that claims a size and holds next to nothing: what matters is that no pixel is asked for."""
    chunks = b""
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    ):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG", "WEBP", "AVIF"])
def test_every_format_is_read(kind):
    image = data.read_image(saved(Image.new("RGB", (5, 3), (200, 200, 200)), kind))
    assert image.shape == (1, 3, 3, 5)
    assert image.dtype == torch.float32
    assert torch.allclose(image, torch.tensor(200 / 255), atol=2 / 255)


@pytest.mark.parametrize(
    "junk", [b"hello, I am a poem", b"%PDF-1.7 ...", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", bytes(500)]
)
def test_what_is_no_picture_is_refused(junk):
    refused(junk, "^The file is not a picture that can be read here")


def test_formats_that_run_other_programs_are_not_opened():
    refused(saved(photo(), "EPS"), "^The file is not a picture")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_picture_cut_short_is_refused(kind, kept):
    whole = saved(photo(), kind)
    refused(whole[: int(len(whole) * kept)], "damaged or cut short|not a picture")


def test_a_flipped_byte_in_a_png_is_refused():
    whole = bytearray(saved(photo()))
    whole[len(whole) // 2] ^= 0xFF
    refused(bytes(whole), "damaged or cut short")


@pytest.mark.parametrize(
    ("width", "height"), [(20_000, 20_000), (10_000, 10_000), (5_000, 5_001), (2**31 - 1, 2**31 - 1)]
)
def test_too_many_pixels_are_refused_by_the_header(width, height, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("a pixel was decoded"))
    refused(header_only(width, height), "more than the 25 megapixels that are read here")


@pytest.mark.slow
def test_pillows_warning_of_too_many_pixels_does_not_leak(tmp_path):
    (tmp_path / "big.png").write_bytes(header_only(10_000, 10_000))
    code = (
        "import sys; from core import data\n"
        "try: data.read_image(open(sys.argv[1], 'rb'))\n"
        "except data.ImageError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.png"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("The picture has 10000 x 10000 pixels, more than the 25 megapixels")
    assert done.stderr == ""


def test_just_below_the_limit_is_decoded():
    # 25 megapixels exactly: gets past the header, and is found to be cut short.
    refused(header_only(5_000, 5_000), "damaged or cut short")


def test_an_empty_file_is_refused(tmp_path):
    refused(b"", "^The file is empty")
    refused(io.BytesIO(), "^The file is empty")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "^The file is empty")


def test_a_file_too_big_or_missing_is_refused(monkeypatch, tmp_path):
    refused(tmp_path / "missing.png", "cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")
    monkeypatch.setattr(files, "MAX_FILE_MB", 0.0001)
    refused(saved(photo()), "larger than 0.0001 MB")


def test_bytes_paths_and_read_files_give_the_same(tmp_path):
    content = saved(photo())
    (tmp_path / "photo.png").write_bytes(content)
    opened = io.BytesIO(content)
    opened.read()  # as after a first look at an upload
    expected = torch.from_numpy(np.array(photo())).permute(2, 0, 1)[None] / 255
    for file in (content, opened, tmp_path / "photo.png"):
        assert torch.equal(data.read_image(file), expected)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_shows_its_colour(kind):
    image = data.read_image(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), kind))  # no cyan: red
    assert torch.allclose(image[0, :, 8, 8], torch.tensor([1.0, 0.0, 0.0]), atol=0.03)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_grey_is_scaled_not_clipped(kind, channels):
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    image = data.read_image(saved(Image.fromarray(levels), kind), channels=channels)
    assert image.shape == (1, channels, 1, 6)
    for channel in image[0]:
        assert (channel[0] * 255).round().tolist() == [0, 0, 1, 1, 128, 255]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bit_levels_are_refused(mode):
    refused(saved(Image.new(mode, (4, 4), 100_000), "TIFF"), "32-bit levels; save it with 8 or 16")


def test_signed_16_bit_levels_are_called_so():
    levels = Image.fromarray(np.array([[0, 5, 30_000]], dtype=np.uint16))
    content = saved(levels, "TIFF", tiffinfo={339: 2})
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "I"
        assert image.tag_v2[258] == (16,)
    refused(content, "signed 16-bit levels; save it with 8 or 16 unsigned bits a channel first")


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc"])
def test_heic_gets_a_hint(brand):
    content = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + brand + b"heic" + bytes(500)
    refused(content, "HEIC picture, as iPhones take them, which cannot be read here; save it as JPEG first")


def test_avif_is_no_heic_even_where_it_is_damaged():
    content = saved(Image.new("RGB", (9, 9)), "AVIF")
    assert content[4:8] == b"ftyp"
    refused(content[:60], "not a picture that can be read here")


def tiled(side):
    """A TIFF of 10 x 10 pixels that lies in one tile of side x side, of which it holds next to nothing."""
    content = zlib.compress(bytes(256))
    entries = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side), (324, 8)]
    entries.append((325, len(content)))
    body = b"II*\0" + struct.pack("<I", 8 + len(content)) + content + struct.pack("<H", len(entries))
    return body + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(4)


def test_a_tile_of_too_many_pixels_is_refused_by_the_header(monkeypatch):
    """Thirty kilobytes cost 0.86 GB."""
    assert data.read_image(tiled(16), (28, 28)).shape == (1, 3, 28, 28)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("a pixel was decoded"))
    refused(tiled(30_000), "stored in tiles of 30000 x 30000 pixels, more than the 25 megapixels")


PEAK = """
import resource, sys
from core import data
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        data.read_image(open(path, "rb").read(), (224, 224))
    except data.ImageError as error:
        assert "more than the 25 megapixels" in str(error), error
    else:
        raise AssertionError(path)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_kilobyte_of_49_megapixels_costs_nothing(tmp_path):
    """An AVIF of 1 kB cost half a gigabyte and a WebP of 89 kB three quarters; they are refused below 50 MB."""
    image = Image.new("RGBA", (7000, 7000))
    image.save(tmp_path / "one.webp")
    image.convert("RGB").save(tmp_path / "one.avif", speed=10)
    content = (tmp_path / "one.avif").read_bytes()
    assert len(content) < 3000
    at = content.index(b"ispe") + 8  # where it says how large it is, which nothing holds against the stream
    (tmp_path / "liar.avif").write_bytes(content[:at] + struct.pack(">II", 100, 100) + content[at + 8 :])
    words = [sys.executable, "-W", "ignore", "-c", PEAK, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50


def test_one_bit_pictures_are_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert data.read_image(saved(image), channels=1).flatten().tolist() == [0, 1]


def test_a_palette_with_transparency_lies_on_white():
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for column in range(3):
        image.putpixel((column, 0), column)
    for kind in ("PNG", "GIF"):
        read = data.read_image(saved(image, kind, transparency=1))
        assert (read[0, :, 0].T * 255).tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (0, 51), (204, 204, 204)),
        ("LA", (7, 255), (7, 7, 7)),
    ],
)
def test_transparency_lies_on_white(mode, pixel, expected):
    read = data.read_image(saved(Image.new(mode, (2, 2), pixel)))
    assert (read[0, :, 0, 0] * 255).round().tolist() == list(expected)
    grey = data.read_image(saved(Image.new(mode, (2, 2), pixel)), channels=1)
    assert grey.shape == (1, 1, 2, 2)
    assert float(grey[0, 0, 0, 0] * 255) == pytest.approx(np.dot(expected, (0.299, 0.587, 0.114)), abs=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_cameras_rotation_is_applied(kind):
    image = Image.new("RGB", (32, 16), RED)
    image.paste(BLUE, (0, 0, 16, 16))  # left half blue
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise, so that left becomes top
    read = data.read_image(saved(image, kind, exif=exif))
    assert read.shape == (1, 3, 32, 16)
    assert torch.allclose(read[0, :, 4, 8], torch.tensor([0.0, 0.0, 1.0]), atol=0.05)
    assert torch.allclose(read[0, :, 28, 8], torch.tensor([1.0, 0.0, 0.0]), atol=0.05)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    read = data.read_image(saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert read.shape == (1, 3, 8, 8)
    assert (read[0, :, 4, 4] * 255).tolist() == list(GREEN)


@pytest.mark.parametrize("size", [None, (28, 28), (224, 224)])
def test_one_pixel_becomes_a_flat_picture(size):
    read = data.read_image(saved(Image.new("RGB", (1, 1), (10, 20, 30))), size)
    assert read.shape == (1, 3, *(size or (1, 1)))
    assert (read[0].flatten(1).T * 255).round().unique(dim=0).tolist() == [[10, 20, 30]]


@pytest.mark.parametrize(("width", "height"), [(5000, 1), (1, 5000), (2100, 100)])
def test_a_thin_panorama_is_read_whole_but_not_cropped_to_nothing(width, height):
    content = saved(Image.new("RGB", (width, height)))
    assert data.read_image(content).shape == (1, 3, height, width)
    refused(content, f"^The picture is {width} x {height} pixels, too long and thin", size=(224, 224))


def test_a_wide_picture_is_cropped_in_its_middle():
    image = Image.new("RGB", (90, 30), RED)
    image.paste(GREEN, (30, 0, 60, 30))
    read = data.read_image(saved(image), (10, 10))
    assert torch.equal(read, torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 10, 10))


@pytest.mark.parametrize("side", [256, 500, 512, 225, 97])
def test_the_imagenet_crop_is_efficientnets(side):
    """Crop and offset by the formula of EfficientNet's own preprocessing, resized by Pillow."""
    image = photo(side + 40, side)
    crop = side * 224 // 256
    top, left = (side - crop + 1) // 2, (side + 40 - crop + 1) // 2
    expected = image.crop((left, top, left + crop, top + crop)).resize((224, 224), Image.Resampling.BICUBIC)
    fitted = data.fit(image, (224, 224), data.imagenet.crop_fraction(224))
    assert np.array_equal(np.asarray(fitted), np.asarray(expected))


def test_shrinking_does_not_alias():
    board = Image.fromarray((np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8))
    small = np.asarray(data.fit(board, (32, 32)))
    assert small[4:-4, 4:-4].min() > 120
    assert small[4:-4, 4:-4].max() < 135


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), st.floats(0.05, 1))
@example(1, 20, 3, 3, 1.0)  # 20 times as long: the last shape that fits, whatever 20 / 3 and 1 / 3 are rounded to
@example(60, 3, 7, 7, 1.0)
@example(1, 21, 3, 3, 1.0)
@settings(max_examples=200, deadline=None)
def test_any_picture_fits_any_size_or_says_why_not(width, height, tall, wide, crop):
    try:
        fitted = data.fit(Image.new("L", (width, height), 77), (tall, wide), crop)
    except data.ImageError:
        ratio = (width * tall) / (wide * height)
        assert max(ratio, 1 / ratio) > files.MAX_ASPECT
    else:
        assert fitted.size == (wide, tall)
        assert np.all(np.asarray(fitted) == 77)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"channels": 2}, "^channels must be 1 or 3; got 2"),
        ({"size": (0, 5)}, r"^size must be .* got \(0, 5\)"),
        ({"size": (5, 5), "crop_fraction": 0.0}, "^crop_fraction must be greater than 0 .* got 0"),
        ({"size": (5, 5), "crop_fraction": 1.5}, "^crop_fraction must be .* got 1.5"),
    ],
)
def test_impossible_options_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        data.read_image(saved(photo()), **options)


@given(arrays.arrays(np.uint8, st.tuples(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9))))
@settings(max_examples=100, deadline=None)
def test_png_round_trips_exactly(levels):
    image = torch.from_numpy(levels).to(torch.float32) / 255
    again = data.read_image(data.to_png(image), channels=len(levels))
    assert torch.equal(again[0], image)
    assert data.to_png(again) == data.to_png(image)


@given(arrays.arrays(np.float32, (1, 2, 3, 3), elements=st.floats(0, 1, width=32)))
@settings(max_examples=100, deadline=None)
def test_quantize_is_what_a_png_keeps(values):
    image = torch.from_numpy(values)
    rounded = data.quantize(image)
    assert torch.equal(data.quantize(rounded), rounded)
    assert float((rounded - image).abs().max()) <= 0.5 / 255 + 1e-7
    through = data.read_image(data.to_png(image[:, :1]), channels=1)
    assert torch.equal(through, rounded[:, :1])


def test_halves_go_to_the_even_level():
    assert (data.quantize(torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64) / 255) * 255).tolist() == [0, 2, 2]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.01, -0.01])
def test_what_is_no_image_is_not_saved(value):
    with pytest.raises(ValueError, match=r"^images must lie in \[0, 1\]"):
        data.to_png(torch.full((3, 2, 2), value))
    assert data.to_png(torch.full((3, 2, 2), 1 + 1e-6)) == data.to_png(torch.ones(3, 2, 2))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 4, 4), (4, 4)])
def test_only_single_images_are_saved(shape):
    with pytest.raises(ValueError, match=r"^image must be"):
        data.to_png(torch.zeros(shape))


def test_a_folder_of_pictures(tmp_path):
    folder = tmp_path / "pets"
    folder.mkdir()
    for name, colour in (("281_tabby.JPEG", RED), ("000_tench.png", GREEN), ("7_cock.jpg", BLUE)):
        Image.new("RGB", (40, 30), colour).save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    whole = data.load_folder(folder)
    assert whole.images.shape == (3, 3, 224, 224)
    assert [whole.classes[label] for label in whole.labels] == ["tench", "tabby", "cock"]
    assert whole.names == ("000_tench", "281_tabby", "7_cock")
    assert whole.name == "folder:pets"
    assert str(tmp_path) not in whole.note
    drawn = data.load(f"folder:{folder}", n=2, seed=5)
    assert torch.equal(drawn.images, whole[drawn.indices].images)
    assert torch.equal(drawn.labels, whole[drawn.indices].labels)
    assert data.load_folder(folder, size=(16, 24), crop_fraction=1.0).images.shape == (3, 3, 16, 24)


def test_a_folder_that_cannot_serve_says_why(tmp_path):
    with pytest.raises(data.DataError, match="holds no pictures named NNN_name"):
        data.load(f"folder:{tmp_path}")
    (tmp_path / "5_broken.png").write_bytes(b"junk")
    with pytest.raises(data.ImageError, match=r"^5_broken\.png: The file is not a picture"):
        data.load_folder(tmp_path)
    (tmp_path / "1000_beyond.png").touch()
    with pytest.raises(data.DataError, match=r"1000_beyond\.png names the class 1000, but .* end at 999"):
        data.load_folder(tmp_path)
