"""A server of this machine is asked itself, whatever proxy the environment names."""

import http.server
import threading

import pytest

from tests.servers import free_port, healthy


class Answer(http.server.BaseHTTPRequestHandler):
    """Well at the health address, and nothing else."""

    def do_GET(self):
        self.send_response(200 if self.path == "/_stcore/health" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_no_proxy_is_asked(monkeypatch, name):
    for exception in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exception, raising=False)
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")  # where nobody listens
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert healthy(f"http://127.0.0.1:{server.server_port}")
            assert not healthy(f"http://127.0.0.1:{server.server_port}/elsewhere")
        finally:
            server.shutdown()


def test_a_server_that_is_not_there_is_not_well():
    assert not healthy(f"http://127.0.0.1:{free_port()}")
