r"""CIEDE2000 of small changes: the quadratic form it comes to at every pixel, its metric tensor.

For a small change r of the colour x of a pixel, CIEDE2000(x, x + r)^2 = r'G(x) r + O(|r|^3) with

    G = J'B'[1, 0, 0; 0, 1, R_T / 2; 0, R_T / 2, 1] B J.

J is the derivative of CIELAB by sRGB at x: of the transfer function, of XYZ's matrix, of the cube root. B takes changes
of (L, a, b) to (dL / S_L, dC' / S_C, dH' / S_H), with a' = (1 + G_C) a, dC' = (a' da' + b db) / C' and
dH' = (a' db - b da') / C'; weights and rotation R_T are those of x. For a grey C' is 0, and any hue serves, since S_C
and S_H are 1 there.

Sources: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula" (2005); Pant, Farup, "Riemannian formulation and
comparison of color difference formulas" (2012), who derive G. Its limit is singular where CIEDE2000 itself jumps (hues
that are opposite), which small changes do not meet except next to grey.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.filters import check_images

_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)  # D65, of an observer of 2 degrees
_TO_LAB = ((0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0))  # of the cube roots of X, Y, Z
_LINEAR, _DARK = 0.04045, 0.008856  # below them the transfer function and the cube root are straight lines
_SLOPE = 7.787  # of the latter
_SEVENTH = 25.0**7


def _chroma_weight(chroma: Tensor) -> Tensor:
    """(C^7 / (C^7 + 25^7))^{1/2}."""
    seventh = chroma**7
    return (seventh / (seventh + _SEVENTH)).sqrt()


def ciede2000_tensor(images: Tensor) -> Tensor:
    """G of every pixel of `images` (N, C, H, W), sRGB in [0, 1] under D65: (N, C, C, H, W).

    Symmetric, positive definite; in squared units of CIEDE2000 for changes in units of the images. Grey images (C = 1)
    change as greys: one number a pixel. In the dtype and on the device of images; computed in double precision. No
    gradient flows. ValueError for another number of channels.
    """
    check_images(images)
    if images.shape[1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels for a colour difference; got {images.shape[1]}.")
    x = images.detach().cpu().double().expand(-1, 3, -1, -1).movedim(1, -1)
    bright = x > _LINEAR
    linear = torch.where(bright, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    slope = torch.where(bright, 2.4 / 1.055 * ((x + 0.055) / 1.055) ** 1.4, 1 / 12.92)
    to_xyz = torch.tensor(_TO_XYZ, dtype=x.dtype) / torch.tensor(_WHITE, dtype=x.dtype)[:, None]
    xyz = linear @ to_xyz.T
    light = xyz > _DARK
    root = torch.where(light, xyz.clamp_min(_DARK) ** (1 / 3), _SLOPE * xyz + 16 / 116)
    bend = torch.where(light, xyz.clamp_min(_DARK) ** (-2 / 3) / 3, _SLOPE)
    to_lab = torch.tensor(_TO_LAB, dtype=x.dtype)
    jacobian = to_lab @ (bend[..., :, None] * to_xyz * slope[..., None, :])
    lightness, a, b = (root @ to_lab.T - torch.tensor([16.0, 0.0, 0.0], dtype=x.dtype)).unbind(-1)
    stretch = 1 + 0.5 * (1 - _chroma_weight(torch.hypot(a, b)))
    chroma, hue = torch.hypot(stretch * a, b), torch.atan2(b, stretch * a)
    degrees = torch.rad2deg(hue) % 360

    def wave(times: float, shift: float) -> Tensor:
        return torch.cos(torch.deg2rad(times * degrees + shift))

    t = 1 - 0.17 * wave(1, -30) + 0.24 * wave(2, 0) + 0.32 * wave(3, 6) - 0.20 * wave(4, -63)
    far = (lightness - 50) ** 2
    s_l, s_c, s_h = 1 + 0.015 * far / (20 + far).sqrt(), 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    turn = torch.deg2rad(60 * torch.exp(-(((degrees - 275) / 25) ** 2)))
    rotation = -2 * _chroma_weight(chroma) * torch.sin(turn)
    rows = torch.zeros(*hue.shape, 3, 3, dtype=x.dtype)
    rows[..., 0, 0] = 1 / s_l
    rows[..., 1, 1], rows[..., 1, 2] = hue.cos() * stretch / s_c, hue.sin() / s_c
    rows[..., 2, 1], rows[..., 2, 2] = -hue.sin() * stretch / s_h, hue.cos() / s_h
    mixed = torch.eye(3, dtype=x.dtype).expand(*hue.shape, 3, 3).clone()
    mixed[..., 1, 2] = mixed[..., 2, 1] = rotation / 2
    changed = rows @ jacobian
    found = changed.mT @ mixed @ changed
    if images.shape[1] == 1:
        found = found.sum((-2, -1))[..., None, None]
    return found.permute(0, 3, 4, 1, 2).contiguous().to(images.device, images.dtype)
