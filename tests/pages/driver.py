"""Drive the Attack lab as a person does, and read from it what a person sees."""

import html
import io
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.attacks import ATTACKS, AttackResult
from core.params import fields
from pages.parts.shell import page

ROOT = Path(__file__).parents[2]
TIMEOUT = 120  # of one run of a page, on a machine that does other things too

FIGURE = re.compile(
    r'<figure><figcaption><b>(?P<title>.*?)</b></figcaption><img [^>]*?src="data:image/png;base64,(?P<png>[^"]+)"[^>]*>'
    r'<span class="ss-note">(?P<note>.*?)</span></figure>'
)
ROW = re.compile(r"<tr[^>]*><td>(?P<name>.*?)</td><td>(?P<value>.*?)</td></tr>")
BAR = re.compile(r'<span class="ss-name"[^>]*>(?P<name>.*?)</span><span class="ss-value">(?P<value>.*?)</span>')


@dataclass(frozen=True)
class Seen:
    """A picture of a page: levels (H, W) or (H, W, 3) uint8, and the note below it.

    In a viewer also the values (C, H, W) that it was sent, and of a panel that follows a film its steps (T, C, H, W).
    """

    levels: np.ndarray
    note: str
    values: torch.Tensor | None = None
    steps: torch.Tensor | None = None


def decode(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.array(image)


def levels(image: torch.Tensor) -> np.ndarray:
    """What a screen must show of (C, H, W) in [0, 1]: its 8-bit levels, (H, W) or (H, W, 3)."""
    array = (image * 255).round().byte().permute(1, 2, 0).numpy()
    return array[..., 0] if array.shape[-1] == 1 else array


def opened(name: str, state: Mapping[str, Any] = MappingProxyType({}), /, **address: str) -> AppTest:
    """A page by its name, "" for the start page, as a link with this address opens it.

    state: of the session before; "__" in a key is a dot.
    """
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=TIMEOUT)
    for key, value in state.items():
        app.session_state[key.replace("__", ".")] = value
    if name:
        app.switch_page(page.file(name))
    for setting, text in address.items():
        app.query_params[setting] = text
    return sound(app.run())


def markup(app: AppTest) -> str:
    """All HTML of a page, styles left out."""
    bodies = [element.proto.body for element in app.get("html")]
    return "\n".join(body for body in bodies if not body.startswith("<style"))


def unpack(parcel: bytes) -> tuple[str, np.ndarray]:
    """Name and values of an array that was sent to a component, float32."""
    length = int.from_bytes(parcel[:4], "little")
    header = json.loads(parcel[4 : 4 + length])
    shape, sent = tuple(header["shape"]), np.frombuffer(zlib.decompress(parcel[4 + length :]), np.uint8)
    if header["kind"] == "u8":
        values = np.add.accumulate(sent.reshape(shape), axis=-1, dtype=np.uint8) / np.float32(255)
    elif header["kind"] == "f32":
        values = sent.reshape(4, -1).T.copy().view("<f4").reshape(shape)
    else:
        coded = sent.reshape(2, -1).T.copy().view("<u2").astype(np.int32).reshape(shape)
        numbers = np.add.accumulate((coded >> 1) ^ -(coded & 1), axis=0).astype(np.int16)
        steps = np.array(header["steps"]).reshape(-1, *[1] * (len(shape) - 1))
        values = (numbers * steps).astype(np.float32)
        values = values[0] if len(values) == 1 else values
    return header["id"], values


def sent(app: AppTest, component: str) -> list[dict[str, Any]]:
    """What the components of a name were sent on a page; their arrays by name are in "values"."""
    elements = [element.proto for element in app.get("bidi_component")]
    arrays = dict(unpack(e.bytes) for e in elements if e.component_name == "smoothscope.carrier")
    told = [json.loads(e.json) for e in elements if e.component_name == f"smoothscope.{component}"]
    return [data | {"values": {name: arrays[name] for name in data["arrays"]}} for data in told]


def viewers(app: AppTest) -> list[dict[str, Any]]:
    return sent(app, "viewer")


def panels(app: AppTest) -> dict[str, Seen]:
    """Title -> picture, of all viewers of a page."""
    found = {}
    for viewer in viewers(app):
        arrays = viewer["values"]
        for panel in viewer["panels"]:
            values = torch.from_numpy(arrays[panel["array"]])
            shown = values if panel["span"] is None else 0.5 + values / torch.tensor(panel["span"])
            steps = None
            if panel["strip"]:
                steps = torch.from_numpy(arrays[panel["strip"]]).view(-1, *values.shape)
                if panel["base"]:
                    steps = torch.from_numpy(arrays[panel["base"]]) + steps
            assert panel["title"] not in found, f"two pictures are called {panel['title']}"
            found[panel["title"]] = Seen(levels(shown.clamp(0, 1)), panel["note"], values, steps)
    return found


