"""Requests as GitHub sends them: a push of 990 bytes with all its headers, through a proxy.

Bodies and signatures are made ahead, a set of them in turn; a request costs the load generator
one formatting. What differs in each is ``X-GitHub-Delivery``, by which a delivery is told from its
repeats: it begins with the nanosecond that the request was due.
"""

from __future__ import annotations

import hmac
import json

BODY_BYTES = 990
BODIES = 256
"""How many different bodies there are."""
SECRET = "bench-secret-of-github-32-bytes!"
CALLER = "203.0.113.7"
"""Whom the proxy in front says it speaks for (RFC 5737)."""
PROXY = "127.0.0.1/32"
EVENT = "push"
EVENT_TYPE = f"github.{EVENT}"


def body_of(number: int) -> bytes:
    """Return the JSON of a push, exactly ``BODY_BYTES`` long; another for each number."""
    after = f"{number:040x}"
    push = {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": after,
        "repository": {
            "id": 1296269,
            "full_name": "octocat/Hello-World",
            "private": False,
            "html_url": "https://github.com/octocat/Hello-World",
            "default_branch": "main",
        },
        "pusher": {"name": "octocat"},
        "created": False,
        "forced": False,
        "head_commit": {
            "id": after,
            "timestamp": "2026-11-21T10:00:00Z",
            "added": ["docs/one.md"],
            "removed": [],
            "modified": ["src/one.py", "src/two.py"],
            "message": "",
        },
    }
    missing = BODY_BYTES - len(json.dumps(push, separators=(",", ":")))
    push["head_commit"] |= {"message": "x" * missing}  # type: ignore[operator]
    return json.dumps(push, separators=(",", ":")).encode()


def signature(body: bytes) -> bytes:
    """Return the value of ``X-Hub-Signature-256``."""
    return b"sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex().encode()


class Calls:
    """Makes one request after the other for an address.

    Args:
        host: where to.
        port: where to.
        path: where to.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        before = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "User-Agent: GitHub-Hookshot/0000000\r\nAccept: */*\r\n"
            f"Content-Length: {BODY_BYTES}\r\nContent-Type: application/json\r\n"
            "X-GitHub-Delivery: "
        ).encode()
        self._before = before.replace(b"%", b"%%") + b"%019d-%016x"
        self._after = [_after(body_of(number)) for number in range(BODIES)]
        self._made = 0

    def __call__(self, due_ns: int) -> bytes:
        """Return the next request."""
        made = self._made
        self._made = made + 1
        return self._before % (due_ns, made) + self._after[made % BODIES]


def _after(body: bytes) -> bytes:
    sha1 = hmac.digest(SECRET.encode(), body, "sha1").hex()
    return (
        (
            f"\r\nX-GitHub-Event: {EVENT}\r\nX-GitHub-Hook-ID: 292430182\r\n"
            "X-GitHub-Hook-Installation-Target-ID: 1296269\r\n"
            "X-GitHub-Hook-Installation-Target-Type: repository\r\n"
            f"X-Hub-Signature: sha1={sha1}\r\nX-Hub-Signature-256: "
        ).encode()
        + signature(body)
        + f"\r\nX-Forwarded-For: {CALLER}\r\n\r\n".encode()
        + body
    )
