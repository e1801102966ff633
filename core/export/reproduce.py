"""Makes the adversarial images of this folder again, from its clean image, and compares them.

Run it where Python finds Smoothscope's `core`:   PYTHONPATH=FOLDER_OF_SMOOTHSCOPE python reproduce.py
"""

import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from core import models
from core.attacks import ATTACKS, Run
from core.evaluate.comparison import at_norm


def main(folder: Path) -> int:
    """0 if every image comes out the same to 1e-5, else 1."""
    arrays = np.load(folder / "arrays.npz")
    clean = torch.from_numpy(arrays["clean"])[None]
    worst = 0.0
    for name, facts in json.loads((folder / "parameters.json").read_text(encoding="utf-8"))["runs"].items():
        torch.set_num_threads(facts["threads"])
        model = models.load(facts["model"])
        if model.card.sha256 != facts["weights_sha256"]:
            sys.exit(f"{facts['model']} has been trained anew since: its weights are not those that were attacked.")
        attack = ATTACKS[facts["attack"]](**facts["parameters"])
        run = Run(attack, model, clean, torch.tensor([facts["label"]]), facts["seed"])
        for _ in islice(run, facts["steps"]):
            pass
        result = run.result()
        made = result.adversarial
        if facts["norm"] is not None and result.status[0] in ("fooled", "failed"):
            made = at_norm(clean, made, facts["norm"])
        difference = float((made - torch.from_numpy(arrays[f"{name}.adversarial"])).abs().max())
        print(f"{name}: {attack.title}, the largest difference is {difference:.1e}")
        worst = max(worst, difference)
    return int(worst > 1e-5)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent))
