"""Credentials: what a definition may say, and that what was sealed is sent and nothing else."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from hookferry.domain.credential import Credential
from hookferry.engine import credentials as rules
from hookferry.engine.credentials import Credentials
from hookferry.engine.sealing import CREDENTIAL_FIELD, Sealer, new_master_key
from hookferry.errors import Conflict, HookferryError, InvalidField, NotFound, VersionMismatch

from .kit import TENANT, Rig

BASIC = {"name": "erp", "kind": "basic", "username": "hf", "password": "p:w é"}
BEARER = {"name": "erp", "kind": "bearer", "token": "tok-1"}
API_KEY = {"name": "erp", "kind": "api_key", "header": "X-Api-Key", "value": "k-1"}

BAD: list[tuple[dict[str, Any], str]] = [
    (BASIC | {"name": ""}, "name"),
    (BASIC | {"name": "two words"}, "name"),
    (BASIC | {"name": "x" * 101}, "name"),
    (BASIC | {"name": "cred_0000000000000"}, "name"),
    (BASIC | {"kind": "digest"}, "kind"),
    (BASIC | {"kind": None}, "kind"),
    (BASIC | {"username": None}, "username"),
    (BASIC | {"username": "a:b"}, "username"),
    (BASIC | {"username": "a\tb"}, "username"),
    (BASIC | {"username": "é" * 128}, "username"),
    (BASIC | {"password": None}, "password"),
    (BASIC | {"password": ""}, "password"),
    (BASIC | {"password": "line\nbreak"}, "password"),
    (BASIC | {"password": "next line \x85"}, "password"),
    (BASIC | {"password": "x" * 4_097}, "password"),
    (BASIC | {"password": "é" * 2_049}, "password"),
    (BASIC | {"password": "********"}, "password"),
    (BASIC | {"password": 7}, "password"),
    (BASIC | {"token": "t"}, "token"),
    (BASIC | {"header": "X-A"}, "header"),
    (BASIC | {"value": "v"}, "value"),
    (BASIC | {"passwort": "p"}, "passwort"),
    (BASIC | {"description": "x" * 2_001}, "description"),
    (BEARER | {"token": None}, "token"),
    (BEARER | {"token": ""}, "token"),
    (BEARER | {"token": "é"}, "token"),
    (BEARER | {"token": "a\r\nX-Injected: 1"}, "token"),
    (BEARER | {"token": " padded"}, "token"),
    (BEARER | {"token": "x" * 4_097}, "token"),
    (BEARER | {"token": "********"}, "token"),
    (BEARER | {"username": "hf"}, "username"),
    (API_KEY | {"header": None}, "header"),
    (API_KEY | {"header": "X Key"}, "header"),
    (API_KEY | {"header": "X-Key\r\nX-B"}, "header"),
    (API_KEY | {"header": "Content-Length"}, "header"),
    (API_KEY | {"header": "webhook-signature"}, "header"),
    (API_KEY | {"header": "X-SuperOffice-Event"}, "header"),
    (API_KEY | {"value": None}, "value"),
    (API_KEY | {"value": ""}, "value"),
    (API_KEY | {"value": "a\nb"}, "value"),
    (API_KEY | {"value": "********"}, "value"),
]


class House:
    """The rules on a rig, with real sealing."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sealer = Sealer.from_setting(new_master_key())
        engine = rig.engine
        self.rules = Credentials(rig.store, engine.directory, self.sealer, engine.ids, rig.clock)

    async def make(self, **fields: Any) -> Credential:
        return await self.rules.create(TENANT, BASIC | fields)

    def opened(self, credential: Credential) -> bytes:
        return self.sealer.unseal(credential.value, row=credential.id, field=CREDENTIAL_FIELD)

    def all(self) -> list[Credential]:
        return self.rig.engine.directory.credentials(TENANT)

    async def sent_with(self, credential: Credential) -> list[str]:
        """Publish to a webhook that uses a credential; return the headers that it added."""
        self.rig.opens = self._opens
        webhook = await self.rig.webhook("with", credential=credential.id)
        await self.rig.publish()
        await self.rig.quiet()
        head = self.rig.sent["with"][-1].head.decode("latin-1")
        await self.rig.change(webhook, deleted=True)
        names = ("authorization:", credential.header.lower() + ":" if credential.header else "-")
        return [line for line in head.split("\r\n") if line.lower().startswith(names)]

    def _opens(self, sealed: bytes, *, row: int, field: str) -> bytes:
        if field == CREDENTIAL_FIELD:
            return self.sealer.unseal(sealed, row=row, field=field)
        return sealed


