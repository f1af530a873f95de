"""Secrets at rest."""

from __future__ import annotations

import pytest

from hookferry.engine.sealing import Sealer, new_master_key
from hookferry.errors import BadSettings, UnsealFailed


def test_what_is_sealed_opens_for_its_own_row_and_field_only() -> None:
    sealer = Sealer.from_setting(new_master_key())
    sealed = sealer.seal(b"secret", row=7, field="secret")
    assert b"secret" not in sealed
    assert sealer.unseal(sealed, row=7, field="secret") == b"secret"
    for row, field in ((8, "secret"), (7, "proxy")):
        with pytest.raises(UnsealFailed):
            sealer.unseal(sealed, row=row, field=field)


def test_one_flipped_bit_anywhere_is_noticed() -> None:
    sealer = Sealer.from_setting(new_master_key())
    sealed = sealer.seal(b"secret", row=7, field="secret")
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(UnsealFailed):
            sealer.unseal(bytes(damaged), row=7, field="secret")
    for length in range(len(sealed)):
        with pytest.raises(UnsealFailed):
            sealer.unseal(sealed[:length], row=7, field="secret")


def test_the_same_value_is_never_sealed_alike() -> None:
    sealer = Sealer.from_setting(new_master_key())
    assert len({sealer.seal(b"x", row=1, field="f") for _ in range(100)}) == 100


def test_a_rotated_key_still_opens_and_the_new_one_seals() -> None:
    old, new = new_master_key(), new_master_key()
    before = Sealer.from_setting(old)
    sealed = before.seal(b"secret", row=7, field="secret")
    after = Sealer.from_setting(f"{new}, {old}")
    assert after.unseal(sealed, row=7, field="secret") == b"secret"
    resealed = after.seal(b"secret", row=7, field="secret")
    with pytest.raises(UnsealFailed, match="HOOKFERRY_MASTER_KEY"):
        before.unseal(resealed, row=7, field="secret")


@pytest.mark.parametrize(
    "setting", ["", "short", "AAAA", "x" * 44, f"{new_master_key()},"], ids=range(5)
)
def test_a_master_key_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(BadSettings, match="openssl rand"):
        Sealer.from_setting(setting)
