"""What every source of images gives: an `ImageSet`; and the one error they raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor


class DataError(ValueError):
    """Images could not be had; the message is one sentence for a person, and says what to do."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels and where they came from.

    images: float32 (N, C, H, W) in [0, 1]; those read from 8-bit sources are exactly k/255. labels: int64 (N,), the
    index of the class in `classes`, or -1 where no class of `classes` names the picture. source: "full" (the whole
    official set is installed), "gallery" (the thousand test images in assets/gallery) or "files". note: one sentence on
    where the images came from. indices: int64 (N,), each image's place in its official split (or in the list of
    files), so that a link can name an image. names: one per image where the images have names, else empty.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str
    split: str
    source: Literal["full", "gallery", "files"]
    note: str
    indices: Tensor
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.float32:
            raise ValueError(
                f"images must be float32 (N, C, H, W); got {self.images.dtype} of shape {tuple(self.images.shape)}."
            )
        for field in ("labels", "indices"):
            value = getattr(self, field)
            if value.shape != (len(self.images),) or value.dtype != torch.int64:
                raise ValueError(
                    f"{field} must be int64 of shape ({len(self.images)},), one per image; "
                    f"got {value.dtype} of shape {tuple(value.shape)}."
                )
        if self.names and len(self.names) != len(self.images):
            raise ValueError(f"names must be one per image or empty; got {len(self.names)} for {len(self.images)}.")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray | Tensor) -> ImageSet:
        """The images at `index` (a number, slice, list, or integer or boolean tensor) as an ImageSet of their own.

        A single number gives a set of one image: shapes stay (N, C, H, W). IndexError outside the set.
        """
        chosen = index.cpu().numpy() if isinstance(index, Tensor) else index
        if not isinstance(chosen, int | slice | np.ndarray):
            chosen = np.asarray(chosen, dtype=np.int64)
        rows = torch.from_numpy(np.array(np.arange(len(self))[chosen], ndmin=1))
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            indices=self.indices[rows],
            names=tuple(self.names[row] for row in rows.tolist()) if self.names else (),
        )


def from_levels(levels: np.ndarray) -> Tensor:
    """Float32 images, exactly k/255, from 8-bit levels (uint8, any shape; copied)."""
    return torch.from_numpy(np.array(levels, dtype=np.float32)).div_(255)


def draw(n: int | None, total: int, seed: int) -> np.ndarray:
    """The first `n` of a seeded permutation of range(total), int64; all in their own order if n is None.

    RandomState, because its streams are frozen for good: a link made today finds the same images after any upgrade.
    """
    if n is None:
        return np.arange(total)
    if not 1 <= n <= total:
        raise DataError(f"n must be from 1 to {total}, the number of images there are; got {n}.")
    if not 0 <= seed < 2**32:
        raise DataError(f"seed must be from 0 to 4294967295; got {seed}.")
    return np.random.RandomState(seed).permutation(total)[:n]
