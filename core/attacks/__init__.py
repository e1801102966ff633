"""Attacks: generators of steps over declared parameters. `ATTACKS` lists them, `run` runs one and checks its claim."""

from core.attacks.base import ADVICE, Attack, AttackResult, Run, Status, Step, hinge, margin, run
from core.attacks.cw import CarliniWagner
from core.attacks.deepfool import DeepFool
from core.attacks.scw import SmoothCarliniWagner

ATTACKS: dict[str, type[Attack]] = {cls.name: cls for cls in (CarliniWagner, SmoothCarliniWagner, DeepFool)}

__all__ = [
    "ADVICE", "ATTACKS", "Attack", "AttackResult", "CarliniWagner", "DeepFool", "Run", "SmoothCarliniWagner",
    "Status", "Step", "hinge", "margin", "run",
]  # fmt: skip
