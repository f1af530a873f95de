"""Sources as a managed resource: addresses, secrets, bins and share links, on a real ledger."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from hookferry.catch import sources as rules
from hookferry.catch.defaults import in_force
from hookferry.catch.definition import GUID, check_guid
from hookferry.catch.shares import share_id
from hookferry.catch.sources import Sources
from hookferry.domain.source import Source
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Mode, Webhook
from hookferry.engine.directory import Directory
from hookferry.engine.sealing import Sealer, new_master_key, open_source_secrets
from hookferry.errors import (
    Conflict,
    HookferryError,
    InvalidField,
    NameTaken,
    NotFound,
    UnknownField,
    UnsealFailed,
    VersionMismatch,
)
from hookferry.ids import IdSource, encode
from hookferry.store.sqlite.store import SqliteStore

HOUR = 3600.0
DAY = 24 * HOUR
TENANT, OTHER = 1, 2
GITHUB = {"name": "shop", "verify": {"preset": "github", "secret": "correct horse"}}
WHSEC = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
GUID_A = "3f0c9a6be27d4158a1b2c3d4e5f60718293a4b5c"
GUID_B = "b7d2e8f1a0c34956d8e7f6051423a9bcde4f8071"


class Clock:
    """A wall clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = 1_790_000_000_000

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def passes(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


@dataclass
class Room:
    """Sources on a ledger, and what a test looks into."""

    sources: Sources
    directory: Directory
    store: SqliteStore
    sealer: Sealer
    ids: IdSource
    clock: Clock

    async def make(self, tenant: int = TENANT, **fields: Any) -> Source:
        return await self.sources.create(tenant, {"name": "shop", **fields})

    async def change(self, source: Source, **fields: Any) -> Source:
        return await self.sources.patch(source.tenant_id, source.id, fields)

    async def refused(self, **fields: Any) -> HookferryError:
        with pytest.raises((InvalidField, UnknownField)) as error:
            await self.make(**fields)
        assert self.directory.sources(TENANT) == []
        return error.value

    def secrets(self, source: Source) -> list[str]:
        """What verifies now."""
        return open_source_secrets(self.sealer, source, self.clock.now_ms)

    async def webhook(self, name: str, mode: Mode = Mode.SYNC) -> Webhook:
        saved = await self.store.save(
            Webhook(
                id=self.ids.next(),
                tenant_id=TENANT,
                number=0,
                name=name,
                target_url="https://receiver.example/",
                events=("*",),
                mode=mode,
            )
        )
        await self.directory.refresh()
        return saved

    async def saved_again(self, webhook: Webhook, **fields: Any) -> None:
        version = webhook.version + 1
        await self.store.save(msgspec.structs.replace(webhook, version=version, **fields))
        await self.directory.refresh()


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with nothing in it yet, made once: tests begin with copies."""
    folder = tmp_path_factory.mktemp("ledger")

    async def make() -> None:
        await (await SqliteStore.open(folder)).aclose()

    asyncio.run(make())
    return folder


@pytest.fixture
async def room(empty_ledger: Path, tmp_path: Path) -> AsyncIterator[Room]:
    clock = Clock()
    folder = await asyncio.to_thread(shutil.copytree, empty_ledger, tmp_path / "data")
    store = await SqliteStore.open(folder)
    directory = Directory(store)
    sealer = Sealer.from_setting(new_master_key())
    ids = IdSource(clock)
    await store.save(Tenant(id=OTHER, name="acme"))
    await directory.refresh()
    sources = Sources(store, directory, sealer, ids, clock, lambda: "https://hooks.example/")
    yield Room(sources, directory, store, sealer, ids, clock)
    await store.aclose()


# --------------------------------------------------------------------------- addresses


async def test_an_address_is_made_of_40_random_hex_digits(room: Room) -> None:
    one, two = await room.make(name="one"), await room.make(name="two")
    assert GUID.fullmatch(one.guid)
    assert one.guid != two.guid
    assert room.sources.url(one) == f"https://hooks.example/webhooks/{one.guid}"


def test_an_address_that_is_made_is_never_refused() -> None:
    for _ in range(2_000):
        check_guid(rules.new_guid(), field="guid")


async def test_an_address_may_be_given_and_edited(room: Room) -> None:
    made = await room.make(guid=GUID_A)
    assert made.guid == GUID_A
    changed = await room.change(made, guid=GUID_B)
    assert (changed.guid, changed.former_guids) == (GUID_B, ())
    assert (await room.make(name="next", guid=GUID_A)).guid == GUID_A


async def test_an_address_leads_to_one_source_of_all_tenants(room: Room) -> None:
    mine = await room.make(guid=GUID_A)
    for tenant in (TENANT, OTHER):
        with pytest.raises(NameTaken) as error:
            await room.make(tenant, name="thief", guid=GUID_A)
        assert error.value.field == "guid"
    rotated = await room.sources.rotate(TENANT, mine.id)
    with pytest.raises(NameTaken):
        await room.make(OTHER, guid=GUID_A)
    room.clock.passes(DAY + 1)
    assert rotated.guid != GUID_A
    assert (await room.make(OTHER, guid=GUID_A)).guid == GUID_A


async def test_a_rotated_address_leads_here_for_a_day_and_then_no_more(room: Room) -> None:
    made = await room.make(guid=GUID_A)
    rotated = await room.sources.rotate(TENANT, made.id)
    [former] = rotated.former_guids
    assert (former.guid, former.expires_at_ms) == (GUID_A, room.clock.now_ms + int(DAY * 1000))
    assert GUID.fullmatch(rotated.guid)
    room.clock.passes(DAY)
    again = await room.sources.rotate(TENANT, made.id, overlap=HOUR)
    assert [f.guid for f in again.former_guids] == [rotated.guid]


async def test_an_overlap_of_nothing_ends_every_former_address(room: Room) -> None:
    made = await room.make()
    await room.sources.rotate(TENANT, made.id)
    rotated = await room.sources.rotate(TENANT, made.id, guid=GUID_B, overlap=0)
    assert (rotated.guid, rotated.former_guids) == (GUID_B, ())


async def test_an_address_can_be_rotated_back(room: Room) -> None:
    made = await room.make(guid=GUID_A)
    await room.sources.rotate(TENANT, made.id, guid=GUID_B)
    back = await room.sources.rotate(TENANT, made.id, guid=GUID_A)
    assert (back.guid, [f.guid for f in back.former_guids]) == (GUID_A, [GUID_B])


async def test_an_edit_back_to_a_former_address_keeps_the_others(room: Room) -> None:
    made = await room.make(guid=GUID_A)
    rotated = await room.sources.rotate(TENANT, made.id, guid=GUID_B)
    third = await room.sources.rotate(TENANT, made.id)
    edited = await room.change(third, guid=GUID_A)
    assert [f.guid for f in edited.former_guids] == [rotated.guid]


async def test_at_most_five_former_addresses_lead_here(room: Room) -> None:
    made = await room.make()
    for _ in range(5):
        rotated = await room.sources.rotate(TENANT, made.id)
    with pytest.raises(Conflict, match="overlap 0"):
        await room.sources.rotate(TENANT, made.id)
    assert room.directory.source(TENANT, made.id) == rotated
    assert len(rotated.former_guids) == rules.MAX_FORMER


@pytest.mark.parametrize(
    ("rotation", "field"),
    [
        ({"overlap": -1}, "overlap"),
        ({"overlap": 7 * DAY + 1}, "overlap"),
        ({"guid": "1" * 40}, "guid"),
        ({"guid": GUID_A}, "guid"),
    ],
)
async def test_a_rotation_that_is_none_is_refused(
    room: Room, rotation: dict[str, Any], field: str
) -> None:
    made = await room.make(guid=GUID_A)
    with pytest.raises(InvalidField) as error:
        await room.sources.rotate(TENANT, made.id, **rotation)
    assert error.value.field == field


# --------------------------------------------------------------------------- saving


async def test_names_are_unique_in_their_tenant_only(room: Room) -> None:
    await room.make()
    with pytest.raises(NameTaken):
        await room.make()
    assert (await room.make(OTHER)).name == "shop"
    other = await room.make(name="other")
    with pytest.raises(NameTaken):
        await room.change(other, name="shop")


async def test_of_two_editors_the_later_is_refused(room: Room) -> None:
    made = await room.make()
    await room.sources.patch(TENANT, made.id, {"draft": True}, version=1)
    with pytest.raises(VersionMismatch, match="at version 2, not 1"):
        await room.sources.patch(TENANT, made.id, {"enabled": False}, version=1)
    with pytest.raises(VersionMismatch):
        await room.sources.delete(TENANT, made.id, version=1)
    assert room.directory.source(TENANT, made.id).enabled


async def test_of_two_changes_at_the_same_moment_one_is_refused(room: Room) -> None:
    made = await room.make()
    outcomes = await asyncio.gather(
        room.change(made, description="one"),
        room.change(made, description="two"),
        return_exceptions=True,
    )
    assert sorted(isinstance(o, VersionMismatch) for o in outcomes) == [False, True]


async def test_a_patch_changes_what_it_names_and_null_resets_it(room: Room) -> None:
    made = await room.make(**GITHUB | {"methods": ["POST"], "window": 60, "keep": 5})
    changed = await room.change(made, methods=None, window=None, description="of the shop")
    assert (changed.methods, changed.window, changed.keep) == ((), None, 5)
    assert (changed.description, changed.guid, changed.verify) == (
        "of the shop",
        made.guid,
        made.verify,
    )


async def test_a_patch_that_is_no_object_is_refused(room: Room) -> None:
    made = await room.make()
    with pytest.raises(InvalidField, match="JSON object"):
        await room.sources.patch(TENANT, made.id, ["draft"])


async def test_another_tenants_source_does_not_exist(room: Room) -> None:
    made = await room.make(**GITHUB)
    sources = room.sources
    for call in (
        sources.patch(OTHER, made.id, {}),
        sources.delete(OTHER, made.id),
        sources.rotate(OTHER, made.id),
        sources.rotate_secret(OTHER, made.id, "x"),
        sources.share(OTHER, made.id, 1),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        sources.shares(OTHER, made.id)
    assert room.directory.source(TENANT, made.id) == made


async def test_a_tenant_has_a_bounded_number_of_sources(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_SOURCES", 2)
    await room.make(name="one")
    await room.sources.create(TENANT, {"bin": True})
    with pytest.raises(Conflict, match="which is the limit"):
        await room.make(name="three")
    assert (await room.make(OTHER)).name == "shop"


async def test_a_deleted_source_keeps_nothing_that_opens_anything(room: Room) -> None:
    made = await room.make(**GITHUB | {"verify_token": "known to both"})
    await room.sources.share(TENANT, made.id, 1)
    await room.sources.delete(TENANT, made.id)
    with pytest.raises(NotFound):
        room.directory.source(TENANT, made.id)
    [left] = (await room.store.changes(0)).sources
    assert (left.deleted, left.verify, left.verify_token, left.shares) == (True, None, None, ())
    assert (await room.make(guid=made.guid)).name == "shop"


async def test_what_is_logged_says_what_changed_and_never_to_what(room: Room) -> None:
    with structlog.testing.capture_logs() as logs:
        made = await room.make(**GITHUB | {"verify_token": "known to both"})
        await room.change(made, verify={"secret": "battery staple"})
        rotated = await room.sources.rotate(TENANT, made.id)
        await room.sources.rotate_secret(TENANT, made.id, "third secret")
        share, token = await room.sources.share(TENANT, made.id, 1)
        await room.sources.unshare(TENANT, made.id, share_id(share))
        await room.sources.delete(TENANT, made.id)
    assert [entry["event"] for entry in logs] == [
        "source_created",
        "source_changed",
        "source_rotated",
        "source_secret_rotated",
        "source_shared",
        "source_unshared",
        "source_deleted",
    ]
    assert {entry["source"] for entry in logs} == {encode("src", made.id)}
    hidden = ("correct horse", "battery", "third", "known to both", token, made.guid, rotated.guid)
    assert not [text for text in hidden if text in repr(logs)]


# --------------------------------------------------------------------------- secrets


async def test_secrets_are_sealed_for_this_source_alone(room: Room) -> None:
    made = await room.make(**GITHUB)
    assert made.verify is not None
    assert made.verify.scheme == {"preset": "github"}
    assert "correct horse" not in repr(made)
    assert room.secrets(made) == ["correct horse"]
    with pytest.raises(UnsealFailed):
        room.secrets(msgspec.structs.replace(made, id=made.id + 1))


async def test_what_a_subscription_must_name_is_sealed_and_stays_through_changes(
    room: Room,
) -> None:
    made = await room.make(verify_token="known to both")
    assert made.verify_token is not None
    assert b"known to both" not in made.verify_token
    changed = await room.sources.patch(TENANT, made.id, {"description": "other"})
    assert room.sources._secrets.token_of(changed) == "known to both"
    left = await room.sources.patch(TENANT, made.id, {"verify_token": None})
    assert left.verify_token is None


async def test_a_source_may_be_made_before_its_secret_is_known(room: Room) -> None:
    made = await room.make(verify={"preset": "github"})
    assert room.secrets(made) == []
    assert room.secrets(await room.change(made, verify={"secret": "shown since"})) == [
        "shown since"
    ]


async def test_a_verification_that_keeps_quiet_of_secrets_keeps_them(room: Room) -> None:
    made = await room.make(verify={"preset": "slack", "secret": "correct horse"})
    changed = await room.change(made, verify={"tolerance": 600})
    assert changed.verify is not None
    assert changed.verify.scheme == {"preset": "slack", "tolerance": 600}
    assert room.secrets(changed) == ["correct horse"]
    replaced = await room.change(changed, verify={"secrets": ["newer", "older"]})
    assert replaced.verify is not None
    assert replaced.verify.scheme == changed.verify.scheme
    assert room.secrets(replaced) == ["newer", "older"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"preset": "slack", "tolerance": 600}, {"preset": "github"}),
        ({"preset": "slack", "tolerance": 600}, {"signature": "header:X-Signature"}),
        ({"signature": "header:X-Signature", "prefix": "v1="}, {"preset": "github"}),
        ({"signature": "header:X-Signature", "prefix": "v1="}, {"type": "bearer"}),
        ({"signature": "header:X-Signature", "prefix": "v1="}, {"signature": "header:X-Other"}),
    ],
)
async def test_a_scheme_that_is_named_replaces_the_one_before_whole(
    room: Room, before: dict[str, Any], after: dict[str, Any]
) -> None:
    made = await room.make(verify=before | {"secret": "correct horse"})
    changed = await room.change(made, verify=after)
    assert changed.verify is not None
    assert changed.verify.scheme == after
    assert room.secrets(changed) == ["correct horse"]
    given = await room.change(made, verify=before | {"secret": "battery staple"})
    assert room.secrets(given) == ["battery staple"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("secrt", "did you mean 'secret'?"),
        ("sekrets", "did you mean 'secrets'?"),
        ("encodng", "did you mean 'encoding'?"),
        ("zzzzzz", "prefix, preset, secret, secrets, signature"),
    ],
)
async def test_a_misspelt_member_of_verify_is_answered_by_the_nearest_of_all(
    room: Room, wrong: str, said: str
) -> None:
    error = await room.refused(verify={"preset": "github", wrong: "correct horse"})
    assert error.field == f"verify.{wrong}"
    assert said in error.detail
    assert "correct horse" not in error.detail


async def test_a_secret_that_does_not_fit_its_scheme_is_refused_unquoted(room: Room) -> None:
    error = await room.refused(verify={"preset": "standard_webhooks", "secret": "correct horse"})
    assert (error.field or "").startswith("verify")
    assert "correct horse" not in error.detail
    made = await room.make(**GITHUB)
    with pytest.raises(InvalidField):
        await room.change(made, verify={"preset": "standard_webhooks"})
    changed = await room.change(made, verify={"preset": "standard_webhooks", "secret": WHSEC})
    assert room.secrets(changed) == [WHSEC]


@pytest.mark.parametrize(
    ("verify", "field"),
    [
        ({}, "verify"),
        ({"preset": "gihtub"}, "verify.preset"),
        ({"preset": 7}, "verify.preset"),
        ({"presett": "github"}, "verify.presett"),
        ({"preset": "github", "tolerence": 3}, "verify.tolerence"),
    ],
)
async def test_a_verification_that_is_none_is_refused(
    room: Room, verify: dict[str, Any], field: str
) -> None:
    assert ((await room.refused(verify=verify)).field or "").startswith(field)


async def test_without_a_verification_no_secret_is_kept(room: Room) -> None:
    made = await room.make(**GITHUB)
    assert (await room.change(made, verify=None)).verify is None
    with pytest.raises(Conflict, match="anybody's requests"):
        await room.sources.rotate_secret(TENANT, made.id, "x")


async def test_a_rotated_secret_verifies_for_a_day_beside_the_new_one(room: Room) -> None:
    made = await room.make(**GITHUB)
    rotated = await room.sources.rotate_secret(TENANT, made.id, "battery staple")
    assert room.secrets(rotated) == ["battery staple", "correct horse"]
    room.clock.passes(DAY)
    assert room.secrets(rotated) == ["battery staple"]


async def test_an_overlap_of_nothing_ends_every_former_secret(room: Room) -> None:
    made = await room.make(verify={"preset": "github", "secrets": ["a", "b"]})
    await room.sources.rotate_secret(TENANT, made.id, "c")
    rotated = await room.sources.rotate_secret(TENANT, made.id, "d", overlap=0)
    assert room.secrets(rotated) == ["d"]
    assert rotated.verify is not None
    assert len(rotated.verify.secrets) == 1


async def test_a_shorter_overlap_shortens_the_ones_before(room: Room) -> None:
    made = await room.make(**GITHUB)
    await room.sources.rotate_secret(TENANT, made.id, "two")
    rotated = await room.sources.rotate_secret(TENANT, made.id, "three", overlap=HOUR)
    room.clock.passes(HOUR)
    assert room.secrets(rotated) == ["three"]


async def test_a_longer_overlap_does_not_lengthen_the_ones_before(room: Room) -> None:
    made = await room.make(**GITHUB)
    await room.sources.rotate_secret(TENANT, made.id, "two", overlap=HOUR)
    rotated = await room.sources.rotate_secret(TENANT, made.id, "three", overlap=DAY)
    room.clock.passes(HOUR)
    assert room.secrets(rotated) == ["three", "two"]


async def test_several_senders_may_have_a_secret_each(room: Room) -> None:
    made = await room.make(**GITHUB)
    both = await room.sources.rotate_secret(TENANT, made.id, "another", beside=True)
    room.clock.passes(365 * DAY)
    assert room.secrets(both) == ["another", "correct horse"]


async def test_secrets_that_verify_at_once_are_few(room: Room) -> None:
    made = await room.make(**GITHUB)
    for n in range(7):
        await room.sources.rotate_secret(TENANT, made.id, f"s{n}", beside=True)
    with pytest.raises(Conflict, match="overlap 0"):
        await room.sources.rotate_secret(TENANT, made.id, "more")
    rotated = await room.sources.rotate_secret(TENANT, made.id, "only", overlap=0)
    assert room.secrets(rotated) == ["only"]


@pytest.mark.parametrize(
    ("rotation", "field"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": "********"}, "secret"),
        ({"secret": "x", "overlap": -1}, "overlap"),
        ({"secret": "x", "overlap": 7 * DAY + 1}, "overlap"),
        ({"secret": "x", "overlap": 60, "beside": True}, "overlap"),
    ],
)
async def test_a_rotation_of_secrets_that_is_none_is_refused(
    room: Room, rotation: dict[str, Any], field: str
) -> None:
    made = await room.make(**GITHUB)
    with pytest.raises(InvalidField) as error:
        await room.sources.rotate_secret(TENANT, made.id, **rotation)
    assert error.value.field == field


async def test_a_secret_is_not_rotated_to_itself(room: Room) -> None:
    made = await room.make(**GITHUB)
    with pytest.raises(Conflict, match="already"):
        await room.sources.rotate_secret(TENANT, made.id, "correct horse")


# --------------------------------------------------------------------------- answers


async def test_the_webhook_that_answers_is_kept_by_its_id(room: Room) -> None:
    webhook = await room.webhook("asks")
    made = await room.make(respond={"webhook": "asks", "deadline": 5})
    assert made.respond.webhook == encode("wh", webhook.id)
    await room.saved_again(webhook, name="renamed")
    changed = await room.change(made, respond={"deadline": 3})
    assert (changed.respond.webhook, changed.respond.deadline) == (made.respond.webhook, 3)


async def test_a_webhook_without_an_answer_is_refused(room: Room) -> None:
    await room.webhook("tells", Mode.ASYNC)
    error = await room.refused(respond={"webhook": "tells"})
    assert error.field == "respond.webhook"
    assert "'sync'" in error.detail
    assert "make it first" in (await room.refused(respond={"webhook": "nobody"})).detail


async def test_a_name_that_two_webhooks_have_is_refused(room: Room) -> None:
    one, _ = await room.webhook("twice"), await room.webhook("twice")
    assert "give the id of one" in (await room.refused(respond={"webhook": "twice"})).detail
    made = await room.make(respond={"webhook": encode("wh", one.id)})
    assert made.respond.webhook == encode("wh", one.id)


async def test_other_fields_may_change_after_the_answering_webhook_is_gone(room: Room) -> None:
    webhook = await room.webhook("asks")
    made = await room.make(respond={"webhook": "asks"})
    await room.saved_again(webhook, deleted=True)
    assert (await room.change(made, description="x")).respond == made.respond


# --------------------------------------------------------------------------- bins


async def test_a_bin_is_made_in_one_call_and_ends_after_a_day(room: Room) -> None:
    made = await room.sources.create(TENANT, {"bin": True})
    assert re.fullmatch("bin-[0-9a-f]{8}", made.name)
    assert made.expires_at_ms == room.clock.now_ms + int(DAY * 1000)


async def test_the_name_made_for_a_bin_tells_nothing_of_its_address(room: Room) -> None:
    made = await room.sources.create(TENANT, {"bin": True})
    assert made.name.removeprefix("bin-") not in made.guid


async def test_a_bins_end_stays_until_it_is_named(room: Room) -> None:
    made = await room.sources.create(TENANT, {"bin": True})
    room.clock.passes(HOUR)
    assert (await room.change(made, description="x")).expires_at_ms == made.expires_at_ms
    longer = await room.change(made, expires_at=None)
    assert longer.expires_at_ms == room.clock.now_ms + int(DAY * 1000)


@pytest.mark.parametrize("end", ["2026-09-21T13:00:00Z", "2026-11-30T00:00:00Z", "2026-10-01"])
async def test_an_end_that_is_past_or_far_or_vague_is_refused(room: Room, end: str) -> None:
    with pytest.raises(InvalidField) as error:
        await room.sources.create(TENANT, {"bin": True, "expires_at": end})
    assert error.value.field == "expires_at"


async def test_a_bin_that_has_ended_can_still_be_described(room: Room) -> None:
    made = await room.sources.create(TENANT, {"bin": True})
    room.clock.passes(2 * DAY)
    assert (await room.change(made, description="x")).expires_at_ms == made.expires_at_ms


async def test_a_bin_becomes_a_source_that_has_no_end(room: Room) -> None:
    made = await room.sources.create(TENANT, {"bin": True})
    kept = await room.change(made, bin=False, expires_at=None, name="kept")
    assert (kept.bin, kept.expires_at_ms, kept.guid) == (False, None, made.guid)


async def test_a_source_does_not_become_a_bin(room: Room) -> None:
    made = await room.make()
    with pytest.raises(InvalidField, match="deleted with all that it caught"):
        await room.change(made, bin=True)


# --------------------------------------------------------------------------- share links


async def test_a_share_link_leads_to_its_source_until_it_expires(room: Room) -> None:
    made = await room.make()
    share, token = await room.sources.share(TENANT, made.id, 7)
    assert room.sources.shared(token).id == made.id
    assert room.sources.shares(TENANT, made.id) == [share]
    assert token not in repr(room.directory.source(TENANT, made.id))
    room.clock.passes(7 * DAY)
    with pytest.raises(NotFound):
        room.sources.shared(token)
    assert room.sources.shares(TENANT, made.id) == []


async def test_a_revoked_share_link_leads_nowhere(room: Room) -> None:
    made = await room.make()
    kept, kept_token = await room.sources.share(TENANT, made.id, 1)
    share, token = await room.sources.share(TENANT, made.id, 1)
    await room.sources.unshare(TENANT, made.id, share_id(share))
    with pytest.raises(NotFound):
        room.sources.shared(token)
    assert room.sources.shared(kept_token).shares == (kept,)
    with pytest.raises(NotFound):
        await room.sources.unshare(TENANT, made.id, share_id(share))


async def test_share_links_are_few_and_short_lived(room: Room) -> None:
    made = await room.make()
    for days in (0, 31):
        with pytest.raises(InvalidField):
            await room.sources.share(TENANT, made.id, days)
    for _ in range(20):
        await room.sources.share(TENANT, made.id, 1)
    with pytest.raises(Conflict, match="revoke"):
        await room.sources.share(TENANT, made.id, 1)
    room.clock.passes(DAY)
    await room.sources.share(TENANT, made.id, 1)
    assert len(room.directory.source(TENANT, made.id).shares) == 1


# --------------------------------------------------------------------------- defaults


async def test_a_preset_brings_what_the_source_does_not_say(room: Room) -> None:
    made = await room.make(**GITHUB)
    assert (made.deduplicate, made.event_type, made.handshakes) == (None, None, None)
    shown = in_force(made, room.sources.limits)
    assert shown.deduplicate == {"header": "X-GitHub-Delivery"}
    assert shown.event_type == {"header": "X-GitHub-Event", "prefix": "github."}
    assert (shown.window, shown.refuse_status, shown.retention_days) == (72 * HOUR, 401, 7)


async def test_what_a_source_says_goes_before_its_preset(room: Room) -> None:
    made = await room.make(
        **GITHUB | {"deduplicate": {}, "event_type": "shop.called", "handshakes": [], "window": 60},
        refuse_status=200,
    )
    shown = in_force(made, room.sources.limits)
    assert (shown.deduplicate, shown.event_type, shown.handshakes) == ({}, "shop.called", ())
    assert (shown.window, shown.refuse_status) == (60, 200)


async def test_without_a_preset_nothing_is_a_duplicate(room: Room) -> None:
    shown = in_force(await room.make(), room.sources.limits)
    assert (shown.deduplicate, shown.event_type, shown.keep) == (None, "webhook.received", None)
    bin_ = await room.sources.create(TENANT, {"bin": True})
    assert in_force(bin_, room.sources.limits).keep == 500
