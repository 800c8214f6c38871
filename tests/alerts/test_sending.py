"""Messages reach real servers; what goes wrong is said without any address."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from livecount.alert_settings import AlertRule, AlertSettings
from livecount.alerts import DATA_KINDS, KINDS, Message, compose, is_quiet
from livecount.errors import AlertError, AlertServerError, ConfigError, WorkerSilentError
from livecount.monitor.sending import address_of, check_targets, send, try_to_send
from livecount.storage import Delivery, Notice
from tests.alerts.servers import Webhook, free_port, mail_server

SINCE = datetime(2026, 12, 3, 13, tzinfo=UTC)
MESSAGE = Message(
    "livecount: Threshold reached", "THRESHOLD REACHED\n- well A1\n", ({"well": "A1"},)
)
HOSTILE = "A1\r\nBcc: all@lab.example\n<!channel> *bold* @everyone"


@pytest.fixture
def webhook():
    server = Webhook()
    yield server
    server.close()


def due(number=1, part="begin", code="threshold_reached", hours=3.2, **about):
    notice = Notice(
        number, code, "A1", about.pop("text", "Well A1 has reached 80 % confluent"), SINCE,
        None if part == "begin" else SINCE + timedelta(hours=hours), SINCE,
        **{"experiment": "A549", "plate": None, "well": "A1", **about},
    )  # fmt: skip
    return Delivery(number, notice, "lab", part, SINCE, 0, None, None)


# --- what is said ---------------------------------------------------------------------------------


def test_a_message_says_where_what_since_when_and_what_to_do() -> None:
    message = compose([due()], {"A549": "Europe/Berlin"}, "UTC")
    assert message.title == "livecount: Threshold reached: experiment A549, well A1"
    assert message.body == (
        "THRESHOLD REACHED\n"
        "- experiment A549, well A1: Well A1 has reached 80 % confluent\n"
        "  since Thu 2026-12-03 14:00 CET (13:00 UTC)\n"
        f"What to do now: {KINDS['threshold_reached'].advice}\n"
    )


def test_an_end_says_how_long_it_was() -> None:
    message = compose([due(part="end")], {}, "UTC")
    assert message.title == "livecount: Over: Threshold reached: experiment A549, well A1"
    assert "over after 3.2 h; it began Thu 2026-12-03 13:00 UTC" in message.body
    assert "What to do" not in message.body


def test_many_wells_are_one_message_with_the_rest_counted() -> None:
    wells = [due(number, well=f"A{number}") for number in range(1, 31)]
    message = compose([*wells, due(40, code="disk_low", text="full")], {}, "UTC")
    assert "30 times" in message.title
    assert "(and 1 more)" in message.title
    assert message.body.count("has reached") == 20
    assert "and 10 more: `livecount incidents`" in message.body
    assert len(message.incidents) == 31


@given(st.text(), st.text(), st.text())
def test_no_name_steers_a_mail_or_a_chat(text: str, experiment: str, well: str) -> None:
    """Whatever names hold: one title line, a fixed number of lines, no tags, nobody called."""
    message = compose([due(text=text, experiment=experiment, well=well)], {}, "UTC")
    assert message.title.isprintable() or "\u200b" in message.title
    assert len(message.title.splitlines()) == 1
    assert len(message.body.splitlines()) == 4
    assert not re.search(r"[<>]|@\w", f"{message.title}\n{message.body}")


def test_settings_name_every_kind_of_incident() -> None:
    assert set(AlertRule.__args__) == set(KINDS) == set(AlertSettings().rules)
    assert set(DATA_KINDS) < set(KINDS)


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_quiet_or_the_other_half_of_the_day_is(start, end, now) -> None:
    if start != end:
        assert is_quiet((start, end), now, "UTC") != is_quiet((end, start), now, "UTC")
    assert not is_quiet(None, now, "UTC")


# --- where it goes --------------------------------------------------------------------------------


def test_a_webhook_gets_json(webhook: Webhook) -> None:
    given = webhook.address.replace("//", "//ada:p%40ss@")
    send("lab", given, MESSAGE, 5)
    (post,) = webhook.posts
    assert post["title"] == MESSAGE.title
    assert post["text"].startswith(MESSAGE.title)
    assert post["incidents"] == [{"well": "A1"}]
    assert webhook.headers[0]["Authorization"] == "Basic YWRhOnBAc3M="


def test_a_mail_arrives_as_plain_text_with_one_subject_and_one_recipient() -> None:
    message = compose([due(text=HOSTILE, experiment=HOSTILE, well=HOSTILE)], {}, "UTC")
    with mail_server() as (box, address):
        send("lab", address, message, 5)
    ((recipients, mail),) = box.mails
    assert recipients == ["ada@lab.example"]
    assert mail["Bcc"] is None
    assert mail.get_all("Subject")[0].startswith("livecount: Threshold reached")
    shown = mail.get_body(("plain", "html")).get_content()
    assert "What to do now" in shown
    assert "<!channel>" not in shown


def test_a_message_longer_than_a_chat_takes_arrives_in_parts() -> None:
    server = Webhook(most_bytes=4500)  # a little more than Mattermost's 4000 characters
    lines = [f"- well {number}: {'reached ' * 20}" for number in range(60)]
    try:
        address = f"mmost://127.0.0.1:{server.port}/SECRETTOKEN"
        send("lab", address, Message("livecount: Threshold reached", "\n".join(lines)), 5)
    finally:
        server.close()
    assert len(server.posts) > 1
    told = "".join(post["text"] for post in server.posts)
    assert [number for number in range(60) if f"well {number}:" in told] == list(range(60))


def test_the_shortest_message_only_counts_whatever_names_are() -> None:
    message = compose([due(1, text=9999 * "x"), due(2, well=9999 * "y")], {}, "UTC", 0)
    assert message == Message("livecount: 2 incidents", "`livecount incidents` lists all\n")


@pytest.mark.parametrize(
    ("status", "is_the_server"), [(400, False), (413, False), (404, True), (429, True), (503, True)]
)
def test_what_is_refused_whatever_it_says_is_told_apart(status: int, is_the_server: bool) -> None:
    server = Webhook(refuse=9, status=status)
    try:
        for address in (server.address, f"mmost://127.0.0.1:{server.port}/SECRETTOKEN"):
            with pytest.raises(AlertError) as failed:
                send("lab", address, MESSAGE, 5)
            assert isinstance(failed.value, AlertServerError) == is_the_server
    finally:
        server.close()


@pytest.mark.parametrize(
    ("status", "said"), [(503, "answered 503"), (302, "answered 302"), (401, "answered 401")]
)
def test_what_a_server_refuses_is_said_without_the_address(status: int, said: str) -> None:
    server = Webhook(refuse=1, status=status)
    try:
        with pytest.raises(AlertError, match=said) as failed:
            send("lab", server.address, MESSAGE, 5)
    finally:
        server.close()
    assert "SECRET" not in str(failed.value)
    assert failed.value.__cause__ is None


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:{port}/hooks/SECRET?key=SECRET2",
        "http://ada:SECRET@127.0.0.1:{port}/",
        "mailto://ada:SECRET@127.0.0.1:{port}?to=b@c.de&mode=insecure",
        "json://ada:SECRET@127.0.0.1:{port}/SECRET2",
        "tgram://123456789:SECRETabcdefg_hijklmnop/SECRET2/",
        "nosuchservice://SECRET/SECRET2",
        "http://ada:SECRET@127.0.0.1:SECRET2/",
    ],
)
def test_no_failure_tells_a_secret(
    address: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(AlertError) as failed:
        send("lab", address.format(port=free_port()), MESSAGE, 2)
    printed = "".join(capfd.readouterr())
    assert "SECRET" not in str(failed.value) + repr(failed.value.__context__ and "") + printed
    assert str(failed.value).startswith("lab did not take a message: ")


def test_a_server_that_hangs_is_given_up() -> None:
    server = Webhook(hang=9)
    try:
        with pytest.raises(AlertError, match="time"):
            send("lab", server.address, MESSAGE, 0.3)
    finally:
        server.close()


def test_an_attempt_in_a_process_of_its_own_is_given_up_too(monkeypatch) -> None:
    monkeypatch.setattr("livecount.monitor.sending.START_S", -29.0)
    server = Webhook(hang=9)
    try:
        with pytest.raises(WorkerSilentError, match="no answer within 1 s"):
            try_to_send("lab", SecretStr(server.address), MESSAGE, 30)
    finally:
        server.close()


def test_addresses_come_from_where_the_settings_say(tmp_path) -> None:
    file = tmp_path / "secret"
    file.write_text("https://lab.example/x\n", encoding="utf-8")
    environment = {"LAB": "mailto://a:b@c.de"}
    assert address_of("lab", "env:LAB", environment) == "mailto://a:b@c.de"
    assert address_of("lab", f"file:{file}") == "https://lab.example/x"
    assert address_of("lab", "slack://a/b/c") == "slack://a/b/c"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("env:NO_SUCH_VARIABLE", r"environment variable NO_SUCH_VARIABLE\) is empty"),
        ("file:/no/such/file", "cannot be read: No such file"),
        ("SECRET", "is no address"),
        ("SECRET://", "is no address"),
        ("", "is empty"),
        ("http://ada:SECRET@[::1/", "is no address"),
    ],
)
def test_a_target_without_a_usable_address_ends_the_start(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as failed:
        check_targets({"lab": SecretStr(given)})
    assert "SECRET" not in str(failed.value)
