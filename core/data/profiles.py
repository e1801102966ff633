"""A picture's colours as a screen shows them: converted to sRGB by the ICC profile that the picture carries."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

LIMIT = 4_000_000
"""Bytes of the largest profile that is used; a printer's have up to 3 million."""
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space of a profile (ICC.1:2022, table 19) -> the mode of the pictures it can be of."""


def as_srgb(image: Image.Image, profile: object) -> Image.Image:
    """`image` (8 bits a channel, perhaps with alpha or a palette) in sRGB: mode "RGB", with alpha "RGBA".

    profile: the ICC profile that came with it. The very same image where that is none, damaged, of another colour
    space than the image's, or sRGB: pixels are not to change by rounding.
    """
    if not isinstance(profile, bytes) or not 0 < len(profile) <= LIMIT:
        return image
    mode = _mode(profile)
    expanded = image
    if image.has_transparency_data:
        expanded = image.convert("LA" if image.mode == "L" else "RGBA") if "A" not in image.mode else image
    elif image.mode == "P":
        expanded = image.convert("RGB")
    bands = "".join(expanded.getbands())
    if mode is None or bands.removesuffix("A") != mode:
        return image
    alpha = expanded.getchannel("A") if bands.endswith("A") else None
    try:
        converted = ImageCms.applyTransform(expanded.convert(mode), _transform(profile, mode))
    except (ImageCms.PyCMSError, ValueError, OSError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@functools.lru_cache(64)
def _mode(profile: bytes) -> str | None:
    """The mode of pictures that `profile` converts; None if it is damaged, of another use, or sRGB itself."""
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
        mode = _MODES.get(space)
        if mode is None:
            return None
        if mode == "CMYK":  # never as it is
            _transform(profile, mode)
            return mode
        probe = _probe(mode)
        shown = np.asarray(ImageCms.applyTransform(probe, _transform(profile, mode)), dtype=np.int16)
    except (ImageCms.PyCMSError, AttributeError, ValueError, OSError):
        return None
    # A profile that moves nothing by more than a level is sRGB under one of its many names.
    return None if np.abs(shown - np.asarray(probe.convert("RGB"))).max() <= 1 else mode


def _probe(mode: str) -> Image.Image:
    """A picture of 17 levels of each channel, in all combinations."""
    levels = np.arange(0, 256, 15.9375).round().astype(np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return Image.fromarray(grid.reshape(17, -1, 3))


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    # Made anew for each picture: LittleCMS's transforms are not to be used by two threads at once.
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
