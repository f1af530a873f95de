"""What the log shows of a request, and when it says that it does not know."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.delivery import HELD, WAITED_FOR, Attempt, Delivery, DeliveryState
from hookferry.domain.webhook import AUTOMATION, Webhook
from hookferry.engine import log_view
from hookferry.engine.log_view import SentRequests, header_of, waiting_for

from .kit import TENANT, Rig, answers

replace = msgspec.structs.replace


@pytest.fixture
def requests(rig: Rig) -> SentRequests:
    return SentRequests(rig.store, rig.engine.directory, rig.engine.planner)


async def sent(rig: Rig) -> tuple[Webhook, Delivery, list[Attempt]]:
    """Have one event delivered at the third try."""
    webhook = await rig.webhook()
    rig.receivers["crm"] = answers(500, 500, 200)
    await rig.publish()
    await rig.quiet()
    delivery = await rig.delivery()
    return webhook, delivery, await rig.attempts(delivery)


async def test_all_attempts_of_a_version_show_the_body_that_was_sent(
    rig: Rig, requests: SentRequests
) -> None:
    _, delivery, tries = await sent(rig)
    shown = await requests.of(delivery, tries)
    assert [shown[a.id].body for a in tries] == [s.body for s in rig.sent["crm"]]
    signatures = [request.signature for request in shown.values()]
    assert [s and s.value for s in signatures] == [
        s.header("webhook-signature") for s in rig.sent["crm"]
    ]


async def test_each_version_is_read_once(rig: Rig, requests: SentRequests) -> None:
    webhook, delivery, tries = await sent(rig)
    await rig.change(webhook, title="new")
    reads: list[int] = []
    read = rig.store.webhook_at

    async def counted(tenant_id: int, webhook_id: int, version: int) -> Webhook | None:
        reads.append(version)
        return await read(tenant_id, webhook_id, version)

    rig.store.webhook_at = counted  # type: ignore[method-assign]
    shown = await requests.of(delivery, tries)
    assert len({request.body for request in shown.values()}) == 1
    assert reads == [1]


async def test_no_more_of_a_body_is_kept_than_is_asked_for(
    rig: Rig, requests: SentRequests
) -> None:
    _, delivery, [first, *_] = await sent(rig)
    body = rig.sent["crm"][0].body
    for most, truncated in ((10, True), (len(body) - 1, True), (len(body), False), (None, False)):
        shown = (await requests.of(delivery, [first], most=most))[first.id]
        assert (shown.body, shown.truncated) == (body[:most], truncated)


async def test_nothing_is_read_for_no_attempts(rig: Rig, requests: SentRequests) -> None:
    _, delivery, _ = await sent(rig)
    rig.store.crash()
    assert await requests.of(delivery, []) == {}


async def test_an_event_that_is_gone_is_said_to_be_gone(rig: Rig, requests: SentRequests) -> None:
    _, delivery, [first, *_] = await sent(rig)
    shown = await requests.of(replace(delivery, event_id=1), [first])
    assert shown[first.id].missing == log_view.EVENT_FORGOTTEN


async def test_a_request_that_was_never_made_is_said_not_to_have_been(
    rig: Rig, requests: SentRequests
) -> None:
    _, delivery, [first, *_] = await sent(rig)
    shown = await requests.of(delivery, [replace(first, request_head=b"")])
    assert shown[first.id] == log_view.SentRequest(missing=log_view.NOT_MADE)


async def test_a_run_shows_the_data_that_its_script_was_given(
    rig: Rig, requests: SentRequests
) -> None:
    webhook, delivery, [first, *_] = await sent(rig)
    replaced = await rig.change(webhook, type=AUTOMATION)
    run = replace(first, request_head=b"RUN /it HTTP/1.1\r\n\r\n", webhook_version=replaced.version)
    shown = (await requests.of(delivery, [run], most=1))[first.id]
    assert shown == log_view.SentRequest(body=b"{", truncated=True, content_type="application/json")


async def test_a_profile_that_is_gone_is_named(rig: Rig, requests: SentRequests) -> None:
    webhook, delivery, [first, *_] = await sent(rig)
    await rig.change(webhook, title="new")
    replaced_at, kept = rig.disk.versions[webhook.id, 1]
    rig.disk.versions[webhook.id, 1] = replaced_at, replace(kept, profile="nosuch")
    missing = (await requests.of(delivery, [first]))[first.id].missing
    assert missing is not None
    assert missing.startswith(log_view.FAILED)
    assert "'nosuch'" in missing


def test_a_header_is_found_whatever_its_case_and_never_in_the_request_line() -> None:
    head = b"POST /a: HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  7 \r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    assert header_of(head, "content-length") == "7"
    assert header_of(head, "X-A") == "1"
    assert header_of(head, "POST /a") is None
    assert header_of(head, "length") is None
    assert header_of(b"", "X-A") is None


@pytest.mark.parametrize("state", list(DeliveryState))
def test_only_what_owes_waits_for_something(state: DeliveryState) -> None:
    owes = state in (DeliveryState.PENDING, DeliveryState.RETRYING)
    for due, what in ((WAITED_FOR, "answer"), (HELD, "verdict"), (1_800_000_000_000, None)):
        delivery = Delivery(1, 2, 3, TENANT, state, due)
        assert waiting_for(delivery) == (what if owes else None)
