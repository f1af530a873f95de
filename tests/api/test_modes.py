"""The outcome table of SEMANTICS section 4, over HTTP: profile x mode x phase x answer.

A whole server on real sockets; what is expected is written down here as a table and derived from
nothing in the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from .real import KEY, serving
from .receivers import REFUSAL, Receiver, receiving

PROFILES = ("standard", "raw", "cloudevents", "superoffice", "happyfox", "hornbill")
ONLY_200 = ("superoffice", "hornbill")
ANSWERS = ("200", "204", "302", "403", "500", "close", "hang")
SILENT = ("close", "hang")


class Expected(NamedTuple):
    status: int
    code: str | None
    outcome: str
    delivery: str


OK = Expected(200, None, "delivered", "delivered")
SWF = "synchronous_webhook_failed"
TABLE = {
    # (mode, phase): (other answer, no answer in time)
    ("sync", "before"): (
        Expected(424, SWF, "failed", "failed"),
        Expected(200, None, "no_answer", "failed"),
    ),
    ("sync", "after"): (
        Expected(424, SWF, "failed", "failed"),
        Expected(200, None, "no_answer", "failed"),
    ),
    ("sync_critical", "before"): (
        Expected(424, "vetoed", "vetoed", "vetoed"),
        Expected(424, "vetoed", "vetoed", "vetoed"),
    ),
    ("sync_critical", "after"): (
        Expected(424, SWF, "failed", "failed"),
        Expected(424, SWF, "no_answer", "failed"),
    ),
}


def expected(profile: str, mode: str, phase: str, answer: str) -> Expected:
    if answer == "200" or (answer == "204" and profile not in ONLY_200):
        return OK
    other, silent = TABLE[mode, phase]
    return silent if answer in SILENT else other


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(tmp_path) as client:
        yield client


async def subscribe(api: httpx.AsyncClient, url: str, event: str, **fields: Any) -> str:
    definition = {
        "name": fields.pop("name", event.replace(".", "-")),
        "target_url": url,
        "events": [event],
        "timeout": 1,
        **fields,
    }
    answer = await api.post("/api/v1/webhooks", json=definition)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def publish(api: httpx.AsyncClient, event: str, **fields: Any) -> httpx.Response:
    return await api.post("/api/v1/events", json={"type": event, "data": {"n": 1}, **fields})


async def states(api: httpx.AsyncClient, event: str) -> dict[str, str]:
    """The states of an event's deliveries, by webhook."""
    page = await api.get(f"/api/v1/events/{event}/deliveries")
    return {item["webhook"]: item["state"] for item in page.json()["items"]}


async def settled(api: httpx.AsyncClient, event: str, webhook: str) -> str:
    """Wait until a webhook's delivery of an event owes nothing any more; return its state."""
    async with asyncio.timeout(10):
        while (  # noqa: ASYNC110 - over HTTP there is nothing to wait on
            state := (await states(api, event))[webhook]
        ) in ("pending", "retrying"):
            await asyncio.sleep(0.02)
    return state


