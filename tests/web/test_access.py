"""Nobody gets in without the token, from another site, or by another name."""

from __future__ import annotations

import http.client
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore
from tests.web.conftest import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("access") / "run.db"
    with CountStore.open(database) as store:
        store.ensure_experiment('<script>alert("x")</script>')
    with served("serve", "--database", database, "--port", free_port()) as found:
        yield found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(server: Served, path: str, method: str = "GET", **headers: str):
    parts = urlsplit(server.base)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(
        method, path, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def bearer(server: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def test_scripts_need_the_token(server: Served) -> None:
    answer, body = ask(server, "/api/v1/experiments")
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"Bearer" in body
    assert ask(server, "/api/v1/experiments", Authorization="Bearer wrong")[0].status == 401
    assert ask(server, "/api/v1/experiments", **bearer(server))[0].status == 200


def test_the_token_in_an_address_becomes_a_cookie_that_only_this_site_sends(server: Served) -> None:
    answer, _ = ask(server, f"/experiments/1?token={server.token}&x=1")
    assert answer.status == 303
    assert answer.headers["Location"] == "/experiments/1?x=1"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert ask(server, "/?token=wrong")[0].headers["Location"] == "/sign-in?wrong=1"


def test_cookies_of_other_programs_on_this_computer_lock_nobody_out(server: Served) -> None:
    answer, _ = ask(server, f"/?token={server.token}")
    ours = answer.headers["Set-Cookie"].split(";")[0]
    for others in ('a={"x":1}', "a=b c", "flag", "=", 'a="; b'):
        for cookies in (f"{others}; {ours}", f"{ours}; {others}"):
            assert ask(server, "/api/v1/experiments", Cookie=cookies)[0].status == 200
    assert ask(server, "/api/v1/experiments", Cookie=f"x{ours}")[0].status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8337", "127.0.0.1.evil.example", ""]
)
def test_it_goes_by_no_other_name(server: Served, host: str) -> None:
    for path in ("/", "/healthz", "/api/v1/experiments", "/static/livecount.css"):
        assert ask(server, path, Host=host, **bearer(server))[0].status == 400


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}],
)
def test_no_page_of_another_site_changes_anything(server: Served, headers: dict[str, str]) -> None:
    for method in ("POST", "DELETE", "PUT"):
        answer, _ = ask(server, "/sign-in", method, **bearer(server), **headers)
        assert answer.status == 403


def test_a_foreign_page_gets_no_websocket(server: Served) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==", **bearer(server),
    }  # fmt: skip
    path = "/api/v1/live?experiment=1"
    assert ask(server, path, **upgrade, Origin="https://evil.example")[0].status == 403
    without = {name: value for name, value in upgrade.items() if name != "Authorization"}
    assert ask(server, path, **without)[0].status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd",
        "/experiments/0", "/experiments/x", "/experiments/99", "/nothing", "/api/v1/nothing",
        "/api/v1/experiments/99/plate", "/api/v1/experiments/1e9/plate", f"/experiments/{10**30}",
        "/api/v1/experiments/1/growth?start_h=nan",
        "/api/v1/experiments/1/growth?start_h=5&end_h=1",
    ],
)  # fmt: skip
def test_a_guessed_address_gets_nothing(server: Served, path: str) -> None:
    answer, body = ask(server, path, **bearer(server))
    assert answer.status in (404, 422)
    assert b"Traceback" not in body
    assert b"root:" not in body


def test_every_answer_keeps_to_itself(server: Served) -> None:
    for path in ("/", "/sign-in", "/nothing", "/api/v1/experiments", "/healthz"):
        headers = ask(server, path)[0].headers
        assert "script-src 'self';" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_sign_in_leads_nowhere_else(server: Served, page: Page) -> None:
    page.goto(f"{server.base}/sign-in?to=//evil.example/x")
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/evil.example/x")
    assert page.url == f"{server.base}/evil.example/x"
    page.faults.clear()  # the page that is not there


def test_a_hostile_name_is_text(server: Served, page: Page) -> None:
    page.goto(server.address)
    expect(page.get_by_role("link", name='<script>alert("x")</script>')).to_be_visible()
    assert "token" not in page.url


def test_the_token_is_the_users_alone(server: Served, token_folder: Path) -> None:
    file = token_folder / "livecount" / "dashboard.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == server.token
