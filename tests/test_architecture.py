"""The house stands: imports go one way, core knows no user interface, and the repository stays small and portable."""

import ast
import collections
import functools
import graphlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TIERS = [
    {"params", "layout", "glossary", "heap", "_torchvision"},
    {"data", "graph", "filters", "losses", "models"},
    {"attacks", "defenses", "features", "magnify", "metrics"},
    {"evaluate", "train"},
    {"papers", "examples", "export"},
    {"lessons"},
    {"__main__"},
]
"""The parts of core, lowest first: a part imports from lower tiers, and within its tier in no circle."""

WINGS = [{"engine"}, {"shell"}, {"charts", "components", "inputs"}, {"work"}, {"views"}]
"""The wings of pages/parts, lowest first, with the same rule; the pages' own scripts lie above them all.

A folder of views belongs to one page: what two pages show is a module beside the folders.
"""

INTERFACES = {"streamlit", "plotly"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, str]:
    """Every module of the app and of core with its text."""
    paths = [
        ROOT / "app.py",
        *(path for part in ("core", "pages", "smoothscope") for path in ROOT.glob(f"{part}/**/*.py")),
    ]
    return {module_name(path): path.read_text(encoding="utf-8") for path in paths}


@functools.cache  # every test looks at the whole house again, with one line more
def importing(source: str) -> list[ast.Import | ast.ImportFrom | ast.Call]:
    """All that may import something in a module's `source`, at any depth."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)]


def imports(module: str, source: str, modules: set[str]) -> Iterator[str]:
    """What `source` imports, at any depth and also by import_module("..."), as absolute dotted names."""
    package = module if any(other.startswith(f"{module}.") for other in modules) else module.rpartition(".")[0]
    for node in importing(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            for alias in node.names:  # a name is a module of its own, or something in the module
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in {"import_module", "__import__"}:
                yield str(node.args[0].value)


def tier(part: str, tiers: list[set[str]] = TIERS) -> int | None:
    return next((number for number, parts in enumerate(tiers) if part in parts), None)


def wing(module: str) -> str:
    """Of pages.parts.charts.plots: charts; empty outside pages.parts."""
    names = module.split(".")
    return names[2] if names[:2] == ["pages", "parts"] and len(names) > 2 else ""


def room(module: str) -> str:
    """Of pages.parts.views.lab.result, and of pages.parts.views.lab: lab; empty outside the views."""
    return module.split(".")[3] if module.startswith("pages.parts.views.") else ""


def complaint(importer: str, imported: str) -> str | None:
    """What is wrong with this arrow, or None."""
    top, _, rest = importer.partition(".")
    other, _, inner = imported.partition(".")
    if top == "core":
        if other in INTERFACES or other in {"pages", "app", "smoothscope", "tests", "benchmarks"}:
            return f"{importer} imports {imported}: core knows no user interface"
        if other != "core" or not inner:  # core itself holds the version and imports nothing
            return None
        if not rest:
            return f"core/__init__.py imports {imported}: it lies below everything"
        part, target = rest.split(".")[0], inner.split(".")[0]
        mine, theirs = tier(part), tier(target)
        if mine is None or theirs is None:
            return f"core.{part if mine is None else target} belongs to no tier; put it into TIERS of this test"
        return f"{importer} imports {imported}: the arrow points back" if theirs > mine else None
    if other in {"app", "smoothscope", "tests", "benchmarks"} and other != top:
        return f"{importer} imports {imported}: nothing imports those"
    if other == "pages" and inner.split(".")[0] != "parts":
        return f"{importer} imports {imported}: only pages.parts is shared"
    if wing(importer) and wing(imported):
        mine, theirs = tier(wing(importer), WINGS), tier(wing(imported), WINGS)
        if mine is None or theirs is None:
            return f"pages.parts.{wing(importer if mine is None else imported)} belongs to no wing; put it into WINGS"
        if theirs > mine:
            return f"{importer} imports {imported}: the arrow points back"
        if imported.count(".") > 3 and room(imported) and room(importer) not in {"", room(imported)}:
            return f"{importer} imports {imported}: that belongs to another page"
    return None


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A complaint, if following the arrows of `graph` leads back to where one began."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as found:
        return [f"{' <- '.join(found.args[1])} import each other in a circle"]
    return []


def arrows(modules: dict[str, str]) -> set[tuple[str, str]]:
    """(importer, imported), each once, of all that is imported anywhere."""
    return {(module, found) for module, source in modules.items() for found in imports(module, source, set(modules))}


def complaints(modules: dict[str, str]) -> list[str]:
    """All arrows that point back, and circles: among the parts of core, the wings of the pages, and their modules."""
    found = sorted(arrows(modules))
    parts: dict[str, set[str]] = {}
    wings: dict[str, set[str]] = {}
    rooms: dict[str, set[str]] = {}
    for importer, imported in found:
        if importer.startswith("core.") and imported.startswith("core."):
            parts.setdefault(importer.split(".")[1], set()).add(imported.split(".")[1])
        if wing(importer) and wing(imported):
            wings.setdefault(wing(importer), set()).add(wing(imported))
            rooms.setdefault(importer, set()).add(imported)
    for graph in (parts, wings):
        for part, targets in graph.items():
            targets.discard(part)
    wrong = [complaint(importer, imported) for importer, imported in found]
    return [each for each in wrong if each is not None] + circle(parts) + circle(wings) + circle(rooms)


def test_imports_go_one_way():
    assert complaints(sources()) == []


@pytest.mark.parametrize(
    ("module", "line", "expected"),
    [
        ("core.graph.planted", "from core.attacks import run", "points back"),
        ("core.graph.planted", "from core import attacks", "points back"),
        ("core.graph.planted", "from ..evaluate import attack_many", "points back"),
        ("core.metrics", "def f():\n    import core.train.loop", "points back"),
        ("core.attacks.planted", "import core.__main__", "points back"),
        ("core.params", "from core.data import load", "points back"),
        ("core.data.planted", "from core.attacks.base import Step", "points back"),
        ("core.planted", "import core.params", "belongs to no tier"),
        ("core", "from core.data import load", "below everything"),
        ("core.models.planted", "import streamlit as st", "no user interface"),
        ("core.models.planted", "from plotly import graph_objects", "no user interface"),
        ("core.models.planted", "import importlib\nimportlib.import_module('streamlit')", "no user interface"),
        ("core.models.planted", "from pages.parts import jobs", "no user interface"),
        ("pages.parts.planted", "import pages.planted", "only pages.parts"),
        ("pages.parts.planted", "from pages.parts.shell import links", "belongs to no wing"),
        ("pages.parts.shell.planted", "from pages.parts.charts import plots", "points back"),
        ("pages.parts.components.planted", "from pages.parts.views import attacking", "points back"),
        ("pages.parts.inputs.planted", "from ..views import attacking", "points back"),
        ("pages.parts.components.planted", "from pages.parts.charts import center_plots", "in a circle"),
        ("pages.parts.shell.links", "from pages.parts.shell import page", "in a circle"),
        ("pages.planted", "import app", "nothing imports those"),
        ("pages.planted", "from smoothscope.__main__ import serve", "nothing imports those"),
        ("app", "from tests.problems import linear", "nothing imports those"),
    ],
)
def test_a_planted_arrow_is_found(module, line, expected):
    found = complaints(sources() | {module: line})
    assert any(expected in wrong for wrong in found), found


def test_a_folder_of_views_belongs_to_one_page():
    modules = {"pages.parts.views.lab": "", "pages.parts.views.lab.result": "", "pages.parts.views.shared": ""}
    stranger = {"pages.parts.views.compare": "", "pages.parts.views.compare.planted": "from ..lab import result"}
    (wrong,) = complaints(modules | stranger)
    assert "belongs to another page" in wrong
    (wrong,) = complaints(modules | {"pages.parts.views.shared": "from pages.parts.views.lab.result import x"})
    assert "belongs to another page" in wrong
    own = {"pages.parts.views.lab.planted": "from . import result\nfrom .. import shared"}
    assert complaints(modules | own | {"pages.lab": "from pages.parts.views.lab import result"}) == []


def test_a_planted_circle_is_found():
    found = complaints({"core.data": "import core.graph", "core.graph.solvers": "from core.data import load"})
    assert ["circle" in wrong for wrong in found] == [True]


def test_only_the_layout_knows_where_the_project_s_files_lie():
    """An installed Smoothscope keeps them elsewhere than the repository, so nobody else counts folders upwards."""
    counting = re.compile(r"__file__\)[\w.()]*\.parents|__file__\)[\w.()]*\.parent\.parent")
    assert {module for module, source in sources().items() if counting.search(source)} == {
        "core.layout",
        "smoothscope.__main__",  # looks whether core lies beside it
    }


WATCHED = """
import importlib, socket, sys

