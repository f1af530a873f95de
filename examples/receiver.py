"""A receiver on the standard library: verifies, drops duplicates, answers quickly.

    python examples/receiver.py 9000 shop.secret

Then run examples/publish.py in a second terminal; it writes the secret that this one waits for.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from hookferry import VerificationFailed, verify

MAX_BODY = 2 * 1024 * 1024
REMEMBERED = 10_000
"""Message ids kept to drop duplicates; a real receiver keeps them where it keeps its work."""


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks."""

    secret_file: ClassVar[Path]
    seen: ClassVar[OrderedDict[str, None]] = OrderedDict()
    timeout = 30

    def do_POST(self) -> None:
        """Take one message."""
        length = int(self.headers.get("Content-Length", 0))
        if not 0 < length <= MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(length)
        try:
            message = verify("standard", self.secret_file.read_text(), self.headers, body)
        except VerificationFailed as problem:
            print("refused:", problem.reason, flush=True)
            return self.answer(401)
        if message.id not in self.seen:
            # Keep the message first (a table, a queue); what is answered 2xx is yours.
            self.seen[message.id] = None
            while len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
            print("received", message.id, body.decode(), flush=True)
        return self.answer(204)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    Receiver.secret_file = Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("listening on port", server.server_port, flush=True)
    server.serve_forever()
