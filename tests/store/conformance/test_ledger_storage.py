"""What automations keep between runs: values by key, with an end and a bound."""

from __future__ import annotations

import pytest

from hookferry.errors import Conflict
from hookferry.store.sqlite import storage
from sim import automated
from store.conformance.books import HOUR, NOW, Books
from store.conformance.conftest import Lower, Reopen


async def test_a_value_is_kept_through_a_restart(reopen: Reopen) -> None:
    store = await reopen()
    await store.put_value(1, "Zähler", b'{"n":1}', None, NOW)
    store = await reopen()
    assert await store.value(1, "Zähler", NOW) == b'{"n":1}'


async def test_a_value_is_its_tenants_alone(books: Books) -> None:
    await books.store.put_value(1, "k", b"1", None, NOW)
    assert await books.store.value(2, "k", NOW) is None
    await books.store.put_value(2, "k", b"2", None, NOW)
    assert await books.store.drop_value(2, "k", NOW)
    assert await books.store.value(1, "k", NOW) == b"1"


async def test_a_value_takes_the_place_of_the_one_before_and_so_does_its_end(
    books: Books,
) -> None:
    await books.store.put_value(1, "k", b"1", NOW + 1, NOW)
    await books.store.put_value(1, "k", b"2", None, NOW)
    assert await books.store.value(1, "k", NOW + HOUR) == b"2"


async def test_a_value_that_has_expired_is_not_there(books: Books) -> None:
    await books.store.put_value(1, "k", b"1", NOW + 10, NOW)
    assert await books.store.value(1, "k", NOW + 9) == b"1"
    assert await books.store.value(1, "k", NOW + 10) is None
    assert not await books.store.drop_value(1, "k", NOW + 10)


async def test_a_dropped_value_is_gone(books: Books) -> None:
    assert not await books.store.drop_value(1, "k", NOW)
    await books.store.put_value(1, "k", b"1", None, NOW)
    assert await books.store.drop_value(1, "k", NOW)
    assert await books.store.value(1, "k", NOW) is None


async def test_a_tenant_stores_so_many_values_and_not_one_more(books: Books, lower: Lower) -> None:
    lower("VALUES_KEPT", 3, storage, automated)
    for number in range(3):
        await books.store.put_value(1, f"k{number}", b"1", NOW + HOUR, NOW)
    with pytest.raises(Conflict):
        await books.store.put_value(1, "more", b"1", None, NOW)
    await books.store.put_value(1, "k0", b"2", NOW + HOUR, NOW)
    await books.store.put_value(2, "more", b"1", None, NOW)
    await books.store.drop_value(1, "k1", NOW)
    await books.store.put_value(1, "more", b"1", None, NOW)


async def test_expired_values_are_not_in_the_way(books: Books, lower: Lower) -> None:
    lower("VALUES_KEPT", 2, storage, automated)
    await books.store.put_value(1, "short", b"1", NOW + 1, NOW)
    await books.store.put_value(1, "long", b"1", None, NOW)
    await books.store.put_value(1, "more", b"1", None, NOW + 1)
    assert await books.store.value(1, "long", NOW + 1) == b"1"


async def test_expired_values_are_forgotten_with_expired_keys(books: Books) -> None:
    for number in range(4):
        await books.store.put_value(1, f"k{number}", b"1", NOW + number, NOW)
    await books.store.put_value(1, "stays", b"1", None, NOW)
    assert await books.store.forget_keys(NOW + 2, 2) == 2
    assert await books.store.forget_keys(NOW + 2, 2) == 1
    assert await books.store.forget_keys(NOW + 2, 2) == 0
    # As seen before their end: what is gone is gone from the ledger.
    left = [await books.store.value(1, f"k{number}", NOW - 1) for number in range(4)]
    assert left == [None, None, None, b"1"]
    assert await books.store.value(1, "stays", NOW) == b"1"
