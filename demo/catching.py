"""What a source catches in the scene: a push as GitHub sends it, its repeat, a forgery, a replay.

Each step returns what was observed: what the caller was answered, what the inspector shows, and
what the receiver behind the source got.
"""

from __future__ import annotations

import hmac
import urllib.error
import urllib.request

from demo.checks import expect
from hookferry.client import CaughtSummary, Client
from hookferry.testing import Receiver
from hookferry.testing.records import Received

SECRET = "as typed into GitHub's form"
BODY = b'{"ref":"refs/heads/main",  "forced":false, "pusher":{"name":"octocat \\u00e9t\xc3\xa9"}}'
FORGED = BODY.replace(b"main", b"evil")
"""Signed as ``BODY`` is: somebody changed it on its way."""
SIGNATURE = "sha256=" + hmac.digest(SECRET.encode(), BODY, "sha256").hex()
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Catching:
    """A source for GitHub's pushes, and the receiver that they are forwarded to.

    Args:
        client: of the server.
        receiver: gets what the source catches, by a ``raw`` webhook.
    """

    def __init__(self, client: Client, receiver: Receiver) -> None:
        self._client = client
        self._receiver = receiver

    def caught(self) -> str:
        """A signed request: verified, answered, forwarded byte for byte."""
        source = self._client.sources.create(
            "github", verify={"preset": "github", "secret": SECRET}
        )
        self._url, self._source = source.url, source.id
        webhook = self._client.webhooks.create(
            "builds",
            self._receiver.url,
            ["github.push"],
            profile="raw",
            forward_headers=["X-Hub-Signature-256"],
        )
        self._receiver.secret = webhook.secret
        self._send(DELIVERY, BODY, 204)
        [request] = self._receiver.wait_for(1)
        self._same(request)
        [self._first] = self._inspected("accepted")
        return f"answered 204; forwarded, the same {len(BODY)} bytes under GitHub's own signature"

    def repeated(self) -> str:
        """The same delivery once more: answered alike, seen as a repeat, forwarded to nobody."""
        self._send(DELIVERY, BODY, 204)
        [repeat] = self._inspected("duplicate")
        expect(repeat.duplicate_of == self._first.id, f"a repeat of {repeat.duplicate_of}")
        # What is forwarded next shows that nothing was on its way before it.
        self._send("another", BODY, 204)
        self._receiver.wait_for(2)
        marker = self._inspected("accepted")[0]
        expect(marker.key != self._first.key, "no other delivery came")
        self._events = {self._first.event, marker.event}
        self._expect_only(2)
        return f"answered 204 again; kept as a duplicate of {self._first.id}; nothing forwarded"

    def forged(self) -> str:
        """A changed body under an old signature: refused, and kept where an operator sees it."""
        self._send("forged", FORGED, 401)
        [forged] = self._inspected("quarantined")
        expect(self._client.requests.raw(forged.id) == FORGED, "other bytes are in quarantine")
        expect(forged.event is None, f"it became event {forged.event}")
        return f"answered 401, no reason given; in quarantine as {forged.reason}"

    def replayed(self) -> str:
        """The good one, from the inspector through the source again: forwarded like the first."""
        replayed = self._client.requests.replay(self._first.id)
        expect(replayed.verdict == "accepted", f"the replay is {replayed.verdict}")
        expect(replayed.event not in self._events, "it is no event of its own")
        self._events.add(replayed.event)
        request = self._receiver.wait_for(3)[-1]
        expect(request.header("webhook-id") == replayed.event, "another event came")
        self._same(request)
        self._expect_only(3)
        return f"{self._first.id} through the source again: the same bytes, as a new event"

    def _send(self, delivery: str, body: bytes, status: int) -> None:
        """Call the source as GitHub does, with the signature of ``BODY``."""
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": SIGNATURE,
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with _NO_PROXY.open(request, timeout=10) as answer:
                seen, said = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                seen, said = refusal.code, refusal.read()
        expect(seen == status and not said, f"answered {seen} {said!r} instead of {status}")

    def _inspected(self, verdict: str) -> list[CaughtSummary]:
        """Return what the inspector lists with a verdict, newest first."""
        return list(self._client.requests.list(source=self._source, verdict=verdict))

    def _same(self, request: Received) -> None:
        """Expect what was sent, under hookferry's signature and under GitHub's."""
        expect(request.verified is not None, f"signature refused: {request.problem}")
        expect(request.body == BODY, f"other bytes: {request.body!r}")
        expect(request.header("X-Hub-Signature-256") == SIGNATURE, "not GitHub's signature")

    def _expect_only(self, count: int) -> None:
        """Expect that the receiver got so many requests, each of another event of ours."""
        ids = [request.header("webhook-id") for request in self._receiver.requests]
        expect(len(ids) == count and set(ids) == self._events, f"it was sent {ids}")
