"""Makes the adversarial images of this folder again, from its clean image, and compares them.

README.md beside it says how it is run: with the Python of Smoothscope's environment, in Smoothscope's folder or, where
Smoothscope is installed as a package, in any.
"""

import importlib.util
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

NOT_FOUND = """Smoothscope is not found here. Run this with the Python of its environment, either
  in Smoothscope's folder, after `make app`:            .venv/bin/python "{script}"
  or where it was installed by `pip install .`:         env/bin/python "{script}\""""


def main(folder: Path) -> int:
    """0 if every image comes out the same to 1e-5, else 1."""
    import numpy as np  # here, because `find` may have to say first where all this is
    import torch

    from core.evaluate.comparison import at_norm

    arrays = np.load(folder / "arrays.npz")
    clean = torch.from_numpy(arrays["clean"])[None]
    told = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    worst = 0.0
    for name, facts in told["runs"].items():
        torch.set_num_threads(facts["threads"])
        start = torch.from_numpy(arrays[f"{name}.start"])[None] if f"{name}.start" in arrays else None
        result = repeated(folder, facts, clean, start)
        made = result.adversarial
        if facts["norm"] is not None and result.status[0] in ("fooled", "failed"):
            made = at_norm(clean, made, facts["norm"])
        difference = float((made - torch.from_numpy(arrays[f"{name}.adversarial"])).abs().max())
        print(f"{name}: {facts['attack']}, the largest difference is {difference:.1e}")
        worst = max(worst, difference)
    if worst > 1e-5:
        print(f"More than 1e-5. Made with {told['versions']}; here with torch {torch.__version__}.")
    return int(worst > 1e-5)


def repeated(folder: Path, facts: dict[str, Any], clean: Any, start: Any) -> Any:
    """The result of the run that `facts` describe, on clean (1, C, H, W), as far as that came."""
    import torch

    from core import models
    from core.attacks import ATTACKS, Run

    own = folder / "networks" / facts["model"]
    if own.is_dir():
        models.MODELS[facts["model"]] = own
    try:
        model = models.load(facts["model"])
    except ValueError as error:
        sys.exit(str(error))
    if model.card.sha256 != facts["weights_sha256"]:
        sys.exit(f"{facts['model']} has been trained anew since: its weights are not those that were attacked.")
    if (through := facts.get("defense")) is not None:
        from core.defenses import DEFENSES, Defended

        model = Defended(model, DEFENSES[through["name"]](**through["parameters"]))
    attack = ATTACKS[facts["attack"]](**facts["parameters"])
    run = Run(attack, model, clean, torch.tensor([facts["label"]]), facts["seed"], start)
    for _ in islice(run, facts["steps"]):
        pass
    return run.result()


def find() -> bool:
    """Whether Smoothscope's `core` can be imported; it is looked for in the current folder too."""
    if (Path.cwd() / "core" / "attacks" / "base.py").is_file():
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.util.find_spec("core.attacks") is not None
    except ModuleNotFoundError:  # nothing is called core
        return False


if __name__ == "__main__":
    if not find():
        sys.exit(NOT_FOUND.format(script=Path(__file__).resolve()))
    sys.exit(main(Path(__file__).resolve().parent))
