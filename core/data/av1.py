"""How large the pictures in an AVIF really are: what its AV1 streams say, which is what a decoder decodes.

An AVIF names its size in a box (`ispe`) that nothing holds against the stream: 2 kB may call themselves 100 x 100
pixels and be decoded as a hundred million, to be scaled down then. Boxes after ISO/IEC 14496-12 and 23008-12, streams
after the AV1 Bitstream & Decoding Process Specification (version 1.0.0, errata 1); sections named below are its.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

Box = tuple[bytes, int, int]
"""Type, and where in the file its content begins and ends."""
_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
"""Types of OBUs (6.2.2)."""
_SELECT = 2
_KEY_FRAME, _SWITCH_FRAME = 0, 3
_LONGEST_HEADER = 1024
"""Bytes of a header OBU that are looked at; what we ask of one stands in its first 300 at most."""


class Strange(ValueError):  # noqa: N818
    """The file is not stored as AVIFs are, so that its true size is not known."""


def frames(data: bytes) -> list[int]:
    """Pixels of each frame that decoding the first picture of the AVIF `data` takes, alpha and tiles included.

    Strange if the file cannot be followed.
    """
    try:
        return [size for sample in _samples(data) for size in _frames(sample)]
    except (struct.error, IndexError, OverflowError):
        raise Strange("a box or a header ends early") from None


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise Strange("a box is longer than what holds it")
        yield kind, start + head, start + size
        start += size


def _samples(data: bytes) -> Iterator[bytes]:
    """The AV1 streams: of every picture item, and the first of every track."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            yield from _items(data, start + 4, end)
        elif kind == b"moov":
            yield from _tracks(data, start, end)


