"""A parameter is declared once: bounds, parsing, presets, command line and sentences all come from the field."""

import argparse
import importlib
import inspect
import pkgutil
import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core
from core.attacks import ATTACKS, SmoothCarliniWagner
from core.params import (
    CommandParser,
    Parameters,
    add_arguments,
    fields,
    from_arguments,
    options,
    parameter,
    quick,
)


class Blur(Parameters):
    sigma: float = parameter(
        2.0, gt=0, le=200, step=0.5, symbol="σ", unit="pixels", paper="eq. 1", help="Width.", slider=(0.5, 20), log=True
    )
    kernel: Literal["gaussian", "linear", 3] = parameter("gaussian", help="Shape of 100 % of it.")
    rounds: int = parameter(1, ge=1, lt=10, help="How often.", quick=2, first=True, telling=(1, 5))
    seed: int | None = parameter(None, ge=0, help="None draws one.")
    clip: bool = parameter(True, help="Clip at the end.", title="Clip it", advanced=True)
    note: str = parameter("", help="For the file.")

    presets = {"wide": {"sigma": 50.0}, "wrong": {"sigma": 0.0}}  # noqa: RUF012


class Sharp(Blur):
    amount: float = parameter(0.5, ge=-1, le=1, help="How much.")
    sigma: float = parameter(1.0, gt=0, le=200, help="Narrower than a blur's.")


def info(name, cls=Blur):
    return next(info for info in fields(cls) if info.name == name)


def test_a_field_tells_all_that_was_declared():
    sigma = info("sigma")
    assert (sigma.kind, sigma.default, sigma.low, sigma.high) == ("float", 2.0, 0.5, 200)
    assert (sigma.symbol, sigma.unit, sigma.paper, sigma.step) == ("σ", "pixels", "eq. 1", 0.5)
    assert (sigma.slider, sigma.log, sigma.advanced, sigma.optional) == ((0.5, 20), True, False, False)
    assert (sigma.title, sigma.label) == ("Sigma", "Sigma σ")
    assert (info("clip").title, info("clip").label, info("clip").advanced) == ("Clip it", "Clip it", True)
    assert (info("kernel").kind, info("kernel").choices) == ("choice", ("gaussian", "linear", 3))
    assert (info("seed").kind, info("seed").optional, info("seed").low, info("seed").high) == ("int", True, 0, None)
    assert [f.name for f in fields(Blur)] == ["sigma", "kernel", "rounds", "seed", "clip", "note"]


def test_exclusive_bounds_are_nudged_into_the_legal_range():
    assert Blur(sigma=info("sigma").low).sigma == 0.5
    assert info("rounds").high == 9


def test_an_inherited_field_belongs_to_the_class_that_declared_it_first():
    owners = {f.name: f.owner for f in fields(Sharp)}
    assert owners == dict.fromkeys(("kernel", "rounds", "seed", "clip", "note", "sigma"), "Blur") | {"amount": "Sharp"}
    assert info("sigma", Sharp).default == 1.0
    assert info("alpha", SmoothCarliniWagner).owner == "SmoothingParameters"
    assert info("bandwidth", SmoothCarliniWagner).owner == "GraphParameters"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"sigma": 0}, "sigma must be greater than 0; got 0."),
        ({"sigma": 201.5}, "sigma must be at most 200; got 201.5."),
        ({"rounds": 0}, "rounds must be at least 1; got 0."),
        ({"rounds": 10}, "rounds must be less than 10; got 10."),
        ({"kernel": "round"}, "kernel must be one of 'gaussian', 'linear' or 3; got 'round'."),
        ({"sigma": float("nan")}, "sigma must be a finite number; got nan."),
        ({"sigma": float("inf")}, "sigma must be a finite number; got inf."),
        ({"width": 3}, "width is not a parameter here; leave it out."),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(values, sentence):
    with pytest.raises(ValueError, match=next(iter(values))) as caught:
        Blur(**values)
    assert (type(caught.value), str(caught.value)) == (ValueError, sentence)


