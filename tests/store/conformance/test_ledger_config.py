"""Configuration records, their versions and names."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.domain.delivery import DeliveryState
from hookferry.domain.tenant import ApiKey, EventType
from hookferry.domain.webhook import (
    Health,
    RateLimit,
    Retry,
    SealedSecret,
    Webhook,
    WebhookState,
)
from hookferry.errors import Conflict, NameTaken, NotFound, VersionMismatch
from hookferry.store.ports import DeliveryFilter
from hookferry.store.sqlite import config
from sim import disk
from store.conformance.books import NOW, Books, Maker
from store.conformance.conftest import Lower, Reopen

replace = msgspec.structs.replace


async def test_an_empty_ledger_has_the_default_tenant(books: Books) -> None:
    changes = await books.store.changes(0)
    [tenant] = changes.tenants
    assert (tenant.id, tenant.name, tenant.deleted) == (1, "default", False)
    assert (changes.event_types, changes.webhooks, changes.api_keys) == ([], [], [])
    assert changes.credentials == []


async def test_every_kind_of_record_is_read_back_as_saved(books: Books, make: Maker) -> None:
    tenant = replace(make.tenant("acme"), webhook_key=b"\x00sealed", strict_types=True)
    event_type = EventType(id=make.id(), tenant_id=1, name="a.b", phase="after")
    key = ApiKey(id=make.id(), name="ci", digest=b"\xff" * 32, tenant_id=1)
    webhook = Webhook(
        id=make.id(),
        tenant_id=1,
        number=5,
        name="full",
        target_url="https://example.com/",
        events=("a.*", "b"),
        profile="raw",
        state=WebhookState.PAUSED,
        headers={"X-A": "b"},
        retry=Retry((1.5, 2.0), 0.0),
        rate_limit=RateLimit(2.5, 3),
        ordered=True,
        client_certificate=b"\x00",
        secrets=(SealedSecret(b"\xfe", NOW), SealedSecret(b"\xfd")),
    )
    credential = make.credential()
    for record in (tenant, event_type, key, webhook, credential):
        assert await books.store.save(record) == record
    changes = await books.store.changes(0)
    assert changes.tenants[1:] == [tenant]
    assert changes.event_types == [event_type]
    assert changes.api_keys == [key]
    assert changes.webhooks == [webhook]
    assert changes.credentials == [credential]


async def test_each_save_counts_up_and_changes_tells_only_what_is_newer(books: Books) -> None:
    start = await books.version()
    first = await books.webhook("first")
    second = await books.webhook("second")
    assert await books.version() == start + 2
    assert (await books.store.changes(start + 1)).webhooks == [second]
    renamed = await books.store.save(replace(first, name="renamed", version=2))
    assert (await books.store.changes(start + 2)).webhooks == [renamed]
    assert (await books.store.changes(start + 3)).webhooks == []


async def test_webhooks_are_numbered_by_tenant(books: Books, make: Maker) -> None:
    acme = await books.store.save(make.tenant("acme"))
    numbers = [(await books.webhook(f"w{i}")).number for i in range(3)]
    assert numbers == [1, 2, 3]
    assert (await books.webhook("w", tenant=acme.id)).number == 1
    await books.store.save(make.webhook("seven", number=7))
    assert (await books.webhook("next")).number == 8


async def test_a_deleted_webhook_keeps_its_number(books: Books) -> None:
    webhook = await books.webhook("gone")
    await books.store.save(replace(webhook, deleted=True, version=2))
    assert (await books.webhook("new")).number == webhook.number + 1


@pytest.mark.parametrize("version", [1, 3])
async def test_a_save_over_another_version_is_refused(books: Books, version: int) -> None:
    webhook = await books.webhook()
    before = await books.version()
    with pytest.raises(VersionMismatch):
        await books.store.save(replace(webhook, title="mine", version=version))
    changes = await books.store.changes(0)
    assert (changes.version, changes.webhooks) == (before, [webhook])


async def test_an_update_of_what_does_not_exist_is_refused(books: Books, make: Maker) -> None:
    with pytest.raises(VersionMismatch):
        await books.store.save(replace(make.webhook(), version=2))


async def test_names_of_tenants_are_unique_among_the_living(books: Books, make: Maker) -> None:
    acme = await books.store.save(make.tenant("acme"))
    with pytest.raises(NameTaken):
        await books.store.save(make.tenant("acme"))
    await books.store.save(replace(acme, deleted=True, version=2))
    again = await books.store.save(make.tenant("acme"))
    assert [t for t in (await books.store.changes(0)).tenants if not t.deleted][1:] == [again]


async def test_names_of_event_types_are_unique_in_their_tenant(books: Books, make: Maker) -> None:
    first = await books.store.save(EventType(id=make.id(), tenant_id=1, name="a.b"))
    await books.store.save(EventType(id=make.id(), tenant_id=2, name="a.b"))
    with pytest.raises(NameTaken):
        await books.store.save(EventType(id=make.id(), tenant_id=1, name="a.b"))
    await books.store.save(replace(first, description="its own name is free", version=2))


async def test_an_archived_event_type_frees_its_name_until_it_is_back(
    books: Books, make: Maker
) -> None:
    first = await books.store.save(EventType(id=make.id(), tenant_id=1, name="a.b"))
    archived = await books.store.save(replace(first, archived=True, version=2))
    await books.store.save(EventType(id=make.id(), tenant_id=1, name="a.b"))
    with pytest.raises(NameTaken):
        await books.store.save(replace(archived, archived=False, version=3))


async def test_names_of_webhooks_are_unique_only_where_asked(books: Books, make: Maker) -> None:
    webhook = await books.webhook("crm")
    await books.store.save(make.webhook("crm"))
    with pytest.raises(NameTaken):
        await books.store.save_webhook_unique(make.webhook("crm"))
    await books.store.save_webhook_unique(make.webhook("crm", tenant=2))
    other = await books.store.save_webhook_unique(make.webhook("erp"))
    await books.store.save(replace(other, deleted=True, version=2))
    await books.store.save_webhook_unique(make.webhook("erp"))
    assert webhook in (await books.store.changes(0)).webhooks


async def test_names_of_credentials_are_unique_among_the_living_of_a_tenant(
    books: Books, make: Maker
) -> None:
    first = await books.store.save(make.credential("erp"))
    await books.store.save(make.credential("erp", tenant=2))
    with pytest.raises(NameTaken, match="'erp'"):
        await books.store.save(make.credential("erp"))
    await books.store.save(replace(first, deleted=True, version=2))
    again = await books.store.save(make.credential("erp"))
    living = [c for c in (await books.store.changes(0)).credentials if not c.deleted]
    assert again in living


async def test_a_credential_saved_over_another_version_is_refused(
    books: Books, make: Maker
) -> None:
    first = await books.store.save(make.credential())
    with pytest.raises(VersionMismatch):
        await books.store.save(replace(first, description="mine"))
    assert (await books.store.changes(0)).credentials == [first]


async def test_no_live_webhook_ever_names_a_credential_that_is_gone(
    books: Books, make: Maker
) -> None:
    credential = await books.store.save(make.credential())
    foreign = await books.store.save(make.credential(tenant=2))
    with pytest.raises(NotFound) as caught:
        await books.store.save(replace(make.webhook("other"), credential=foreign.id))
    assert caught.value.field == "credential"
    webhook = await books.store.save(replace(make.webhook(), credential=credential.id))
    gone = replace(credential, deleted=True, version=2)
    with pytest.raises(Conflict):
        await books.store.save(gone)
    assert (await books.store.changes(0)).credentials == [credential, foreign]
    webhook = await books.store.save(replace(webhook, version=2, deleted=True))
    await books.store.save(gone)
    with pytest.raises(NotFound):
        await books.store.save(replace(make.webhook("late"), credential=credential.id))
    assert (await books.store.changes(0)).webhooks == [webhook]


async def test_the_greatest_id_counts_credentials(books: Books, make: Maker) -> None:
    credential = await books.store.save(make.credential())
    assert (await books.store.boot()).greatest_id == credential.id


# --------------------------------------------------------------------------- versions of webhooks


async def test_every_version_of_a_webhook_is_kept_as_it_was(books: Books) -> None:
    first = await books.webhook()
    second = await books.store.save(replace(first, title="two", version=2, updated_at_ms=NOW + 2))
    third = await books.store.save(replace(second, title="three", version=3, deleted=True))
    for version in (first, second, third):
        assert await books.store.webhook_at(1, first.id, version.version) == version
    assert await books.store.webhook_at(1, first.id, 4) is None
    assert await books.store.webhook_at(1, first.id, 0) is None
    assert await books.store.webhook_at(2, first.id, 1) is None
    assert await books.store.webhook_at(2, first.id, 3) is None


async def test_a_refused_save_keeps_no_version(books: Books) -> None:
    first = await books.webhook()
    with pytest.raises(VersionMismatch):
        await books.store.save(replace(first, version=3))
    assert await books.store.webhook_at(1, first.id, 2) is None
    assert await books.store.webhook_at(1, first.id, 3) is None


async def test_disabling_keeps_the_version_before_it(books: Books) -> None:
    webhook = await books.webhook()
    await books.settle([], [books.health(webhook, Health(consecutive_failures=9), disable=True)])
    assert await books.store.webhook_at(1, webhook.id, 1) == webhook
    disabled = await books.store.webhook_at(1, webhook.id, 2)
    assert disabled is not None
    assert disabled.state is WebhookState.TOO_MANY_ERRORS


async def test_versions_are_told_without_anything_sealed(books: Books, make: Maker) -> None:
    sealed = {
        "secrets": (SealedSecret(b"\xfe"),),
        "client_certificate": b"sealed",
        "proxy": b"sealed",
    }
    webhook = await books.store.save(replace(make.webhook(), **sealed))
    assert await books.store.webhook_at(1, webhook.id, 1) == webhook.without_sealed()
    await books.store.save(replace(webhook, version=2))
    kept = await books.store.webhook_at(1, webhook.id, 1)
    assert kept == webhook.without_sealed()
    assert all(value != b"sealed" for value in msgspec.structs.astuple(kept))
    assert (kept.secrets, kept.client_certificate, kept.proxy) == ((), None, None)


async def test_versions_are_forgotten_by_when_they_were_replaced(books: Books) -> None:
    webhook = await books.webhook()
    for number in range(2, 5):
        webhook = replace(webhook, version=number, updated_at_ms=NOW + number)
        await books.store.save(webhook)
    await books.store.forget(NOW + 3, 10)
    kept = [await books.store.webhook_at(1, webhook.id, n) is not None for n in range(1, 5)]
    assert kept == [False, True, True, True]
    await books.store.forget(NOW + 1_000, 10)
    kept = [await books.store.webhook_at(1, webhook.id, n) is not None for n in range(1, 5)]
    assert kept == [False, False, False, True]


async def test_hundreds_of_versions_are_forgotten_in_one_call(books: Books) -> None:
    webhook = await books.webhook()
    for number in range(2, 303):
        webhook = await books.store.save(replace(webhook, version=number))
    await books.store.forget(NOW + 1, 10)
    assert await books.store.webhook_at(1, webhook.id, 301) is None
    assert await books.store.webhook_at(1, webhook.id, 302) == webhook


async def test_no_more_versions_are_kept_than_the_limit_however_often_a_webhook_is_saved(
    books: Books, lower: Lower
) -> None:
    lower("VERSIONS_KEPT", 3, config, disk)
    other = await books.store.save(replace(await books.webhook("other"), version=2))
    webhook = await books.webhook()
    for number in range(2, 8):
        webhook = await books.store.save(replace(webhook, version=number))
    kept = [await books.store.webhook_at(1, webhook.id, n) is not None for n in range(1, 8)]
    assert kept == [False, False, False, True, True, True, True]
    assert await books.store.webhook_at(1, other.id, 1) is not None


async def test_versions_survive_a_restart(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    webhook = await books.webhook()
    await books.store.save(replace(webhook, title="new", version=2))
    store = await reopen()
    assert await store.webhook_at(1, webhook.id, 1) == webhook


async def test_a_revoked_api_key_is_told_as_changed(books: Books, make: Maker) -> None:
    key = await books.store.save(ApiKey(id=make.id(), name="ci", digest=b"d"))
    before = await books.version()
    revoked = await books.store.save(replace(key, revoked=True))
    assert (await books.store.changes(before)).api_keys == [revoked]


async def test_deleting_a_webhook_cancels_its_backlog_and_keeps_the_log(books: Books) -> None:
    webhook, other = await books.webhook("gone"), await books.webhook("stays")
    delivered = await books.owed(webhook)
    await books.settle([books.settlement(webhook, delivered)])
    owed = [await books.owed(webhook) for _ in range(3)]
    kept = await books.owed(other)
    await books.store.save(replace(webhook, deleted=True, version=2, updated_at_ms=NOW + 5))
    found = await books.store.deliveries(
        DeliveryFilter(tenant_id=1, states=(DeliveryState.CANCELLED,)), limit=10
    )
    assert {d.id for d in found} == {d.id for d in owed}
    assert {(d.last_error, d.updated_at_ms) for d in found} == {("webhook_deleted", NOW + 5)}
    assert await books.store.owing() == {other.id: kept.due_ms}
    assert (await books.store.changes(0)).webhooks[0].deleted


async def test_a_backlog_of_thousands_is_cancelled_whole(books: Books, make: Maker) -> None:
    webhook = await books.webhook()
    event = make.event()
    backlog = [make.delivery(event, webhook.id) for _ in range(1_200)]
    await books.store.add_deliveries(backlog)
    await books.store.save(replace(webhook, deleted=True, version=2))
    assert await books.store.owing() == {}
    counts = await books.store.webhook_counts(1, webhook.id, 0)
    assert counts == {DeliveryState.CANCELLED: 1_200}


async def test_configuration_survives_a_restart(reopen: Reopen, make: Maker) -> None:
    books = Books(await reopen(), make)
    await books.webhook()
    before = await books.store.changes(0)
    assert await (await reopen()).changes(0) == before
