"""Smooth Adversarial Examples (Zhang, Avrithis, Furon, Amsaleg): its published numbers, and what it claims of sC&W."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evaluate import statistics
from core.evaluate.claims import NOT_MEASURED, Claim, Part, Verdict, every
from core.evaluate.report import AttackRecord
from core.examples import ORIGINAL, StartRecord

PAPER_NAME = "Smooth Adversarial Examples"


@dataclass(frozen=True)
class Published:
    """A cell of the paper's Table 1 or 2: N images that the network names rightly."""

    success: float
    """P_suc."""
    l2: float
    """The conditional average distortion (eq. 20 and below)."""


def _row(*cells: tuple[float, float]) -> tuple[Published, ...]:
    return tuple(Published(*cell) for cell in cells)


COLUMNS = (("mnist", "C4"), ("imagenet", "InceptionV3"), ("imagenet", "ResNetV2"))
"""Data set and network of the columns of Table 1; Table 2 has the first two."""
TABLE1 = {
    "FGSM": _row((0.89, 5.02), (0.97, 5.92), (0.92, 8.20)),
    "I-FGSM": _row((1.00, 2.69), (1.00, 5.54), (0.99, 7.58)),
    "PGD2": _row((1.00, 1.71), (1.00, 1.80), (1.00, 3.63)),
    "C&W": _row((1.00, 2.49), (0.99, 4.91), (0.99, 9.84)),
    "qPGD2": _row((0.97, 3.36), (0.96, 2.10), (0.93, 4.80)),
    "sC&W": _row((1.00, 1.97), (0.99, 3.00), (0.98, 5.99)),
}
TABLE2 = {
    "FGSM": _row((0.15, 4.53), (0.06, 6.40)),
    "I-FGSM": _row((1.00, 3.48), (0.97, 29.94)),
    "PGD2": _row((1.00, 2.52), (1.00, 3.89)),
    "C&W": _row((0.93, 3.03), (0.95, 6.43)),
    "qPGD2": _row((0.99, 2.94), (0.69, 7.86)),
    "sC&W": _row((0.99, 2.39), (0.75, 6.22)),
}
"""Networks that were trained against FGSM."""


def _shorter(cw: AttackRecord, scw: AttackRecord) -> Verdict:
    if cw.rows is None or scw.rows is None or cw.network != scw.network:
        return NOT_MEASURED
    mine, theirs = cw.rows.common(scw.rows)
    kept = (cw.rows["status"][mine] == "fooled") & (scw.rows["status"][theirs] == "fooled")
    plain, smooth = cw.rows["l2"][mine][kept], scw.rows["l2"][theirs][kept]
    if len(plain) < 2:
        return NOT_MEASURED
    compared = statistics.signed_ranks(np.log10(plain), np.log10(smooth))
    return every([Part("length of C&W over sC&W", compared)], unit="powers of ten")


SHORTER = Claim(
    "sC&W improves a lot on C&W in terms of distortion, at the same probability of success",
    PAPER_NAME,
    "section 5.3, Table 1",
    _shorter,
    {
        f"{network}, {attack}": TABLE1[attack][i].l2
        for i, (_, network) in enumerate(COLUMNS)
        for attack in ("C&W", "sC&W")
    },
)
"""decide(record of C&W, record of sC&W): by the images that both fool. Compares like with like only where both have
converged: whoever asks must see to that."""

ONE_PICTURE = "Of one picture: no test says how it is with others."


def _three_answers(example: StartRecord) -> Verdict:
    labels = [picture.label for picture in example.pictures.values()]
    return Verdict(outcome="holds" if len(set(labels)) == len(labels) else "fails", why=ONE_PICTURE)


THREE_ANSWERS = Claim(
    "the network gives a different answer to the original and to each of the two adversarial pictures",
    "ours",
    "the start page's example",
    _three_answers,
)
"""decide(the example)."""


def _smoother(example: StartRecord) -> Verdict:
    share = {name: picture.roughness / picture.l2**2 for name, picture in example.pictures.items() if name != ORIGINAL}
    return Verdict(outcome="holds" if share["scw"] < share["cw"] else "fails", why=ONE_PICTURE)


SMOOTHER = Claim(
    "the perturbation of sC&W is smoother than that of C&W: its Omega_n is less",
    PAPER_NAME,
    "section 5.2, Figure 1",
    _smoother,
)
"""decide(the example)."""
