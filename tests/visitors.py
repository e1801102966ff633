"""Visitors of a real server without a browser: they speak Streamlit's protocol over a websocket, as a tab does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 600.0  # seconds


def _slide(widget: Any, dice: Random) -> dict[str, Any]:
    if widget.options:
        return {"string_array_value": {"data": [dice.choice(widget.options)]}}
    steps = round((widget.max - widget.min) / widget.step)
    return {"double_array_value": {"data": [widget.min + widget.step * dice.randint(0, steps)]}}


def _type_number(widget: Any, dice: Random) -> dict[str, Any]:
    low = widget.min if widget.has_min else -1000.0
    high = widget.max if widget.has_max else 1000.0
    value = dice.choice([low, dice.uniform(low, min(high, low + 100)), widget.default])
    return {"double_value": round(value) if widget.data_type == widget.INT else value}


def _has_id(element: Element) -> bool:
    return hasattr(getattr(element, element.WhichOneof("type") or "", None), "id")


MOVES: dict[str, Callable[[Any, Random], dict[str, Any]]] = {
    "slider": _slide,
    "selectbox": lambda widget, dice: {"string_value": dice.choice(widget.options)},
    "radio": lambda widget, dice: {"string_value": dice.choice(widget.options)},
    "button_group": lambda widget, dice: {
        "string_array_value": {"data": [dice.choice([option.content for option in widget.options])]}
    },
    "checkbox": lambda widget, dice: {"bool_value": dice.random() < 0.5},
    "number_input": _type_number,
    "text_input": lambda widget, dice: {
        "string_value": dice.choice(["", "x", "0.5", "1e400", "../..", "ä" * 300, "[](:red[x])", "-1", "0.1, 0.2, nan"])
    },
    "button": lambda widget, dice: {"trigger_value": True},
}
"""Kind of a widget -> something that a person may do to it."""


class Visitor:
    """One tab: opens pages, presses buttons, looks again when a page asks for it, and sees what is drawn."""

    def __init__(self, address: str) -> None:
        """address: of the server, http://..."""
        stream = address.replace("http://", "ws://") + "/_stcore/stream"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(stream, max_size=None, proxy=None, open_timeout=PATIENCE))
        self._changed = threading.Condition()
        self._elements: dict[tuple[int, ...], tuple[int, Element]] = {}
        self._run = self._finished = 0
        """Runs of a page's script that were begun, and the last that came to its end; those of fragments left out."""
        self._page = {"page_name": "", "query_string": ""}
        self._states: dict[str, dict[str, Any]] = {}
        """What the page's widgets are set to, those that were moved."""
        self._again: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self.closed = False
        for work in (self._listen, self._look_again):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The tab is closed."""
        self.closed = True
        self._stack.close()

    def open(self, page: str, **query: object) -> float:
        """Go to a page, "" being the first one; seconds until its script has come to its end."""
        self._page = {"page_name": page, "query_string": urlencode(query)}
        self._states = {}
        return self._rerun({})

    def press(self, label: str) -> float:
        """Press a button; seconds until the page's script has come to its end."""
        with self._changed:
            button = next(found.button for found in self.of("button") if found.button.label == label)
        pressed = {"id": button.id, "trigger_value": True}
        return self._rerun({"widget_states": {"widgets": [*self._states.values(), pressed]}})

    def move(self, dice: Random) -> str:
        """Do something to one of the page's widgets; says what. Nothing where the page has none."""
        with self._changed:
            there = [(found.WhichOneof("type"), found) for _, found in self._elements.values()]
        able = [(kind, getattr(found, kind)) for kind, found in there if kind in MOVES]
        able = [(kind, widget) for kind, widget in able if not widget.disabled]
        if not able:
            return "nothing"
        kind, widget = dice.choice(able)
        value = MOVES[kind](widget, dice)
        if kind == "button":
            self._rerun({"widget_states": {"widgets": [*self._states.values(), {"id": widget.id, **value}]}})
        else:
            self._states[widget.id] = {"id": widget.id, **value}
            self._rerun({"widget_states": {"widgets": list(self._states.values())}})
        return f"{kind} {widget.label}: {value}"

    def of(self, kind: str) -> list[Element]:
        """What the page shows of a kind, in its order."""
        with self._changed:
            return [element for _, (_, element) in sorted(self._elements.items()) if element.WhichOneof("type") == kind]

    @property
    def errors(self) -> list[str]:
        """Sentences in red."""
        return [found.alert.body for found in self.of("alert") if found.alert.format == found.alert.ERROR]

    @property
    def progress(self) -> str:
        """The words at the progress bar; empty where there is none."""
        return next((found.progress.text for found in self.of("progress")), "")

    @property
    def at_rest(self) -> bool:
        """No run of the page's script is under way; those of its parts left out."""
        return self._finished == self._run

    @property
    def paces(self) -> list[float]:
        """Seconds from look to look of the page's parts that are drawn every so often."""
        with self._changed:
            return list(self._again.values())

    @property
    def markup(self) -> str:
        """All HTML of the page."""
        return "\n".join(found.html.body for found in self.of("html"))

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> bool:
        """Wait until something is seen; False if it is not within `seconds`, or the connection breaks."""
        give_up = time.monotonic() + seconds
        with self._changed:
            while not condition():
                if self.closed or not self._changed.wait(max(give_up - time.monotonic(), 0)):
                    return bool(condition())
        return True

    def _rerun(self, state: dict[str, Any]) -> float:
        with self._changed:
            before = self._finished
            self._again.clear()
            self._due.clear()
        begun = time.perf_counter()
        self._send(state)
        if not self.until(lambda: self._finished > before):
            raise TimeoutError("the page's script has not come to its end")
        return time.perf_counter() - begun

    def _send(self, state: dict[str, Any]) -> None:
        message = BackMsg(rerun_script={**self._page, **state})
        self._socket.send(message.SerializeToString())

    def _listen(self) -> None:
        try:
            for content in self._socket:
                message = ForwardMsg.FromString(content)
                with self._changed:
                    self._take(message)
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            with self._changed:
                self.closed = True
                self._changed.notify_all()

    def _take(self, message: ForwardMsg) -> None:
        kind, whole = message.WhichOneof("type"), not message.metadata.run.fragment_ids
        if kind == "new_session" and whole:
            self._run += 1
            self._again.clear()
            self._due.clear()
        elif kind == "navigation":
            self._page["page_script_hash"] = message.navigation.page_script_hash
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._elements[tuple(message.metadata.delta_path)] = self._run, message.delta.new_element
        elif kind == "auto_rerun":
            name = message.auto_rerun.fragment_id
            self._again[name] = message.auto_rerun.interval
            self._due.setdefault(name, time.monotonic() + message.auto_rerun.interval)
        elif kind == "script_finished" and whole and message.script_finished == message.FINISHED_SUCCESSFULLY:
            self._elements = {path: found for path, found in self._elements.items() if found[0] == self._run}
            there = {getattr(each, each.WhichOneof("type")).id for _, each in self._elements.values() if _has_id(each)}
            self._states = {name: state for name, state in self._states.items() if name in there}  # as a tab does
            self._finished = self._run

    def _look_again(self) -> None:
        """What a tab does for fragments that are drawn every so often."""
        while not self.closed:
            time.sleep(0.05)
            with self._changed:
                now = time.monotonic()
                due = [name for name, when in self._due.items() if when <= now]
                for name in due:
                    self._due[name] = now + self._again.get(name, 1.0)
            for name in due:
                try:
                    states = {"widgets": list(self._states.values())}
                    self._send({"fragment_id": name, "is_auto_rerun": True, "widget_states": states})
                except ConnectionClosed:
                    return