@pytest.fixture
def house(rig: Rig) -> House:
    return House(rig)


@pytest.mark.parametrize(
    ("definition", "secret", "line"),
    [
        (
            BASIC,
            b"p:w \xc3\xa9",
            "Authorization: Basic " + base64.b64encode("hf:p:w é".encode()).decode(),
        ),
        (BASIC | {"username": ""}, b"p:w \xc3\xa9", "Authorization: Basic OnA6dyDDqQ=="),
        (BEARER, b"tok-1", "Authorization: Bearer tok-1"),
        (API_KEY, b"k-1", "X-Api-Key: k-1"),
        (API_KEY | {"header": "Authorization"}, b"k-1", "Authorization: k-1"),
    ],
)
async def test_each_kind_is_sealed_and_sent_in_its_own_way(
    house: House, definition: dict[str, Any], secret: bytes, line: str
) -> None:
    made = await house.rules.create(TENANT, definition)
    assert secret not in made.value
    assert house.opened(made) == secret
    assert await house.sent_with(made) == [line]


@pytest.mark.parametrize(("definition", "field"), BAD)
async def test_a_bad_definition_names_the_field_and_never_the_value(
    house: House, definition: dict[str, Any], field: str
) -> None:
    with pytest.raises(HookferryError) as caught:
        await house.rules.create(TENANT, definition)
    assert (caught.value.code in ("invalid_field", "unknown_field"), caught.value.field) == (
        True,
        field,
    )
    for name in ("password", "token", "value"):
        secret = definition.get(name)
        if isinstance(secret, str) and len(secret) > 1 and secret != "********":
            assert secret not in caught.value.detail
    assert house.all() == []


async def test_a_patch_leaves_the_value_where_it_says_nothing_of_it(house: House) -> None:
    made = await house.make()
    changed = await house.rules.patch(TENANT, made.id, {"username": "other", "name": "crm"})
    assert (changed.name, changed.username, changed.version) == ("crm", "other", 2)
    assert house.opened(changed) == house.opened(made)


async def test_a_patch_can_give_a_new_value(house: House) -> None:
    made = await house.make()
    changed = await house.rules.patch(TENANT, made.id, {"password": "new"})
    assert (house.opened(changed), changed.username) == (b"new", "hf")


async def test_another_kind_wants_a_value_of_its_own(house: House) -> None:
    made = await house.make()
    with pytest.raises(InvalidField, match="token is missing") as caught:
        await house.rules.patch(TENANT, made.id, {"kind": "bearer"})
    assert caught.value.field == "token"
    changed = await house.rules.patch(TENANT, made.id, {"kind": "bearer", "token": "t"})
    assert (changed.kind, changed.username, house.opened(changed)) == ("bearer", "", b"t")
    again = await house.rules.patch(TENANT, made.id, API_KEY)
    assert (again.header, house.opened(again)) == ("X-Api-Key", b"k-1")


async def test_a_value_can_not_be_taken_away(house: House) -> None:
    made = await house.make()
    with pytest.raises(InvalidField) as caught:
        await house.rules.patch(TENANT, made.id, {"password": None})
    assert caught.value.field == "password"
    assert house.all() == [made]


@pytest.mark.parametrize(("definition", "field"), [bad for bad in BAD if bad[0].get("name")])
async def test_a_bad_patch_leaves_the_credential_as_it_was(
    house: House, definition: dict[str, Any], field: str
) -> None:
    made = await house.make()
    with pytest.raises(HookferryError) as caught:
        await house.rules.patch(TENANT, made.id, definition)
    assert caught.value.field == field
    assert house.all() == [made]


