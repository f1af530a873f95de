"""The clients, the test receiver and ``verify`` against a real server, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import standardwebhooks
import svix.webhooks

from hookferry.client import ApiError, AsyncClient, Client, NewEvent, RetryPolicy, Unreachable
from hookferry.testing import Receiver

from .kit import KEY, Either, relaying
from .test_clients import CALLS, LISTS


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


async def test_a_source_goes_through_its_life(api: Either, url: str) -> None:
    verify = {"preset": "github", "secret": "correct horse"}
    source = await api.call("sources.create", "life", verify=verify, respond={"status": 200})
    assert source.url == f"{url}/webhooks/{source.guid}"
    assert source.in_force.deduplicate == {"header": "X-GitHub-Delivery"}
    rotated = await api.call("sources.rotate", source.id, overlap=60)
    assert [former.guid for former in rotated.former_guids] == [source.guid]
    secrets = (await api.call("sources.rotate_secret", source.id, "battery staple")).secrets
    assert [secret.expires_at is None for secret in secrets] == [True, False]
    changed = await api.call("sources.patch", source.id, {"draft": True}, version=3)
    assert (changed.draft, changed.version) == (True, 4)
    with pytest.raises(ApiError) as refused:
        await api.call("sources.delete", source.id, version=3)
    assert (refused.value.status, refused.value.code) == (412, "version_mismatch")
    stats = await api.call("sources.stats", source.id)
    assert (set(stats.requests.values()), stats.last_request_at) == ({0}, None)
    share = await api.call("sources.share", source.id)
    assert share.token not in repr(share)
    assert [s.id for s in await api.items("sources.shares", source.id)] == [share.id]
    await api.call("sources.unshare", source.id, share.id)
    end = datetime.now(UTC) + timedelta(hours=1)
    made = await api.call("sources.create_bin", expires_at=end)
    assert made.bin
    assert abs(made.expires_at - end) < timedelta(seconds=1)
    assert [s.id for s in await api.items("sources.list", bin=True)] == [made.id]
    await api.call("sources.patch", made.id, {"bin": False, "expires_at": None})
    assert await api.items("sources.list", bin=True) == []
    assert "github" in [preset.name for preset in await api.items("sources.presets")]
    for one in (made.id, source.id):
        await api.call("sources.delete", one)
    assert await api.items("sources.list") == []


async def test_caught_requests_are_seen_copied_and_taken_again(api: Either, url: str) -> None:
    verify = {"preset": "github", "secret": "correct horse"}
    source = await api.call("sources.create", "inspected", verify=verify)
    async with httpx.AsyncClient() as stranger:
        await stranger.post(source.url + "/a?b=1", content=b"\x00{", headers={"X-Key": "hidden"})
        await stranger.post(source.url, content=b"second")
    second, first = await api.items("requests.list", source=source.id)
    assert (first.verdict, first.reason) == ("quarantined", "missing_header")
    assert (first.path, first.query, first.source_name) == ("/a", "b=1", "inspected")
    seen = await api.call("requests.get", first.id)
    assert ("X-Key", "********") in [(h.name, h.value) for h in seen.headers]
    seen = await api.call("requests.get", first.id, reveal=True)
    assert ("X-Key", "hidden") in [(h.name, h.value) for h in seen.headers]
    assert await api.call("requests.raw", first.id) == b"\x00{"
    copy = await api.call("requests.copy", first.id, "python", target_url="http://x.example/y")
    assert copy.startswith("# Masked here as ********, and sent so: X-Key.")
    assert "\nimport base64\nimport http.client\n" in copy
    assert "'/y/a?b=1'" in copy
    assert not (await api.call("requests.compare", first.id, second.id)).same
    explained = await api.call("requests.verify", first.id)
    assert (explained.genuine, explained.reason) == (False, "missing_header")
    released = await api.call("requests.release", first.id)
    assert released.verdict == "accepted"
    replayed = await api.call("requests.replay_where", {"verdict": "released"})
    assert [item.verdict for item in replayed.items] == ["quarantined"]
    async with Receiver() as receiver:
        sent = await api.call("requests.replay", first.id, target_url=receiver.url)
        assert sent.status == 204
        [arrived] = await receiver.wait_for_async(1)
        assert arrived.path == "/a?b=1"
        assert arrived.body == b"\x00{"
        assert arrived.header("hookferry-replay") == first.id


async def watch(client: Client | AsyncClient, source: str, after: str, count: int) -> list[Any]:
    """Return the next requests of a source's stream."""
    if isinstance(client, AsyncClient):
        async with contextlib.aclosing(client.requests.stream(source, after=after)) as stream:
            return [await anext(stream) for _ in range(count)]

    def blocking() -> list[Any]:
        with contextlib.closing(client.requests.stream(source, after=after)) as stream:
            return [next(stream) for _ in range(count)]

    return await asyncio.to_thread(blocking)


