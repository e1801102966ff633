"""How a parameter is declared once.

An attack, a loss or a recipe is a frozen pydantic model (a subclass of `Parameters`) whose fields are made by
`parameter(...)`. A field carries everything the rest of the project wants to know of it: bounds, step, symbol, unit,
help, paper reference. Widgets, command line, validation, documentation, deep links and saved JSON derive from the
fields; there is no second list of defaults anywhere.

>>> class Blur(Parameters):
...     sigma: float = parameter(2.0, ge=0.1, le=200.0, symbol="σ", unit="pixels", help="Width of the Gaussian.")
>>> Blur(sigma=3.0).sigma
3.0
>>> Blur(sigma=0.0)
Traceback (most recent call last):
...
ValueError: sigma must be at least 0.1; got 0.0.
"""

from __future__ import annotations

import argparse
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeAlias, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

_EXTRA_KEY = "smoothscope"

P = TypeVar("P", bound="Parameters")


def parameter(
    default: Any,
    *,
    help: str,
    title: str | None = None,
    symbol: str | None = None,
    unit: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    step: float | None = None,
    log: bool = False,
    near_one: bool = False,
    marks: tuple[float, ...] = (),
    paper: str | None = None,
    advanced: bool = False,
    slider: tuple[float, float] | None = None,
    none: str = "automatic",
    first: bool = False,
    telling: tuple[float, ...] = (),
    quick: float | None = None,
) -> Any:
    """Declare one parameter; use as the value of a field of a `Parameters` class.

    default: the only default there is. help: one or two sentences for a person. title: the label (from the field's name
    if left out). symbol: as in the paper. unit: in words. ge/gt/le/lt: hard bounds, enforced. step: the slider's step.
    log: a logarithmic slider serves better. near_one: one that is even in -log(1 - value), for what approaches 1 from
    0 or above. marks: values that are written at the slider. paper: reference to section or equation. advanced: fold
    away on a page. slider: the range a slider offers where it is narrower than the hard bounds. none: what None means,
    in a word. first: shown before the others, for it is what people come to turn. telling: values whose results differ
    most to the eye, for a comparison along this parameter. quick: of a budget, a value that keeps a run short, for
    tests.
    """
    extra = {
        "title": title,
        "symbol": symbol,
        "unit": unit,
        "step": step,
        "log": log,
        "near_one": near_one,
        "marks": marks,
        "paper": paper,
        "advanced": advanced,
        "slider": slider,
        "none": none,
        "first": first,
        "telling": telling,
        "quick": quick,
    }
    bounds = {k: v for k, v in {"ge": ge, "gt": gt, "le": le, "lt": lt}.items() if v is not None}
    return Field(default, description=help, json_schema_extra={_EXTRA_KEY: extra}, **bounds)  # type: ignore[call-overload]


@dataclass(frozen=True)
class ParameterInfo:
    """What a widget, a command line or a link needs to know of one parameter."""

    name: str
    kind: Literal["bool", "int", "float", "choice", "str"]
    default: Any
    help: str
    title: str
    symbol: str | None
    unit: str | None
    low: float | None  # smallest legal value (exclusive bounds nudged inwards by one step)
    high: float | None
    step: float | None
    log: bool
    near_one: bool  # the slider is even in -log(1 - value)
    marks: tuple[float, ...]  # values written at the slider
    paper: str | None
    advanced: bool
    slider: tuple[float, float] | None
    choices: tuple[Any, ...]
    optional: bool  # None is a legal value
    none: str  # what it means, for a label
    first: bool  # shown before the others
    telling: tuple[float, ...]  # values to compare
    quick: float | None  # a small budget, for tests
    owner: str = ""  # the class that declares it; classes that inherit it share its meaning
    declared: FieldInfo | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """Title with its symbol: "Smoothness α"."""
        return f"{self.title} {self.symbol}" if self.symbol else self.title

    def parse(self, text: str) -> Any:
        """The value that `text` spells (on a command line, in a link); ValueError if it spells none."""
        if self.optional and text.strip().lower() in {"", "none"}:
            return None
        if self.kind == "bool":
            lowered = text.strip().lower()
            if lowered in {"1", "true", "yes", "on"}:
                return True
            if lowered in {"0", "false", "no", "off"}:
                return False
            raise ValueError(f"{self.name} must be true or false; got {text!r}.")
        if self.kind == "choice":
            for choice in self.choices:
                if str(choice) == text:
                    return choice
            raise ValueError(f"{self.name} must be one of {', '.join(map(str, self.choices))}; got {text!r}.")
        if self.kind == "str":
            return text
        try:
            return int(text) if self.kind == "int" else float(text)
        except ValueError:
            noun = "a whole number" if self.kind == "int" else "a number"
            raise ValueError(f"{self.name} must be {noun}; got {text!r}.") from None

    def read(self, text: str) -> Any:
        """The legal value that `text` spells: as `parse`, and within the bounds; ValueError in one sentence."""
        assert self.declared is not None
        kinds: dict[str, Any] = {self.name: (self.declared.annotation, self.declared)}
        alone: type[Parameters] = create_model("Alone", __base__=Parameters, **kinds)
        return getattr(alone(**{self.name: self.parse(text)}), self.name)