@pytest.mark.parametrize(
    ("values", "word"),
    [({"rounds": 1.5}, "rounds"), ({"sigma": "much"}, "sigma"), ({"sigma": None}, "sigma"), ({"clip": "so"}, "clip")],
)
def test_a_wrong_type_is_refused_in_one_sentence(values, word):
    with pytest.raises(ValueError, match=word) as caught:
        Blur(**values)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(f"got {next(iter(values.values()))!r}.")


def test_parameters_are_frozen_values():
    blur = Blur(sigma=3)
    with pytest.raises(ValueError, match="frozen"):
        blur.sigma = 4.0
    assert blur == Blur(sigma=3.0)
    assert hash(blur) == hash(Blur(sigma=3.0))
    assert blur != Blur()


def test_replace_validates_anew_and_leaves_the_first_alone():
    blur = Blur(sigma=3)
    assert blur.replace(rounds=2) == Blur(sigma=3, rounds=2)
    assert blur.rounds == 1
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        blur.replace(rounds=0)


def test_changed_and_values_describe_the_same_parameters():
    blur = Blur(sigma=3, seed=0, kernel="linear")
    assert blur.changed() == {"sigma": 3.0, "kernel": "linear", "seed": 0}
    assert Blur().changed() == {}
    assert Blur(**blur.values()) == Blur(**blur.changed()) == blur
    assert list(blur.values()) == [f.name for f in fields(Blur)]


def test_presets():
    assert Blur.preset("wide") == Blur(sigma=50)
    assert Blur.preset("wide", rounds=2, sigma=60) == Blur(sigma=60, rounds=2)
    with pytest.raises(ValueError, match=r"Blur has no preset 'narrow'; it has 'wide', 'wrong'\."):
        Blur.preset("narrow")
    with pytest.raises(ValueError, match="sigma must be greater than 0"):
        Blur.preset("wrong")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("sigma", "3", 3.0),
        ("sigma", "1e-3", 0.001),
        ("rounds", " 4 ", 4),
        ("seed", "none", None),
        ("seed", "", None),
        ("seed", "7", 7),
        ("clip", "Yes", True),
        ("clip", "0", False),
        ("kernel", "linear", "linear"),
        ("kernel", "3", 3),
        ("note", "none", "none"),
    ],
)
def test_parse(name, text, value):
    parsed = info(name).parse(text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sigma", "wide", "sigma must be a number; got 'wide'."),
        ("rounds", "1.5", "rounds must be a whole number; got '1.5'."),
        ("rounds", "none", "rounds must be a whole number; got 'none'."),
        ("clip", "perhaps", "clip must be true or false; got 'perhaps'."),
        ("kernel", "cubic", "kernel must be one of gaussian, linear, 3; got 'cubic'."),
    ],
)
def test_parse_refuses(name, text, sentence):
    with pytest.raises(ValueError, match=name) as caught:
        info(name).parse(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "text", "value"), [("sigma", "0.001", 0.001), ("seed", "none", None), ("clip", "off", False)]
)
def test_read_is_parse_within_the_bounds(name, text, value):
    assert info(name).read(text) == value  # 0.001 is legal, though no stop of the slider


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("sigma", "0", "sigma must be greater than 0; got 0.0."),
        ("sigma", "201", "sigma must be at most 200; got 201.0."),
        ("sigma", "inf", "sigma must be a finite number; got inf."),
        ("rounds", "10", "rounds must be less than 10; got 10."),
        ("kernel", "round", "kernel must be one of gaussian, linear, 3; got 'round'."),
    ],
)
def test_read_refuses(name, text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence) + "$"):
        info(name).read(text)


