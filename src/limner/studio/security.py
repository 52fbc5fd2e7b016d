"""Who may talk to the studio: the page that this process served, with its token, and no other.

The token comes once in the address, and from then on in a cookie that no script can read.  A cookie, not a
header, because pictures, event streams and WebSockets cannot carry a header.  Other pages on this machine
could make the browser send the cookie, so every request is also judged by where it comes from.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
STRANGER = "this page opens with the whole address that `limner studio` printed"


class Guard:
    """Refuses requests of other hosts, other pages and strangers before the application sees them."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.cookie = f"limner-studio-{port}"  # cookies do not know ports
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = self.refusal(scope)
        if reason is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": reason})  # 403, before it opens
            return
        answer = self.app if reason is None else PlainTextResponse(reason + "\n", 403)
        await answer(scope, receive, self.with_headers(scope, send, admitted=reason is None))

    def refusal(self, scope: Scope) -> str | None:
        """Why a request is refused; None for one that is not."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self.hosts:
            return "the studio answers to 127.0.0.1 only"
        if origin is not None and origin != f"http://{host}":
            return "another page asked"
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and origin is None:  # browsers always send it
            return "the request does not say which page asked"
        if self.has_token(scope):
            return None
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "another page asked"
        return None if self.has_cookie(headers) else STRANGER

    def has_token(self, scope: Scope) -> bool:
        """Whether a request for the first page has the token in its address."""
        if scope["type"] != "http" or scope["path"] != "/":
            return False
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return secrets.compare_digest(token.encode(), self.token.encode())

    def has_cookie(self, headers: Headers) -> bool:
        """Whether a request has the token in the cookie."""
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        token = cookies[self.cookie].value if self.cookie in cookies else ""
        return secrets.compare_digest(token.encode(), self.token.encode())

    def with_headers(self, scope: Scope, send: Send, admitted: bool) -> Send:
        """`send`, with the headers that protect every answer, and the cookie for the first page."""
        if scope["type"] == "websocket":
            return send
        gives_cookie = admitted and self.has_token(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if gives_cookie:
                    headers["Set-Cookie"] = f"{self.cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            await send(message)

        return send_with_headers
