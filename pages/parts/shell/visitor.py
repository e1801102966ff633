"""Who comes: one person at their own machine, or visitors of a server that several share, told apart by a cookie.

Trainings that a visitor leaves on the disk are to be found again after a reload, and by nobody else; and who opens many
tabs is to have no larger share of the server. A session of Streamlit's ends with the page, and an address is made to be
given away (`links`), so the browser keeps a random number in a cookie. It is no login: whoever holds the number is the
visitor, and a browser that keeps no cookies (a private window, a page framed by another site's) has its trainings until
the page is closed. The disk knows only a hash of it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets

import streamlit as st

from pages.parts.shell.settings import settings

COOKIE = "smoothscope_visitor"
DAYS = 60
"""For which a browser keeps the number after the last visit."""
_NUMBER = re.compile(r"[0-9a-f]{32}")
_KEY = "visitor.number"
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP")
"""Headers by which a proxy says for whom it asks."""


def several() -> bool:
    """Whether several people use this server: as it is set, else unless it and its visitor are one machine."""
    given = settings().several
    if given is not None:
        return given
    return not _here(st.get_option("server.address")) or any(name in st.context.headers for name in _FORWARDED)


def key() -> str | None:
    """What stands for this visitor on the disk, 16 hexadecimal digits; None where the whole home is one person's."""
    if not several():
        return None
    return hashlib.sha256(_number().encode()).hexdigest()[:16]


def remember() -> None:
    """Have the browser keep who it is, where several people use this server."""
    if not several():
        return
    path = "/" + str(st.get_option("server.baseUrlPath") or "").strip("/")
    words = f"{COOKIE}={_number()}; path={path}; max-age={DAYS * 86_400}; samesite=strict"
    script = f'document.cookie = "{words}" + (location.protocol === "https:" ? "; secure" : "");'
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def _number() -> str:
    if _KEY not in st.session_state:
        given = st.context.cookies.get(COOKIE, "")
        st.session_state[_KEY] = given if _NUMBER.fullmatch(given) else secrets.token_hex(16)
    number: str = st.session_state[_KEY]
    return number


def _here(address: str | None) -> bool:
    """Whether a server at `address` hears this machine alone; one without an address hears all."""
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:  # the name of a machine
        return False
