"""What a server is made of for others: image, compose file and proxy agree with the sources and the settings."""

import http.server
import re
import subprocess
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from pages.parts.shell import settings
from smoothscope import health

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")


def test_an_image_gets_all_that_a_wheel_is_made_of_and_nothing_else():
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in "#"]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tops = {line.split("/")[0] for line in done.stdout.splitlines()}
    wheel = re.search(r"only-include = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert wheel is not None
    needed = set(re.findall(r'"(.*?)"', wheel[1])) | {"app.py", "pyproject.toml", "README.md", "LICENSE"}
    assert let_in == needed | {"requirements.txt"}
    assert let_in <= tops


def test_the_image_has_no_root_and_looks_after_itself():
    last = DOCKERFILE.split("\nFROM ")[-1]
    instructions = [line.split(" ", 1) for line in last.splitlines() if re.match("[A-Z]+ ", line)]
    words = [word for word, _ in instructions]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert dict(instructions)["USER"] not in ("root", "0")
    assert 'CMD ["python", "-m", "smoothscope.health"]' in dict(instructions)["HEALTHCHECK"]
    assert dict(instructions)["ENTRYPOINT"] == '["smoothscope"]'
    assert "--no-cache-dir" in DOCKERFILE
    assert "://" not in DOCKERFILE  # whoever builds it says from where


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE], ids=["Dockerfile", "compose.yaml"])
def test_every_setting_there_is_one(text):
    known = {settings.variable(name) for name in settings.Settings.model_fields} | settings.OTHERS
    named = set(re.findall(r"\bSMOOTHSCOPE_[A-Z_]+", text))
    assert named
    assert named <= known


def test_compose_and_proxy_agree_on_the_path():
    (path,) = re.findall("STREAMLIT_SERVER_BASE_URL_PATH: (.*)", COMPOSE)
    proxy = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    assert f"redir / /{path}/" in proxy
    assert f"/{path}/_stcore/metrics*" in proxy
    assert "{$UPSTREAM:app:8501}" in proxy
    assert "./deploy/Caddyfile:/etc/caddy/Caddyfile:ro" in COMPOSE
    for words in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "mem_limit", "pids_limit"):
        assert words in COMPOSE


class Server(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []
    status = 200

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("base", "path"), [("", "/_stcore/health"), ("/a/", "/a/_stcore/health"), ("a/b", "/a/b/_stcore/health")]
)
@pytest.mark.parametrize("status", [200, 404, 503])
def test_health_asks_the_server_itself(monkeypatch, base, path, status):
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        monkeypatch.setattr(Server, "asked", [])
        monkeypatch.setattr(Server, "status", status)
        monkeypatch.setenv("STREAMLIT_SERVER_PORT", str(server.server_port))
        monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", base)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert health.healthy() is (status == 200)
        thread.join()
        assert Server.asked == [path]
    assert not health.healthy()
