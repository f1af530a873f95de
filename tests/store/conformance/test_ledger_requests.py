"""Finding caught requests, and keeping what their callers were answered."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.store.ports import Acceptance, RequestFilter
from hookferry.store.sqlite import requests as sqlite_requests
from sim import memory_store
from store.conformance.books import HOUR, NOW, SOURCE, Books, Maker

replace = msgspec.structs.replace
EVERYTHING = RequestFilter(tenant_id=1)


async def test_a_list_is_newest_first_and_paged_by_id(books: Books, make: Maker) -> None:
    requests = [make.request() for _ in range(5)]
    await books.catch(*requests)
    found = await books.store.requests(EVERYTHING, limit=2)
    assert [r.id for r in found] == [requests[4].id, requests[3].id]
    rest = await books.store.requests(EVERYTHING, limit=9, below_id=found[-1].id)
    assert [r.id for r in rest] == [requests[2].id, requests[1].id, requests[0].id]
    assert await books.store.requests(EVERYTHING, limit=0) == []


async def test_a_list_has_bodies_only_where_they_are_asked_for(books: Books, make: Maker) -> None:
    request, caught = make.request(body=b"alone"), make.caught(body=b"with an event")
    await books.catch(request)
    await books.accept(caught)
    bare = await books.store.requests(EVERYTHING, limit=9)
    assert bare == [replace(caught.request, body=b""), replace(request, body=b"")]
    whole = await books.store.requests(EVERYTHING, limit=9, bodies=True)
    assert whole == [caught.request, request]


async def test_a_list_with_bodies_ends_where_they_are_too_much(
    books: Books, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sqlite_requests.BODIES_BYTES == memory_store.BODIES_BYTES == 64 << 20
    for module in (sqlite_requests, memory_store):
        monkeypatch.setattr(module, "BODIES_BYTES", 64)
    requests = [make.request(body=b"x" * 33) for _ in range(3)]
    await books.catch(*requests)
    found = await books.store.requests(EVERYTHING, limit=9, bodies=True)
    assert [r.id for r in found] == [requests[2].id, requests[1].id]
    assert len(await books.store.requests(EVERYTHING, limit=9)) == 3


ODD = {
    "id": 0,
    "source_id": SOURCE + 1,
    "verdict": Verdict.DUPLICATE,
    "reason": "repeated",
    "method": "PUT",
    "status": 409,
    "client": "2001:db8::1",
    "key": "evt_7",
    "duplicate_of": 3,
    "path": b"/webhooks/odd/\xff%20z",
    "query": b"needle=1",
    "headers": ((b"X-Signature", b"sha256=abc"), (b"X-Other", b"plain"), (b"x-other", b"\xffodd")),
    "body": b"\x00 a needle \xff",
}
FILTERS = {
    "source": RequestFilter(tenant_id=1, source_id=SOURCE + 1),
    "one verdict": RequestFilter(tenant_id=1, verdicts=(Verdict.DUPLICATE,)),
    "several verdicts": RequestFilter(
        tenant_id=1, verdicts=(Verdict.DUPLICATE, Verdict.HANDSHAKE, Verdict.FILTERED)
    ),
    "reason": RequestFilter(tenant_id=1, reason="repeated"),
    "method": RequestFilter(tenant_id=1, method="PUT"),
    "status": RequestFilter(tenant_id=1, status=409),
    "client": RequestFilter(tenant_id=1, client="2001:db8::1"),
    "key": RequestFilter(tenant_id=1, key="evt_7"),
    "duplicate of": RequestFilter(tenant_id=1, duplicate_of=3),
    "time": RequestFilter(tenant_id=1, after_ms=NOW + HOUR, before_ms=NOW + HOUR + 1),
    "path": RequestFilter(tenant_id=1, path="%20z"),
    "query": RequestFilter(tenant_id=1, path="needle="),
    "path and query": RequestFilter(tenant_id=1, path="z?needle"),
    "a header in any case": RequestFilter(tenant_id=1, header=("x-signature", "sha256=")),
    "a header given twice": RequestFilter(tenant_id=1, header=("X-OTHER", "odd")),
    "text": RequestFilter(tenant_id=1, text="needle"),
    "everything at once": RequestFilter(
        tenant_id=1,
        source_id=SOURCE + 1,
        verdicts=(Verdict.DUPLICATE,),
        reason="repeated",
        method="PUT",
        status=409,
        client="2001:db8::1",
        key="evt_7",
        duplicate_of=3,
        after_ms=NOW + HOUR,
        path="odd",
        header=("x-signature", ""),
        text="needle",
    ),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_finds_what_it_says_and_nothing_else(
    books: Books, make: Maker, name: str
) -> None:
    odd = make.request(at=NOW + HOUR)
    odd = replace(odd, **{**ODD, "id": odd.id})
    others = [make.request(at=NOW + n * HOUR) for n in range(1, 4, 2)]
    others += [make.request(at=NOW + 2 * HOUR, path=b"/a", query=b"")]
    others = [r for r in others if r.received_at_ms != NOW + HOUR]
    await books.catch(odd, *others, make.request())
    assert await books.store.requests(FILTERS[name], limit=9, bodies=True) == [odd]


MISSES = {
    "header of that name without that value": RequestFilter(tenant_id=1, header=("host", "two")),
    "value under another name": RequestFilter(tenant_id=1, header=("x-ta", "one")),
    "path without a query": RequestFilter(tenant_id=1, path="/a?"),
    "body in another case": RequestFilter(tenant_id=1, text="NEEDLE"),
    "no verdict": RequestFilter(tenant_id=1, verdicts=()),
    "path as a pattern": RequestFilter(tenant_id=1, path="webhooks%"),
}


@pytest.mark.parametrize("name", MISSES)
async def test_what_does_not_hold_is_not_found(books: Books, make: Maker, name: str) -> None:
    await books.catch(make.request(body=b"needle"), make.request(path=b"/a", query=b""))
    assert await books.store.requests(MISSES[name], limit=9) == []


async def test_text_is_looked_for_in_the_payload_of_the_event_too(
    books: Books, make: Maker
) -> None:
    caught = make.caught(body=b'{"word":"needle"}')
    await books.accept(caught, make.caught(body=b'{"word":"straw"}'))
    where = RequestFilter(tenant_id=1, text="needle")
    assert await books.store.requests(where, limit=9, bodies=True) == [caught.request]


async def test_headers_are_looked_for_in_what_became_events_too(books: Books, make: Maker) -> None:
    caught = make.caught()
    await books.accept(caught)
    where = RequestFilter(tenant_id=1, header=("x-tag", "two"))
    assert await books.store.requests(where, limit=9, bodies=True) == [caught.request]


async def test_a_header_is_found_behind_many_requests_without_it(books: Books, make: Maker) -> None:
    wanted = [make.request(headers=((b"X-Rare", b"%d" % n),)) for n in range(3)]
    await books.catch(*wanted, *(make.request() for _ in range(1_200)))
    where = RequestFilter(tenant_id=1, header=("x-rare", ""))
    found = await books.store.requests(where, limit=2)
    assert [r.id for r in found] == [wanted[2].id, wanted[1].id]
    rest = await books.store.requests(where, limit=2, below_id=found[-1].id)
    assert [r.id for r in rest] == [wanted[0].id]


async def test_what_follows_a_request_is_read_oldest_first_with_bodies(
    books: Books, make: Maker
) -> None:
    requests = [make.request(body=b"x" * 100) for _ in range(5)]
    await books.catch(*requests, make.request(source=SOURCE + 1))
    above = books.store.requests_above
    assert await above(1, SOURCE, requests[1].id, limit=9, max_bytes=1_000) == requests[2:]
    assert await above(1, SOURCE, requests[1].id, limit=2, max_bytes=1_000) == requests[2:4]
    assert await above(1, SOURCE, 0, limit=9, max_bytes=150) == requests[:2]
    assert await above(1, SOURCE, 0, limit=9, max_bytes=0) == requests[:1]
    assert await above(1, SOURCE, requests[-1].id, limit=9, max_bytes=150) == []


async def test_what_was_acknowledged_is_seen_at_once(books: Books, make: Maker) -> None:
    for _ in range(50):
        request = make.request()
        before = await books.store.newest_request(1, SOURCE)
        await books.catch(request)
        assert await books.store.newest_request(1, SOURCE) == request.id
        assert await books.store.requests_above(1, SOURCE, before, limit=9, max_bytes=99) == [
            request
        ]


async def test_the_newest_of_a_source_without_requests_is_none(books: Books) -> None:
    assert await books.store.newest_request(1, SOURCE) == 0


async def test_requests_are_counted_by_verdict_since_a_time(books: Books, make: Maker) -> None:
    await books.catch(make.request(at=NOW - 1), make.request(), make.request(Verdict.SAMPLE))
    await books.catch(make.request(), make.request(source=SOURCE + 1))
    assert await books.store.request_counts(1, SOURCE, NOW) == {
        Verdict.QUARANTINED: 2,
        Verdict.SAMPLE: 1,
    }


async def test_another_tenants_requests_are_neither_seen_nor_changed(
    books: Books, make: Maker
) -> None:
    theirs = make.request(tenant=2, key="k", status=0)
    await books.catch(theirs)
    store = books.store
    assert await store.request(1, theirs.id) is None
    assert await store.requests(EVERYTHING, limit=9) == []
    assert await store.requests(RequestFilter(tenant_id=1, source_id=SOURCE), limit=9) == []
    assert await store.requests_above(1, SOURCE, 0, limit=9, max_bytes=99) == []
    assert await store.newest_request(1, SOURCE) == 0
    assert await store.request_counts(1, SOURCE, 0) == {}
    await books.answer(theirs.id, 200)
    assert await store.request(2, theirs.id) == theirs


@pytest.mark.parametrize("born", [True, False])
async def test_a_late_answer_is_kept_with_its_request(
    books: Books, make: Maker, born: bool
) -> None:
    if born:
        caught = make.caught(body=b'{"a":1}', status=0)
    else:
        caught = Acceptance(None, (), (), make.request(status=0, detail="kept"))
    request = caught.request
    assert isinstance(request, CaughtRequest)
    await books.accept(caught)
    headers = (("Content-Type", "text/plain"), ("X-A", "ä"))
    await books.answer(request.id, 207, headers, b"\x00\xff")
    assert await books.store.request(1, request.id) == replace(
        request, status=207, answer_headers=headers, answer_body=b"\x00\xff", answered_by="wh_1"
    )
    await books.answer(request.id, 502, detail="no answer")
    assert await books.store.request(1, request.id) == replace(
        request, status=502, answered_by="wh_1", detail="no answer"
    )


async def test_an_answer_to_a_forgotten_request_is_dropped(books: Books, make: Maker) -> None:
    request = make.request()
    await books.answer(request.id, 200)
    assert await books.store.request(1, request.id) is None
