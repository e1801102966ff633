"""The command smoothscope: core's verbs and one more, and a word when another package called core is in the way."""

import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smoothscope import __main__ as smoothscope
from tests.servers import free_port, healthy

ROOT = Path(__file__).resolve().parents[1]


def called(*arguments, cwd, path):
    """A process of `python -m smoothscope`, run to its end in the folder `cwd` with `path` on its search path."""
    return subprocess.run(
        [sys.executable, "-m", "smoothscope", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_core_s_verbs(capsys):
    assert smoothscope.main(["models", "show", "mnist-c4-ce"]) == 0
    assert '"mnist-c4-ce"' in capsys.readouterr().out


def test_it_calls_itself_by_its_name(capsys):
    assert smoothscope.main(["models", "--nonsense"]) == 2
    assert "smoothscope models --help" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        smoothscope.main(["--help"])
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert "usage: smoothscope" in text
    assert "serve the app in the browser" in text
    assert "attack many images" in text


@pytest.fixture
def executed(monkeypatch):
    """What the process would have become: (program, arguments, environment)."""
    seen = []

    def execve(*arguments):
        seen.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execve", execve)
    return seen


@pytest.mark.parametrize("arguments", [["app", "--server.port=8600"], ["--server.port=8600", "app"]])
def test_app_becomes_streamlit(executed, monkeypatch, arguments):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with pytest.raises(SystemExit):
        smoothscope.main(arguments)
    ((program, command, environment),) = executed
    assert program == sys.executable == command[0]
    local = [f"--server.allowedHosts={host}" for host in ("localhost", "127.0.0.1", "::1")]
    assert command[1:] == ["-P", "-m", "streamlit", "run", str(ROOT / "app.py"), *local, "--server.port=8600"]
    assert environment["MALLOC_ARENA_MAX"] == "2"
    assert environment["OMP_WAIT_POLICY"] == "active"  # a person's own word counts
    assert environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("arguments", "setting", "hosts"),
    [
        (["--server.address", "127.0.0.1"], "", ["localhost", "127.0.0.1", "::1"]),
        (["--server.address=0.0.0.0"], "", []),
        (["--server.address=0.0.0.0"], "a.example.org, [::2]", ["a.example.org", "::2"]),
        ([], "*.example.org", ["*.example.org"]),
        (["--server.allowedHosts", "own.example.org"], "", []),  # Streamlit's own
    ],
)
def test_browsers_reach_it_by_the_names_that_it_has(executed, monkeypatch, arguments, setting, hosts):
    monkeypatch.setenv("SMOOTHSCOPE_ALLOWED_HOSTS", setting)
    with pytest.raises(SystemExit):
        smoothscope.main(["app", *arguments])
    ((_, command, _),) = executed
    flag = "--server.allowedHosts="
    assert [word.removeprefix(flag) for word in command if word.startswith(flag)] == hosts
    assert command[-len(arguments) :] == arguments or not arguments


@pytest.mark.parametrize("arguments", [["app"], ["--server.port=8600", "app"]])
def test_a_server_does_not_start_with_a_bad_setting(executed, monkeypatch, capsys, arguments):
    monkeypatch.setenv("SMOOTHSCOPE_WORKERS", "many")
    assert smoothscope.main(arguments) == 2
    assert capsys.readouterr().err == "error: SMOOTHSCOPE_WORKERS must be a whole number; got 'many'.\n"
    assert executed == []


def test_app_explains_itself(executed, capsys):
    with pytest.raises(SystemExit) as done:
        smoothscope.main(["app", "--help"])
    assert (done.value.code, executed) == (0, [])
    assert "127.0.0.1:8501" in capsys.readouterr().out


def shaken(port, host):
    """The status with which a server answers a browser that wants a websocket and calls it `host`, as its page does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    words = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    words |= {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Host": host, "Origin": f"http://{host}"}
    connection.request("GET", "/_stcore/stream", headers=words)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_app_is_served_from_any_folder_and_by_its_own_names(tmp_path):
    (tmp_path / "streamlit.py").touch()  # what lies in the folder one happens to be in is not imported
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "smoothscope", "app", "--server.port", str(port)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "SMOOTHSCOPE_HOME": str(tmp_path / "home")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        give_up = time.monotonic() + 60
        while not healthy(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)
        assert [shaken(port, f"{host}:{port}") for host in ("127.0.0.1", "localhost", "[::1]")] == [101] * 3
        # A stranger's page whose name leads here (DNS rebinding): the browser calls both by that name.
        assert shaken(port, f"stranger.example.org:{port}") == 403
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def test_core_is_found_beside_the_package():
    assert smoothscope.stranger() is None


def test_another_core_before_ours_is_named(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise AssertionError('the stranger ran')")
    done = called("models", "list", cwd=ROOT.parent, path=[tmp_path, ROOT])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: Python finds another package called core, {tmp_path / 'core'}, before Smoothscope's; install "
        "Smoothscope into a virtual environment of its own, and keep that folder out of PYTHONPATH.\n"
    )


def install(packages, text):
    """An environment's folder of packages in which core/__init__.py reads `text`; None: it is not there."""
    (packages / "core").mkdir(parents=True)
    (packages / "core" / "layout.py").touch()
    if text is not None:
        (packages / "core" / "__init__.py").write_text(text)
    (packages / "smoothscope").symlink_to(ROOT / "smoothscope")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# theirs", "another package called core has been installed over Smoothscope's, into {}/core; install "),
        (None, "Smoothscope's package core is missing in {}; install Smoothscope again."),
        ('"""Of Smoothscope."""', None),
    ],
)
def test_another_core_installed_over_ours_is_named(tmp_path, monkeypatch, text, sentence):
    install(tmp_path, text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "core")
    wrong = smoothscope.stranger(tmp_path)
    assert wrong is None if sentence is None else str(wrong).startswith(sentence.format(tmp_path))