async def attempts(api: httpx.AsyncClient, delivery: str, count: int) -> list[dict[str, Any]]:
    """Wait until a delivery has that many attempts on record; return them."""
    async with asyncio.timeout(10):
        while True:
            page = await api.get(f"/api/v1/deliveries/{delivery}/attempts")
            found: list[dict[str, Any]] = page.json()["items"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_table_holds(profile: str, api: httpx.AsyncClient, receiver: Receiver) -> None:
    watcher = await subscribe(api, f"{receiver.url}/200/watcher", "case.*", name="watcher")

    async def case(mode: str, phase: str, answer: str) -> None:
        want = expected(profile, mode, phase, answer)
        verb = "create" if phase == "before" else "created"
        event = f"case.{mode}-{answer}.{verb}"
        url = f"{receiver.url}/{answer}/{mode}-{phase}"
        hook = await subscribe(api, url, event, profile=profile, mode=mode)
        told = await publish(api, event)
        said = told.json()
        place = (profile, mode, phase, answer, said)
        assert told.status_code == want.status, place
        assert said.get("code") == want.code, place
        [outcome] = said["outcomes"]
        assert outcome["webhook"] == hook, place
        assert outcome["outcome"] == want.outcome, place
        assert outcome["mode"] == mode, place
        assert outcome["status"] == (None if answer in SILENT else int(answer)), place
        if want.status == 424 and answer == "403":
            assert said["detail"] == REFUSAL, place
        elif want.status == 424:
            assert "<hr>" not in said["detail"], place
        found = (await api.get(f"/api/v1/events/{said['id']}")).json()
        assert found["state"] == ("vetoed" if want.code == "vetoed" else "matched"), place
        assert (await states(api, said["id"]))[hook] == want.delivery, place
        refused = phase == "before" and want.status == 424
        others = "cancelled" if refused else "delivered"
        assert await settled(api, said["id"], watcher) == others, place
        # Once and never again, whatever the profile's own schedule says; but a pooled connection
        # that closes without a byte is replaced within the attempt, since it may just be old.
        tries = len(receiver.at(f"/{answer}/{mode}-{phase}"))
        assert tries in ((1, 2) if answer == "close" else (1,)), place
        counted = sum(found["deliveries"].values())
        assert counted == 2, place

    await asyncio.gather(*(case(*key, answer) for key in TABLE for answer in ANSWERS))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("verb", ["create", "created"])
async def test_an_asynchronous_webhook_never_decides_anything(
    profile: str, verb: str, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    for answer in ANSWERS:
        event = f"case.{answer}.{verb}"
        await subscribe(
            api, f"{receiver.url}/{answer}", event, profile=profile, retry={"schedule": []}
        )
        told = await publish(api, event)
        assert told.status_code == 202
        assert told.json()["deliveries"] == 1
        assert "outcomes" not in told.json()


async def test_a_slow_answer_is_waited_for_within_the_timeout(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(api, f"{receiver.url}/slow", "deal.create", mode="sync_critical", timeout=10)
    waiting = asyncio.create_task(publish(api, "deal.create"))
    await receiver.until(1)
    assert not waiting.done()
    receiver.release.set()
    assert (await waiting).status_code == 200


async def test_several_are_called_side_by_side_and_the_first_by_name_speaks(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    for name, path in (("zebra", "403"), ("apple", "500"), ("mango", "slow")):
        await subscribe(
            api, f"{receiver.url}/{path}", "deal.create", name=name, mode="sync_critical", timeout=9
        )
    waiting = asyncio.create_task(publish(api, "deal.create"))
    await receiver.until(3)  # the slow one has not answered: nobody waits for anybody
    receiver.release.set()
    told = (await waiting).json()
    assert told["code"] == "vetoed"
    assert "'apple' answered 500" in told["detail"]
    assert {o["name"]: o["outcome"] for o in told["outcomes"]} == {
        "zebra": "vetoed",
        "apple": "vetoed",
        "mango": "delivered",
    }


async def test_a_veto_outranks_a_failure(api: httpx.AsyncClient, receiver: Receiver) -> None:
    await subscribe(api, f"{receiver.url}/500", "deal.create", name="a", mode="sync")
    await subscribe(api, f"{receiver.url}/403", "deal.create", name="b", mode="sync_critical")
    told = (await publish(api, "deal.create")).json()
    assert (told["code"], told["detail"]) == ("vetoed", REFUSAL)


async def test_a_type_can_be_registered_as_asking(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    answer = await api.put("/api/v1/event_types/deal.closing", json={"phase": "before"})
    assert answer.status_code in (200, 201), answer.text
    answer = await api.put("/api/v1/event_types/deal.delete", json={"phase": "after"})
    assert answer.status_code in (200, 201), answer.text
    for event, code in (("deal.closing", "vetoed"), ("deal.delete", SWF)):
        await subscribe(api, f"{receiver.url}/403", event, mode="sync_critical")
        assert (await publish(api, event)).json()["code"] == code


async def test_a_batch_never_waits_and_takes_nothing_that_asks(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    hook = await subscribe(api, f"{receiver.url}/500", "deal.created", mode="sync_critical")
    batch = [{"type": "deal.created", "data": 1}, {"type": "deal.create", "data": 1}]
    answer = await api.post("/api/v1/events/batch", json=batch)
    assert answer.status_code == 207
    taken, refused = answer.json()
    assert taken["deliveries"] == 1
    assert (refused["status"], refused["field"]) == (422, "type")
    await receiver.until(1)
    # An ordinary delivery: the failure is retried by its profile.
    page = await api.get("/api/v1/deliveries", params={"webhook": hook})
    [delivery] = page.json()["items"]
    await attempts(api, delivery["id"], 1)
    assert (await states(api, taken["id"]))[hook] == "retrying"


async def test_a_stopped_webhook_has_no_say_and_a_paused_one_can_not_agree(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    hook = await subscribe(api, f"{receiver.url}/403", "deal.create", mode="sync_critical")
    await api.post(f"/api/v1/webhooks/{hook}/stop")
    told = await publish(api, "deal.create")
    assert (told.status_code, told.json()["outcomes"][0]["outcome"]) == (200, "skipped")
    await api.post(f"/api/v1/webhooks/{hook}/restart")
    await api.post(f"/api/v1/webhooks/{hook}/pause")
    told = await publish(api, "deal.create")
    assert (told.status_code, told.json()["code"]) == (424, "vetoed")
    assert (await states(api, told.json()["id"])) == {hook: "vetoed"}
    assert receiver.got == []


async def test_a_repeat_is_answered_as_the_first_was_and_calls_nobody(
    api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await subscribe(api, f"{receiver.url}/403", "deal.create", name="no", mode="sync_critical")
    await subscribe(api, f"{receiver.url}/200", "deal.created", name="yes", mode="sync")
    for event in ("deal.create", "deal.created"):
        first = await publish(api, event, id=event)
        again = await publish(api, event, id=event)
        assert again.status_code == first.status_code
        said, repeated = first.json(), again.json()
        for answer in (said, repeated):
            for outcome in answer["outcomes"]:
                assert outcome.pop("duration_ms") > 0
        if first.status_code == 200:
            assert repeated.pop("duplicate") is True
            assert said.pop("duplicate") is False
        assert repeated == said
    assert len(receiver.got) == 2


@pytest.mark.parametrize("hot_asgi", [False, True], ids=["below ASGI", "through ASGI"])
async def test_a_caller_who_leaves_is_on_record_and_nothing_is_sent_behind_his_back(
    tmp_path: Path, receiver: Receiver, hot_asgi: bool
) -> None:
    async with serving(tmp_path, hot_asgi=hot_asgi) as api:
        await leave_while_waiting(api, receiver)


async def leave_while_waiting(api: httpx.AsyncClient, receiver: Receiver) -> None:
    hook = await subscribe(
        api, f"{receiver.url}/slow", "deal.create", mode="sync_critical", timeout=20
    )
    watcher = await subscribe(api, f"{receiver.url}/200", "deal.*", name="watcher")
    body = json.dumps({"type": "deal.create", "data": 1, "id": "mine"}).encode()
    _, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(
        b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
    )
    await receiver.until(1)
    writer.close()
    page = await api.get("/api/v1/events", params={"type": "deal.create"})
    event = page.json()["items"][0]["id"]
    assert await settled(api, event, hook) == "failed"
    assert await settled(api, event, watcher) == "cancelled"
    [delivery] = (await api.get("/api/v1/deliveries", params={"webhook": hook})).json()["items"]
    assert delivery["last_error"] == "caller_gone"
    # What the receiver says now is kept in the log and changes nothing.
    receiver.release.set()
    await attempts(api, delivery["id"], 1)
    assert await settled(api, event, hook) == "failed"
    # The same publish again is told so, and sends nothing.
    again = await publish(api, "deal.create", id="mine", data=1)
    assert again.status_code == 424
    assert again.json()["outcomes"][0]["outcome"] == "caller_gone"
    assert len(receiver.got) == 1
    # By hand it can be sent.
    await api.post(f"/api/v1/deliveries/{delivery['id']}/resend")
    await receiver.until(2)
    assert await settled(api, event, hook) == "delivered"


HOSTILE = [
    (b"Content-Type: text/plain; charset=utf-16-le", "Närn".encode("utf-16-le"), "Närn"),
    (b"Content-Type: text/plain; charset=no-such-thing", "Ümlaut".encode(), "Ümlaut"),
    (b"Content-Type: text/plain; charset=zip", b"plain", "plain"),
    (b"Content-Type: TEXT/PLAIN", b"a\x00b\x1b[31mred\x07", "ab[31mred"),
    (b"Content-Type: text/plain", b"\xff\xfe broken", "\N{REPLACEMENT CHARACTER}" * 2 + " broken"),
    (b"Content-Type: text/plain", "x\u202egnp.exe".encode(), "xgnp.exe"),
    (b"Content-Type: text/html", b"<script>alert(1)</script>", None),
    (b"Content-Type: text/plain", b"   \r\n ", None),
]


@pytest.mark.parametrize(("header", "body", "shown"), HOSTILE)
async def test_a_veto_is_shown_safely(
    api: httpx.AsyncClient, header: bytes, body: bytes, shown: str | None
) -> None:
    async with answering(header, body) as url:
        await subscribe(api, url, "deal.create", name="hook", mode="sync_critical", timeout=5)
        told = (await publish(api, "deal.create")).json()
    assert told["code"] == "vetoed"
    assert told["detail"] == (shown or "the webhook 'hook' answered 403")


async def test_a_veto_of_ten_megabytes_is_cut(api: httpx.AsyncClient) -> None:
    async with answering(b"Content-Type: text/plain", b"no " * 3_500_000) as url:
        await subscribe(api, url, "deal.create", mode="sync_critical", timeout=5)
        told = await publish(api, "deal.create")
    assert told.json()["code"] == "vetoed"
    assert len(told.json()["detail"]) == 1_000
    assert told.json()["detail"].endswith("…")
    assert len(told.content) < 5_000


class answering:  # noqa: N801 - reads as a context manager
    """A receiver that refuses with one header and body."""

    def __init__(self, header: bytes, body: bytes) -> None:
        self._answer = (
            b"HTTP/1.1 403 No\r\n%b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (
                header,
                len(body),
                body,
            )
        )

    async def __aenter__(self) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            with contextlib.suppress(ConnectionError):  # it stops reading at its limit
                await writer.drain()
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
