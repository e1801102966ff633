"""Behind the proxy of compose.yaml: every page under a path, with websockets, and headers that close the rest."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PATIENCE, ROOT
from playwright.sync_api import Browser, expect

from pages.parts.shell import page as shell
from pages.parts.shell import visitor
from smoothscope import health
from tests.servers import free_port

pytestmark = pytest.mark.browser

FIVE = ["Original", "Adversarial", "Perturbation", "Magnified original", "Magnified adversarial"]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def asked(address: str) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer."""
    try:
        with DIRECT.open(address, timeout=10) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy, as compose.yaml sets it up, before a server of the app for several."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("there is no caddy here")
    folder = tmp_path_factory.mktemp("proxy")
    inner, outer = free_port(), free_port()
    environment = os.environ | {
        "SMOOTHSCOPE_HOME": str(folder / "home"),
        "SMOOTHSCOPE_ALLOWED_HOSTS": "127.0.0.1",
        "SMOOTHSCOPE_SHARED": "true",
        "STREAMLIT_SERVER_PORT": str(inner),
        "STREAMLIT_SERVER_BASE_URL_PATH": "smoothscope",
        "OMP_NUM_THREADS": "1",
        "SITE": f"http://127.0.0.1:{outer}",
        "UPSTREAM": f"127.0.0.1:{inner}",
        "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    commands = [
        [sys.executable, "-m", "smoothscope", "app"],
        [caddy, "run", "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"],
    ]
    log = folder / "log"
    with log.open("wb") as output:
        started = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            for command in commands
        ]
    address = f"http://127.0.0.1:{outer}/smoothscope"
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("STREAMLIT_SERVER_PORT", "STREAMLIT_SERVER_BASE_URL_PATH"):
                patch.setenv(name, environment[name])
            give_up = time.monotonic() + 90
            while not health.healthy():
                assert time.monotonic() < give_up, log.read_text(errors="replace")
                time.sleep(0.2)
        while True:
            try:
                if asked(f"{address}/_stcore/health")[0] == 200:
                    break
            except OSError:
                pass
            assert time.monotonic() < give_up, log.read_text(errors="replace")
            time.sleep(0.2)
        yield address
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(20)


def test_what_the_server_tells_of_itself_is_closed(proxy):
    for path in ("_stcore/metrics", "_stcore/agent/openapi.json", "_stcore/script-health-check"):
        assert asked(f"{proxy}/{path}")[0] == 404
    root = proxy.rpartition("/")[0]
    for path in ("/etc/passwd", "/_stcore/metrics", "/_stcore/health"):
        assert asked(f"{root}{path}")[0] == 404


def test_every_answer_says_what_a_browser_may_do(proxy):
    for path in ("/", "/_stcore/health", "/_stcore/metrics"):
        _, headers = asked(proxy + path)
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "http" not in policy  # nowhere else
        assert "unsafe-eval" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not headers.keys() & {"Server", "Strict-Transport-Security"}  # a machine's own name is no site's


QUICKLY = ("", "Attack_lab")
"""Pages with what may be refused: a run, an upload, a stream of looks. The others are slow tests."""


@pytest.mark.parametrize(
    "path", [pytest.param(n, marks=() if n in QUICKLY else pytest.mark.slow) for n in ("", *shell.ICONS)]
)
def test_every_page_works_under_the_path_with_nothing_refused(browser: Browser, proxy, path):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints: list[str] = []
    sockets: list[str] = []
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and "/_stcore/" not in message.location.get("url", "")
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{proxy}/{path}")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(page.get_by_role("link", name="Training", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    if path == "Attack_lab":
        expect(page.locator("figcaption").first).to_have_text("Original")
        page.get_by_role("button", name="Run").click()
        expect(page.locator("figcaption")).to_have_text(FIVE)
        own = Path(ROOT / "assets" / "icon.png")
        page.get_by_role("button", name="Own picture").click()
        page.locator("input[type=file]").set_input_files(own)
        expect(page.get_by_text("not known, so its answer is attacked")).to_be_visible()
    if path == "Training":
        page.wait_for_selector(".js-plotly-plot")
        (cookie,) = [cookie for cookie in context.cookies() if cookie["name"] == visitor.COOKIE]
        assert cookie["path"] == "/smoothscope"
    page.get_by_role("link", name="Compare", exact=True).click()
    page.wait_for_url(f"{proxy}/Compare**")
    page.wait_for_timeout(1500)
    assert sockets == [f"{proxy}/_stcore/stream".replace("http", "ws", 1)]
    assert complaints == []
    context.close()