async def test_a_source_is_watched_live_over_connections_that_break(api: Either, url: str) -> None:
    source = await api.call("sources.create_bin")
    async with relaying(url) as relay, httpx.AsyncClient() as stranger:
        await stranger.post(source.url, content=b"before")
        [before] = await api.items("requests.list", source=source.id)
        client = type(api.client)(relay.url, api_key=KEY)
        watching = asyncio.create_task(watch(client, source.id, before.id, 6))
        for number in range(6):
            while relay.connections <= number // 2:  # noqa: ASYNC110 - the relay has no event
                await asyncio.sleep(0.001)
            await stranger.post(source.url, content=b"%d" % number)
            if number % 2:
                relay.cut()
        async with asyncio.timeout(20):
            told = await watching
        assert [request.body for request in told] == [b"%d" % number for number in range(6)]
        assert relay.connections >= 3
        if isinstance(client, AsyncClient):
            await client.aclose()
        else:
            client.close()


async def test_a_stream_that_is_refused_or_has_nobody_behind_it_says_so(
    api: Either, url: str
) -> None:
    with pytest.raises(ApiError) as refused:
        await watch(api.client, "src_0000000000000", "req_0000000000000", 1)
    assert refused.value.status == 404
    policy = RetryPolicy(attempts=2, first_wait=0.001)
    client = type(api.client)("http://127.0.0.1:9", api_key=KEY, retry=policy)
    with pytest.raises(Unreachable):
        await watch(client, "src_0000000000000", "req_0000000000000", 1)


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


async def test_an_automation_answers_a_caller_and_its_run_is_seen(api: Either) -> None:
    script = "start:\n  log.warn: careful\n  return:\n    body: Hello, {{request_params.name}}!\n"
    made = await api.call(
        "automations.create", "life.hello", "cerb.trigger.webhook.respond", script=script
    )
    tried = await api.call(
        "automations.simulate", made.id, request={"method": "GET", "query": "name=Ada"}
    )
    assert (tried.exit, tried.answer.body) == ("return", "Hello, Ada!")
    source = await api.call("sources.create", "hello", respond={"automation": "life.hello"})
    async with httpx.AsyncClient() as http:
        answer = await http.get(source.url, params={"name": "Grace"})
    assert (answer.status_code, answer.text) == (200, "Hello, Grace!")
    [run] = await api.items("automations.runs", made.id)
    assert (run.exit, run.source) == ("return", source.id)
    whole = await api.call("runs.get", run.id)
    assert [(line.level, line.message) for line in whole.log] == [("warn", "careful")]
    assert [r.id for r in await api.items("runs.list", event=run.event)] == [run.id]
    with pytest.raises(ApiError) as used:
        await api.call("automations.delete", made.id)
    assert used.value.status == 409
    await api.call("sources.delete", source.id)
    await api.call("automations.delete", made.id)


