"""The clients, the test receiver and ``verify`` against a real server, over real sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks

from hookferry.app import App
from hookferry.client import ApiError, AsyncClient, Client, NewEvent, Published
from hookferry.settings import Settings
from hookferry.testing import Receiver

KEY = "hf_a_key_for_tests_0123456789abcdef"


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """Where a server listens that may call this machine."""
    settings = Settings(
        data=tmp_path,
        port=0,
        api_key=KEY,
        allow_http=True,
        allow_targets=(ip_network("127.0.0.0/8"),),
    )
    app = App(settings)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(app.serve(lambda a: listening.set_result(a.url)))
    await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving  # raises why it did not start
    yield listening.result()
    app.stop()
    await serving


class Either:
    """A client of either kind, used the same way."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client: Any = client

    async def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method by its dotted name."""
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(method, *args, **kwargs)
        result = method(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def items(self, name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method that lists, and fetch everything."""
        listing = await self.call(name, *args, **kwargs)
        if isinstance(self.client, Client):
            return await asyncio.to_thread(list, listing)
        return [item async for item in listing]


@pytest.fixture(params=[Client, AsyncClient])
async def api(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Either]:
    either = Either(request.param(url, api_key=KEY))
    yield either
    if isinstance(either.client, Client):
        either.client.close()
    else:
        await either.client.aclose()


async def test_an_event_goes_from_publish_to_a_verified_delivery_and_can_be_followed(
    api: Either,
) -> None:
    async with Receiver() as receiver:
        webhook = await api.call("webhooks.create", "shop", receiver.url, ["order.*"])
        receiver.secret = webhook.secret
        published = await api.call("publish", "order.paid", b'{"a": 1.0}', id="mine")
        again = await api.call("publish", "order.paid", b'{"a": 1.0}', id="mine")
        assert (published.deliveries, published.duplicate) == (1, False)
        assert (again.id, again.duplicate) == (published.id, True)
        [request] = await receiver.wait_for_async(1)
        assert request.problem is None
        assert request.verified is not None
        assert request.verified.id == published.id
        assert request.body.endswith(b'"data":{"a": 1.0}}')

        event = await api.call("events.get", published.id)
        assert (event.type, event.data, event.external_id) == ("order.paid", {"a": 1.0}, "mine")
        assert await api.call("events.data", published.id) == b'{"a": 1.0}'
        assert [e.id for e in await api.items("events.list", type="order.paid")] == [event.id]
        [delivery] = await api.items("events.deliveries", event.id)
        assert (delivery.event, delivery.webhook) == (event.id, webhook.id)

        replayed = await api.call("events.replay", event.id)
        assert [d.event for d in replayed.items] == [event.id]
        await receiver.wait_for_async(2)
        assert len(await api.items("deliveries.list", webhook=webhook.id, limit=1)) == 2
        assert receiver.total == 2


async def test_a_failed_delivery_is_seen_and_resent(api: Either) -> None:
    async with Receiver() as receiver:
        webhook = await api.call(
            "webhooks.create", "flaky", receiver.url, ["*"], retry={"schedule": [], "jitter": 0}
        )
        receiver.fail_next(1, status=418)
        await api.call("publish", "a", 1)
        await receiver.wait_for_async(1)
        # The receiver has answered, and the server settles that a moment later: ask until it has.
        failed: list[Any] = []
        async with asyncio.timeout(10):
            while not failed:
                failed = await api.items("deliveries.list", state="failed", status_code=418)
        [delivery] = failed
        [attempt] = await api.items("deliveries.attempts", delivery.id)
        assert (attempt.number, attempt.success, attempt.status) == (1, False, 418)
        assert (await api.call("webhooks.last_error", webhook.id)).error is not None
        assert (await api.call("webhooks.stats", webhook.id)).total_errors == 1
        await api.call("deliveries.resend", delivery.id)
        await receiver.wait_for_async(2)
        job = await api.call("deliveries.resend_where", state="failed")
        assert (await api.call("jobs.get", job.id)).kind == job.kind


