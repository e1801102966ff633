"""Whether the server in this container answers: `python -m smoothscope.health`, exit status 0 if so."""

from __future__ import annotations

import http.client
import os
import sys


def healthy(timeout: float = 4.0) -> bool:
    """Whether a server on this machine, at the port and path that the environment gives Streamlit, says it is well."""
    port = int(os.environ.get("STREAMLIT_SERVER_PORT") or 8501)
    path = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)  # itself, whatever proxy there is
    try:
        connection.request("GET", f"{'/' * bool(path)}{path}/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not healthy())
