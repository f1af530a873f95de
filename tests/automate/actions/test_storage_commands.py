"""``storage.*``: what scripts keep between runs, each tenant's its own, all of it bounded."""

from __future__ import annotations

from typing import Any

import pytest

from automate.stage import Stage
from hookferry.automate.actions.storage import MAX_KEY, MAX_VALUE
from hookferry.domain.tenant import Tenant
from hookferry.errors import Conflict, StorageFull


@pytest.fixture
async def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, [1, {"a": []}], {"a": {"b": "é"}}, {}])
async def test_a_value_is_read_as_it_was_stored(stage: Stage, value: Any) -> None:
    stored = await stage.does("storage.set", {"key": "k", "value": value})
    assert stored == {"key": "k", "expires": None}
    assert await stage.does("storage.get", {"key": "k"}) == value


async def test_a_key_that_is_not_there_is_null_or_the_default(stage: Stage) -> None:
    assert await stage.does("storage.get", {"key": "k"}) is None
    assert await stage.does("storage.get", {"key": "k", "default": "d"}) == "d"


async def test_what_is_deleted_is_gone(stage: Stage) -> None:
    await stage.does("storage.set", {"key": "k", "value": 1})
    assert await stage.does("storage.delete", {"key": "k"}) is True
    assert await stage.does("storage.delete", {"key": "k"}) is False
    assert await stage.does("storage.get", {"key": "k"}) is None


async def test_values_are_the_tenants_own(stage: Stage) -> None:
    await stage.does("storage.set", {"key": "k", "value": 1})
    assert stage.store.disk.values.keys() == {(1, "k")}
    other = Tenant(id=2, name="other")
    script = "start:\n  storage.get:\n    inputs:\n      key: k\n    output: out\n"
    stage.office.directory._automations_by_name[2, "example.tried"] = await stage.saves(script)
    ended = await stage.runs(tenant=other)
    assert ended.result is not None
    assert (ended.record.error, ended.result.dictionary["out"]) == (None, None)


async def test_a_value_expires_when_the_script_says(stage: Stage) -> None:
    stored = await stage.does("storage.set", {"key": "k", "value": 1, "expires": "+1 hour"})
    now = stage.clock.wall_ms() // 1000
    assert now + 3_500 < stored["expires"] < now + 3_700
    for ms, value in ((-1, b"1"), (1_000, None)):
        assert await stage.store.value(1, "k", stored["expires"] * 1000 + ms) == value


@pytest.mark.parametrize("expires", ["-1 hour", "1999-01-01", 5])
async def test_a_value_does_not_expire_in_the_past(stage: Stage, expires: Any) -> None:
    error = await stage.fails("storage.set", {"key": "k", "value": 1, "expires": expires})
    assert "time to come" in error


@pytest.mark.parametrize("expires", ["some day", "9" * 30, 1e300, [1]])
async def test_a_time_that_is_none_is_refused(stage: Stage, expires: Any) -> None:
    assert await stage.fails("storage.set", {"key": "k", "value": 1, "expires": expires})


@pytest.mark.parametrize("key", ["x" * (MAX_KEY + 1), "a\nb", "a\x00", "\udcff"])
async def test_a_key_is_short_and_printable(stage: Stage, key: str) -> None:
    for command in ("storage.get", "storage.delete"):
        assert "printable" in await stage.fails(command, {"key": key})
    assert "printable" in await stage.fails("storage.set", {"key": key, "value": 1})


async def test_a_value_is_bounded_as_json(stage: Stage) -> None:
    await stage.does("storage.set", {"key": "k", "value": "x" * (MAX_VALUE - 2)})
    await stage.does("storage.set", {"key": "k", "value": [1] * 10_000})
    for value in ("x" * (MAX_VALUE - 1), ["x" * 100] * 700, "\x01" * (MAX_VALUE // 2)):
        error = await stage.fails("storage.set", {"key": "k", "value": value})
        assert f"{MAX_VALUE:,}" in error
    assert len(stage.store.disk.values) == 1


async def test_bytes_that_are_no_text_are_not_stored(stage: Stage) -> None:
    error = await stage.fails("storage.set", {"key": "k", "value": {"a": "\udcff"}})
    assert "base64_encode" in error


@pytest.mark.parametrize("error", [Conflict("1,000 values are the limit"), StorageFull("full")])
async def test_what_the_ledger_refuses_is_the_scripts_to_handle(
    stage: Stage, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(*_: Any) -> None:
        raise error

    monkeypatch.setattr(stage.store, "put_value", refuses)
    monkeypatch.setattr(stage.store, "value", refuses)
    assert str(error) in await stage.fails("storage.set", {"key": "k", "value": 1})
    if not isinstance(error, Conflict):
        assert str(error) in await stage.fails("storage.get", {"key": "k"})
