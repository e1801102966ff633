"""Many images at once: success, distortion, and what else the papers' tables hold."""

from core.evaluate.attacking import Outcome, attack_many, correct

__all__ = ["Outcome", "attack_many", "correct"]
