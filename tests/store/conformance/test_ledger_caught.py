"""Caught requests in the accept commit: with their events or alone, and never beyond their ring."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hookferry.domain.event import Event, EventMeta
from hookferry.domain.request import Caught, Verdict
from hookferry.store.ports import Acceptance, Batch, EventFilter, RequestFilter, Ring
from store.conformance.books import HOUR, NOW, SOURCE, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace
EVERYTHING = RequestFilter(tenant_id=1)
GB = 1 << 30


async def kept(books: Books, source: int = SOURCE) -> list[int]:
    """Return the ids of what a source holds, oldest first."""
    found = await books.store.requests_above(1, source, 0, limit=10_000, max_bytes=GB)
    return [request.id for request in found]


def bare(caught: Acceptance) -> Acceptance:
    """Take from a request what the event that it became has."""
    assert caught.request is not None
    return replace(caught, request=replace(caught.request, body=b"", headers=()))


async def test_a_request_alone_is_read_back_byte_for_byte(books: Books, make: Maker) -> None:
    full = make.request(
        Verdict.DUPLICATE,
        reason="repeated",
        detail="caught before",
        event_id=5,
        duplicate_of=6,
        key="evt_1",
        replay_of=7,
        status=200,
        answer_headers=(("X-A", "b"),),
        answer_body=b"\x00\xff",
        answered_by="wh_1",
    )
    bare = make.request(Verdict.HANDSHAKE, body=b"", query=b"", headers=(), path=b"", method="GET")
    await books.catch(full, bare)
    assert await books.store.request(1, full.id) == full
    assert await books.store.request(1, bare.id) == bare


async def test_a_request_and_its_event_are_both_read_back_with_the_body(
    books: Books, make: Maker
) -> None:
    both = make.caught(body=b'\xef\xbb\xbf{"a":1}', key=make.key())
    await books.accept(both)
    assert both.event is not None
    assert both.request is not None
    assert await books.store.event(1, both.event.id) == both.event
    assert await books.store.request(1, both.request.id) == both.request


async def test_a_request_that_became_an_event_needs_no_body_and_headers_of_its_own(
    books: Books, make: Maker
) -> None:
    both = make.caught(body=b"one")
    assert both.request is not None
    await books.accept(bare(both))
    assert await books.store.request(1, both.request.id) == both.request


async def test_many_requests_of_every_kind_go_into_one_commit(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    caught = [make.caught(body=b"%d" % n) for n in range(150)]
    alone = [make.request(body=b"%d" % n) for n in range(150)]
    published = make.event()
    await books.accept(
        *caught,
        Acceptance(published, (make.delivery(published, webhook.id),)),
        *(Acceptance(None, (), (), request) for request in alone),
    )
    found = await books.store.requests(EVERYTHING, limit=500, bodies=True)
    stored = [a.request for a in caught if a.request is not None] + alone
    assert found == sorted(stored, key=lambda request: -request.id)
    assert len(await books.store.events(EventFilter(tenant_id=1), limit=500)) == 151


async def test_a_repeated_key_keeps_the_request_out_with_its_event(
    books: Books, make: Maker
) -> None:
    first, repeat = make.caught(key=make.key()), make.caught(key=make.key())
    committed = await books.accept(first, repeat)
    assert committed.repeated == {1: make.key()}
    assert await kept(books) == [first.request.id] if first.request else []


async def test_a_request_alone_claims_its_key_until_that_expires(books: Books, make: Maker) -> None:
    key = make.key(ttl=HOUR)
    late = make.request(at=NOW + HOUR)
    await books.accept(Acceptance(None, (), (key,), make.request()))
    early = await books.accept(Acceptance(None, (), (key,), make.request(at=NOW + HOUR - 1)))
    assert early.repeated == {0: key}
    renewed = replace(key, expires_at_ms=NOW + 2 * HOUR)
    assert (await books.accept(Acceptance(None, (), (renewed,), late))).repeated == {}


async def test_nothing_of_a_commit_that_fails_is_stored(books: Books, make: Maker) -> None:
    good = make.caught()
    clash = Acceptance(good.event, (), (), make.request())
    with pytest.raises(Exception, match=r"UNIQUE|in use"):
        await books.accept(good, clash)
    assert await kept(books) == []


async def test_requests_matched_by_an_older_configuration_are_not_stored(
    books: Books, make: Maker
) -> None:
    version = await books.version()
    await books.webhook()
    committed = await books.store.commit(Batch(version, accept=[make.caught()]))
    assert committed.stale
    assert await kept(books) == []


async def test_a_released_request_takes_the_place_of_the_quarantined(
    books: Books, make: Maker
) -> None:
    caught = make.request(reason="bad_signature", detail="no", body=b"{}")
    await books.catch(caught, make.request())
    kept_of_it = Caught(request_id=caught.id, source_id=SOURCE, form="json", headers=caught.headers)
    event = make.event(payload=caught.body, at=NOW + HOUR, meta=EventMeta(caught=kept_of_it))
    released = replace(
        caught, verdict=Verdict.ACCEPTED, event_id=event.id, reason=None, detail=None
    )
    await books.accept(Acceptance(event, (), (), released))
    assert await books.store.request(1, caught.id) == released
    assert len(await kept(books)) == 2
    assert await books.store.request_counts(1, SOURCE, NOW) == {
        Verdict.ACCEPTED: 1,
        Verdict.QUARANTINED: 1,
    }


async def test_a_request_without_an_event_survives_a_restart(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    request = make.request()
    await books.catch(request)
    store = await reopen()
    assert await store.request(1, request.id) == request
    assert (await store.boot()).greatest_id == request.id


# --------------------------------------------------------------------------- rings


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_ring_keeps_the_newest(books: Books, make: Maker, at_once: bool) -> None:
    requests = [make.request() for _ in range(10)]
    ring = Ring(True, 4, GB)
    if at_once:
        await books.catch(*requests, ring=ring)
    else:
        for request in requests:
            await books.catch(request, ring=ring)
    assert await kept(books) == [request.id for request in requests[-4:]]


async def test_a_ring_keeps_so_many_bytes_and_always_the_newest(books: Books, make: Maker) -> None:
    ring = Ring(True, 100, 1_000)
    small = [make.request(body=b"x" * 400) for _ in range(4)]
    for request in small:
        await books.catch(request, ring=ring)
    assert await kept(books) == [request.id for request in small[-2:]]
    huge = make.request(body=b"x" * 5_000)
    await books.catch(huge, ring=ring)
    assert await kept(books) == [huge.id]
    after = make.request(body=b"x")
    await books.catch(after, ring=ring)
    assert await kept(books) == [after.id]


async def test_a_flood_of_unproven_requests_pushes_out_no_proven_one(
    books: Books, make: Maker
) -> None:
    ring = Ring(True, 3, GB)
    genuine = make.caught()
    sample = make.request(Verdict.SAMPLE)
    assert genuine.request is not None
    await books.accept(genuine)
    await books.catch(sample)
    flood = [make.request(v) for v in (Verdict.QUARANTINED, Verdict.REJECTED) * 5]
    for request in flood:
        await books.catch(request, ring=ring)
    assert await kept(books) == [genuine.request.id, sample.id, *(r.id for r in flood[-3:])]


async def test_a_ring_of_everything_counts_everything(books: Books, make: Maker) -> None:
    ring = Ring(False, 3, GB)
    await books.catch(make.request(), make.request())
    caught = [replace(bare(make.caught(body=b"x" * n)), ring=ring) for n in range(1, 6)]
    for acceptance in caught:
        await books.accept(acceptance)
    assert await kept(books) == [a.request.id for a in caught[-3:] if a.request]
    # The bodies of those that became events count too.
    await books.accept(replace(make.caught(body=b"x"), ring=Ring(False, 3, 10)))
    assert len(await kept(books)) == 3
    await books.accept(replace(make.caught(body=b"x"), ring=Ring(False, 3, 6)))
    assert len(await kept(books)) == 2


async def test_a_ring_is_one_sources_own(books: Books, make: Maker) -> None:
    theirs = make.request(source=SOURCE + 1)
    await books.catch(theirs)
    await books.catch(make.request(), make.request(), ring=Ring(True, 1, GB))
    assert await kept(books, SOURCE + 1) == [theirs.id]
    assert len(await kept(books)) == 1


async def test_what_came_without_a_ring_counts_in_the_next(books: Books, make: Maker) -> None:
    ring = Ring(True, 3, GB)
    await books.catch(make.request(), ring=ring)
    await books.catch(make.request(), make.request(), make.request())
    last = make.request()
    await books.catch(last, ring=ring)
    assert len(await kept(books)) == 3
    assert last.id in await kept(books)


async def test_what_a_ring_released_makes_room(books: Books, make: Maker) -> None:
    ring = Ring(True, 3, GB)
    requests = [make.request(body=b"{}") for _ in range(3)]
    await books.catch(*requests, ring=ring)
    event = make.event(payload=b"{}", at=NOW + HOUR)
    released = replace(requests[1], verdict=Verdict.ACCEPTED, event_id=event.id)
    await books.accept(Acceptance(event, (), (), released))
    await books.catch(make.request(), ring=ring)
    assert len(await kept(books)) == 4


async def test_what_retention_took_from_a_ring_makes_room(books: Books, make: Maker) -> None:
    ring = Ring(True, 3, GB)
    await books.catch(*(make.request() for _ in range(3)), ring=ring)
    assert await books.store.forget_requests(NOW + 1, 2) == 2
    await books.catch(*(make.request(at=NOW + HOUR) for _ in range(2)), ring=ring)
    assert len(await kept(books)) == 3


async def test_a_commit_that_failed_does_not_count_in_a_ring(books: Books, make: Maker) -> None:
    ring = Ring(True, 3, GB)
    webhook = await books.webhook()
    delivery = await books.owed(webhook)
    taken = books.settlement(webhook, delivery, attempt=make.attempt(delivery))
    await books.settle([taken])
    await books.catch(make.request(), ring=ring)
    version = await books.version()
    for _ in range(3):
        doomed = Acceptance(None, request=make.request(), ring=ring)
        with pytest.raises(Exception, match=r"UNIQUE|in use"):
            await books.store.commit(Batch(version, accept=[doomed], settle=[taken]))
    await books.catch(make.request(), make.request(), ring=ring)
    assert len(await kept(books)) == 3


async def test_a_ring_made_smaller_empties_with_what_comes(books: Books, make: Maker) -> None:
    await books.catch(*(make.request() for _ in range(20)), ring=Ring(True, 100, GB))
    await books.catch(make.request(), ring=Ring(True, 2, GB))
    assert len(await kept(books)) == 2


async def test_rings_hold_under_concurrent_commits(books: Books, make: Maker) -> None:
    ring = Ring(True, 5, GB)
    await asyncio.gather(*(books.catch(make.request(), ring=ring) for _ in range(40)))
    assert len(await kept(books)) == 5


async def test_events_alone_leave_no_request(books: Books, make: Maker) -> None:
    event: Event = make.event()
    await books.accept(Acceptance(event))
    assert await books.store.requests(EVERYTHING, limit=10) == []
