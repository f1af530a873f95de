"""A receiver of every profile on Python's standard library alone: each check by hand.

    python examples/receivers/stdlib.py 9000 secrets.json

secrets.json says for each profile what to verify with, as in {"superoffice": "Something Secret"};
a webhook's target is then http://127.0.0.1:9000/superoffice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MAX_BODY = 2 * 1024 * 1024


def standard(secret: str, headers: Message, body: bytes) -> bool:
    """HMAC-SHA256 of id, time and body, not older than five minutes; several may be listed."""
    message_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isdecimal() and len(sent) < 13 and abs(time.time() - int(sent)) <= 300):
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256)
    right = b"v1," + base64.b64encode(digest)
    listed = headers.get("webhook-signature", "").encode("latin-1", "replace")
    return any(hmac.compare_digest(right, one) for one in listed.split(b" "))


def superoffice(secret: str, headers: Message, body: bytes) -> bool:
    """HMAC-SHA256 of the body, in base64."""
    right = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    return same(right, headers["X-SuperOffice-Signature"])


def happyfox(secret: str, headers: Message, body: bytes) -> bool:
    """HMAC-SHA1 of the body, in hexadecimal."""
    right = "sha1=" + hmac.digest(secret.encode(), body, hashlib.sha1).hex()
    return same(right.encode(), headers["X-Webhook-Signature"])


def hornbill(secret: str, headers: Message, body: bytes) -> bool:
    """User and password; the body is not signed."""
    right = b"Basic " + base64.b64encode(secret.encode())
    return same(right, headers["Authorization"])


def same(right: bytes, given: str | None) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(right, (given or "").encode("latin-1", "replace"))


CHECKS: dict[str, Callable[[str, Message, bytes], bool]] = {
    "standard": standard,
    "raw": standard,
    "cloudevents": standard,
    "superoffice": superoffice,
    "happyfox": happyfox,
    "hornbill": hornbill,
}


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks."""

    secrets: dict[str, str]
    timeout = 30

    def do_POST(self) -> None:
        """Take one message."""
        length = int(self.headers.get("Content-Length", 0))
        profile = self.path.strip("/")
        if profile not in self.secrets or not 0 < length <= MAX_BODY:
            return self.answer(404 if length else 413)
        body = self.rfile.read(length)
        if not CHECKS[profile](self.secrets[profile], self.headers, body):
            return self.answer(401)
        print(f"received {profile} {body.decode()}", flush=True)  # keep it, then answer
        return self.answer(200)

    def do_OPTIONS(self) -> None:
        """Agree to be sent CloudEvents."""
        self.answer(200, ("WebHook-Allowed-Origin", "*"), ("WebHook-Allowed-Rate", "*"))

    def answer(self, status: int, *headers: tuple[str, str]) -> None:
        """Answer without a body."""
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    Receiver.secrets = json.loads(Path(sys.argv[2]).read_text())
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("Running on port", server.server_port, flush=True)
    server.serve_forever()
