"""Real servers on this machine that take what is sent: a webhook and a mail server."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller


class Webhook:
    """Takes posts; the first ones, or longer ones, may be refused, or left without an answer."""

    def __init__(self, *, refuse=0, hang=0, status=503, most_bytes=None):
        self.posts = []
        self.headers = []
        self.asked = 0
        self.refuse, self.hang, self.status = refuse, hang, status
        self.released = threading.Event()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.asked += 1
                if webhook.asked <= webhook.hang:
                    webhook.released.wait(60)
                    return
                is_long = most_bytes is not None and len(body) > most_bytes
                if is_long or webhook.asked <= webhook.hang + webhook.refuse:
                    self.send_response(413 if is_long else webhook.status)
                    self.send_header("Location", "/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                webhook.headers.append(dict(self.headers))
                webhook.posts.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self):
        return self._server.server_port

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/hooks/SECRET-TOKEN"

    @property
    def told(self):
        """Kind, part and well of every incident that came, in order."""
        return [
            (each["kind"], each["part"], each["well"])
            for post in self.posts
            for each in post["incidents"]
        ]

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Mailbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos, mail))
        return "250 OK"


@contextmanager
def mail_server():
    """Run a mail server; give its mailbox and an apprise address of it."""
    box = _Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield (
            box,
            f"mailto://127.0.0.1:{port}?from=run@lab.example&to=ada@lab.example&mode=insecure",
        )
    finally:
        controller.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