def unlinked(markdown: str) -> str:
    """A text without the links of its terms to the glossary."""
    return re.sub(r"\[((?:[^\]\\]|\\.)*)\]\(Glossary\?term=[^)]*\)", r"\1", markdown)


def unescaped(markdown: str) -> str:
    """What a person reads of a text: `page.plain` escapes in it, and terms are links."""
    return re.sub(r"\\([\W_])", r"\1", unlinked(markdown))


class Lab:
    """The Attack lab with the C4 on MNIST; attacks are made small by `quick`."""

    def __init__(self, address: Mapping[str, str] | None = None, /, **state: Any) -> None:
        """address: of the link that is opened; state: of the session before."""
        self.app = opened("Attack_lab", state, **address or {})

    def sound(self) -> None:
        """No exception on the page: what goes wrong must be said in words."""
        sound(self.app)

    def rerun(self) -> None:
        self.app.run()
        self.sound()

    def key(self, attack: str, parameter: str, dataset: str = "mnist") -> str:
        owner = next(info.owner for info in fields(ATTACKS[attack]) if info.name == parameter)
        return f"lab.{dataset}.{owner}.{parameter}"

    def widget(self, key: str) -> Any:
        kinds = ("slider", "select_slider", "number_input", "selectbox", "toggle", "button_group")
        return next(widget for kind in kinds for widget in self.app.get(kind) if widget.key == key)

    def set(self, **values: Any) -> None:
        """Move the widgets of the chosen attack's parameters, without sending it yet."""
        for name, value in values.items():
            self.widget(self.key(self.attack, name)).set_value(value)

    def move(self, key: str, value: Any) -> None:
        """Move one widget; the page reacts."""
        self.widget(f"lab.{key}").set_value(value).run()
        self.sound()

    @property
    def attack(self) -> str:
        return self.app.session_state["lab.attack"]

    def choose(self, attack: str) -> None:
        self.app.selectbox(key="lab.attack").set_value(attack).run()
        self.sound()

    def press(self, label: str) -> None:
        next(button for button in self.app.button if button.label == label).click().run()
        self.sound()

    def press_key(self, key: str) -> None:
        self.app.button(key=key).click().run()
        self.sound()

    @property
    def running(self) -> Any:
        return self.app.session_state.get("lab.running")

    @property
    def shown(self) -> Any:
        return self.app.session_state.get("lab.shown")

    @property
    def result(self) -> AttackResult:
        return self.shown.run.result

    def finish(self) -> None:
        """Wait until what is running has ended and the page shows it."""
        while self.running is not None:
            assert self.running.job.wait(TIMEOUT)
            self.rerun()

    def run(self, **values: Any) -> None:
        """Run the chosen attack with some values changed, to its end."""
        self.set(**values)
        self.press("Run")
        self.finish()

    @property
    def pictures(self) -> dict[str, Seen]:
        return panels(self.app)

    @property
    def table(self) -> dict[str, str]:
        return {html.unescape(m["name"]): html.unescape(m["value"]) for m in ROW.finditer(markup(self.app))}

    @property
    def bars(self) -> list[tuple[str, str]]:
        """(class, probability as written), all of the page in order."""
        return [(html.unescape(m["name"]), m["value"]) for m in BAR.finditer(markup(self.app))]

    @property
    def verdict(self) -> str | None:
        match = re.search(r'<p class="ss-verdict">(.*?)</p>', markup(self.app))
        return html.unescape(re.sub(r"<.*?>", "", match[1])) if match else None

    @property
    def errors(self) -> list[str]:
        """What is wrong, without Markdown's escapes."""
        return [unescaped(error.value) for error in self.app.error]

    @property
    def words(self) -> str:
        """All text of the page that is not HTML, without Markdown's escapes."""
        kinds = (self.app.markdown, self.app.caption, self.app.info, self.app.warning, self.app.error)
        return unescaped("\n".join(element.value for kind in kinds for element in kind))


def curves(**address: str) -> AppTest:
    """The Curves page as a link with this address opens it."""
    return opened("Curves", **address)


def sound(app: AppTest) -> AppTest:
    """The page, on which nothing went wrong that nobody had foreseen."""
    assert not app.exception, app.exception[0].stack_trace
    return app
