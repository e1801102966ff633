"""Arrays on their way to the browser: exact, and as small as what is in them allows.

A parcel is 4 bytes (length of the header, little endian), the header (JSON) and the values, deflated:

- "u8": every value is k/255; the levels k, each less its left neighbour (as PNG's Sub filter);
- "i16": every value is a whole number of its frame's step (header: "steps"), as in a film, or whole itself; each number
  less the one of the same pixel in the frame before, zigzag coded (small numbers of either sign become small numbers),
  all low bytes before all high bytes;
- "f32": anything else; float32, all first bytes, all second bytes and so on.

packing.js undoes this.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pages.parts.engine.bounded import Bounded, fingerprint

STEP = 1 / (128 * 255)
"""What the images of a film are rounded to: a 128th of an 8-bit level, the finest that 16 bits hold from -1 to 1."""
LARGEST = 32767
DEFLATE = 3
"""Noise gets hardly smaller at higher levels, which take several times as long."""


@dataclass(frozen=True)
class Parcel:
    """One packed array. id: equal exactly when the values are."""

    id: str
    data: bytes


_packed: Bounded[Parcel] = Bounded(64)


def _parcel(kind: str, shape: tuple[int, ...], values: bytes, steps: Sequence[float] = ()) -> Parcel:
    deflated = zlib.compress(values, DEFLATE)
    name = hashlib.sha256(f"{kind}{shape}{steps}".encode() + deflated).hexdigest()[:32]
    header = json.dumps({"id": name, "kind": kind, "shape": shape, "steps": steps}).encode()
    return Parcel(name, len(header).to_bytes(4, "little") + header + deflated)


def _planes(values: NDArray[Any]) -> bytes:
    """All first bytes of the values, then all second bytes and so on, the lowest first."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return little.reshape(-1, 1).view(np.uint8).T.tobytes()


def to_steps(values: Tensor, step: float = STEP) -> NDArray[np.int16]:
    """`values` in multiples of `step`, rounded; beyond 32767 of them (+-1.004) clipped."""
    steps = np.rint(values.detach().cpu().numpy().astype(np.float64) / step)
    return steps.clip(-LARGEST, LARGEST).astype(np.int16)


def from_steps(steps: NDArray[np.int16], step: float = STEP) -> Tensor:
    """What `to_steps` rounded, float32."""
    return torch.from_numpy((steps * step).astype(np.float32))


def rounded(values: Tensor) -> Tensor:
    """`values` (within +-1) rounded to multiples of `STEP`, which travel in half the bytes: for what moves."""
    return from_steps(to_steps(values))


def pack_steps(steps: NDArray[np.int16], sizes: Sequence[float]) -> Parcel:
    """Frames (T, ...), each in multiples of its own step, one of `sizes`."""
    difference = np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1]))  # wraps round, as the way back does
    return _parcel("i16", steps.shape, _planes((difference << 1) ^ (difference >> 15)), sizes)


def pack(values: Tensor) -> Parcel:
    """Values of any shape, exactly as float32."""
    values = values.detach().to("cpu", torch.float32).contiguous()
    name = fingerprint(values)
    parcel = _packed.get(name)
    if parcel is None:
        parcel = _pack(values)
        _packed.put(name, parcel)
    return parcel


def _pack(values: Tensor) -> Parcel:
    array = values.numpy()
    if bool(values.isfinite().all()):
        levels = (array * np.float32(255)).round().clip(0, 255).astype(np.uint8)
        if np.array_equal(levels / np.float32(255), array):
            left = np.zeros_like(levels)
            left[..., 1:] = levels[..., :-1]
            return _parcel("u8", array.shape, (levels - left).tobytes())
        whole = array.clip(-LARGEST, LARGEST).astype(np.int16)
        if np.array_equal(whole, array):
            return pack_steps(whole[None], [1.0])
        steps = to_steps(values)
        if torch.equal(from_steps(steps), values):
            return pack_steps(steps[None], [STEP])
    return _parcel("f32", array.shape, _planes(array))
