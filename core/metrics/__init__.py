"""What can be measured of a perturbation, one value per image: size, roughness, and how visible it is."""

from core.metrics.color import ciede2000_tensor
from core.metrics.distortion import l2, linf
from core.metrics.mad import mad
from core.metrics.perceptual import ciede2000, psnr, ssim
from core.metrics.roughness import radial_power_spectrum, roughness

__all__ = ["ciede2000", "ciede2000_tensor", "l2", "linf", "mad", "psnr", "radial_power_spectrum", "roughness", "ssim"]
