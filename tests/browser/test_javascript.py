"""The components' modules in a real Chromium, as they are written: javascript/*.test.js, each test one here, and what
Python and JavaScript must agree on."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from playwright.sync_api import Browser, Page, Route

from pages.parts.components.packing import STEP, Parcel, pack, pack_steps, rounded
from pages.parts.components.viewer import Panel, levels
from pages.parts.shell.numbers import general
from pages.parts.shell.scripts import joined, packed

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).with_name("javascript")
NAME = re.compile(r'^test\("((?:[^"\\]|\\.)+)"', re.MULTILINE)
NAMES = {path.name: NAME.findall(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.test.js"))}
ADDRESS = "http://modules.test"


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Opens an empty page that can import any file of the repository by its path; nothing else is there."""
    context = browser.new_context()

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS)
        if path == "/":
            route.fulfill(content_type="text/html", body="<!doctype html><title>blank</title><body></body>")
        else:
            route.fulfill(path=ROOT / path[1:], content_type="text/javascript")

    context.route("**/*", answer)

    def opened() -> Page:
        page = context.new_page()
        page.goto(f"{ADDRESS}/")
        return page

    yield opened
    context.close()


@pytest.fixture(scope="module")
def outcomes(blank: Callable[[], Page]) -> Callable[[str], dict[str, str | None]]:
    """Of all tests of a file, run once: name -> what was wrong, or None."""
    known: dict[str, dict[str, str | None]] = {}

    def of(file: str) -> dict[str, str | None]:
        if file not in known:
            page = blank()
            known[file] = page.evaluate(
                """async ([file, check]) => {
                    await import(file);
                    return (await import(check)).outcomes();
                }""",
                [f"{ADDRESS}/{(FOLDER / name).relative_to(ROOT).as_posix()}" for name in (file, "check.js")],
            )
            page.close()
        return known[file]

    return of


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, names in NAMES.items() for name in names])
def test_module(outcomes: Callable[[str], dict[str, str | None]], file: str, name: str):
    wrong = outcomes(file)[name]
    assert wrong is None, wrong


@pytest.mark.parametrize("file", NAMES)
def test_every_test_of_a_file_is_one_here(outcomes: Callable[[str], dict[str, str | None]], file: str):
    assert list(outcomes(file)) == NAMES[file] != []


# --- what Python and JavaScript agree on ------------------------------------------------------------------------------

PARTS = f"{ADDRESS}/pages/parts"


@pytest.fixture(scope="module")
def page(blank: Callable[[], Page]) -> Page:
    return blank()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unpacked(page: Page, parcel: Parcel) -> tuple[str, list[int], np.ndarray, np.ndarray, list[float]]:
    """What packing.js makes of a parcel: name, shape, values, frames and steps."""
    name, shape, values, frames, steps = page.evaluate(
        """async ([module, parcel]) => {
            const { open, inflate, decode } = await import(module);
            const { header, body } = open(Uint8Array.from(atob(parcel), (c) => c.charCodeAt(0)));
            const { shape, values, frames, steps } = decode(header, await inflate(body));
            const bytes = (array) => Array.from(new Uint8Array(array.buffer), (byte) => String.fromCharCode(byte));
            const text = (array) => btoa(bytes(array).join(""));
            return [header.id, shape, text(values), text(frames), steps];
        }""",
        [f"{PARTS}/components/packing.js", base64.b64encode(parcel.data).decode()],
    )
    arrays = np.frombuffer(base64.b64decode(values), "<f4"), np.frombuffer(base64.b64decode(frames), "<i2")
    return name, shape, *arrays, steps


@pytest.mark.parametrize(
    "values",
    [
        torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0)) / torch.tensor(255.0),
        noise(3, 9, 7),
        torch.tensor([[1.0, float("nan"), -float("inf"), 1e-45, -0.0]]),
        rounded(torch.tensor([[[-1.004, 1.004, 0.0, -1.0, 1.0]]])),
        torch.tensor([[3.0, -32767.0], [32767.0, 0.0]]),
        torch.tensor([70_000, 3, 16_777_216]),
        torch.tensor([True, False]),
        torch.zeros(2, 0),
    ],
)
def test_packed_arrays_arrive_exactly(page: Page, values: torch.Tensor):
    parcel = pack(values)
    name, shape, arrived, *_ = unpacked(page, parcel)
    assert name == parcel.id
    assert shape[-values.ndim :] == list(values.shape)
    np.testing.assert_array_equal(arrived, values.float().numpy().ravel())


