"""What a type checker knows of the clients' calls; checked by ``test_typing.py``, never run."""

from typing import assert_type

from hookferry.client import ApiError, AsyncClient, Client, Delivery, Published, Webhook


def blocking(client: Client) -> None:
    assert_type(client.publish("order.paid", {"id": 17}, id="mine"), Published)
    assert_type(client.publish_batch([]), list[Published | ApiError])
    assert_type(client.webhooks.get("wh_1"), Webhook)
    assert_type(client.webhooks.list(limit=5).page().items, list[Webhook])
    for delivery in client.deliveries.list(state="failed"):
        assert_type(delivery, Delivery)
    client.publish("order.paid")  # type: ignore[call-arg]
    client.webhooks.get(17)  # type: ignore[arg-type]
    client.webhooks.lsit()  # type: ignore[attr-defined]


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.publish("order.paid", {"id": 17}, id="mine"), Published)
    assert_type(await client.publish_batch([]), list[Published | ApiError])
    assert_type(await client.webhooks.get("wh_1"), Webhook)
    assert_type((await client.webhooks.list(limit=5).page()).items, list[Webhook])
    async for delivery in client.deliveries.list(state="failed"):
        assert_type(delivery, Delivery)
    for _ in client.webhooks.list():  # type: ignore[attr-defined]
        pass
