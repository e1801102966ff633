"""What whoever runs a server may set: declared once, checked at the start, said in README."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from driver import opened
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pages.parts.shell import cache, settings
from pages.parts.shell.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No setting of whoever runs the tests; read anew, before and after."""
    for name in list(os.environ):
        if name.startswith(settings.PREFIX) and name not in settings.OTHERS:
            monkeypatch.delenv(name)
    settings.refresh()
    yield
    monkeypatch.undo()
    settings.refresh()


def shown(value: object) -> str:
    """A default in README's table."""
    match value:
        case None | ():
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def test_readme_has_every_setting_as_it_is_declared():
    lines = [
        f"| `{settings.variable(name)}` | {shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    table = "\n".join(["| variable | default | what it sets |", "|---|---|---|", *lines]) + "\n"
    assert table in (ROOT / "README.md").read_text(encoding="utf-8"), f"README's table must be:\n{table}"


def test_the_environment_sets_them(monkeypatch):
    assert settings.settings() == Settings()
    monkeypatch.setenv("SMOOTHSCOPE_WORKERS", "3")
    monkeypatch.setenv("smoothscope_public", "yes")
    monkeypatch.setenv("SMOOTHSCOPE_ALLOWED_HOSTS", "smooth.example.org, *.example.com,[::1]")
    monkeypatch.setenv("SMOOTHSCOPE_CLUSTER", "tcp://127.0.0.1:8786")
    monkeypatch.setenv("SMOOTHSCOPE_GRACE", "")  # as compose files write what is not set
    assert settings.settings().workers == 2  # read once
    settings.refresh()
    found = settings.settings()
    assert (found.workers, found.public, found.several, found.grace) == (3, True, True, 60.0)
    assert found.allowed_hosts == ("smooth.example.org", "*.example.com", "[::1]")
    assert found.cluster == "tcp://127.0.0.1:8786"
    assert settings.problem() is None
    with pytest.raises(ValueError, match="frozen"):
        found.workers = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("workers", "-1", "SMOOTHSCOPE_WORKERS must be at least 0; got -1."),
        ("workers", "65", "SMOOTHSCOPE_WORKERS must be at most 64; got 65."),
        ("workers", "two", "SMOOTHSCOPE_WORKERS must be a whole number; got 'two'."),
        ("jobs_per_session", "1.5", "SMOOTHSCOPE_JOBS_PER_SESSION must be a whole number; got '1.5'."),
        ("grace", "a minute", "SMOOTHSCOPE_GRACE must be a number; got 'a minute'."),
        ("grace", "-1", "SMOOTHSCOPE_GRACE must be at least 0; got -1."),
        ("longest_job", "nan", "SMOOTHSCOPE_LONGEST_JOB must be a finite number; got nan."),
        ("public", "perhaps", "SMOOTHSCOPE_PUBLIC must be true or false; got 'perhaps'."),
        ("cluster", "here", "SMOOTHSCOPE_CLUSTER must be an address like tcp://HOST:8786; got 'here'."),
        (
            "allowed_hosts",
            "a.org,https://b.org",
            "SMOOTHSCOPE_ALLOWED_HOSTS must be names of hosts without scheme and port, separated by commas; got "
            "'https://b.org'.",
        ),
    ],
)
def test_a_bad_value_is_one_sentence_and_no_page_is_served(monkeypatch, caplog, field, value, sentence):
    monkeypatch.setenv(settings.variable(field), value)
    settings.refresh()
    with pytest.raises(ValueError, match=settings.variable(field)) as caught:
        Settings()
    assert str(caught.value) == settings.problem() == sentence
    assert settings.settings() == Settings.model_construct()  # for what is imported before a page can say so
    assert sentence in caplog.text
    app = opened("")
    assert not app.button
    (error,) = app.error
    assert error.value.replace("\\", "").endswith(sentence)


@given(st.sampled_from(list(Settings.model_fields)), st.text(st.characters(exclude_characters="\0", codec="ascii")))
def test_any_text_is_a_setting_or_refused_in_one_sentence(field, value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(settings.variable(field), value)
        settings.refresh()
        assert settings.variable(field) in (settings.problem() or settings.variable(field))


def test_misspelt_variables_are_found(monkeypatch):
    assert settings.unknown() == {}
    monkeypatch.setenv("SMOOTHSCOPE_WORKER", "3")
    monkeypatch.setenv("SMOOTHSCOPE_XYZ", "3")
    assert settings.unknown() == {"SMOOTHSCOPE_WORKER": "SMOOTHSCOPE_WORKERS", "SMOOTHSCOPE_XYZ": ""}


def test_tests_may_override_them():
    with settings.overridden(workers=5):
        assert settings.settings().workers == 5
        with settings.overridden(public=True):
            assert (settings.settings().workers, settings.settings().public) == (2, True)
        assert settings.settings().workers == 5
    assert settings.settings() == Settings()
    with pytest.raises(ValueError, match="SMOOTHSCOPE_WORKERS"), settings.overridden(workers=-1):
        pass


def test_they_cost_little_to_import():
    heavy = {"torch", "numpy", "streamlit", "PIL"}
    script = f"import sys, pages.parts.shell.settings; sys.exit(len({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_the_largest_picture_is_the_setting_s(tmp_path):
    Image.fromarray(np.zeros((1500, 1500), np.uint8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert cache.picture(content, "a", (1, 28, 28), 1.0).shape == (1, 1, 28, 28)
    with settings.overridden(largest_picture=2), pytest.raises(ValueError, match="more than the 2 megapixels"):
        cache.picture(content, "a", (1, 28, 28), 1.0)
