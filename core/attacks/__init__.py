"""Attacks: generators of steps over declared parameters. `ATTACKS` lists them, `run` runs one and checks its claim."""

from core.attacks.base import ADVICE, Attack, AttackResult, Run, Status, Step, hinge, margin, run
from core.attacks.color_ddn import ColorDDN
from core.attacks.color_shift import ColorShift
from core.attacks.cw import CarliniWagner
from core.attacks.ddn import DDN, SmoothDDN
from core.attacks.deepfool import DeepFool
from core.attacks.fgsm import FGSM, IteratedFGSM
from core.attacks.iterative_smooth import IterativeSmooth
from core.attacks.mim import MomentumIterative
from core.attacks.pgd import ProjectedGradient, SmoothProjectedGradient
from core.attacks.scw import SmoothCarliniWagner
from core.attacks.smoothfool import SmoothFool
from core.attacks.spsa import SPSA
from core.attacks.transforms import Noise, Rotation
from core.attacks.universal import Universal

ATTACKS: dict[str, type[Attack]] = {
    cls.name: cls
    for cls in (
        CarliniWagner,
        SmoothCarliniWagner,
        DDN,
        SmoothDDN,
        ColorDDN,
        DeepFool,
        SmoothFool,
        FGSM,
        IteratedFGSM,
        ProjectedGradient,
        SmoothProjectedGradient,
        MomentumIterative,
        IterativeSmooth,
        ColorShift,
        SPSA,
        Noise,
        Rotation,
        Universal,
    )
}

__all__ = [
    "ADVICE",
    "ATTACKS",
    "DDN",
    "FGSM",
    "SPSA",
    "Attack",
    "AttackResult",
    "CarliniWagner",
    "ColorDDN",
    "ColorShift",
    "DeepFool",
    "IteratedFGSM",
    "IterativeSmooth",
    "MomentumIterative",
    "Noise",
    "ProjectedGradient",
    "Rotation",
    "Run",
    "SmoothCarliniWagner",
    "SmoothDDN",
    "SmoothFool",
    "SmoothProjectedGradient",
    "Status",
    "Step",
    "Universal",
    "hinge",
    "margin",
    "run",
]