def one_sentence(error: ValidationError, called: Callable[[str], str] = str) -> str:
    """The first complaint of a pydantic error, as one sentence a person can act on.

    called: from the name of a field to the name that the person knows it by.
    """
    first = error.errors()[0]
    name = called(".".join(str(part) for part in first["loc"])) or "the parameters"
    context = first.get("ctx", {})
    value = first.get("input")
    match first["type"]:
        case "greater_than_equal":
            return f"{name} must be at least {context['ge']:g}; got {value}."
        case "greater_than":
            return f"{name} must be greater than {context['gt']:g}; got {value}."
        case "less_than_equal":
            return f"{name} must be at most {context['le']:g}; got {value}."
        case "less_than":
            return f"{name} must be less than {context['lt']:g}; got {value}."
        case "literal_error":
            return f"{name} must be one of {context['expected']}; got {value!r}."
        case "extra_forbidden":
            return f"{name} is not a parameter here; leave it out."
        case "int_parsing" | "int_from_float":
            return f"{name} must be a whole number; got {value!r}."
        case "float_parsing":
            return f"{name} must be a number; got {value!r}."
        case "bool_parsing":
            return f"{name} must be true or false; got {value!r}."
        case "finite_number":
            return f"{name} must be a finite number; got {value}."
        case "value_error":
            return str(context.get("error", first["msg"]))
        case _:
            return f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}; got {value!r}."


class Parameters(BaseModel):
    """Base of everything that has declared parameters. Frozen, closed, finite; construction errors are one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    """Named settings (a paper's, an author's code), each a dict of the values that differ from the defaults."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(one_sentence(error)) from None

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The named preset with some values changed. KeyError (as ValueError) if there is none of that name."""
        if name not in cls.presets:
            raise ValueError(
                f"{cls.__name__} has no preset {name!r}; it has {', '.join(map(repr, cls.presets)) or 'none'}."
            )
        return cls(**(cls.presets[name] | changes))

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed, validated anew."""
        return type(self)(**(self.values() | changes))

    def values(self) -> dict[str, Any]:
        """All values, JSON-ready, in the order of declaration."""
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """Only the values that differ from the defaults (what a link or a file name needs)."""
        return {info.name: v for info in fields(type(self)) if (v := getattr(self, info.name)) != info.default}


def _kind(annotation: Any) -> tuple[Literal["bool", "int", "float", "choice", "str"], tuple[Any, ...], bool]:
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        kind, choices, _ = _kind(inner[0])
        return kind, choices, True
    if origin is Literal:
        return "choice", typing.get_args(annotation), False
    for candidate, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "str")):
        if annotation is candidate:
            return name, (), False  # type: ignore[return-value]
    raise TypeError(f"a parameter cannot be of type {annotation!r}")