async def test_a_webhook_goes_through_its_life(api: Either) -> None:
    async with Receiver() as receiver:
        webhook = await api.call("webhooks.create", "life", receiver.url, ["a"], profile="raw")
        assert (await api.call("webhooks.test", webhook.id)).status == 204
        for step, state in [
            ("pause", "paused"),
            ("resume", "active"),
            ("stop", "stopped"),
            ("restart", "active"),
        ]:
            assert (await api.call(f"webhooks.{step}", webhook.id)).state == state
        since = datetime.now(UTC) - timedelta(hours=1)
        assert (await api.call("webhooks.recover", webhook.id, since)).id.startswith("job_")
        rotated = await api.call("webhooks.rotate_secret", webhook.id)
        assert rotated.secret != webhook.secret
        assert (await api.call("webhooks.secret", webhook.id)).secret == rotated.secret
        seen = await api.call("webhooks.get", webhook.id)
        changed = await api.call("webhooks.patch", webhook.id, {"title": "T"}, version=seen.version)
        assert changed.title == "T"
        with pytest.raises(ApiError) as refused:
            await api.call("webhooks.delete", webhook.id, version=seen.version)
        assert (refused.value.status, refused.value.code) == (412, "version_mismatch")
        assert [w.id for w in await api.items("webhooks.list")] == [webhook.id]
        await api.call("webhooks.delete", webhook.id)
        with pytest.raises(ApiError) as missing:
            await api.call("webhooks.get", webhook.id)
        assert missing.value.code == "not_found"


async def test_an_administrator_makes_tenants_and_keys(api: Either, url: str) -> None:
    tenant = await api.call("tenants.put", "acme", strict_types=False)
    assert tenant == await api.call("tenants.get", "acme")
    assert "acme" in [t.name for t in await api.items("tenants.list")]
    key = await api.call("keys.create", "ci", tenant="acme")
    assert (await api.call("keys.get", key.id)).tenant == "acme"
    async with AsyncClient(url, api_key=key.key) as bound:
        assert (await bound.publish("a", 1)).deliveries == 0
        with pytest.raises(ApiError) as refused:
            await bound.keys.list().page()
        assert refused.value.status == 403
    assert key.id in [k.id for k in await api.items("keys.list")]
    await api.call("keys.delete", key.id)


async def test_a_refusal_names_the_field(api: Either) -> None:
    with pytest.raises(ApiError) as refused:
        await api.call("webhooks.create", "has a space", "http://127.0.0.1:9/", ["*"])
    assert (refused.value.status, refused.value.field) == (422, "name")


async def test_all_real_payloads_arrive_verbatim_and_verify_with_the_libraries_of_others(
    url: str, real_payloads: list[tuple[str, bytes]]
) -> None:
    async with (
        Receiver() as raw,
        Receiver() as standard,
        AsyncClient(url, api_key=KEY) as client,
    ):
        first = await client.webhooks.create("raw", raw.url, ["github.*"], profile="raw")
        second = await client.webhooks.create("standard", standard.url, ["github.*"])
        raw.secret, standard.secret = first.secret, second.secret
        results = await client.publish_batch(
            NewEvent(type=event_type, data=data) for event_type, data in real_payloads
        )
        by_id = {}
        for result, (_, data) in zip(results, real_payloads, strict=True):
            assert isinstance(result, Published)
            assert result.deliveries == 2
            by_id[result.id] = data
        for receiver, webhook in ((raw, first), (standard, second)):
            requests = await receiver.wait_for_async(len(by_id), timeout=30)
            assert receiver.total == len(by_id)
            assert {r.verified.id for r in requests if r.verified} == set(by_id)
            theirs = [
                standardwebhooks.Webhook(str(webhook.secret)),
                svix.webhooks.Webhook(str(webhook.secret)),
            ]
            for request in requests:
                for library in theirs:
                    library.verify(request.body, dict(request.headers))
                data = by_id[str(request.header("webhook-id"))]
                if receiver is raw:
                    assert request.body == data
                else:
                    assert request.body.endswith(b'"data":' + data + b"}")
                    assert request.json()["data"] == json.loads(data)
