"""Modules of JavaScript as one script: a browser is to read each as it is written, but Streamlit takes one string.

`joined` puts all that a module imports before it, each in a scope of its own, so that names may repeat:

    geometry.js   export const clamp = ...                       const $geometry = (() => {
                                                                 const clamp = ...
                                                                 return { clamp };
                                                                 })();
    orbit.js      import { clamp } from "../geometry.js";        const { clamp } = $geometry;
                  export default mount(...)                      export default mount(...)

JavaScript is not parsed for it. What could not be told apart by its lines is refused, in words that name file and line.
A script is sent again with all new data of its component, so comments and indentation stay behind, and `packed` makes
of it a short one that unpacks the other.
"""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

_IMPORT = re.compile(r'^import \{ ?([\w\s,$]+?),?\s*\} from "(\.{1,2}/[\w./-]+\.js)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*? |class |const )(\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_TYPE = re.compile(r"/\*\* @[^*]*\*/ ?")
_OTHER = re.compile(r"^(?:import|export)\b|\bimport\s*[.(]", re.MULTILINE)


@dataclass(frozen=True)
class _Module:
    path: Path
    code: str
    """Without comments and indentation; lines of imports included."""
    imports: tuple[tuple[tuple[str, ...], Path], ...]
    exports: tuple[str, ...]
    default: bool


def _bare(path: Path) -> str:
    """The code of a file, without lines of comment, comments that state a type, indentation and empty lines."""
    kept = []
    inside = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = line.strip() if inside else _TYPE.sub("", line).strip()
        if inside or code.startswith("/*"):
            inside = "*/" not in code
            if not inside and not code.endswith("*/"):
                raise ValueError(f"{path}:{number}: code after the end of a comment; put it on a line of its own.")
        elif code.count("`") % 2:
            raise ValueError(f"{path}:{number}: a template literal must end on the line it begins on.")
        elif code and not code.startswith("//"):
            kept.append(code)
    if inside:
        raise ValueError(f"{path}: a comment has no end.")
    return "\n".join(kept)


def _read(path: Path) -> _Module:
    code = _bare(path)
    imports = tuple(
        (tuple(name.strip() for name in names.split(",")), (path.parent / place).resolve())
        for names, place in _IMPORT.findall(code)
    )
    exports = tuple(_EXPORT.findall(code))
    defaults = len(_DEFAULT.findall(code))
    rest = _DEFAULT.sub("", _EXPORT.sub("", _IMPORT.sub("", code)))
    if (other := _OTHER.search(rest)) or defaults > 1:
        found = rest[other.start() :].partition("\n")[0] if other else "a second export default"
        raise ValueError(
            f"{path}: cannot be joined: {found!r}. What can: "
            'import { names } from "./FILE.js"; and export before function, class or const.'
        )
    return _Module(path, code, imports, exports, bool(defaults))


def _order(entry: Path) -> list[_Module]:
    """Every module that `entry` needs, once, after all that it imports itself; `entry` is the last."""
    found: dict[Path, _Module] = {}
    above: list[Path] = []

    def visit(path: Path) -> None:
        if path in above:
            circle = " -> ".join(each.name for each in [*above[above.index(path) :], path])
            raise ValueError(f"{path}: modules import each other in a circle: {circle}.")
        if path in found:
            return
        module = _read(path)
        above.append(path)
        for names, target in module.imports:
            if not target.is_file():
                raise ValueError(f"{path}: imports {target.name}, which is not there.")
            visit(target)
            if missing := [name for name in names if name not in found[target].exports]:
                raise ValueError(
                    f"{path}: imports {', '.join(missing)} from {target.name}, "
                    f"which exports {', '.join(found[target].exports) or 'nothing'}."
                )
        above.pop()
        found[path] = module

    visit(entry)
    return list(found.values())


def joined(entry: Path) -> str:
    """The module `entry`, which has a default export, and all it imports, as one module that imports nothing.

    ValueError, naming the file: an import or export that cannot be joined, a file that is not there, a name that is not
    exported, a circle, two modules of one name.
    """
    modules = _order(entry.resolve())
    stems = [module.path.stem for module in modules]
    for module in modules:
        if stems.count(module.path.stem) > 1:
            raise ValueError(f"{module.path}: another module that {entry.name} needs has the same name.")
        if module.default != (module is modules[-1]):
            raise ValueError(f"{module.path}: a default export is what {entry.name} has, and no module it imports.")
    parts = []
    for module in modules:
        code = _EXPORT.sub("", module.code)
        code = _IMPORT.sub(lambda match: f"const {{ {match[1]} }} = {_scope(Path(match[2]))};", code)
        if module.default:
            parts.append(code)
        else:
            parts.append(
                f"const {_scope(module.path)} = (() => {{\n{code}\nreturn {{ {', '.join(module.exports)} }};\n}})();"
            )
    return "\n".join(parts) + "\n"


_UNPACK = """\
const packed = Uint8Array.from(atob("{packed}"), (c) => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
const script = new Blob([await new Response(stream).text()], {{ type: "text/javascript" }});
const {{ default: component }} = await import(URL.createObjectURL(script));
export default component;
"""


def packed(script: str, name: str) -> str:
    """A module with the default export of `script`, about a third as long; `name` is what a browser's tools call it."""
    deflated = zlib.compress(f"{script}//# sourceURL={name}\n".encode(), 9)
    return _UNPACK.format(packed=base64.b64encode(deflated).decode("ascii"))


def _scope(path: Path) -> str:
    return "$" + re.sub(r"\W", "_", path.stem)
