"""Colours are those that a picture's profile means, against the closed form of profiles made here."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from core import data
from core.data import photos, profiles

# Of sRGB, adapted to the profile connection space's white D50 (ICC.1:2022, annex F; IEC 61966-2-1).
PRIMARIES = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])
LEVELS = np.array([[0, 1, 20, 55, 128, 200, 254, 255]], dtype=np.uint8)


def icc(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """A profile of version 2 with these tags."""
    tags = {
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x" + bytes(87),
    } | tags
    body, table = b"", struct.pack(">I", len(tags))
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", 132 + 12 * len(tags) + len(body), b"none", 0x02400000, kind, space, connection)
    header += (
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    )
    return header.ljust(128, b"\0") + table + body


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(gamma: float = 1.0, order: tuple[int, int, int] = (0, 1, 2)) -> bytes:
    """Primaries of sRGB in some order, with a plain power for its curve."""
    tags = {name: xyz(*PRIMARIES[i]) for name, i in zip((b"rXYZ", b"gXYZ", b"bXYZ"), order, strict=True)}
    return icc(b"RGB ", tags | {name: curve(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile(gamma: float = 1.0) -> bytes:
    return icc(b"GRAY", {b"kTRC": curve(gamma)})


def ink_profile() -> bytes:
    """Of inks each of which is black: Lab lightness is the product of what they leave."""
    ramp = bytes(range(256))
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    grid = b"".join(bytes([0 if any(ink) else 255, 128, 128]) for ink in corners)
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + grid + ramp * 3
    return icc(b"CMYK", {b"A2B0": table}, b"Lab ", b"prtr")


def encoded(linear: np.ndarray) -> np.ndarray:
    """Levels of sRGB for light from 0 to 1 (IEC 61966-2-1)."""
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def levels(content: bytes, channels: int = 3, **options) -> np.ndarray:
    image = data.read_image(content, channels=channels, **options)[0]
    return (image * 255).permute(1, 2, 0).numpy()


def colours(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.6])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_greys_of_another_curve_are_those_of_the_closed_form(gamma, kind):
    image = Image.fromarray(np.repeat(LEVELS, 3, axis=0)[..., None].repeat(3, -1))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "AVIF" else {}
    found = levels(saved(image, kind, icc_profile=rgb_profile(gamma), **options))
    expected = encoded((LEVELS[0] / 255) ** gamma)
    assert np.abs(found[1] - expected[:, None]).max() <= (3 if kind == "AVIF" else 1)


def test_other_primaries_are_other_colours():
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    assert np.abs(levels(saved(image, icc_profile=rgb_profile(2.2, (2, 1, 0)))) - [0, 0, 255]).max() <= 2


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_pictures_have_grey_profiles(mode):
    image = Image.fromarray(np.repeat(LEVELS, 2, axis=0)).convert(mode)
    for channels in (1, 3):
        found = levels(saved(image, icc_profile=grey_profile(1.8)), channels)
        assert np.abs(found[0] - encoded((LEVELS[0] / 255) ** 1.8)[:, None]).max() <= 1


def test_16_bit_greys_have_them_too():
    image = Image.fromarray(LEVELS.astype(np.uint16) * 257)
    found = levels(saved(image, icc_profile=grey_profile(1.8)), 1)
    assert np.abs(found[0, :, 0] - encoded((LEVELS[0] / 255) ** 1.8)).max() <= 1


def test_inks_are_those_of_the_press():
    """Full cyan is cyan to Pillow, and black on this press."""
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    content = saved(image, "TIFF", icc_profile=ink_profile())
    assert levels(content).max() <= 2
    assert levels(content, managed=False)[0, 0].tolist() == [0, 255, 255]
    assert levels(saved(Image.new("CMYK", (16, 16)), "TIFF", icc_profile=ink_profile())).min() >= 253


@pytest.mark.parametrize("mode", ["RGBA", "P", "RGB"])
def test_transparency_survives_its_profile(mode):
    """What is transparent is white, what is not is in the profile's colours."""
    image = Image.new("RGBA", (2, 1), (55, 55, 55, 255))
    image.putpixel((0, 0), (200, 10, 10, 0))
    options = {}
    if mode == "P":
        image = image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
        options = {"transparency": image.getpixel((0, 0))}
    elif mode == "RGB":
        image, options = image.convert("RGB"), {"transparency": (200, 10, 10)}
    found = levels(saved(image, icc_profile=rgb_profile(1.0), **options))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found[0, 1] - encoded(np.array(55 / 255))).max() <= 1


def test_the_rotation_is_applied_all_the_same():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.repeat(LEVELS, 3, axis=0)[..., None].repeat(3, -1))
    found = levels(saved(image, "TIFF", icc_profile=rgb_profile(1.0), exif=exif))
    assert found.shape == (8, 3, 3)
    assert np.abs(found[:, 0, 0] - encoded(LEVELS[0] / 255)).max() <= 1


def test_srgb_under_any_name_changes_nothing():
    plain = levels(saved(colours()))
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(photos.PHOTOS["cat"].path) as photograph:
        theirs = photograph.info["icc_profile"]
    for profile in (own, theirs):
        assert np.array_equal(levels(saved(colours(), icc_profile=profile)), plain)
    assert torch.equal(
        data.read_image(photos.PHOTOS["cat"].path), data.read_image(photos.PHOTOS["cat"].path, managed=False)
    )


def test_a_photograph_in_adobe_rgb_is_converted():
    path = photos.PHOTOS["rocket"].path
    managed, stored = data.read_image(path), data.read_image(path, managed=False)
    assert 0.005 < float((managed - stored).abs().mean()) < 0.1


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"nonsense",
        rgb_profile()[:200],
        rgb_profile().replace(b"XYZ ", b"ZYX "),
        rgb_profile().replace(b"RGB ", b"LUV "),
        rgb_profile()[:128] + struct.pack(">I", 2**32 - 1),
        grey_profile(),
        ink_profile(),
        rgb_profile() + bytes(profiles.LIMIT),
    ],
)
def test_a_profile_that_is_damaged_or_of_something_else_is_left_alone(profile):
    with_it = levels(saved(colours(), "TIFF", icc_profile=profile))
    assert np.array_equal(with_it, levels(saved(colours())))


def test_any_byte_of_a_profile_may_be_wrong():
    whole = rgb_profile()
    for place in range(0, len(whole), 7):
        broken = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        assert levels(saved(colours(), icc_profile=broken)).shape == (20, 30, 3)


def test_pictures_for_measuring_are_read_as_everybody_reads_them(tmp_path):
    image = colours().resize((256, 256))
    image.save(tmp_path / "000_x.png", icc_profile=rgb_profile(1.0))
    image.save(tmp_path / "001_x.png")
    images = data.load_folder(tmp_path).images
    assert torch.equal(images[0], images[1])