def test_films_arrive_exactly(page: Page):
    steps = np.random.default_rng(0).integers(-32767, 32768, (4, 3, 2, 5)).astype(np.int16)
    sizes = [STEP, 0.5, 1.0, 1e-9]
    _, shape, values, frames, arrived = unpacked(page, pack_steps(steps, sizes))
    assert shape == [4, 3, 2, 5]
    assert values.size == 0
    assert arrived == sizes
    np.testing.assert_array_equal(frames.reshape(steps.shape), steps)


def test_levels_are_rounded_alike(page: Page):
    ties = (torch.arange(255) + 0.5) / torch.tensor(255.0)
    clean = torch.cat([ties, torch.nextafter(ties, torch.zeros(1)), torch.nextafter(ties, torch.ones(1))])
    signed = torch.cat([noise(3000), clean - 0.5])
    for values, span in ((clean, None), (signed, 1.0), (signed, 0.3), (0.01 * signed, 1 / 70)):
        shown = page.evaluate(
            """async ([module, values, span]) => {
                const { shaded } = await import(module);
                const wide = span === null ? null : Math.fround(span);
                const { rgba } = shaded(Float32Array.from(values), values.length, wide);
                return Array.from(rgba.filter((_, i) => i % 4 === 0));
            }""",
            [f"{PARTS}/components/levels.js", values.tolist(), span],
        )
        assert shown == levels(Panel("p", values[None, None], span)).ravel().tolist()


def test_numbers_are_written_alike(page: Page):
    values = [0.0, 1.0, 0.1, 99.95, 999.5, 1000.0, 0.0001, 0.00009999, 1.5e-300, 123456.0, -2.5, 0.30000001]
    values += (10.0 ** (8 * noise(200).double())).tolist()
    written = page.evaluate(
        """async ([module, values]) => {
            const { general } = await import(module);
            return values.map((value) => general(value, 3));
        }""",
        [f"{PARTS}/shell/numbers.js", values],
    )
    assert written == [general(value) for value in values]


# --- modules joined to scripts ----------------------------------------------------------------------------------------

COMPONENTS = sorted(path for path in (ROOT / "pages").rglob("*.js") if path.stem == path.parent.name)


def run(page: Page, script: str, use: str = "module => module.default()") -> Any:
    return page.evaluate(
        f"""async script => {{
            const address = URL.createObjectURL(new Blob([script], {{ type: "text/javascript" }}));
            return ({use})(await import(address));
        }}""",
        script,
    )


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_is_one_script_that_a_browser_reads(page: Page, path: Path):
    script = joined(path)
    default = "module => [Object.keys(module), typeof module.default]"
    assert run(page, script, default) == run(page, packed(script, "x.js"), default) == [["default"], "function"]
    assert len(script) < 0.9 * sum(len(text) for text in texts(path).values())  # comments stay behind


def texts(path: Path) -> dict[Path, str]:
    """A module and all it imports."""
    found: dict[Path, str] = {}
    waiting = [path]
    while waiting:
        here = waiting.pop()
        found[here] = here.read_text(encoding="utf-8")
        imported = re.findall(r'^(?:\}|import .*\}) from "(.*)";$', found[here], re.MULTILINE)
        waiting += [target for name in imported if (target := (here.parent / name).resolve()) not in found]
    return found


