"""Synchronous calls on simulated time: crashes, full ledgers, busy receivers, callers who leave.

The table of outcomes is tested over HTTP (``tests/api/test_modes.py``).
"""

from __future__ import annotations

import asyncio

import pytest

from doubles.transport import always
from hookferry.domain.webhook import Mode, WebhookState
from hookferry.engine.engine import EngineLimits
from hookferry.engine.intake import Answer, Cause, Publishing
from hookferry.engine.publication import Publication
from hookferry.engine.synchronous import MAX_CALLS_PER_EVENT, QUEUE_FACTOR, Verdict
from hookferry.errors import (
    CallEnded,
    Conflict,
    HookferryError,
    IdempotencyInProgress,
    Overloaded,
    StorageFull,
    SynchronousWebhookFailed,
    Vetoed,
)

from .kit import HANGS, ONCE, Rig

ASK = "contact.create"
TELL = "contact.created"
CONTACTS = ("contact.*",)


def ask(
    rig: Rig, type: str = ASK, *, own_id: str | None = None
) -> tuple[list[Answer], Publishing | None]:
    """Publish without waiting; return where the answer goes, and what can be left."""
    told: list[Answer] = []
    publication = Publication(type=type, data=b"{}", id=own_id)  # type: ignore[arg-type]
    return told, rig.engine.intake.publish(rig.tenant, publication, told.append)


