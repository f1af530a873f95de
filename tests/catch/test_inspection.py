"""What may be seen of caught requests, and how they are searched within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry.catch import inspection
from hookferry.catch.inspection import Inspector, below, facts_of, masked, masked_query
from hookferry.catch.replays import forwarded
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.errors import NotFound
from hookferry.match.conditions import parse_condition
from hookferry.store.ports import RequestFilter

GUID = b"0123456789abcdef0123456789abcdef01234567"
OPENED = parse_condition({"path": "data.action", "op": "equals", "value": "opened"})


def request(number: int = 1, **fields: Any) -> CaughtRequest:
    given: dict[str, Any] = {
        "id": number,
        "tenant_id": 1,
        "source_id": 2,
        "received_at_ms": 0,
        "verdict": Verdict.ACCEPTED,
        "method": "POST",
        "path": b"/webhooks/" + GUID,
        "query": b"",
        "headers": (),
        "body": b"",
        "client": "192.0.2.7",
    }
    return CaughtRequest(**given | fields)


class Log:
    """A ledger whose requests are made up as they are read; counts what is held."""

    def __init__(self, bodies: list[bytes], types: dict[int, str] | None = None) -> None:
        self._bodies = bodies
        self._types = types or {}
        self.read = 0

    async def request(self, tenant_id: int, request_id: int) -> CaughtRequest | None:
        return None

    async def requests(
        self, where: RequestFilter, *, limit: int, below_id: int | None = None, bodies: bool = False
    ) -> list[CaughtRequest]:
        assert bodies or limit <= 251
        top = len(self._bodies) if below_id is None else below_id - 1
        numbers = range(top, max(0, top - limit), -1)
        self.read += len(numbers)
        return [
            request(n, body=self._bodies[n - 1] if bodies else b"", event_id=n) for n in numbers
        ]

    async def event_types_of(self, tenant_id: int, event_ids: Any) -> dict[int, str]:
        return {n: self._types[n] for n in event_ids if n in self._types}


EVERY = RequestFilter(tenant_id=1)


async def test_a_page_without_a_condition_says_where_the_next_begins() -> None:
    inspector = Inspector(Log([b""] * 5))
    page = await inspector.page(EVERY, limit=3)
    assert [r.id for r in page.requests] == [5, 4, 3]
    assert page.below_id == 3
    page = await inspector.page(EVERY, limit=3, below_id=page.below_id)
    assert [r.id for r in page.requests] == [2, 1]
    assert page.below_id is None


async def test_a_search_by_condition_looks_at_a_bounded_number_per_page() -> None:
    log = Log([b'{"action":"opened"}'] + [b"{}"] * 2_500)
    inspector = Inspector(log)
    below_id = None
    pages = 0
    found: list[int] = []
    while True:
        before = log.read
        page = await inspector.page(EVERY, limit=50, below_id=below_id, condition=OPENED)
        assert log.read - before <= inspection.SCANNED + inspection.CHUNK
        found += [r.id for r in page.requests]
        pages += 1
        if page.below_id is None:
            break
        below_id = page.below_id
    assert found == [1]
    assert pages == 3


async def test_a_search_by_condition_looks_at_a_bounded_number_of_bytes_per_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspection, "SCANNED_BYTES", 1_000)
    log = Log([b"x" * 500] * 200)
    page = await Inspector(log).page(EVERY, limit=50, condition=OPENED)
    assert log.read == inspection.CHUNK
    assert page.below_id == 200 - inspection.CHUNK + 1


async def test_a_full_page_goes_on_behind_its_last_request() -> None:
    inspector = Inspector(Log([b'{"action":"opened"}'] * 10))
    page = await inspector.page(EVERY, limit=4, condition=OPENED)
    assert [r.id for r in page.requests] == [10, 9, 8, 7]
    assert page.below_id == 7
    assert all(r.body == b"" for r in page.requests)


async def test_conditions_see_the_event_s_type_and_what_can_t_be_told_does_not_hold() -> None:
    pushed = parse_condition({"path": "type", "op": "equals", "value": "github.push"})
    inspector = Inspector(Log([b"{}", b'{"n":1e999}'], {1: "github.push"}))
    page = await inspector.page(EVERY, limit=9, condition=pushed)
    assert [r.id for r in page.requests] == [1]
    there = parse_condition({"path": "data.n", "op": "exists"})
    assert (await inspector.page(EVERY, limit=9, condition=there)).requests == []


async def test_every_request_is_exported_once_in_chunks() -> None:
    inspector = Inspector(Log([b"%d" % n for n in range(1, 40)]))
    found = [r.body async for r in inspector.all(EVERY)]
    assert found == [b"%d" % n for n in range(39, 0, -1)]


async def test_what_is_not_there_is_said_to_be_not_there() -> None:
    with pytest.raises(NotFound, match="there is no caught request req_0000000000007"):
        await Inspector(Log([])).one(1, 7)


def test_facts_are_those_of_the_event_that_a_request_would_become() -> None:
    caught = request(
        path=b"/webhooks/" + GUID + b"/a/b/",
        query=b"x=1",
        headers=((b"Content-Type", b"application/x-www-form-urlencoded"), (b"X-A", b"b")),
        body=b"name=Ada&n=1",
    )
    facts = facts_of(caught, "contact.created")
    for document in (
        {"path": "type", "op": "equals", "value": "contact.created"},
        {"path": "data.name", "op": "equals", "value": "Ada"},
        {"path": "headers.x-a", "op": "equals", "value": "b"},
        {"path": "request.path", "op": "equals", "value": "a/b"},
        {"path": "query.x", "op": "equals", "value": "1"},
    ):
        assert parse_condition(document).holds(facts), document


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        (b"/webhooks/" + GUID, b""),
        (b"/webhooks/" + GUID + b"/", b"/"),
        (b"/webhooks/" + GUID + b"//a/", b"//a/"),
        (b"/other", b"/other"),
    ],
)
def test_a_path_is_shown_without_the_address_that_lets_anybody_send(
    path: bytes, rest: bytes
) -> None:
    assert below(path) == rest


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"", b""),
        (b"a=1&b", b"a=1&b"),
        (b"token=x&a=1&TOKEN=y", b"token=********&a=1&TOKEN=********"),
        (b"api%5Fkey=x", b"api%5Fkey=********"),
        (b"&=&token&password=", b"&=&token&password=********"),
        (b"\xff=1&acc%ess+token=1=2", b"\xff=1&acc%ess+token=********"),
    ],
)
def test_credentials_in_a_query_are_masked_and_nothing_else_changes(
    query: bytes, shown: bytes
) -> None:
    assert masked_query(query) == shown


def test_credentials_in_headers_are_masked_in_place() -> None:
    caught = masked(
        request(
            headers=((b"A", b"1"), (b"AUTHORIZATION", b"x"), (b"Cookie", b"y"), (b"A", b"2")),
            answer_headers=(("Set-Cookie", "z"), ("Content-Type", "text/plain")),
        )
    )
    assert caught.headers == (
        (b"A", b"1"),
        (b"AUTHORIZATION", b"********"),
        (b"Cookie", b"********"),
        (b"A", b"2"),
    )
    assert caught.answer_headers == (("Set-Cookie", "********"), ("Content-Type", "text/plain"))


@pytest.mark.parametrize(
    ("base", "rest", "query", "address"),
    [
        ("/", b"", b"", b"/"),
        ("/hooks", b"", b"", b"/hooks"),
        ("/hooks/", b"", b"", b"/hooks/"),
        ("/hooks", b"/", b"", b"/hooks"),
        ("/hooks", b"/a/", b"", b"/hooks/a/"),
        ("/hooks/", b"//a", b"x=1", b"/hooks//a?x=1"),
        ("/hooks?k=v", b"/a", b"", b"/hooks/a?k=v"),
        ("/hooks?k=v", b"", b"x=1", b"/hooks?k=v&x=1"),
        ("/", b"/%2e%2E/\xff", b"?", b"/%2e%2E/\xff??"),
    ],
)
def test_path_and_query_follow_another_address(
    base: str, rest: bytes, query: bytes, address: bytes
) -> None:
    caught = request(path=b"/webhooks/" + GUID + rest, query=query)
    assert forwarded(base, caught) == address
