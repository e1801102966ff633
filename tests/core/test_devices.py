"""Core on another device than the CPU: nothing mixes, nothing is left behind, and the numbers are the CPU's.

There need not be one: see tests/elsewhere.py. It takes a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.device_cases import CASES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def complaints() -> dict[str, str]:
    """What went wrong with each case; "" where nothing did."""
    words = [sys.executable, "-m", "tests.core.device_cases"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    made = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return json.loads(made.stdout)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("planted")])
def test_all_of_core_stays_on_its_device(name, complaints):
    assert complaints[name] == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("images on the CPU", "Expected all tensors to be on the same device: sub got (2, 1, 28, 28) on the CPU"),
        ("labels on the CPU", "Expected all tensors to be on the same device: gather got (3, 1) on the CPU"),
        ("an index that lies farther than what it indexes", "Expected all tensors to be on the same device: index got"),
        ("a generator of the CPU", "Expected a generator on the device of the numbers: rand"),
        ("straight to NumPy", ".numpy() is not supported"),
        ("what no GPU does", "Only the CPU can do histogram so"),
    ],
)
def test_what_mixes_devices_is_found_out(name, words, complaints):
    assert words in complaints[f"planted: {name}"]