async def test_the_event_is_durable_before_anybody_is_called(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.store.held = asyncio.Event()
    told, _ = ask(rig)
    await rig.passes(10)
    assert (told, rig.times()) == ([], [])
    rig.store.held.set()
    await rig.until(lambda: bool(told))
    assert isinstance(told[0], Verdict)


async def test_the_verdict_is_durable_before_the_publisher_hears_it(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.receivers["crm"] = always(200, delay=1.0)
    told, _ = ask(rig)
    await rig.passes(0.5)
    rig.store.held = asyncio.Event()
    await rig.passes(10)
    assert len(rig.times()) == 1
    assert told == []
    rig.store.held.set()
    await rig.until(lambda: bool(told))
    assert await rig.states() == ["delivered"]


async def test_asynchronous_subscribers_of_what_asks_wait_for_the_verdict(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = always(200, delay=3.0)
    told, _ = ask(rig)
    await rig.passes(2)
    assert rig.times("crm") == []
    await rig.until(lambda: bool(told))
    await rig.quiet()
    assert rig.times("crm")[0] >= 3
    assert await rig.states() == ["delivered", "delivered"]


async def test_asynchronous_subscribers_of_what_tells_do_not_wait(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = always(500, delay=3.0)
    told, _ = ask(rig, TELL)
    await rig.passes(1)
    assert len(rig.times("crm")) == 1
    await rig.until(lambda: bool(told))
    assert isinstance(told[0], SynchronousWebhookFailed)
    assert sorted(await rig.states()) == ["delivered", "failed"]


async def test_a_crash_while_the_caller_waits_fails_what_was_asked_and_sends_nothing(
    rig: Rig,
) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = HANGS
    ask(rig)
    await rig.passes(1)
    rig.crash()
    await rig.boot()
    await rig.passes(1e6)
    assert len(rig.times("gate")) == 1
    assert rig.times("crm") == []
    assert await rig.states() == ["failed", "cancelled"]
    assert {d.last_error for d in await rig.deliveries()} == {"caller_gone"}
    assert await rig.event_states() == ["matched"]


async def test_what_a_crash_failed_can_be_sent_by_hand(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC)
    rig.receivers["gate"] = HANGS
    ask(rig)
    await rig.passes(1)
    rig.crash()
    await rig.boot()
    rig.receivers["gate"] = always()
    delivery = await rig.delivery()
    await rig.engine.actions.resend(delivery.tenant_id, [delivery.id])
    await rig.quiet()
    assert await rig.states() == ["delivered"]
    assert len(set(rig.events_at("gate"))) == 1


@pytest.mark.parametrize("end", ["a crash", "the caller leaves", "cancelled by hand"])
async def test_what_a_resend_is_answered_is_no_answer_to_whoever_repeats_the_publish(
    rig: Rig, end: str
) -> None:
    """Found by simulated worlds: the repeat was told that the event stands, and the subscribers
    that waited for the verdict had been cancelled."""
    gate = await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = HANGS
    _, publishing = ask(rig, own_id="a")
    await rig.passes(1)
    [asked] = [d for d in await rig.deliveries() if d.webhook_id == gate.id]
    if end == "a crash":
        rig.crash()
        await rig.boot()
    elif end == "the caller leaves":
        assert publishing is not None
        publishing.leave()
    else:
        await rig.engine.actions.cancel(asked.tenant_id, [asked.id])
    await rig.passes(100)
    rig.receivers["gate"] = always()
    await rig.engine.actions.resend(asked.tenant_id, [asked.id])
    await rig.until(lambda: len(rig.times("gate")) == 2)
    await rig.passes(1)
    told, _ = ask(rig, own_id="a")
    await rig.until(lambda: bool(told))
    assert isinstance(told[0], SynchronousWebhookFailed)
    assert rig.times("crm") == []


async def test_a_crash_between_the_answer_and_its_commit_is_a_caller_who_heard_nothing(
    rig: Rig,
) -> None:
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.receivers["crm"] = always(200, delay=1.0)
    told, _ = ask(rig)
    await rig.passes(0.5)
    rig.store.held = asyncio.Event()
    await rig.passes(5)
    rig.crash()
    await rig.boot()
    assert told == []
    assert (await rig.delivery()).last_error == "caller_gone"


async def test_a_full_ledger_tells_the_caller_and_keeps_the_verdict(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = always(200, delay=1.0)
    told, _ = ask(rig)
    await rig.passes(0.5)
    rig.store.refuse = lambda _: StorageFull("full")
    await rig.passes(10)
    assert [type(answer) for answer in told] == [StorageFull]
    assert rig.times("crm") == []
    rig.store.refuse = lambda _: None
    await rig.passes(5)
    assert await rig.states() == ["delivered", "delivered"]
    assert len(told) == 1


async def test_a_busy_receiver_is_called_in_turn_and_no_longer_than_its_timeout(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL, max_in_flight=2, timeout=10.0)
    rig.receivers["crm"] = always(200, delay=4.0)
    told = [ask(rig)[0] for _ in range(8)]
    await rig.until(lambda: all(told))
    assert rig.times() == [pytest.approx(at, abs=0.1) for at in (0, 0, 4, 4, 8, 8)]
    answers = [type(one[0]) for one in told]
    # Of those that began after eight seconds, only two were left to answer: too late as well.
    assert answers == [Verdict] * 4 + [Vetoed] * 4
    assert {d.last_error for d in await rig.deliveries() if d.state.name == "VETOED"} == {
        "timeout",
        "receiver_busy",
    }


async def test_a_receiver_too_many_wait_for_uses_up_no_more_than_its_share(rig: Rig) -> None:
    await rig.boot(EngineLimits(calls=100))
    await rig.webhook("slow", events=("slow.*",), mode=Mode.SYNC, max_in_flight=4, timeout=10.0)
    await rig.webhook("good", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.receivers["slow"] = HANGS
    waiting = [ask(rig, "slow.told")[0] for _ in range(50)]
    await rig.passes(1)
    busy = [answers[0] for answers in waiting if answers]
    assert len(busy) == 50 - 4 - QUEUE_FACTOR * 4
    assert {answer.outcomes[0].detail for answer in busy if isinstance(answer, Verdict)} == {
        "receiver_busy"
    }
    told, _ = ask(rig)
    await rig.passes(1)
    assert isinstance(told[0], Verdict)


async def test_who_waits_for_what_a_source_owns_is_given_up_by_time_alone(rig: Rig) -> None:
    own = {"mode": Mode.SYNC, "owner": 77, "events": (), "max_in_flight": 4, "timeout": 10.0}
    await rig.webhook("own", **own)
    rig.receivers["own"] = always(200, delay=1.0)
    told: list[Answer] = []
    publication = Publication(type="webhook.received", data=b"{}")  # type: ignore[arg-type]
    for _ in range(60):
        rig.engine.intake.publish(rig.tenant, publication, told.append, cause=Cause(timer=77))
    await rig.passes(0.9)
    assert told == []
    await rig.until(lambda: len(told) == 60)
    details = [verdict.outcomes[0].detail for verdict in told if isinstance(verdict, Verdict)]
    assert details.count(None) == pytest.approx(40, abs=4)
    assert set(details) == {None, "timeout", "receiver_busy"}


async def test_publishers_who_wait_are_bounded(rig: Rig) -> None:
    await rig.boot(EngineLimits(calls=3))
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC)
    rig.receivers["crm"] = always(200, delay=2.0)
    told = [ask(rig)[0] for _ in range(3)]
    await rig.passes(1)
    late, _ = ask(rig)
    await rig.passes(0.1)
    assert [type(answer) for answer in late] == [Overloaded]
    await rig.until(lambda: all(told))
    assert len(rig.disk.events) == 3
    again, _ = ask(rig)
    await rig.until(lambda: bool(again))
    assert isinstance(again[0], Verdict)


async def test_too_many_synchronous_webhooks_for_one_event_are_refused(rig: Rig) -> None:
    for number in range(MAX_CALLS_PER_EVENT + 1):
        await rig.webhook(f"h{number}", events=CONTACTS, mode=Mode.SYNC)
    told, _ = ask(rig)
    await rig.until(lambda: bool(told))
    assert isinstance(told[0], Conflict)
    assert rig.disk.events == {}


async def test_a_repeat_waits_five_seconds_for_the_first_answer(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL, timeout=12.0)
    rig.receivers["crm"] = always(200, delay=8.0)
    first, _ = ask(rig, own_id="a")
    await rig.passes(1)
    early, _ = ask(rig, own_id="a")
    await rig.passes(3)
    late, _ = ask(rig, own_id="a")
    await rig.until(lambda: bool(early))
    assert rig.loop.time() == pytest.approx(6.0, abs=0.2)
    assert isinstance(early[0], IdempotencyInProgress)
    await rig.until(lambda: bool(late))
    [told], [repeated] = first, late
    assert isinstance(told, Verdict)
    assert isinstance(repeated, Verdict)
    assert (told.duplicate, repeated.duplicate) == (False, True)
    assert told.outcomes == repeated.outcomes
    assert len(rig.times()) == 1


async def test_a_caller_who_leaves_before_the_commit_calls_nobody(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.store.held = asyncio.Event()
    _, publishing = ask(rig)
    await rig.passes(0.1)
    assert publishing is not None
    publishing.leave()
    rig.store.held.set()
    await rig.passes(100)
    assert rig.sent == {}
    assert await rig.states() == ["failed", "cancelled"]


async def test_a_caller_who_leaves_what_only_tells_leaves_the_others_their_delivery(
    rig: Rig,
) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = HANGS
    _, publishing = ask(rig, TELL)
    await rig.passes(1)
    assert publishing is not None
    publishing.leave()
    await rig.quiet()
    assert await rig.states() == ["failed", "delivered"]


async def test_leaving_an_ordinary_publish_changes_nothing(rig: Rig) -> None:
    await rig.webhook(events=CONTACTS)
    _, publishing = ask(rig)
    assert publishing is not None
    publishing.leave()
    await rig.passes(5)
    assert await rig.states() == ["delivered"]


async def test_refusals_never_disable_a_webhook_and_silence_does(rig: Rig) -> None:
    webhook = await rig.webhook(
        events=CONTACTS, mode=Mode.SYNC_CRITICAL, profile="superoffice", timeout=1.0
    )
    rig.receivers["crm"] = always(403)
    for _ in range(10):
        ask(rig)
        await rig.passes(2)
    assert rig.state(webhook) is WebhookState.ACTIVE
    assert rig.health(webhook).total_errors == 10
    rig.receivers["crm"] = HANGS
    for _ in range(7):
        assert rig.state(webhook) is WebhookState.ACTIVE
        ask(rig)
        await rig.passes(2)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS


async def test_a_receiver_that_is_gone_disables_at_once(rig: Rig) -> None:
    webhook = await rig.webhook(events=CONTACTS, mode=Mode.SYNC)
    rig.receivers["crm"] = always(410)
    ask(rig)
    await rig.passes(2)
    assert rig.state(webhook) is WebhookState.TOO_MANY_ERRORS


async def test_a_webhook_that_can_not_be_used_can_not_agree(rig: Rig) -> None:
    def broken(sealed: bytes, *, row: int, field: str) -> bytes:
        raise HookferryError("another master key")

    await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.opens = broken
    told, _ = ask(rig)
    await rig.until(lambda: bool(told))
    assert isinstance(told[0], Vetoed)


async def test_draining_waits_for_callers_to_be_told(rig: Rig) -> None:
    await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS, retry=ONCE)
    rig.receivers["gate"] = always(200, delay=3.0)
    told, _ = ask(rig)
    await rig.passes(1)
    await rig.engine.drain()
    assert isinstance(told[0], Verdict)
    assert (await rig.states())[0] == "delivered"


async def test_a_synchronous_call_is_logged_like_any_other(rig: Rig) -> None:
    webhook = await rig.webhook(events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    rig.receivers["crm"] = always(403)
    told, _ = ask(rig)
    await rig.until(lambda: bool(told))
    delivery = await rig.delivery()
    [attempt] = await rig.attempts(delivery)
    assert (attempt.number, attempt.status, attempt.success) == (1, 403, False)
    assert attempt.webhook_version == webhook.version
    assert b"webhook-signature" in attempt.request_head
    assert (delivery.attempts, delivery.last_status, delivery.last_error) == (1, 403, "status_403")
    assert await rig.event_states() == ["vetoed"]


@pytest.mark.parametrize("ended", ["cancelled by hand", "webhook deleted"])
async def test_a_call_that_is_ended_from_outside_leaves_nothing_held(rig: Rig, ended: str) -> None:
    """Found by a simulated world: what waited for its verdict was held for ever."""
    gate = await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC_CRITICAL)
    await rig.webhook("crm", events=CONTACTS)
    rig.receivers["gate"] = always(200, delay=5.0)
    told, _ = ask(rig, own_id="mine")
    await rig.passes(1)
    if ended == "webhook deleted":
        await rig.change(gate, deleted=True)
    else:
        [waiting] = await rig.deliveries(webhook_id=gate.id)
        await rig.engine.actions.cancel(waiting.tenant_id, [waiting.id])
    await rig.passes(20)
    assert [type(answer) for answer in told] == [CallEnded]
    assert rig.sent.get("crm") is None
    assert await rig.states() == ["cancelled", "cancelled"]
    again, _ = ask(rig, own_id="mine")
    await rig.passes(1)
    assert [type(answer) for answer in again] == [SynchronousWebhookFailed]


async def test_a_paused_webhook_that_may_not_veto_holds_nothing_back(rig: Rig) -> None:
    gate = await rig.webhook("gate", events=CONTACTS, mode=Mode.SYNC)
    await rig.webhook("crm", events=CONTACTS)
    await rig.change(gate, state=WebhookState.PAUSED)
    told, _ = ask(rig)
    await rig.passes(5)
    assert isinstance(told[0], Verdict)
    assert await rig.states() == ["failed", "delivered"]