async def test_handlers_timers_and_plugins_from_a_program(api: Either) -> None:
    script = "start:\n  return:\n    n: {{inputs.n}}\n"
    trigger = "cerb.trigger.automation.timer"
    made = await api.call("automations.create", "life.tick", trigger, script=script)
    timer = await api.call(
        "timers.create", "tick", "0 0 1 1 *", automation=made.name, inputs={"n": 7}
    )
    fired = await api.call("timers.fire", timer.id)
    [delivery] = await api.items("events.deliveries", fired.event)
    async with asyncio.timeout(30):
        while (await api.call("deliveries.get", delivery.id)).state != "delivered":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    [run] = await api.items("runs.list", event=fired.event)
    assert (await api.call("runs.get", run.id)).returned == {"n": "7"}
    assert (await api.call("timers.patch", timer.id, {"enabled": False})).next_due_at is None
    assert [t.id for t in await api.items("timers.list", enabled=False)] == [timer.id]

    handler = "automation/a:\n  uri: cerb:automation:life.tick\n"
    event = await api.call("automation_events.create", "on-life", ["life.*"], handler)
    changed = await api.call("automation_events.patch", event.id, {"events": ["life.of.*"]})
    assert (changed.events, changed.automations_kata) == (("life.of.*",), handler)
    assert (await api.call("publish", "life.of.ada", None)).deliveries == 1
    assert [e.id for e in await api.items("automation_events.list")] == [event.id]

    assert (await api.call("plugins.disable", "cerb.webhooks")).enabled is False
    assert (await api.call("plugins.enable", "cerb.webhooks")).enabled is True
    for call, one in (
        ("automation_events.delete", event.id),
        ("timers.delete", timer.id),
        ("automations.delete", made.id),
    ):
        await api.call(call, one)


async def test_a_package_from_a_program(api: Either) -> None:
    document = await api.call("packages.from_library", "hmac")
    asked = await api.call("packages.import_", document)
    assert (asked.imported, [prompt.key for prompt in asked.prompts]) == (
        False,
        ["prompt_expires_in_secs"],
    )
    done = await api.call("packages.import_from_library", "hmac", {})
    assert done.placeholders.keys() == {"random_secret_key"}
    names = [f"{group.type}:{one.name}" for group in done.records for one in group.items]
    exported = await api.call("packages.export", "mine", names)
    assert [record["name"] for record in exported["records"]] == [
        "hookferry.hmac",
        "HMAC signatures",
    ]
    [known] = await api.items("packages.list")
    assert (await api.call("packages.get", known.id)) == known
    assert "echo" in [one.name for one in await api.items("packages.library")]
    await api.call("packages.forget", known.id)
    for group in reversed(done.records):
        for one in group.items:
            await api.call(f"{group.type}s.delete", one.id)


async def test_a_refusal_names_the_field(api: Either) -> None:
    with pytest.raises(ApiError) as refused:
        await api.call("webhooks.create", "has a space", "http://127.0.0.1:9/", ["*"])
    assert (refused.value.status, refused.value.field) == (422, "name")


async def test_everything_the_api_offers_is_on_the_clients(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        document = (await http.get("/openapi.json")).json()
    asked = {line.split("?")[0] for _, _, line, _ in CALLS}
    asked |= {f"GET {line.split('?')[0]}" for _, _, line in LISTS}
    asked |= {  # tests of their own
        "POST events",
        "POST events/batch",
        "GET events/evt_1/data",
        "GET requests/req_1/copy",
        "GET sources/src_1/requests",
        "GET sources/src_1/requests/stream",
        "POST requests/req_1/answer",
    }
    missing = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        if path.startswith("/api/v1/") and not path.startswith("/api/v1/Webhook")
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
        and not any(re.fullmatch(_pattern(method, path), line) for line in asked)
    }
    # Files, made for curl and spreadsheets: programs have the lists.
    assert missing == {"GET /api/v1/deliveries/export", "GET /api/v1/requests/export"}


def _pattern(method: str, path: str) -> str:
    return f"{method.upper()} {re.sub(r'{.*?}', '[^/]+', path.removeprefix('/api/v1/'))}"


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
        for result, (event_type, data) in zip(results, real_payloads, strict=True):
            if isinstance(result, ApiError):  # it asks, by its name, and a batch waits for nobody
                assert event_type.endswith((".create", ".delete"))
                result = await client.publish(event_type, data)
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
