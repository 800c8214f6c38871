"""Who may ask what: one host, one origin, one token; headers that keep a page to itself.

What Jupyter Server does, for the same reasons: any program and any web page on this computer can
reach a port of it. A page of another site cannot read the cookie's answers (``SameSite=Strict``,
origin checked), cannot rebind its own name to this computer (host checked), and cannot frame or
script the pages (content security policy).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livecount.web.problems import problem

__all__ = ["Access", "AccessMiddleware"]

_PLOTLY_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",  # the empty style element it fills
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='",  # its maps' style, of plotly 7.1
)
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {' '.join(_PLOTLY_STYLES)}",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_OPEN = ("/healthz", "/metrics", "/sign-in", "/static/")
"""Without a token: what monitoring systems ask, and what the page that asks for it is made of."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_YEAR_S = 365 * 24 * 3600
_REFUSED = 1008
"""WebSocket close code: policy violation (RFC 6455, 7.4.1)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller must know.

    Attributes
    ----------
    token
        Opens every page; as ``?token=`` of the first address, then a cookie, or for scripts
        ``Authorization: Bearer``.
    port
        Cookies do not tell ports apart, so the cookie's name does.
    names
        Host names by which the server may be called.
    """

    token: str
    port: int
    names: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"livecount-{self.port}"

    @property
    def base(self) -> str:
        """The server's address."""
        return f"http://{self.names[0]}:{self.port}"

    @property
    def address(self) -> str:
        """The first address to open, whose token becomes a cookie at once."""
        return f"{self.base}/?token={self.token}"

    def is_token(self, given: str | None) -> bool:
        """Compare in constant time."""
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())


class AccessMiddleware:
    """Lets through only what :class:`Access` allows; pure ASGI, so that WebSockets are held too."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        if answer is None:
            await self._app(scope, receive, _hardened(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _REFUSED})
        else:
            await answer(scope, receive, _hardened(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Give the answer to a request that is not let through, None to one that is."""
        headers = Headers(scope=scope)
        if _name_of(headers.get("host", "")) not in self._access.names:
            return problem(400, "This server does not go by that name", "Use http://127.0.0.1")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and not _is_own_origin(headers):
            return problem(403, "The request comes from a page of another site", "")
        path = scope["path"]
        if any(path == name or (name[-1] == "/" and path.startswith(name)) for name in _OPEN):
            return None
        if scope["type"] == "http" and (given := _given_in_address(scope)) is not None:
            return self._signed_in(scope, given)
        if self._access.is_token(_bearer(headers) or _cookie(headers, self._access.cookie)):
            return None
        if path.startswith("/api/") or scope["type"] == "websocket":
            return problem(401, "This needs the token", "Send it as 'Authorization: Bearer TOKEN'")
        return RedirectResponse(f"/sign-in?{urlencode({'to': path})}", 303)

    def _signed_in(self, scope: Scope, given: str) -> Response:
        """Turn the token in an address into a cookie at once, so that it stays in no history."""
        if not self._access.is_token(given):
            return RedirectResponse("/sign-in?wrong=1", 303)
        rest = [pair for pair in _query(scope) if pair[0] != "token"]
        answer = RedirectResponse(
            own_path(scope["path"]) + ("?" + urlencode(rest) if rest else ""), 303
        )
        set_cookie(answer, self._access)
        return answer


def set_cookie(answer: Response, access: Access) -> None:
    """Let a browser in from now on."""
    answer.set_cookie(
        access.cookie, access.token, max_age=_YEAR_S, httponly=True, samesite="strict", path="/"
    )


def own_path(path: str) -> str:
    """Give a path that stays on this server: ``//host`` would be another one."""
    return "/" + path.lstrip("/\\")


def _hardened(send: Send) -> Send:
    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"  # without one, forms have no origin
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return harden


def _name_of(host: str) -> str:
    """Give the name in a ``Host`` header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _is_own_origin(headers: Headers) -> bool:
    """Tell whether a request comes from a page of this server, or from no page at all."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin in {
        f"{way}://{headers.get('host')}" for way in ("http", "https")
    }


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _given_in_address(scope: Scope) -> str | None:
    return next((value for name, value in _query(scope) if name == "token"), None)


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _cookie(headers: Headers, name: str) -> str | None:
    """Find a cookie, whatever those of other programs on this computer look like.

    Cookies know no ports, and the standard library's parser gives up at the first odd one.
    """
    for pair in ";".join(headers.getlist("cookie")).split(";"):
        called, _, value = pair.strip().partition("=")
        if called == name:
            return value.strip('"')
    return None
