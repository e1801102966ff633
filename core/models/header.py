"""The header of a safetensors file: which tensors it holds, of what shapes, without reading one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from core.data import careful

LONGEST = 1_000_000
"""Bytes of the longest header that is read; those of the project's weights have up to 15,000."""
KINDS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}
"""Types that a network's state may have, with the bytes of a value."""

Shapes = Mapping[str, tuple[tuple[int, ...], bool]]
"""Name of a tensor -> its shape, and whether its values are real numbers (not whole ones)."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says that it holds."""

    shapes: Shapes
    metadata: Mapping[str, str]


def shapes(state: Mapping[str, Tensor]) -> Shapes:
    """The shapes of the tensors of `state`."""
    return {key: (tuple(value.shape), value.is_floating_point()) for key, value in state.items()}


def read(path: Path, limit: int, longest: int = LONGEST) -> Header:
    """The header of the safetensors file `path`.

    `careful.Unreadable` if it is none, its parts do not fill it exactly, it has more than `limit` bytes, or its header
    more than `longest`.
    """
    content, size = careful.read_bytes(path, limit, 65_536)
    length = int.from_bytes(content[:8], "little")
    if size < 8 or length > min(longest, size - 8):
        raise careful.Unreadable("is not a safetensors file")
    if 8 + length > len(content):
        content, size = careful.read_bytes(path, limit, 8 + length)
    try:
        described = careful.parse_json(content[8 : 8 + length])
        metadata = described.pop("__metadata__", {})
        if any(not isinstance(text, str) for text in metadata.values()):
            raise ValueError
        found, end = {}, 0
        for key, entry in described.items():
            shape, (start, stop) = tuple(entry["shape"]), entry["data_offsets"]
            if any(type(number) is not int or number < 0 for number in (*shape, start, stop)):
                raise ValueError
            if stop - start != math.prod(shape) * KINDS[entry["dtype"]]:
                raise ValueError
            found[key], end = (shape, "F" in entry["dtype"]), max(end, stop)
        if 8 + length + end != size:
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise careful.Unreadable("is not a safetensors file") from None
    return Header(found, metadata)