def _info(name: str, declared: FieldInfo) -> ParameterInfo:
    kind, choices, optional = _kind(declared.annotation)
    extra = typing.cast(dict[str, Any], declared.json_schema_extra or {}).get(_EXTRA_KEY, {})
    low = high = None
    nudge = 1 if kind == "int" else extra.get("step") or 1e-6
    for constraint in declared.metadata:
        for attribute in ("ge", "gt", "le", "lt"):
            bound = getattr(constraint, attribute, None)
            if bound is None:
                continue
            if attribute == "ge":
                low = bound
            elif attribute == "gt":
                low = bound + nudge
            elif attribute == "le":
                high = bound
            else:
                high = bound - nudge
    return ParameterInfo(
        name=name,
        kind=kind,
        default=declared.default,
        help=declared.description or "",
        title=extra.get("title") or name.replace("_", " ").capitalize(),
        symbol=extra.get("symbol"),
        unit=extra.get("unit"),
        low=low,
        high=high,
        step=extra.get("step"),
        log=bool(extra.get("log")),
        near_one=bool(extra.get("near_one")),
        marks=tuple(extra.get("marks", ())),
        paper=extra.get("paper"),
        advanced=bool(extra.get("advanced")),
        slider=extra.get("slider"),
        choices=choices,
        optional=optional,
        none=extra.get("none", ""),
        first=bool(extra.get("first")),
        telling=tuple(extra.get("telling", ())),
        quick=extra.get("quick"),
        declared=declared,
    )


def fields(cls: type[Parameters]) -> list[ParameterInfo]:
    """The declared parameters of a class, in order."""
    return [replace(_info(name, declared), owner=_owner(cls, name)) for name, declared in cls.model_fields.items()]


def quick(cls: type[Parameters]) -> dict[str, Any]:
    """The values that keep a run short, of the parameters that declare one."""
    return {info.name: info.quick for info in fields(cls) if info.quick is not None}


def _owner(cls: type[Parameters], name: str) -> str:
    return next(base.__name__ for base in reversed(cls.__mro__) if name in inspect.get_annotations(base))


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` gives: the verbs of a command line, to which each part of core adds its own."""


class CommandParser(argparse.ArgumentParser):
    """Raises its complaint as a ValueError of one sentence, where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message.removesuffix('.')}; see {self.prog} --help.")


def add_arguments(parser: argparse.ArgumentParser, cls: type[Parameters], prefix: str = "") -> None:
    """Give `parser` one option per declared parameter; `from_arguments` reads them back."""
    for info in fields(cls):
        unit = f" [{info.unit}]" if info.unit else ""
        parser.add_argument(
            _option(info, prefix),
            dest=f"{prefix}{info.name}".replace("-", "_"),
            type=_parser(info),
            default=argparse.SUPPRESS,
            metavar="|".join(map(str, info.choices)) if info.choices else info.kind.upper(),
            help=f"{info.help}{unit} (default {info.default})".replace("%", "%%"),
        )


def _option(info: ParameterInfo, prefix: str) -> str:
    return f"--{prefix}{info.name.replace('_', '-')}"


def _parser(info: ParameterInfo) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return info.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def from_arguments(cls: type[P], namespace: argparse.Namespace, prefix: str = "", preset: str | None = None) -> P:
    """The parameters given on the command line; for the rest those of `preset`, or the defaults."""
    given = vars(namespace)
    keys = {info.name: f"{prefix}{info.name}".replace("-", "_") for info in fields(cls)}
    values = {name: given[key] for name, key in keys.items() if key in given}
    return cls(**values) if preset is None else cls.preset(preset, **values)


def options(cls: type[Parameters], prefix: str = "") -> Iterator[str]:
    """One line per parameter for a command's help: the option that `add_arguments` gives it, and all that it says."""
    for info in fields(cls):
        if info.choices:
            values = f" {'|'.join(map(str, info.choices))}"
        else:
            values = f" {info.low:g} to {info.high:g}" if info.low is not None and info.high is not None else ""
        unit = f" [{info.unit}]" if info.unit else ""
        paper = f" ({info.paper})" if info.paper else ""
        yield f"{_option(info, prefix)}{values}{unit}, default {info.default}: {info.label}. {info.help}{paper}"
