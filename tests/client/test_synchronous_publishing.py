"""Publishing to synchronous webhooks through both clients, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookferry.client import (
    ApiError,
    AsyncClient,
    NewEvent,
    Published,
    SynchronousWebhookFailed,
    Vetoed,
)
from hookferry.testing import Receiver

from .kit import KEY, Either, relaying


async def test_a_publish_returns_what_its_synchronous_webhook_said(api: Either) -> None:
    async with Receiver() as receiver:
        hook = await api.call("webhooks.create", "ask", receiver.url, ["order.pay"], mode="sync")
        published = await api.call("publish", "order.pay", {"n": 1})
        assert isinstance(published, Published)
        [outcome] = published.outcomes
        assert (outcome.webhook, outcome.name, outcome.mode) == (hook.id, "ask", "sync")
        assert (outcome.outcome, outcome.status, outcome.detail) == ("delivered", 204, None)
        assert outcome.duration_ms is not None
        [delivery] = await api.items("events.deliveries", published.id)
        assert (delivery.id, delivery.state) == (outcome.delivery, "delivered")
        assert delivery.webhook_name == "ask"


async def test_an_asynchronous_publish_has_no_outcomes(api: Either) -> None:
    assert (await api.call("publish", "order.paid", 1)).outcomes == ()


async def test_a_veto_is_raised_with_the_receivers_words_and_stays_a_veto(api: Either) -> None:
    async with Receiver() as receiver:
        await api.call("webhooks.create", "ask", receiver.url, ["*.create"], mode="sync_critical")
        refusal = "Die Einheit ist für heute geschlossen"
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        receiver.answer(403, plain, refusal.encode())
        for _ in range(2):
            with pytest.raises(Vetoed) as vetoed:
                await api.call("publish", "order.create", {"n": 1}, id="order-1")
            assert (vetoed.value.status, vetoed.value.detail) == (424, refusal)
            [outcome] = vetoed.value.outcomes
            assert (outcome.outcome, outcome.status) == ("vetoed", 403)
            assert (await api.call("events.get", vetoed.value.id)).state == "vetoed"
        assert receiver.total == 1


async def test_a_failed_after_event_is_raised_and_the_event_stands(api: Either) -> None:
    async with Receiver() as receiver:
        await api.call("webhooks.create", "tell", receiver.url, ["order.paid"], mode="sync")
        receiver.fail_next(1)
        with pytest.raises(SynchronousWebhookFailed) as failed:
            await api.call("publish", "order.paid", {"n": 1})
        assert not isinstance(failed.value, Vetoed)
        assert "'tell' answered 500" in failed.value.detail
        assert (await api.call("events.get", failed.value.id)).state == "matched"
        assert receiver.total == 1  # neither the server nor the client has tried again


async def test_an_answer_that_is_lost_is_told_to_the_repeat_and_nobody_is_asked_twice(
    url: str,
) -> None:
    async with Receiver() as receiver, relaying(url) as relay:
        async with AsyncClient(url, api_key=KEY) as direct:
            await direct.webhooks.create("ask", receiver.url, ["*.create"], mode="sync_critical")
        async with AsyncClient(relay.url, api_key=KEY) as client:
            relay.lose_answers = 1
            published = await client.publish("order.create", {"n": 1})
        assert published.duplicate
        assert [outcome.outcome for outcome in published.outcomes] == ["delivered"]
        assert (receiver.total, relay.connections) == (1, 2)


async def test_a_connection_lost_while_a_receiver_thinks_ends_in_an_error_not_in_a_second_call(
    url: str,
) -> None:
    async with Receiver() as receiver, relaying(url) as relay:
        async with AsyncClient(url, api_key=KEY) as direct:
            await direct.webhooks.create("ask", receiver.url, ["*.create"], mode="sync_critical")
        receiver.hang_next(1)
        async with AsyncClient(relay.url, api_key=KEY) as client:
            publishing = asyncio.create_task(client.publish("order.create", {"n": 1}))
            await receiver.wait_for_async(1)
            relay.cut()
            with pytest.raises(SynchronousWebhookFailed) as failed:
                await publishing
        assert [outcome.outcome for outcome in failed.value.outcomes] == ["caller_gone"]
        assert "the caller left" in failed.value.detail
        receiver.release()
        assert (receiver.total, relay.connections) == (1, 2)


async def test_a_batch_waits_for_nobody_and_refuses_what_would_have_to_ask(api: Either) -> None:
    async with Receiver() as receiver:
        await api.call("webhooks.create", "ask", receiver.url, ["order.*"], mode="sync_critical")
        refused, accepted = await api.call(
            "publish_batch",
            [NewEvent(type="order.create", data=1), NewEvent(type="order.created", data=1)],
        )
        assert isinstance(refused, ApiError)
        assert refused.status == 422
        assert isinstance(accepted, Published)
        assert (accepted.deliveries, accepted.outcomes) == (1, ())
        await receiver.wait_for_async(1)


async def test_why_an_event_matched_or_not_is_told_for_each_webhook(api: Either) -> None:
    wanted: dict[str, Any] = {"path": "data.total", "op": "greater", "value": 100}
    target = "http://127.0.0.1:9/"
    yes = await api.call("webhooks.create", "all", target, ["order.*"])
    no = await api.call("webhooks.create", "large", target, ["order.*"], condition=wanted)
    event = await api.call("publish", "order.paid", {"total": 17})
    found = {match.webhook: match for match in await api.items("events.matches", event.id)}
    assert (found[yes.id].matches, found[yes.id].sends) == (True, True)
    assert found[yes.id].delivery is not None
    assert (found[no.id].matches, found[no.id].delivery) == (False, None)
    [comparison] = found[no.id].condition
    assert (comparison.path, comparison.seen, comparison.holds) == ("data.total", "17", False)
    assert [s.name for s in found[no.id].steps if not s.passed] == ["condition"]
    [only] = await api.items("events.matches", event.id, webhook=no.id)
    assert only.name == "large"


async def test_a_credential_is_made_used_changed_and_deleted(api: Either) -> None:
    async with Receiver(scheme="hornbill", secret="ada:first") as receiver:
        made = await api.call(
            "credentials.create", "desk", "basic", username="ada", password="first"
        )
        assert "first" not in repr(made)
        hook = await api.call(
            "webhooks.create",
            "desk",
            receiver.url,
            ["call.*"],
            profile="hornbill",
            payload_format="xml",
            credential="desk",
        )
        assert (hook.credential, hook.payload_format) == (made.id, "xml")
        event = await api.call("publish", "call.logged", {"n": 1})
        [request] = await receiver.wait_for_async(1)
        assert request.problem is None
        [delivery] = await api.items("events.deliveries", event.id)
        attempts: list[Any] = []
        async with asyncio.timeout(10):
            while not attempts:
                attempts = await api.items("deliveries.attempts", delivery.id)
        [attempt] = attempts
        assert attempt.request_body == request.body.decode()
        sent = await api.call("deliveries.attempt_body", delivery.id, attempt.id)
        assert (sent, attempt.webhook_version) == (request.body, 1)
        assert attempt.signature is None

        changed = await api.call("credentials.patch", made.id, {"password": "second"}, version=1)
        assert changed.version == 2
        with pytest.raises(ApiError) as used:
            await api.call("credentials.delete", made.id)
        assert used.value.status == 409
        await api.call("webhooks.delete", hook.id)
        await api.call("credentials.delete", made.id, version=2)
        assert await api.items("credentials.list") == []


async def test_an_event_type_is_described_enforced_and_its_example_sent(api: Either) -> None:
    async with Receiver() as receiver:
        hook = await api.call("webhooks.create", "shop", receiver.url, ["order.paid"])
        receiver.secret = hook.secret
        schema = {"type": "object", "required": ["total"]}
        put = await api.call(
            "event_types.put", "order.paid", application="shop", schema=schema, example={"total": 1}
        )
        assert put == await api.call("event_types.get", "order.paid")
        assert (put.schema, put.schema_mode) == (schema, "enforce")
        with pytest.raises(ApiError) as refused:
            await api.call("publish", "order.paid", {})
        assert refused.value.status == 422
        sent = await api.call("event_types.send_example", "order.paid")
        [request] = await receiver.wait_for_async(1)
        assert request.verified is not None
        assert (request.verified.id, request.json()["data"]) == (sent.id, {"total": 1})
        [application] = await api.items("event_types.applications")
        assert (application.name, application.event_types) == ("shop", ["order.paid"])
        assert (await api.call("event_types.asyncapi"))["asyncapi"].startswith("3.")
        assert (await api.call("event_types.archive", "order.paid")).archived
        assert [t.name for t in await api.items("event_types.list", application="shop")] == [
            "order.paid"
        ]
