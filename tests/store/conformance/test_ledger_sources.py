"""Sources as records: their names, and addresses that lead to one source only."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.source import FormerGuid, Respond, Share, Source, Verification
from hookferry.domain.webhook import RateLimit, SealedSecret
from hookferry.errors import NameTaken, VersionMismatch
from store.conformance.books import HOUR, NOW, Books, Maker
from store.conformance.conftest import Reopen

replace = msgspec.structs.replace
A, B = "a" * 40, "b" * 40


async def test_a_source_is_read_back_as_saved(reopen: Reopen, make: Maker) -> None:
    store = await reopen()
    full = Source(
        id=make.id(),
        tenant_id=1,
        name="full",
        guid=A,
        former_guids=(FormerGuid(B, NOW + HOUR),),
        methods=("POST",),
        rate_limit=RateLimit(2.5, 3),
        verify=Verification(scheme={"preset": "github"}, secrets=(SealedSecret(b"\xfe\x00", NOW),)),
        handshakes=(),
        deduplicate={"header": "X-Id"},
        event_type={"json_path": "$.type"},
        respond=Respond(status=200, body="ok", webhook="wh"),
        shares=(Share(b"\xff" * 32, NOW),),
        updated_at_ms=NOW,
    )
    assert await store.save(full) == full
    assert (await store.changes(0)).sources == [full]
    store = await reopen()
    assert (await store.changes(0)).sources == [full]
    assert (await store.boot()).greatest_id == full.id


async def test_changes_tell_of_sources_saved_since_tombstones_too(
    books: Books, make: Maker
) -> None:
    first = await books.store.save(make.source("first"))
    version = await books.version()
    assert (await books.store.changes(version)).sources == []
    gone = await books.store.save(replace(first, deleted=True, version=2))
    assert (await books.store.changes(version)).sources == [gone]


async def test_a_save_of_a_source_over_another_version_is_refused(
    books: Books, make: Maker
) -> None:
    source = await books.store.save(make.source())
    with pytest.raises(VersionMismatch):
        await books.store.save(replace(source, description="mine", version=1))


async def test_names_of_sources_are_unique_in_their_tenant_among_the_living(
    books: Books, make: Maker
) -> None:
    first = await books.store.save(make.source("shop"))
    await books.store.save(make.source("shop", tenant=2))
    with pytest.raises(NameTaken) as taken:
        await books.store.save(make.source("shop"))
    assert taken.value.field == "name"
    await books.store.save(replace(first, deleted=True, version=2))
    await books.store.save(make.source("shop"))


@pytest.mark.parametrize("tenant", [1, 2])
async def test_a_guid_leads_to_one_source_whoever_owns_it(
    books: Books, make: Maker, tenant: int
) -> None:
    await books.store.save(make.source("first", guid=A))
    before = await books.version()
    with pytest.raises(NameTaken) as taken:
        await books.store.save(make.source("second", guid=A, tenant=tenant))
    assert taken.value.field == "guid"
    assert await books.version() == before


async def test_a_rotated_guid_is_taken_until_it_expires(books: Books, make: Maker) -> None:
    first = await books.store.save(make.source("first", guid=A))
    former = (FormerGuid(A, NOW + HOUR),)
    await books.store.save(replace(first, guid=B, former_guids=former, version=2))
    with pytest.raises(NameTaken):
        await books.store.save(make.source("second", guid=A, at=NOW + HOUR - 1))
    second = await books.store.save(make.source("second", guid=A, at=NOW + HOUR))
    # The first one may say on what it was: it leads nowhere any more.
    later = replace(first, guid=B, former_guids=former, version=3, updated_at_ms=NOW + HOUR)
    await books.store.save(later)
    assert second in (await books.store.changes(0)).sources


async def test_a_former_guid_must_not_be_another_sources(books: Books, make: Maker) -> None:
    await books.store.save(make.source("first", guid=A))
    former = (FormerGuid(A, NOW + HOUR),)
    with pytest.raises(NameTaken):
        await books.store.save(replace(make.source("second", guid=B), former_guids=former))
    await books.store.save(make.source("third", guid=B))


async def test_a_source_keeps_its_own_guid_through_saves_and_rotations(
    books: Books, make: Maker
) -> None:
    source = await books.store.save(make.source(guid=A))
    source = await books.store.save(replace(source, description="same address", version=2))
    former = (FormerGuid(A, NOW + HOUR),)
    source = await books.store.save(replace(source, guid=B, former_guids=former, version=3))
    source = await books.store.save(replace(source, guid=A, former_guids=former, version=4))
    with pytest.raises(NameTaken):
        await books.store.save(make.source("other", guid=A))
    await books.store.save(make.source("another", guid=B))


async def test_the_guid_of_a_deleted_source_comes_free(books: Books, make: Maker) -> None:
    first = await books.store.save(make.source("first", guid=A))
    await books.store.save(replace(first, deleted=True, version=2))
    await books.store.save(make.source("second", guid=A))
    with pytest.raises(NameTaken):
        await books.store.save(replace(first, version=3))
