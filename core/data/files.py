"""Pictures from files: whatever a person uploads becomes a tensor in [0, 1], or one sentence says why not.

Pictures are decoded by Pillow, from the formats in `FORMATS` only. Their size is checked in the header, before a pixel
is decoded; that of an AVIF in its streams, for its header may lie (`av1`). The rotation of the camera (EXIF) is
applied, colours are converted to sRGB by the picture's own profile, transparency is laid on white, the first frame of
an animation is taken, 16-bit greys are scaled to 8 bits; what comes out is exactly k/255.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, TiffImagePlugin
from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLEFORMAT
from torch import Tensor

from core.data import av1, imagenet
from core.data.imageset import DataError, ImageSet, draw, from_levels
from core.data.profiles import as_srgb

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
MAX_FILE_MB = 50
MAX_MEGAPIXELS = 25
"""Of the largest picture that is decoded, unless told otherwise. A file of a kilobyte may hold as many, and a decoder
takes 10 to 16 bytes for each (25 megapixels of one colour: AVIF 1 kB and 0.25 GB, WebP 45 kB and 0.4 GB)."""
MAX_FRAMES = 4
"""Times as many pixels may be decoded for one picture in all: colour and transparency, with layers below them."""
_DAMAGED = "The picture is damaged or cut short and cannot be decoded; choose another copy."
TILE_WIDTH, TILE_LENGTH = 322, 323
"""Tags of TIFF 6.0, section 15."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
MAX_ASPECT = 20.0
"""How much longer than the target's a picture's shape may be before cropping it would keep next to nothing."""

# We set a lower limit ourselves, with a sentence; Pillow's warning would only reach whoever reads the server's log.
# Set once, here: `warnings.catch_warnings` around each call is not safe with threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageError(DataError):
    """A picture cannot be used; the message is one sentence for the person who chose it."""


def _bytes(file: bytes | BinaryIO | Path) -> bytes:
    limit = MAX_FILE_MB * 1_000_000
    try:
        if isinstance(file, str | os.PathLike):
            with Path(file).open("rb") as opened:
                data = opened.read(limit + 1)
        elif isinstance(file, bytes | bytearray | memoryview):
            data = bytes(file)
        else:
            if file.seekable():
                file.seek(0)
            data = file.read(limit + 1)
    except OSError as error:
        raise ImageError(f"The file cannot be read: {error.strerror or error}.") from None
    if not data:
        raise ImageError("The file is empty; choose another picture.")
    if len(data) > limit:
        raise ImageError(f"The file is larger than {MAX_FILE_MB} MB; save the picture smaller first.")
    return data


def _open(data: bytes, megapixels: int) -> Image.Image:
    too_many = f"more than the {megapixels} megapixels that are read here; make it smaller first."
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"The picture has {too_many}") from None
    except Exception:  # each decoder fails in its own way on a stranger's bytes
        if _is_heic(data):
            raise ImageError(
                "The file is a HEIC picture, as iPhones take them, which cannot be read here; save it as JPEG first "
                "(for new ones: Settings, Camera, Formats, Most Compatible)."
            ) from None
        raise ImageError(f"The file is not a picture that can be read here ({', '.join(FORMATS)}).") from None
    width, height = image.size
    if width * height > megapixels * 1_000_000:
        raise ImageError(f"The picture has {width} x {height} pixels, {too_many}")
    across, down = (_tag(image, tag) for tag in (TILE_WIDTH, TILE_LENGTH))
    if across * down > megapixels * 1_000_000:  # of ten pixels, perhaps, but a tile is decoded as a whole
        raise ImageError(f"The picture is stored in tiles of {across} x {down} pixels, {too_many}")
    if image.format == "AVIF":  # whose box may say anything of its size
        try:
            frames = av1.frames(data)
        except av1.Strange:
            raise ImageError(_DAMAGED) from None
        if max(frames, default=0) > megapixels * 1_000_000 or sum(frames) > MAX_FRAMES * megapixels * 1_000_000:
            raise ImageError(f"The picture calls itself {width} x {height} pixels and holds {too_many}")
    return image


