"""The scene of ``make demo``: a real server, real receivers, and what each of them observed.

Every line of the table is checked against what a receiver saw; a line that does not hold makes
the scene fail. ``--once`` ends after the scene, otherwise the server stays up.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo import profiles
from demo.automating import Automating
from demo.catching import Catching
from demo.checks import Failed, expect
from demo.server import Server
from hookferry.client import ApiError, Client, Delivery, Published, Retry, Unreachable, Vetoed
from hookferry.testing import Receiver

SLOW_SECONDS = 1.5
BACKLOG = 20
CHARACTERS = ("flaky", "slow", "stranger", "stock", "builds")
NAME_WIDTH = 31

console = Console(highlight=False)


def line(mark: Text, name: str, took: str, seen: str) -> None:
    """Print one line of the table, as soon as it is known."""
    row = Table.grid(padding=(0, 1))
    row.add_column(width=6)
    row.add_column(width=NAME_WIDTH)
    row.add_column(width=7, justify="right", style="dim")
    row.add_column(overflow="fold")
    row.add_row(mark, name, took, seen)
    console.print(row)


class Scene:
    """The play, step by step. Each step returns what was observed."""

    def __init__(self, server: Server, receivers: dict[str, Receiver]) -> None:
        self.server = server
        self.at = receivers
        self.failures = 0

    def play(self, name: str, step: Callable[[], str]) -> None:
        """Run one step and print its line; a failure ends the scene, for later steps lean on it."""
        if self.failures:
            return
        started = time.monotonic()
        try:
            seen, mark = step(), Text("ok", "green")
        except (Failed, TimeoutError, LookupError, ValueError, ApiError, Unreachable) as error:
            seen, mark = str(error) or type(error).__name__, Text("FAILED", "bold red")
            self.failures += 1
        line(mark, name, f"{time.monotonic() - started:.2f} s", seen)

    def run(self) -> int:
        """Play all of it; return how many steps failed."""
        line(Text(""), "step", "took", "observed by the receivers")
        with Client(self.server.url, api_key=self.server.api_key) as self.client:
            self.play("subscribe ten receivers", self.subscribe)
            self.play("publish one event", self.publish)
            self.play("standard: verified", self.verified)
            self.play("raw: the bytes as published", self.raw)
            for check in (
                profiles.cloudevents,
                profiles.superoffice,
                profiles.happyfox,
                profiles.hornbill,
            ):
                self.play(f"{check.__name__}: verified", partial(self.of_profile, check))
            self.play("flaky: fails twice, retried", self.flaky)
            self.play("slow: holds nobody up", self.slow)
            self.play("before an order: vetoed", self.vetoed)
            self.play("before an order: agreed", self.agreed)
            self.play("stranger: wrong secret notices", self.stranger)
            self.play("published twice, delivered once", self.idempotent)
            self.play("paused waits, resumed flows", self.paused)
            self.play("delivered by hand once more", self.resend)
            self.play("a metadata address is refused", self.refused)
            catching = Catching(self.client, self.at["builds"])
            self.play("a push of GitHub's: caught", catching.caught)
            self.play("the same again: a duplicate", catching.repeated)
            self.play("forged: quarantined", catching.forged)
            self.play("replayed from the inspector", catching.replayed)
            automating = Automating(self.client)
            self.play("Cerb's package: imported", automating.imported)
            self.play("its script answers", automating.answered)
            self.play(f"kill -9 with {BACKLOG} events owed", self.killed)
        return self.failures

    # ------------------------------------------------------------------ the steps

    def subscribe(self) -> str:
        create = self.client.webhooks.create
        quick = Retry(schedule=[0.5, 0.5], jitter=0.0)
        made = profiles.subscribe(self.client, self.at, ["order.paid"])
        other = {
            "flaky": create("flaky", self.at["flaky"].url, ["order.*"], retry=quick),
            "slow": create("slow", self.at["slow"].url, ["order.paid"]),
            "stranger": create("stranger", self.at["stranger"].url, ["order.paid"]),
            "stock": create(
                "stock", self.at["stock"].url, ["order.create"], mode="sync_critical", timeout=5
            ),
        }
        for name, webhook in other.items():
            if name != "stranger":
                self.at[name].secret = webhook.secret
        self.webhooks = {name: webhook.id for name, webhook in {**made, **other}.items()}
        return f"{len(made)} profiles, {len(other)} characters"

    def publish(self) -> str:
        self.body = b'{"order":17,  "total": 99.50, "note":"\\u00e9t\xc3\xa9"}'
        self.at["flaky"].fail_next(2)
        self.at["slow"].answer(204, delay=SLOW_SECONDS)
        self.published_at = time.time()
        self.event = self.client.publish("order.paid", self.body, id="order-17-paid")
        owed = len(self.webhooks) - 1
        expect(self.event.deliveries == owed, f"{self.event.deliveries} deliveries, not {owed}")
        return f"{self.event.id} accepted, {owed} deliveries owed"

    def verified(self) -> str:
        [request] = self.at["standard"].wait_for(1)
        expect(request.verified is not None, f"signature refused: {request.problem}")
        expect(request.header("webhook-id") == self.event.id, "another webhook-id")
        expect(self.body in request.body, f"other data: {request.body!r}")
        took = (request.received_at - self.published_at) * 1000
        return f"verified with hookferry.verify {took:.0f} ms after the publish"

    def raw(self) -> str:
        [request] = self.at["raw"].wait_for(1)
        expect(request.verified is not None, f"signature refused: {request.problem}")
        expect(request.body == self.body, f"other bytes: {request.body!r}")
        return f"the same {len(self.body)} bytes, spaces and escapes included"

    def of_profile(self, check: Callable[[Receiver, Published], str]) -> str:
        return check(self.at[check.__name__], self.event)

    def vetoed(self) -> str:
        words = "Only 2 left, and this order takes 3"
        self.at["stock"].answer_next(1, 403, {"Content-Type": "text/plain"}, words.encode())
        try:
            self.client.publish("order.create", {"order": 20, "pieces": 3})
        except Vetoed as veto:
            expect(veto.detail == words, f"other words: {veto.detail!r}")
            states = self.client.events.get(veto.id).deliveries
            expect(states == {"vetoed": 1, "cancelled": 2}, f"deliveries are {states}")
            self.refused_order = veto.id
            return f"424 vetoed: {veto.detail!r}"
        raise Failed("the publish went through")

    def agreed(self) -> str:
        event = self.client.publish("order.create", {"order": 21, "pieces": 1})
        [outcome] = event.outcomes
        expect(outcome.outcome == "delivered", f"the outcome is {outcome}")
        for name in ("standard", "flaky"):
            receiver = self.at[name]
            receiver.wait_for(1, where=lambda r: r.header("webhook-id") == event.id)
            seen = [r for r in receiver.requests if r.header("webhook-id") == self.refused_order]
            expect(not seen, f"{name} was sent the vetoed order as well")
        return f"asked first ({outcome.status}), then the others; none saw the vetoed one"

    def flaky(self) -> str:
        requests = self.at["flaky"].wait_for(3)
        expect(len(requests) == 3, f"{len(requests)} requests instead of 3")
        ids = {r.header("webhook-id") for r in requests}
        bodies = {r.body for r in requests}
        expect(ids == {self.event.id} and len(bodies) == 1, "an attempt had another id or body")
        expect(all(r.verified for r in requests), "an attempt's signature was refused")
        waits = [b.received_at - a.received_at for a, b in itertools.pairwise(requests)]
        return "answered 500, 500, 204; same id and body after " + " and ".join(
            f"{wait:.1f} s" for wait in waits
        )

    def slow(self) -> str:
        [request] = self.at["slow"].wait_for(1)
        answered = request.received_at + SLOW_SECONDS
        others = [self.at[n].requests[0].received_at for n in ("standard", "raw")]
        expect(max(others) < answered, "the others waited for the slow one")
        delivery = self._delivery("slow", "delivered", SLOW_SECONDS + 5)
        return f"took {SLOW_SECONDS} s to answer {delivery.last_status}; the others had it long ago"

    def stranger(self) -> str:
        receiver = self.at["stranger"]
        # A secret that is not the webhook's: its receiver must refuse what it is sent.
        receiver.secret = "whsec_" + "A" * 42 + "A="
        self.client.publish("order.paid", {"order": 18})
        refused = receiver.wait_for(1, where=lambda r: r.problem is not None)
        self.client.webhooks.stop(self.webhooks["stranger"])
        assert refused[0].problem is not None
        return f"its receiver refused it with 401: {refused[0].problem.reason}"

    def idempotent(self) -> str:
        before = self.at["raw"].total
        again = self.client.publish("order.paid", self.body, id="order-17-paid")
        expect(again.duplicate and again.id == self.event.id, f"not seen as a repeat: {again}")
        marker = self.client.publish("order.paid", {"marker": True})
        self.at["raw"].wait_for(1, where=lambda r: r.header("webhook-id") == marker.id)
        seen = self.at["raw"].total - before
        expect(seen == 1, f"{seen} requests instead of the marker alone")
        return "answered as a duplicate, first id; no second request"

    def paused(self) -> str:
        self.client.webhooks.pause(self.webhooks["raw"])
        event = self.client.publish("order.paid", {"order": 19})
        standard = self.at["standard"]
        standard.wait_for(1, where=lambda r: r.header("webhook-id") == event.id)
        mine = [r for r in self.at["raw"].requests if r.header("webhook-id") == event.id]
        expect(not mine, "it was sent while paused")
        self.client.webhooks.resume(self.webhooks["raw"])
        self.at["raw"].wait_for(1, where=lambda r: r.header("webhook-id") == event.id)
        return "nothing came while paused, the event came after resume"

    def resend(self) -> str:
        delivery = self._delivery("standard", "delivered", 5)
        self.client.deliveries.resend(delivery.id)
        requests = self.at["standard"].wait_for(
            2, where=lambda r: r.header("webhook-id") == self.event.id
        )
        expect(requests[0].body == requests[1].body, "the resend had another body")
        attempts = list(self.client.deliveries.attempts(delivery.id))
        return f"same id and body again; {len(attempts)} attempts in the log"

    def refused(self) -> str:
        try:
            self.client.webhooks.create("metadata", "http://169.254.169.254/latest", ["order.*"])
        except ApiError as error:
            expect(error.code == "target_refused", str(error))
            return f"{error.status} {error.code}: nothing stored, nothing called"
        raise Failed("it was accepted")

    def killed(self) -> str:
        self.client.webhooks.pause(self.webhooks["flaky"])
        events = {self.client.publish("order.shipped", {"n": n}).id for n in range(BACKLOG)}
        self.client.webhooks.resume(self.webhooks["flaky"])
        self.server.kill()
        self.server.start()
        flaky = self.at["flaky"]
        seen: list[str | None] = []
        while set(seen) != events:  # what came twice must not stand for what is still to come
            came = flaky.wait_for(
                len(seen) + 1, 20, where=lambda r: r.header("webhook-id") in events
            )
            seen = [request.header("webhook-id") for request in came]
        return f"restarted; the receiver got all {BACKLOG}, {len(seen) - BACKLOG} of them twice"

    def _delivery(self, name: str, state: str, timeout: float) -> Delivery:
        end = time.monotonic() + timeout
        while True:
            for delivery in self.client.events.deliveries(self.event.id):
                if delivery.webhook == self.webhooks[name] and delivery.state == state:
                    return delivery
            if time.monotonic() > end:
                raise Failed(f"the delivery to {name} is not {state} after {timeout:.0f} s")
            time.sleep(0.05)


def main() -> int:
    """Play the scene; return the process's exit code."""
    once = "--once" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="hookferry-demo-") as folder:
        server = Server(Path(folder) / "data")
        receivers = {name: Receiver().start() for name in CHARACTERS} | {
            name: Receiver(scheme=scheme, secret=secret).start()
            for name, (scheme, secret) in profiles.RECEIVERS.items()
        }
        console.print(Text("hookferry: a scene with real receivers\n", "bold"))
        try:
            server.start()
            failures = Scene(server, receivers).run()
            console.print()
            if failures:
                console.print(Text(f"{failures} steps failed", "bold red"))
                console.print((Path(folder) / "hookferry.log").read_text(), style="dim")
            else:
                console.print(Text("every line was observed by a receiver", "bold green"))
            if not once and not failures:
                console.print(f"\nhookferry stays up at [bold]{server.url}[/]; Ctrl-C ends it")
                console.print(f"API key: {server.api_key}")
                console.print(f"API reference: {server.url}/docs\n")
                server.wait()
        except KeyboardInterrupt:
            console.print("\nending")
            failures = 0
        finally:
            server.stop()
            for receiver in receivers.values():
                receiver.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