def _items(data: bytes, start: int, end: int) -> Iterator[bytes]:
    inside = {kind: (first, last) for kind, first, last in _boxes(data, start, end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    coded = set()
    first, last = inside[b"iinf"]
    for kind, at, _ in _boxes(data, first + (6 if data[first] == 0 else 8), last):
        if kind == b"infe" and data[at] >= 2:
            number, _, name = struct.unpack_from(">HH4s" if data[at] == 2 else ">IH4s", data, at + 4)
            if name == b"av01":
                coded.add(number)
    for number, method, extents in _locations(data, *inside[b"iloc"]):
        if number not in coded:
            continue
        if method > 1:
            raise Strange("an item lies in another")
        base, limit = inside.get(b"idat", (0, 0)) if method else (0, len(data))
        parts = []
        for offset, length in extents:
            first = base + offset
            last = first + length if length else limit  # none said: all there is
            if last > limit:
                raise Strange("an item ends beyond the file")
            parts.append(data[first:last])
        yield b"".join(parts)


def _locations(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Number, construction method and (offset, length) of the parts of every item."""
    version, sizes, more = data[at], data[at + 4], data[at + 5]
    widths = {"offset": sizes >> 4, "length": sizes & 15, "base": more >> 4, "index": more & 15 if version else 0}
    position = at + 6

    def take(width: int) -> int:
        nonlocal position
        if position + width > end:
            raise Strange("a list of items ends early")
        position += width
        return int.from_bytes(data[position - width : position], "big")

    for _ in range(take(4 if version == 2 else 2)):
        number = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(widths["base"])
        extents = []
        for _ in range(take(2)):
            take(widths["index"])
            offset = base + take(widths["offset"])
            extents.append((offset, take(widths["length"])))
        yield number, method, extents


def _tracks(data: bytes, start: int, end: int) -> Iterator[bytes]:
    for kind, first, last in _boxes(data, start, end):
        if kind == b"stbl":
            yield from _first_sample(data, first, last)
        elif kind in _CONTAINERS:
            yield from _tracks(data, first, last)


def _first_sample(data: bytes, start: int, end: int) -> Iterator[bytes]:
    inside = {kind: first for kind, first, _ in _boxes(data, start, end)}
    if b"stsd" not in inside or data[inside[b"stsd"] + 12 : inside[b"stsd"] + 16] != b"av01":
        return
    if b"stsz" not in inside or not inside.keys() & {b"stco", b"co64"}:
        raise Strange("a track says not where its pictures are")
    size, count = struct.unpack_from(">II", data, inside[b"stsz"] + 4)
    if not size and count:
        (size,) = struct.unpack_from(">I", data, inside[b"stsz"] + 12)
    form, table = (">Q", inside[b"co64"]) if b"co64" in inside else (">I", inside[b"stco"])
    (offset,) = struct.unpack_from(form, data, table + 8)
    if offset + size > len(data):
        raise Strange("a picture ends beyond the file")
    yield data[offset : offset + size]


class _Bits:
    """Reads a header bit by bit, the highest first (4.10)."""

    def __init__(self, payload: bytes) -> None:
        payload = payload[:_LONGEST_HEADER]
        self._value, self._left = int.from_bytes(payload, "big"), 8 * len(payload)

    def take(self, count: int = 1) -> int:
        if count > self._left:
            raise Strange("a header ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def uvlc(self) -> int:
        zeros = 0
        while not self.take():
            zeros += 1
        return 0 if zeros >= 32 else self.take(zeros) + (1 << zeros) - 1


@dataclass(frozen=True)
class _Sequence:
    """What a sequence header says (5.5)."""

    size: int
    """Pixels of its largest frame, as declared."""
    largest: int
    """Pixels that a frame may give itself by the width of the fields; a decoder need not hold it against `size`."""
    reduced: bool
    presentation: int
    """Bits of a frame's presentation time; 0 where it has none."""
    identity: int
    """Bits of a frame's number; 0 where it has none."""
    screen_content: int
    integer_motion: int


def _sequence(bits: _Bits) -> _Sequence:
    bits.take(3 + 1)  # profile, still picture
    reduced = bool(bits.take())
    presentation = 0
    if reduced:
        bits.take(5)
    else:
        presentation = _operating_points(bits)
    wide, high = bits.take(4) + 1, bits.take(4) + 1
    size = (bits.take(wide) + 1) * (bits.take(high) + 1)
    identity = 0
    if not reduced and bits.take():
        delta = bits.take(4) + 2
        identity = delta + bits.take(3) + 1
    bits.take(3)
    screen_content = integer_motion = _SELECT
    if not reduced:
        bits.take(4)
        if bits.take():  # order hints
            bits.take(2)
        screen_content = _SELECT if bits.take() else bits.take()
        if screen_content:
            integer_motion = _SELECT if bits.take() else bits.take()
    return _Sequence(size, 1 << wide + high, reduced, presentation, identity, screen_content, integer_motion)


def _operating_points(bits: _Bits) -> int:
    """Timing and operating points of a sequence header; returns the bits of a frame's presentation time."""
    model = equal = False
    delay = presentation = 0
    if bits.take():
        bits.take(64)
        if equal := bool(bits.take()):
            bits.uvlc()
        if model := bool(bits.take()):
            delay = bits.take(5) + 1
            bits.take(32 + 5)
            presentation = bits.take(5) + 1
    displayed = bits.take()
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take()
        if model and bits.take():
            bits.take(2 * delay + 1)
        if displayed and bits.take():
            bits.take(4)
    return 0 if equal else presentation


def _frame(bits: _Bits, sequence: _Sequence) -> int:
    """Pixels of the frame with this header (5.9.2); 0 if it shows one that is decoded already."""
    if sequence.reduced:
        return sequence.size
    if bits.take():
        return 0
    kind, shown = bits.take(2), bits.take()
    if shown:
        bits.take(sequence.presentation)
    else:
        bits.take()
    if not (kind == _SWITCH_FRAME or (kind == _KEY_FRAME and shown)):
        bits.take()
    bits.take()
    tools = bits.take() if sequence.screen_content == _SELECT else sequence.screen_content
    if tools and sequence.integer_motion == _SELECT:
        bits.take()
    bits.take(sequence.identity)
    own = kind == _SWITCH_FRAME or bits.take()
    return sequence.largest if own else sequence.size


def _frames(sample: bytes) -> Iterator[int]:
    """Pixels of each frame of a stream, a row of OBUs (5.3)."""
    sequence: _Sequence | None = None
    at = 0
    while at < len(sample):
        head = sample[at]
        kind = head >> 3 & 15
        at += 2 if head & 4 else 1
        size = len(sample) - at
        if head & 2:
            size, at = _leb128(sample, at)
        if at + size > len(sample):
            raise Strange("a part of the stream is longer than it")
        payload = _Bits(sample[at : at + min(size, _LONGEST_HEADER)])
        if kind == _SEQUENCE:
            sequence = _sequence(payload)
        elif kind in (_FRAME_HEADER, _FRAME):
            if sequence is None:
                raise Strange("a picture comes before its size")
            yield _frame(payload, sequence)
        at += size


def _leb128(sample: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits (4.10.5), and where it ends."""
    value = 0
    for place in range(8):
        byte = sample[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise Strange("a number has no end")