def _is_heic(data: bytes) -> bool:
    """Whether the first box of `data` says that it is HEIF with HEVC inside (ISO/IEC 23008-12, annex B)."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC


def _tag(image: Image.Image, tag: int) -> int:
    """The whole number that a TIFF says of itself under `tag`; 0 of other pictures, and where it says none."""
    value = image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) else 0


def _is_signed(image: Image.Image) -> bool:
    """Whether a TIFF's 16-bit levels may be negative (SampleFormat 2)."""
    return _tag(image, BITSPERSAMPLE) == 16 and _tag(image, SAMPLEFORMAT) == 2


def _grey_of_16_bits(image: Image.Image) -> Image.Image:
    """Levels 0 to 65535 scaled (not clipped) to 0 to 255; Pillow's own conversion clips."""
    levels = np.asarray(image)
    table = ((np.arange(65536) + 128) // 257).astype(np.uint8)
    return Image.fromarray(table[levels])


def _decode(image: Image.Image, mode: str, managed: bool) -> Image.Image:
    """The first frame, upright, opaque, in `mode` ("L" or "RGB"); in sRGB if `managed`."""
    if _is_signed(image):
        raise ImageError("The picture has signed 16-bit levels; save it with 8 or 16 unsigned bits a channel first.")
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ImageError("The picture has 32-bit levels; save it with 8 or 16 bits a channel first.")
    image.load()
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        image = _grey_of_16_bits(image)
    if managed:
        image = as_srgb(image, profile)
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        image = white
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def fit(image: Image.Image, size: tuple[int, int], crop_fraction: float = 1.0) -> Image.Image:
    """The centre of `image` (mode "L" or "RGB"), cropped to the shape of `size` = (height, width) and resized to it.

    Bicubic, antialiased. crop_fraction in (0, 1]: the share of the largest possible crop that is kept; ImageNet's
    networks expect `imagenet.crop_fraction(224)`. For squares the crop's pixels are those of EfficientNet-Lite's own
    preprocessing (its rounding); its resizing does not antialias, ours does. ImageError if the shapes are so different
    (a factor of MAX_ASPECT) that next to nothing of the picture would be kept.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"size must be (height, width), each at least 1; got {size}.")
    if not 0 < crop_fraction <= 1:
        raise ValueError(f"crop_fraction must be greater than 0 and at most 1; got {crop_fraction}.")
    # Products of whole numbers: quotients would refuse 1 x 20 pixels for a square by a rounding.
    wide, tall = image.width * height, image.height * width
    if max(wide, tall) > MAX_ASPECT * min(wide, tall):
        raise ImageError(
            f"The picture is {image.width} x {image.height} pixels, too long and thin: its middle, which is all that "
            "would be shown, is next to nothing; crop it first."
        )
    # 1e-6: a crop of exactly so many pixels must not lose one to rounding.
    scale = min(image.width / width, image.height / height) * crop_fraction
    crop_width = min(max(int(scale * width + 1e-6), 1), image.width)
    crop_height = min(max(int(scale * height + 1e-6), 1), image.height)
    left, top = (image.width - crop_width + 1) // 2, (image.height - crop_height + 1) // 2
    # Cropped first: resize's own `box` would let the pixels around the crop into its edges.
    image = image.crop((left, top, left + crop_width, top + crop_height))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def read_image(
    file: bytes | BinaryIO | Path,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    crop_fraction: float = 1.0,
    managed: bool = True,
    megapixels: int = MAX_MEGAPIXELS,
) -> Tensor:
    """The picture in `file` as float32 (1, C, H, W), exactly k/255.

    file: the bytes, an open file (read from its start) or a path. size: (height, width) to crop and resize to with
    `fit`; the picture's own size if None. channels: 3 (RGB) or 1 (grey, ITU-R 601 luma). managed: the colours are those
    that its ICC profile means, in sRGB; else the numbers in the file. megapixels: of the largest picture that is
    decoded. ImageError, one sentence, whenever it cannot be used: no picture, truncated, empty, more than MAX_FILE_MB
    or `megapixels`, too thin.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3; got {channels}.")
    image = _open(_bytes(file), megapixels)
    try:
        image = _decode(image, "L" if channels == 1 else "RGB", managed)
    except ImageError:
        raise
    except Exception:  # as above: whatever a decoder makes of damaged bytes
        raise ImageError(_DAMAGED) from None
    if size is not None:
        image = fit(image, size, crop_fraction)
    levels = np.asarray(image).reshape(image.height, image.width, channels)
    return from_levels(levels.transpose(2, 0, 1)[None])


def _levels(images: Tensor) -> Tensor:
    levels = (images.detach() * 255).round()  # half to even
    if not bool(((levels >= 0) & (levels <= 255)).all()):  # false for NaN too
        raise ValueError("images must lie in [0, 1] (within half an 8-bit level); clamp or rescale them first.")
    return levels


def quantize(images: Tensor) -> Tensor:
    """Images (any shape) in [0, 1] rounded to 8 bits, exactly k/255; halves go to the even level. Carries no gradient.

    ValueError if a value rounds to a level outside 0 to 255 or is not a number.
    """
    # Divided by a tensor: dividing by a Python number multiplies by its reciprocal on a GPU, which is not exact.
    return _levels(images) / images.new_tensor(255.0)


def to_png(image: Tensor) -> bytes:
    """One image (C, H, W) or (1, C, H, W), C 1 or 3, in [0, 1], as a lossless 8-bit PNG (rounded as by `quantize`)."""
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image must be (C, H, W) or (1, C, H, W) with C 1 or 3; got shape {tuple(image.shape)}.")
    levels = _levels(image).to("cpu", torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels).save(file, "PNG")
    return file.getvalue()


def load_folder(
    path: str | Path,
    size: tuple[int, int] = (224, 224),
    crop_fraction: float | None = None,
    n: int | None = None,
    seed: int = 0,
) -> ImageSet:
    """The pictures of a folder as a data set: files `NNN_name.JPEG` (or .png ...), NNN the ImageNet class index.

    size, crop_fraction: as in `fit`; by default ImageNet's own crop for that size. n, seed: as in `core.data.load`.
    Colour profiles are left alone, as in the preprocessing that networks are trained and measured with. The set's name
    is "folder:" and the folder's last part, so that results do not carry the paths of one machine. DataError if there
    is no such folder, no such file in it, or a class index beyond 999.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise DataError(f"There is no folder {path}.")
    pattern = re.compile(r"(\d+)_.+\.(jpe?g|png|webp|gif|bmp|tiff?)", re.IGNORECASE)
    files = [(file, int(match[1])) for file in sorted(path.iterdir()) if (match := pattern.fullmatch(file.name))]
    if not files:
        raise DataError(f"The folder {path} holds no pictures named NNN_name.JPEG, NNN the ImageNet class index.")
    classes = imagenet.classes()
    for file, label in files:
        if label >= len(classes):
            raise DataError(f"{file.name} names the class {label}, but ImageNet's classes end at {len(classes) - 1}.")
    chosen = draw(n, len(files), seed)
    crop = imagenet.crop_fraction(min(size)) if crop_fraction is None else crop_fraction
    images = []
    for index in chosen:
        try:
            images.append(read_image(files[index][0], size, 3, crop, managed=False))
        except ImageError as error:
            raise ImageError(f"{files[index][0].name}: {error}") from None
    name = path.resolve().name
    return ImageSet(
        images=torch.cat(images),
        labels=torch.tensor([files[index][1] for index in chosen]),
        classes=classes,
        name=f"folder:{name}",
        split="test",
        source="files",
        note=f"{len(chosen)} of the {len(files)} pictures in the folder {name}, cropped to {size[0]} x {size[1]}.",
        indices=torch.from_numpy(chosen),
        names=tuple(files[index][0].stem for index in chosen),
    )
