"""Retention of caught requests."""

from __future__ import annotations

import msgspec

from hookferry.store.ports import EventFilter, RequestFilter
from store.conformance.books import DAY, HOUR, NOW, SOURCE, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace
EVERYTHING = RequestFilter(tenant_id=1)


async def left(books: Books) -> set[int]:
    return {request.id for request in await books.store.requests(EVERYTHING, limit=5_000)}


async def test_old_requests_go_and_their_events_stay(books: Books, make: Maker) -> None:
    old, recent = make.caught(body=b"{}"), make.caught(at=NOW + DAY)
    assert old.event is not None
    assert recent.request is not None
    await books.accept(old, recent)
    await books.catch(make.request())
    assert await books.store.forget_requests(NOW + HOUR, 10) == 2
    assert await left(books) == {recent.request.id}
    assert len(await books.store.events(EventFilter(tenant_id=1), limit=9)) == 2
    assert await books.store.event(1, old.event.id) == old.event


async def test_a_request_whose_event_went_first_has_lost_what_that_held(
    books: Books, make: Maker
) -> None:
    caught = make.caught(body=b"{}")
    assert caught.request is not None
    await books.accept(caught)
    assert await books.store.forget(NOW + HOUR, 10) == 1
    bare = replace(caught.request, body=b"", headers=())
    assert await books.store.request(1, bare.id) == bare
    await books.answer(bare.id, 200)
    assert await books.store.request(1, bare.id) == replace(bare, status=200, answered_by="wh_1")


async def test_the_limit_holds_and_the_oldest_go_first(books: Books, make: Maker) -> None:
    requests = [make.request(source=SOURCE + n % 2) for n in range(6)]
    await books.catch(*requests)
    assert await books.store.forget_requests(NOW + HOUR, 4) == 4
    assert await left(books) == {request.id for request in requests[4:]}
    assert await books.store.forget_requests(NOW + HOUR, 4) == 2
    assert await books.store.forget_requests(NOW + HOUR, 4) == 0


async def test_hundreds_of_requests_go_in_one_call(books: Books, make: Maker) -> None:
    await books.catch(*(make.request() for _ in range(700)))
    assert await books.store.forget_requests(NOW + HOUR, 1_000) == 700


async def test_requests_of_one_source_are_forgotten_apart(books: Books, make: Maker) -> None:
    mine, young, other = (
        make.request(),
        make.request(at=NOW + DAY),
        make.request(source=SOURCE + 1),
    )
    await books.catch(mine, young, other)
    assert await books.store.forget_requests(NOW + HOUR, 10, source_id=SOURCE) == 1
    assert await left(books) == {young.id, other.id}


async def test_spared_sources_keep_their_requests(books: Books, make: Maker) -> None:
    kept = [make.request(source=SOURCE + n) for n in (1, 3)]
    await books.catch(*kept, *(make.request(source=SOURCE + n) for n in (0, 2, 4)))
    spare = frozenset({SOURCE + 1, SOURCE + 3})
    assert await books.store.forget_requests(NOW + HOUR, 2, spare=spare) == 2
    assert await books.store.forget_requests(NOW + HOUR, 2, spare=spare) == 1
    assert await left(books) == {request.id for request in kept}


async def test_requests_of_a_deleted_source_go_whatever_their_age(
    books: Books, make: Maker
) -> None:
    live = await books.store.save(make.source("live"))
    gone = await books.store.save(make.source("gone"))
    kept = make.request(source=live.id, at=NOW + DAY)
    await books.catch(kept, *(make.request(source=gone.id, at=NOW + DAY) for _ in range(3)))
    await books.store.save(replace(gone, deleted=True, version=2))
    assert await books.store.forget_requests(NOW, 2, spare=frozenset({live.id})) == 2
    assert await books.store.forget_requests(NOW, 2) == 1
    assert await left(books) == {kept.id}


async def test_the_greatest_id_is_known_after_its_request_was_forgotten(
    reopen: Reopen, make: Maker
) -> None:
    books = Books(await reopen(), make)
    request = make.request()
    await books.catch(request)
    assert await books.store.forget_requests(NOW + HOUR, 10) == 1
    assert (await (await reopen()).boot()).greatest_id == request.id


async def test_a_source_is_forgotten_once_its_deletion_is_past_and_it_holds_nothing(
    reopen: Reopen, make: Maker
) -> None:
    books = Books(await reopen(), make)
    gone, late, holding, live = [
        await books.store.save(make.source(name)) for name in ("gone", "late", "holding", "live")
    ]
    await books.catch(make.request(source=holding.id))
    for source, at in ((gone, NOW), (late, NOW + DAY), (holding, NOW)):
        await books.store.save(replace(source, deleted=True, version=2, updated_at_ms=at))
    await books.store.forget(NOW + HOUR, 10)
    known = {source.id for source in (await books.store.changes(0)).sources}
    assert known == {late.id, holding.id, live.id}
    await books.store.forget_requests(NOW, 10)
    await books.store.forget(NOW + 2 * DAY, 10)
    assert [source.id for source in (await books.store.changes(0)).sources] == [live.id]
    newest = await books.store.save(make.source("newest"))
    await books.store.save(replace(newest, deleted=True, version=2))
    await books.store.forget(NOW + 2 * DAY, 10)
    assert (await (await reopen()).boot()).greatest_id == newest.id
