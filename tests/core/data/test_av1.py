"""The size of an AVIF's pictures is that of their streams, whatever the boxes around them say."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import data
from core.data import av1


def encoded(*pictures, **options):
    file = io.BytesIO()
    pictures[0].save(file, "AVIF", speed=10, save_all=len(pictures) > 1, append_images=pictures[1:], **options)
    return file.getvalue()


def noise(width, height, mode="RGB"):
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def claiming(content, width, height):
    """The file with another size in its boxes."""
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", width, height) + content[at + 8 :]


@pytest.mark.parametrize("size", [(1, 1), (9, 9), (100, 37), (640, 480), (2000, 30)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("options", [{}, {"subsampling": "4:4:4"}, {"tile_rows": 1, "tile_cols": 1}], ids=str)
def test_pictures_have_the_size_of_their_streams(size, mode, options):
    pixels = size[0] * size[1]
    assert av1.frames(encoded(noise(*size, mode), **options)) == [pixels] * (2 if mode == "RGBA" else 1)


def test_the_first_picture_of_an_animation_counts_as_picture_and_as_track():
    content = encoded(*(noise(80, 60).rotate(90 * turn) for turn in range(3)))
    assert b"moov" in content
    assert av1.frames(content) == [4800, 4800]


@pytest.mark.parametrize("claimed", [(1, 1), (100, 100), (16, 2000)])
def test_what_the_box_says_changes_nothing(claimed):
    content = claiming(encoded(noise(640, 480)), *claimed)
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == claimed
    assert av1.frames(content) == [640 * 480]


def test_a_stream_larger_than_its_header_is_refused_by_the_stream():
    content = claiming(encoded(noise(1100, 1000)), 100, 100)
    with pytest.raises(data.ImageError) as told:
        data.read_image(content, megapixels=1)
    assert str(told.value) == (
        "The picture calls itself 100 x 100 pixels and holds more than the 1 megapixels that are read here; make it "
        "smaller first."
    )
    assert data.read_image(content, megapixels=2).shape == (1, 3, 100, 100)


def test_many_small_pictures_in_one_are_too_many_together(monkeypatch):
    monkeypatch.setattr(av1, "frames", lambda content: [900_000] * 5)
    content = encoded(noise(9, 9))
    with pytest.raises(data.ImageError, match="holds more than the 1 megapixels"):
        data.read_image(content, megapixels=1)
    assert data.read_image(content, megapixels=2).shape == (1, 3, 9, 9)


# --- Headers made by hand, as no encoder here makes them ---


def packed(*fields):
    """(value, bits), ... as bytes, with zeros behind."""
    text = "".join(f"{value:0{bits}b}" for value, bits in fields if bits)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big") + bytes(8)


def obu(kind, payload):
    return bytes([kind << 3 | 2, len(payload)]) + payload


def sequence(timing=(), model=False, screen=(1, 1), motion=(1, 1), identity=(0, 1)):
    """A sequence header of 100 x 50 pixels, in fields of 7 and 6 bits, of a film."""
    points = [(0, 1), (0, 5), (0, 12), (8, 5), (0, 1)]  # level 8 brings a tier
    if model:
        points += [(1, 1), (0, 2 * 6), (0, 1)]
    size = [(6, 4), (5, 4), (99, 7), (49, 6)]
    fields = [(0, 3), (0, 1), (0, 1), *(timing or [(0, 1)]), *points, *size, identity]
    if identity[0]:
        fields += [(3, 4), (2, 3)]  # numbers of 5 + 3 bits
    return obu(1, packed(*fields, (0, 3), (0, 4), (0, 1), screen, motion))


def frame(override, time=0, identity=0, tools=True, motion=True):
    """The header of a shown key frame."""
    fields = [(0, 1), (0, 2), (1, 1), (0, time), (0, 1)]
    fields += [(1, 1)] * tools + [(0, 1)] * (tools and motion) + [(0, identity), (int(override), 1)]
    return obu(6, packed(*fields))


def avif(stream):
    """A stream as the first sample of a track."""

    def box(kind, content):
        return struct.pack(">I4s", 8 + len(content), kind) + content

    description = box(b"stsd", bytes(8) + box(b"av01", bytes(8)))
    sizes = box(b"stsz", struct.pack(">III", 0, len(stream), 1))
    head = 8
    table = box(b"stbl", description + sizes + box(b"stco", struct.pack(">III", 0, 1, head)))
    film = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", table))))
    return box(b"mdat", stream) + film


MODEL = [(1, 1), (1, 32), (1, 32), (0, 1), (1, 1), (5, 5), (1, 32), (0, 5), (9, 5)]
"""Timing with a model of the decoder: delays of 6 bits, presentation times of 10."""
EQUAL = [(1, 1), (1, 32), (1, 32), (1, 1), (0b00101, 5), (0, 1)]
"""Pictures at equal intervals, their number in five bits."""


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize(
    ("header", "options"),
    [
        ({}, {}),
        ({"timing": EQUAL}, {}),
        ({"timing": MODEL, "model": True}, {"time": 10}),
        (
            {"timing": [*MODEL[:3], (1, 1), (1, 1), *MODEL[4:]], "model": True},
            {},
        ),  # at equal intervals none says its time
        ({"identity": (1, 1)}, {"identity": 8}),
        ({"screen": (0b00, 2), "motion": (0, 0)}, {"tools": False}),
        ({"screen": (0b01, 2), "motion": (0b01, 2)}, {"tools": False, "motion": False}),
    ],
    ids=str,
)
def test_a_frame_may_give_itself_another_size(header, options, override):
    """Then it may have as many pixels as its fields have room for."""
    content = avif(sequence(**header) + frame(override, **options))
    assert av1.frames(content) == [2**13 if override else 5000]


def test_a_frame_that_is_shown_again_costs_nothing():
    assert av1.frames(avif(sequence() + obu(3, packed((1, 1))))) == [0]


@pytest.mark.parametrize(
    "content",
    [
        avif(frame(False)),
        avif(sequence()[:6]),
        avif(b"\x0a\x7f\x00"),
        avif(b"\x12" + b"\xff" * 9),
        avif(b"x")[:-4],
        struct.pack(">I4s", 2**31, b"meta"),
        struct.pack(">I4s", 3, b"meta"),
        struct.pack(">I4sQ", 1, b"meta", 2**63),
    ],
    ids=range(8),
)
def test_what_cannot_be_followed_is_said(content):
    with pytest.raises(av1.Strange):
        av1.frames(content)


WHOLE = encoded(noise(40, 30, "RGBA"))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(WHOLE)))
def test_any_damage_is_followed_or_refused_in_one_sentence(changes, end):
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at] = value
    try:
        sizes = av1.frames(bytes(content[:end]))
    except av1.Strange:
        sizes = None
    assert sizes is None or all(size >= 0 for size in sizes)
    try:
        data.read_image(bytes(content[:end]))
    except data.ImageError as error:
        assert str(error).endswith(".")  # noqa: PT017