def written(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    return folder / "entry.js"


def test_joined_modules_do_what_they_do_apart(page: Page, tmp_path: Path):
    """Names repeat, a module is run once though two import it, comments and strings are told apart."""
    entry = written(
        tmp_path,
        entry="""// @ts-check
import { a, shared } from "./one.js";
import {
  b,
  Late,
} from "./two.js";

/** @import { Thing } from "./types.js" */
const name = "entry"; // import { x } from "y";

/**
 * Not exported.
 */
function late() {
  return `http://${name} /* no comment */ // nor this`;
}

export default function run() {
  /* a line of its own */
  return [a(), b(), new Late().name, late(), /** @type {any} */ (shared).runs, "\\"import { a } from './b.js';\\""];
}
""",
        one="""export const shared = { runs: 0 };
shared.runs += 1;
const name = "one";
export const a = () => name;
""",
        two="""import { shared } from "./one.js";
const name = "two";
export async function* unused() {}
export class Late {
  name = `${name} ${shared.runs}`;
}
export function b() {
  return name;
}
""",
    )
    apart = page.context.new_page()
    apart.route("http://apart.test/**", lambda route: serve(route, tmp_path))
    apart.goto("http://apart.test/")
    expected = apart.evaluate("async () => (await import('http://apart.test/entry.js')).default()")
    apart.close()
    script = joined(entry)
    assert run(page, script) == expected
    assert run(page, packed(script, "entry.js")) == expected
    assert len(packed(10 * script, "entry.js")) < 10 * len(script) / 2
    assert expected[:3] == ["one", "two", "two 1"]
    assert expected[3] == "http://entry /* no comment */ // nor this"
    assert "@" not in script
    assert script.count("shared.runs += 1") == 1


def serve(route: Route, folder: Path) -> None:
    name = route.request.url.rpartition("/")[2]
    if name:
        route.fulfill(path=folder / name, content_type="text/javascript")
    else:
        route.fulfill(content_type="text/html", body="<!doctype html>")


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({"entry": 'import x from "./one.js";\nexport default x;'}, "cannot be joined: 'import x from \"./one.js\";'"),
        ({"entry": 'import * as one from "./one.js";\nexport default one;'}, "cannot be joined"),
        ({"entry": 'import "./one.js";\nexport default 1;'}, "cannot be joined"),
        (
            {"entry": 'import { a as b } from "./one.js";\nexport default b;', "one": "export const a = 1;"},
            "imports a as b from one.js",
        ),
        (
            {"entry": 'import { a } from "./gone.js";\nexport default a;'},
            "entry.js: imports gone.js, which is not there",
        ),
        ({"entry": 'import { a } from "lodash";\nexport default a;'}, "cannot be joined"),
        ({"entry": 'export default import("./one.js");'}, "cannot be joined: 'import(\"./one.js\");'"),
        ({"entry": "export default import.meta.url;"}, "cannot be joined"),
        ({"entry": "const a = 1;\nexport { a };\nexport default a;"}, "cannot be joined: 'export { a };'"),
        ({"entry": "export let a = 1;\nexport default a;"}, "cannot be joined: 'export let a = 1;'"),
        ({"entry": "export default 1;\nexport default 2;"}, "a second export default"),
        ({"entry": "const a = 1;"}, "a default export is what entry.js has"),
        (
            {
                "entry": 'import { a } from "./one.js";\nexport default a;',
                "one": "export const a = 1;\nexport default a;",
            },
            "one.js: a default export is what entry.js has, and no module it imports",
        ),
        (
            {"entry": 'import { b } from "./one.js";\nexport default b;', "one": "export const a = 1;"},
            "entry.js: imports b from one.js, which exports a.",
        ),
        (
            {
                "entry": 'import { a } from "./one.js";\nexport default a;',
                "one": 'import { b } from "./two.js";\nexport const a = b;',
                "two": 'import { a } from "./one.js";\nexport const b = a;',
            },
            "in a circle: one.js -> two.js -> one.js",
        ),
        ({"entry": "export default `a\nb`;"}, "entry.js:1: a template literal must end on the line"),
        ({"entry": "/* a\nb */ export default 1;"}, "entry.js:2: code after the end of a comment"),
        ({"entry": "export default 1;\n/* a"}, "entry.js: a comment has no end"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, modules: dict[str, str], words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        joined(written(tmp_path, **modules))


def test_two_modules_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    written(tmp_path / "inner", one="export const a = 1;")
    written(tmp_path, one="export const a = 2;")
    entry = 'import { a } from "./one.js";\nimport { b } from "./other.js";\nexport default a + b;'
    written(tmp_path, other='import { a } from "./inner/one.js";\nexport const b = a;', entry=entry)
    with pytest.raises(ValueError, match=r"another module that entry\.js needs has the same name"):
        joined(tmp_path / "entry.js")


def test_the_lock_names_no_registry_and_pins_exactly():
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_every_script_is_checked():
    """TypeScript reads each because of tsconfig.json; the first line says so to whoever opens one."""
    scripts = [*(ROOT / "pages").rglob("*.js"), *(ROOT / "tests").rglob("*.js")]
    assert len(scripts) > 30
    unchecked = [path for path in scripts if not path.read_text(encoding="utf-8").startswith("// @ts-check\n")]
    assert unchecked == []
    silenced = [path for path in scripts if re.search("@ts-(?:ignore|nocheck|expect)|biome-ignore", path.read_text())]
    assert silenced == []