def refuse(*arguments):
    raise AssertionError(f"an import opened a connection: {arguments}")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
for module in sys.argv[2:]:
    importlib.import_module(module)
print("imported", sorted(set(sys.argv[1].split(",")) & set(sys.modules)))
"""


def import_watched(modules: list[str], home: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    """Import `modules` in a process of their own, with an empty home, where a connection is an error."""
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [*path, ROOT]))
    return subprocess.run(
        [sys.executable, "-c", WATCHED, ",".join(sorted(INTERFACES)), *modules],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_importing_core_has_no_side_effects(tmp_path):
    done = import_watched([module for module in sources() if module.split(".")[0] == "core"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported []\n", "")
    assert list(tmp_path.iterdir()) == []


def test_planted_side_effects_are_seen(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "plotly.py").touch()
    (tmp_path / "indirect.py").write_text("import plotly")
    (tmp_path / "calling.py").write_text("import socket; socket.create_connection(('127.0.0.1', 9))")
    assert import_watched(["indirect"], home, tmp_path).stdout == "imported ['plotly']\n"
    assert "opened a connection" in import_watched(["calling"], home, tmp_path).stderr


DRAWING = {
    "torch": {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "normal", "bernoulli"},
    "np.random": {"rand", "randn", "randint", "random", "normal", "uniform", "permutation", "shuffle", "choice"},
    "random": {"random", "randint", "randrange", "uniform", "gauss", "choice", "choices", "sample", "shuffle"},
}


def drawn_from_the_common_stream(source: str) -> list[int]:
    """Lines that use a random number of the stream which everything in a process shares.

    A draw whose value nobody takes only moves the stream on, which is how a test shows that it does not matter.
    """
    lines, passed = [], set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr):
            passed.add(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node not in passed:
            own = any(keyword.arg == "generator" for keyword in node.keywords)
            if not own and node.func.attr in DRAWING.get(ast.unparse(node.func.value), ()):
                lines.append(node.lineno)
    return lines


def test_no_test_depends_on_what_was_drawn_before_it():
    found = {
        path.relative_to(ROOT): lines
        for path in ROOT.glob("tests/**/*.py")
        if (lines := drawn_from_the_common_stream(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert drawn_from_the_common_stream("torch.rand(7)") == []
    assert drawn_from_the_common_stream("x = torch.rand(7, generator=torch.Generator())") == []
    assert drawn_from_the_common_stream("f(torch.rand(7))") == [1]
    assert drawn_from_the_common_stream("x = 2\ny = np.random.rand(x)") == [2]
    assert drawn_from_the_common_stream("x = [random.choice('ab')]") == [1]


def test_test_files_have_names_of_their_own():
    """pytest takes two of one name, in folders that are no packages, for one module and refuses the second."""
    names = collections.Counter(path.name for path in ROOT.glob("tests/**/test_*.py"))
    assert len(names) > 100
    assert {name: count for name, count in names.items() if count > 1} == {}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    # Of this checkout, whoever owns it, also where git itself has started the tests (a hook sets GIT_DIR).
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def foreign(text: str) -> list[str]:
    """Paths of one machine, and hosts of package registries, in `text`."""
    folders = "|".join(("work", "root", "home", "Users", "tmp"))
    hosts = "|".join(("pypi\\.org", "pythonhosted\\.org", "registry\\.npmjs", "deb\\.debian", "download\\.pytorch"))
    return re.findall(rf"(?<![\w.~$}}])/(?:{folders})/[\w.]|[A-Z]:\\+Users|{hosts}", text)


def test_no_machine_is_named(tracked):
    assert foreign("see /" + "tmp/x") != []
    assert foreign("ask pypi" + ".org") != []
    assert foreign("assets/tmp/x and https://example.org/home/x and ~/home/x") == []
    named = {}
    for path in tracked:
        content = path.read_bytes()
        if b"\0" not in content and (hits := foreign(content.decode("utf-8"))):
            named[path.relative_to(ROOT)] = hits
    assert named == {}


def test_the_repository_stays_small(tracked):
    sizes = {path.relative_to(ROOT): path.stat().st_size for path in tracked}
    assert {path: size for path, size in sizes.items() if size > 8e6} == {}
    checkpoints = sum(size for path, size in sizes.items() if path.parts[0] == "checkpoints")
    assert checkpoints < 80e6  # more of them may be committed, not more of anything else
    assert sum(sizes.values()) - checkpoints < 21e6
    assert sizes[Path("core/params.py")] > 1000  # the listing is that of this repository
