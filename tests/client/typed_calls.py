"""What a type checker knows of the clients' calls; checked by ``test_typing.py``, never run."""

from datetime import datetime
from typing import assert_type

from hookferry.client import (
    ApiError,
    AsyncClient,
    Automation,
    CaughtRequest,
    CaughtSummary,
    Client,
    Credential,
    Delivery,
    EventType,
    LogLine,
    Match,
    Outcome,
    Published,
    RunSummary,
    Source,
    StreamedRequest,
    SynchronousWebhookFailed,
    Timer,
    Vetoed,
    Webhook,
)


def blocking(client: Client) -> None:
    assert_type(client.publish("order.paid", {"id": 17}, id="mine"), Published)
    assert_type(client.publish_batch([]), list[Published | ApiError])
    assert_type(client.webhooks.get("wh_1"), Webhook)
    assert_type(client.webhooks.list(limit=5).page().items, list[Webhook])
    for delivery in client.deliveries.list(state="failed"):
        assert_type(delivery, Delivery)
    client.webhooks.create(
        "shop",
        "https://shop.example/hooks",
        ["order.*"],
        mode="sync_critical",
        condition={"path": "data.total", "op": "greater", "value": 100},
        channels=["emea"],
        credential="shop",
        retry={"schedule": [1, 4]},
    )
    client.webhooks.create("shop", "https://x.example", ["*"], mode="later")  # type: ignore[arg-type]
    client.webhooks.create("shop", "https://x.example", ["*"], chanels=[])  # type: ignore[call-arg]
    client.webhooks.patch("wh_1", {"title": "Shop", "condition": None})
    client.webhooks.patch("wh_1", {"titel": "Shop"})  # type: ignore[typeddict-unknown-key]
    assert_type(client.credentials.create("shop", "bearer", token="t"), Credential)
    client.credentials.create("shop", "baerer")  # type: ignore[arg-type]
    assert_type(
        client.sources.create("shop", verify={"preset": "github"}, respond={"status": 200}), Source
    )
    client.sources.create("shop", deduplicte={})  # type: ignore[call-arg]
    client.sources.create("shop", respond={"satus": 200})  # type: ignore[arg-type]
    client.sources.patch("src_1", {"bin": True})  # type: ignore[typeddict-item]
    assert_type(client.sources.create_bin().expires_at, datetime | None)
    assert_type(client.sources.list(bin=True).page().items, list[Source])
    assert_type(client.requests.get("req_1", reveal=True), CaughtRequest)
    assert_type(client.requests.copy("req_1", "curl"), str)
    client.requests.copy("req_1", "wget")  # type: ignore[arg-type]
    for caught in client.requests.list(verdict="quarantined"):
        assert_type(caught, CaughtSummary)
    for streamed in client.requests.stream("src_1"):
        assert_type(streamed, StreamedRequest)
    assert_type(client.automations.create("a.b", "t", script="start:"), Automation)
    client.automations.create("a.b", "t", skript="start:")  # type: ignore[call-arg]
    assert_type(client.automations.simulate("auto_1", inputs={}).log, tuple[LogLine, ...])
    client.runs.list(exit="return_")  # type: ignore[arg-type]
    for run in client.automations.runs("auto_1", exit="error"):
        assert_type(run, RunSummary)
    assert_type(client.timers.create("t", "* * * * *", event_type="a", data=[1]), Timer)
    client.timers.patch("tmr_1", {"crom": ""})  # type: ignore[typeddict-unknown-key]
    assert_type(client.packages.import_from_library("echo").records[0].items[0].url, str | None)
    client.packages.import_({}, {"k": 1})  # type: ignore[dict-item]
    assert_type(client.event_types.put("order.pay", phase="before"), EventType)
    client.event_types.put("order.pay", phase="during")  # type: ignore[arg-type]
    assert_type(client.event_types.send_example("order.pay"), Published)
    for match in client.events.matches("evt_1"):
        assert_type(match, Match)
    try:
        assert_type(client.publish("order.pay", {}).outcomes, tuple[Outcome, ...])
    except Vetoed as veto:
        assert_type(veto.detail, str)
    except SynchronousWebhookFailed as failed:
        assert_type(failed.outcomes, tuple[Outcome, ...])
    client.publish("order.paid")  # type: ignore[call-arg]
    client.webhooks.get(17)  # type: ignore[arg-type]
    client.webhooks.lsit()  # type: ignore[attr-defined]


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.publish("order.paid", {"id": 17}, id="mine"), Published)
    assert_type(await client.publish_batch([]), list[Published | ApiError])
    assert_type(await client.webhooks.get("wh_1"), Webhook)
    assert_type((await client.webhooks.list(limit=5).page()).items, list[Webhook])
    await client.webhooks.create("shop", "https://x.example", ["*"], chanels=[])  # type: ignore[call-arg]
    assert_type(await client.credentials.get("cred_1"), Credential)
    assert_type(await client.event_types.archive("order.pay"), EventType)
    async for match in client.events.matches("evt_1"):
        assert_type(match, Match)
    async for delivery in client.deliveries.list(state="failed"):
        assert_type(delivery, Delivery)
    for _ in client.webhooks.list():  # type: ignore[attr-defined]
        pass
