"""``storage.get``, ``storage.set``, ``storage.delete``: what scripts keep between runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from hookferry.automate.actions.context import Context
from hookferry.automate.answers import json_of
from hookferry.errors import Conflict, OutOfFuel, ScriptError, Unavailable
from hookferry.kata.dates import read_date
from hookferry.kata.values import size_of, text_of

MAX_KEY: Final = 256
"""Characters."""
MAX_WRITES: Final = 100
"""Values that one run may store or drop."""
MAX_VALUE: Final = 64 * 1024
"""Bytes of a value as JSON."""
_YEAR_10000: Final = 253_402_300_800
"""Unix seconds."""


class Values(Protocol):
    """Where they are kept (``hookferry.store.ports.Storage``)."""

    async def value(self, tenant_id: int, key: str, now_ms: int) -> bytes | None:
        """Return a value that has not expired."""
        ...

    async def put_value(
        self, tenant_id: int, key: str, value: bytes, expires_at_ms: int | None, now_ms: int
    ) -> None:
        """Store a value, durably; raises Conflict where there are too many."""
        ...

    async def drop_value(self, tenant_id: int, key: str, now_ms: int) -> bool:
        """Forget a value, durably."""
        ...


class Storage:
    """Carries the commands out.

    Args:
        values: where they are kept.
    """

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Return the value of a key, or the default."""
        try:
            found = context.waits(
                self._values.value(context.tenant.id, _key(inputs), int(context.now * 1000))
            )
        except Unavailable as error:
            raise ScriptError(f"storage.get: {error.detail}") from None
        if found is None:
            return inputs.get("default")
        context.fuel.build(len(found))
        return msgspec.json.decode(found)

    def set(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Store a value, until it expires where the script says when."""
        value = inputs.get("value")
        context.fuel.build(size_of(value, context.fuel))
        encoded = json_of(value, "storage.set:value")
        if len(encoded) > MAX_VALUE:
            raise ScriptError(f"storage.set:value has at most {MAX_VALUE:,} bytes as JSON")
        now_ms = int(context.now * 1000)
        expires_at_ms = _expiry(inputs.get("expires"), context.now)
        _count(context)
        try:
            context.waits(
                self._values.put_value(
                    context.tenant.id, _key(inputs), encoded, expires_at_ms, now_ms
                )
            )
        except Conflict as error:
            raise ScriptError(error.detail) from None
        except Unavailable as error:
            raise ScriptError(f"storage.set: {error.detail}") from None
        return {"key": _key(inputs), "expires": expires_at_ms and expires_at_ms // 1000}

    def delete(self, context: Context, inputs: Mapping[str, Any]) -> Any:
        """Forget a value; tell whether there was one."""
        _count(context)
        try:
            return context.waits(
                self._values.drop_value(context.tenant.id, _key(inputs), int(context.now * 1000))
            )
        except Unavailable as error:
            raise ScriptError(f"storage.delete: {error.detail}") from None


def _count(context: Context) -> None:
    """Raise OutOfFuel beyond ``MAX_WRITES``: each is a commit of its own."""
    context.gathered.stored += 1
    if context.gathered.stored > MAX_WRITES:
        raise OutOfFuel(f"a run stores or drops at most {MAX_WRITES} values")


def _key(inputs: Mapping[str, Any]) -> str:
    key = text_of(inputs.get("key"))
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise ScriptError(f"a storage key is 1 to {MAX_KEY} printable characters")
    return key


def _expiry(value: Any, now: float) -> int | None:
    """Return when a value expires, in Unix milliseconds; texts such as ``+1 hour`` are dates."""
    if value is None or value == "" or value == 0:
        return None
    at = float(value) if isinstance(value, int | float) else read_date(text_of(value), now, None)
    if not now < at < _YEAR_10000:
        raise ScriptError("storage.set:expires is a time to come, such as +1 hour")
    return int(at * 1000)