@given(
    st.builds(
        Blur,
        sigma=st.floats(1e-300, 200),
        kernel=st.sampled_from(["gaussian", "linear", 3]),
        rounds=st.integers(1, 9),
        seed=st.none() | st.integers(0),
        clip=st.booleans(),
    )
)
def test_a_link_and_a_command_line_spell_every_value(blur):
    """str of any legal value parses back to it, by itself and through argparse."""
    assert {f.name: f.parse(str(blur.values()[f.name])) for f in fields(Blur)} == blur.values()
    parser = CommandParser()
    add_arguments(parser, Blur, prefix="blur-")
    line = [f"--blur-{name}={value}" for name, value in blur.changed().items()]
    assert from_arguments(Blur, parser.parse_args(line), prefix="blur-") == blur


def test_command_line():
    parser = CommandParser(prog="tool")
    add_arguments(parser, Blur)
    assert from_arguments(Blur, parser.parse_args([])) == Blur()
    with pytest.raises(ValueError, match="argument --rounds: rounds must be a whole number; got 'x'; see tool --help"):
        parser.parse_args(["--rounds", "x"])
    with pytest.raises(ValueError, match="unrecognized arguments: --width 3; see tool --help"):
        parser.parse_args(["--width", "3"])
    with pytest.raises(ValueError, match="sigma must be at most 200; got 300"):
        from_arguments(Blur, parser.parse_args(["--sigma", "300"]))
    told = " ".join(parser.format_help().split())
    assert "--sigma FLOAT Width. [pixels] (default 2.0)" in told
    assert "--kernel gaussian|linear|3 Shape of 100 % of it. (default gaussian)" in told


def test_help_has_a_line_for_every_option():
    lines = list(options(Blur, "blur-"))
    assert lines[0] == "--blur-sigma 0.5 to 200 [pixels], default 2.0: Sigma σ. Width. (eq. 1)"
    assert "--blur-kernel gaussian|linear|3, default gaussian: Kernel. Shape of 100 % of it." in lines
    parser = CommandParser(prog="tool")
    add_arguments(parser, Blur, prefix="blur-")
    assert [line.split()[0].rstrip(",") for line in lines] == [
        action.option_strings[0] for action in parser._actions if action.dest != "help"
    ]


def test_a_parameter_of_another_type_is_a_mistake_of_the_programmer():
    class Odd(Parameters):
        size: tuple[int, int] = parameter((1, 2), help="A pair.")

    with pytest.raises(TypeError, match="cannot be of type"):
        fields(Odd)


def declared() -> list[type[Parameters]]:
    """Every set of parameters that core declares."""
    for module in pkgutil.walk_packages(core.__path__, "core."):
        importlib.import_module(module.name)

    def below(cls):
        return {cls}.union(*map(below, cls.__subclasses__()))

    own = (c for c in below(Parameters) if c.__module__.startswith("core.") and not inspect.isabstract(c))
    return sorted(own, key=lambda cls: cls.__qualname__)


@pytest.mark.parametrize("cls", declared(), ids=lambda cls: cls.__name__)
def test_what_core_declares_is_consistent(cls):
    for one in fields(cls):
        assert one.help.endswith("."), one
        if one.slider is not None:
            low, high = one.slider
            assert low < high, one
            assert one.default is None or low <= one.default <= high, one
            assert not one.log or low > 0, one
            assert cls(**{one.name: low}) != cls(**{one.name: high})
    for name in cls.presets:
        assert cls.preset(name).values()


def test_the_attacks_parameters_do_not_collide_with_the_commands():
    """`python -m core attack` hands on what it does not know itself, so no attack may use one of its options."""
    own = {"model", "dataset", "attack", "preset", "n", "batch_size", "seed", "out", "help"}
    for cls in ATTACKS.values():
        assert not own & {f.name for f in fields(cls)}, cls
        parser = argparse.ArgumentParser()
        add_arguments(parser, cls)
        assert from_arguments(cls, parser.parse_args([])) == cls()


def test_what_comes_first_what_to_compare_and_a_small_budget_are_declared_with_the_parameter():
    assert (info("rounds").first, info("rounds").telling, info("rounds").quick) == (True, (1, 5), 2)
    assert (info("sigma").first, info("sigma").telling, info("sigma").quick) == (False, (), None)
    assert quick(Blur) == {"rounds": 2}
    assert quick(Sharp) == {"rounds": 2}