async def test_a_name_belongs_to_one_credential_until_that_is_deleted(house: House) -> None:
    first = await house.make()
    with pytest.raises(Conflict) as caught:
        await house.make()
    assert caught.value.code == "name_taken"
    await house.rules.delete(TENANT, first.id)
    await house.make()


async def test_the_later_of_two_editors_is_refused(house: House) -> None:
    made = await house.make()
    await house.rules.patch(TENANT, made.id, {"description": "first"}, version=1)
    with pytest.raises(VersionMismatch, match="at version 2, not 1"):
        await house.rules.patch(TENANT, made.id, {"description": "second"}, version=1)
    with pytest.raises(VersionMismatch):
        await house.rules.delete(TENANT, made.id, version=1)


async def test_a_credential_in_use_can_not_be_deleted(house: House) -> None:
    made = await house.make()
    house.rig.opens = house._opens
    webhooks = [await house.rig.webhook(f"w{n}", credential=made.id) for n in range(7)]
    with pytest.raises(Conflict, match="and 2 more") as caught:
        await house.rules.delete(TENANT, made.id)
    assert len(caught.value.extra["webhooks"]) == 5  # type: ignore[arg-type]
    for webhook in webhooks:
        await house.rig.change(webhook, credential=None)
    await house.rules.delete(TENANT, made.id)
    assert house.all() == []


async def test_the_tombstone_of_a_credential_has_no_value(house: House) -> None:
    made = await house.make()
    await house.rules.delete(TENANT, made.id)
    [stored] = (await house.rig.store.changes(0)).credentials
    assert (stored.deleted, stored.value) == (True, b"")
    with pytest.raises(NotFound):
        await house.rules.patch(TENANT, made.id, {})


async def test_credentials_of_another_tenant_are_not_found(house: House) -> None:
    made = await house.make()
    with pytest.raises(NotFound):
        await house.rules.patch(TENANT + 1, made.id, {"description": "mine now"})
    with pytest.raises(NotFound):
        await house.rules.delete(TENANT + 1, made.id)


async def test_there_is_a_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_CREDENTIALS", 2)
    await house.make(name="one")
    await house.make(name="two")
    with pytest.raises(Conflict, match="2 credentials, which is the limit"):
        await house.make(name="three")


async def test_a_changed_credential_is_sent_at_once(house: House) -> None:
    made = await house.rules.create(TENANT, BEARER)
    house.rig.opens = house._opens
    await house.rig.webhook("with", credential=made.id)
    await house.rig.publish()
    await house.rig.quiet()
    await house.rules.patch(TENANT, made.id, {"token": "tok-2"})
    await house.rig.publish()
    await house.rig.quiet()
    tokens = [sent.header("authorization") for sent in house.rig.sent["with"]]
    assert tokens == ["Bearer tok-1", "Bearer tok-2"]


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "user-agent", "ACCEPT"])
async def test_a_credential_takes_the_place_of_a_header_of_its_name(
    house: House, header: str
) -> None:
    made = await house.rules.create(TENANT, API_KEY | {"header": header})
    house.rig.opens = house._opens
    await house.rig.webhook(
        "with", credential=made.id, headers={header.swapcase(): "mine", "X-B": "kept"}
    )
    await house.rig.publish()
    await house.rig.quiet()
    lines = house.rig.sent["with"][0].head.decode().lower().split("\r\n")
    assert [line for line in lines if line.startswith(f"{header.lower()}:")] == [
        f"{header.lower()}: k-1"
    ]
    assert "x-b: kept" in lines
    [attempt] = house.rig.disk.attempts.values()
    assert b"k-1" not in attempt.request_head


async def test_the_attempts_log_masks_the_credential(house: House) -> None:
    for number, definition in enumerate((BASIC, BEARER, API_KEY)):
        made = await house.rules.create(TENANT, definition | {"name": f"c{number}"})
        await house.sent_with(made)
        attempt = max(house.rig.disk.attempts.values(), key=lambda a: a.id)
        header = made.header or "Authorization"
        assert f"{header}: ********\r\n".encode() in attempt.request_head
        logged = msgspec.msgpack.encode(attempt)
        assert house.opened(made) not in logged
        assert base64.b64encode(f"hf:{BASIC['password']}".encode()) not in logged
