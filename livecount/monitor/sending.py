"""Sending one message to one address: a webhook, or whatever apprise knows.

Runs in a process of its own, so that a server that hangs stops nothing. What goes wrong is said
without the address: passwords, tokens and names of channels stand in it.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from livecount import __version__
from livecount.alerts import Message
from livecount.errors import (
    AlertError,
    AlertServerError,
    ConfigError,
    LivecountError,
    MissingExtraError,
)

__all__ = ["address_of", "check_targets", "send", "try_to_send"]

START_S = 30.0
"""What a process may take to start and to import apprise, on a busy machine."""
_TICK_S = 0.05
_WEBHOOK = ("http", "https")
_FROM_ENVIRONMENT = "env:"
_FROM_FILE = "file:"
_SHORTEST_SECRET = 3
_NOT_THE_MESSAGE = re.compile(
    r"(?:error=|answered )(?:40[13478]|429|5\d\d)\b|onnection err|in time"
)
"""What says that another message would not be taken either: no right, no such place, out of order.
apprise has no more than words for it."""
_HIDDEN = "***"


def address_of(name: str, given: str, environment: Mapping[str, str] = os.environ) -> str:
    """Give a target's address: as it stands, from an environment variable, or from a file.

    A file is read anew each time, so that a changed address holds without a restart.

    Raises
    ------
    ConfigError
        There is no such variable or file, or it is empty or no address.
    """
    where = f"The address of alert target {name!r}"
    found = given
    if given.startswith(_FROM_ENVIRONMENT):
        variable = given.removeprefix(_FROM_ENVIRONMENT)
        where += f" (environment variable {variable})"
        found = environment.get(variable, "")
    elif given.startswith(_FROM_FILE) and not given.startswith("file://"):
        file = Path(given.removeprefix(_FROM_FILE)).expanduser()
        where += f" (file {file})"
        try:
            found = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError(f"{where} cannot be read: {reason}", hint=_HINT) from None
    found = found.strip()
    if not _is_address(found):
        what = "is no address such as mailto://... or https://..." if found else "is empty"
        raise ConfigError(f"{where} {what}", hint=_HINT)
    return found


def _is_address(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:
        return False
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", text) is not None


_HINT = "Set it as [alerts] targets in the settings explain; `livecount alert test` tries it"


def check_targets(targets: Mapping[str, SecretStr]) -> None:
    """Make sure, before a run of weeks begins, that every target has an address that can be used.

    Raises
    ------
    ConfigError, MissingExtraError
        One has none, or needs apprise, which is not installed.
    """
    for name, given in targets.items():
        address = address_of(name, given.get_secret_value())
        _insist_on_apprise(name, urlsplit(address).scheme)


def _insist_on_apprise(name: str, scheme: str) -> None:
    if scheme.lower() not in _WEBHOOK and find_spec("apprise") is None:
        raise MissingExtraError(
            f"Alert target {name!r} is sent by apprise, which is not installed",
            hint="pip install 'livecount[alerts]'",
        )


def send(name: str, given: str, message: Message, timeout_s: float) -> None:
    """Send a message; returns once the other side has taken it.

    Parameters
    ----------
    name, given
        The target's name, and its address as the settings give it.

    Raises
    ------
    AlertError
        It was not taken; says why, without the address. :class:`AlertServerError` where another
        one would not have been taken either.
    ConfigError, MissingExtraError
        As :func:`check_targets`.
    """
    address = address_of(name, given)
    try:
        parts = urlsplit(address)
        _insist_on_apprise(name, parts.scheme)
        if parts.scheme.lower() in _WEBHOOK:
            _post(parts, message, timeout_s)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what libraries want of their own maintainers
                _notify(address, message)
    except (MissingExtraError, ConfigError):
        raise
    except Exception as error:
        reason = error.message if isinstance(error, LivecountError) else _reason(error)
        hidden = _without_secrets(reason, address)
        # Without a cause: its words may hold the address.
        kind = AlertServerError if _is_the_server(error, reason) else AlertError
        raise kind(f"{name} did not take a message: {hidden}") from None


def _is_the_server(error: Exception, reason: str) -> bool:
    return isinstance(error, OSError) or _NOT_THE_MESSAGE.search(reason) is not None


def _post(parts: SplitResult, message: Message, timeout_s: float) -> None:
    """Post a message as JSON; a redirect is an error, as it would drop what is posted."""
    place = parts.netloc.rpartition("@")[2]
    content = {
        "text": f"{message.title}\n\n{message.body}",
        "title": message.title,
        "livecount": __version__,
        "incidents": list(message.incidents),
    }
    headers = {"Content-Type": "application/json", "User-Agent": f"livecount/{__version__}"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    request = urllib.request.Request(
        parts._replace(netloc=place, fragment="").geturl(),
        data=json.dumps(content).encode(),
        headers=headers,
        method="POST",
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            raise AlertError(f"the server answered {error.code} {error.reason}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nowhere: the answer then counts as an error."""


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError):
        return f"the server cannot be reached ({error.reason})"
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    return f"{type(error).__name__}: {error}"


def _notify(address: str, message: Message) -> None:
    """Send by apprise, which says what went wrong in its log alone."""
    import apprise

    said = _Heard()
    log = logging.getLogger("apprise")
    log.handlers[:], log.propagate = [said], False
    log.setLevel(logging.WARNING)
    asset = apprise.AppriseAsset(app_id="livecount", app_desc="livecount", secure_logging=True)
    sender = apprise.Apprise(asset=asset)
    if not sender.add(address):
        raise AlertError("its address is none that apprise knows")
    for service in sender:
        # Chats and phones refuse what is longer than they allow; apprise sends it all the same.
        if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
            service.overflow_mode = apprise.OverflowMode.SPLIT
    if not sender.notify(
        title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT
    ):
        raise AlertError(" ".join("; ".join(said.lines).split()) or "apprise does not say why")


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


def _without_secrets(text: str, address: str) -> str:
    """Hide every part of an address that stands in a text, whatever service it is of.

    Hosts too: with many services they are the token. Those of webhooks and mail servers are shown.
    """
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    pieces = {address, parts.query, parts.path, parts.fragment, parts.netloc}
    for piece in (parts.netloc.rpartition("@")[0], parts.path, parts.query, parts.fragment):
        pieces.update(re.split(r"[/:&=?@,;]", piece))
    if parts.scheme.lower() not in (*_WEBHOOK, "mailto", "mailtos"):
        pieces.update(re.split(r"[:,]", host))
    spelt = pieces | {unquote(piece) for piece in pieces}
    for piece in sorted(spelt, key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            text = text.replace(piece, _HIDDEN)
    return text


def try_to_send(name: str, given: SecretStr, message: Message, timeout_s: float) -> None:
    """Send a message as the monitor does, in a process that is given up when it hangs.

    Raises
    ------
    LivecountError
        As :func:`send`, or that it took too long.
    """
    from livecount.monitor.errand import Errand

    errand = Errand(
        send,
        (name, given.get_secret_value(), message, timeout_s),
        limit_s=timeout_s + START_S,
        words=f"Sending to {name}",
    )
    while not errand.is_done():
        time.sleep(_TICK_S)
    errand.outcome()
