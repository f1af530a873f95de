"""What a publish body may be, and how exactly it is said what is wrong with one."""

from __future__ import annotations

import datetime as dt

import pytest

from hookferry.engine.publication import decode_batch, decode_publication
from hookferry.errors import HookferryError, MalformedJson, PayloadTooLarge

from .kit import Rig, codes


def refusal(body: bytes) -> HookferryError:
    with pytest.raises(HookferryError) as refused:
        decode_publication(body)
    return refused.value


@pytest.mark.parametrize(
    ("body", "code", "field", "says"),
    [
        (b"", "malformed_json", None, "valid JSON"),
        (b"{", "malformed_json", None, "valid JSON"),
        (b'{"type": "a", "data": {}} x', "malformed_json", None, "valid JSON"),
        (b'{"type": "a", "data": {"b": }}', "malformed_json", None, "valid JSON"),
        (b'{"type": "a", "data": "\xff"}', "malformed_json", None, "byte 23"),
        (b'{"type": "a", "data": "\xed\xa0\x80"}', "malformed_json", None, "UTF-8"),
        (b'\xef\xbb\xbf{"type": "a", "data": 1}', "malformed_json", None, "valid JSON"),
        (b'{"type": "a", "data": %b}' % (b"[" * 100_000), "malformed_json", None, ""),
        (b"[]", "invalid_field", None, "object"),
        (b"null", "invalid_field", None, "object"),
        (b'{"data": {}}', "invalid_field", "type", "missing"),
        (b'{"type": "a"}', "invalid_field", "data", "missing"),
        (b'{"type": 5, "data": {}}', "invalid_field", "type", "Expected `str`"),
        (b'{"type": "a", "data": 1, "id": 7}', "invalid_field", "id", "Expected `str"),
        (b'{"type": "a", "data": 1, "changes": "x"}', "invalid_field", "changes", "array"),
        (b'{"type": "a", "data": 1, "changes": [1]}', "invalid_field", "changes[0]", "str"),
        (b'{"type": "a", "data": 1, "channels": {}}', "invalid_field", "channels", "array"),
        (b'{"type": "a", "data": 1, "occurred_at": "x"}', "invalid_field", "occurred_at", ""),
        (b'{"type": "a", "data": 1, "actor": "me"}', "invalid_field", "actor", "object"),
        (b'{"type": "a", "data": 1, "actor": {"id": []}}', "invalid_field", "actor.id", ""),
        (b'{"type": "a", "dta": 1}', "unknown_field", "dta", "did you mean 'data'?"),
        (b'{"type": "a", "data": 1, "entitty": 1}', "unknown_field", "entitty", "'entity'"),
        (b'{"type": "a", "data": 1, "zzzzz": 1}', "unknown_field", "zzzzz", "known fields"),
        (b'{"type": "a", "data": 1, "actor": {"nam": 1}}', "unknown_field", "actor.nam", "'name'"),
    ],
)
def test_a_body_that_can_not_be_taken_says_why(
    body: bytes, code: str, field: str | None, says: str
) -> None:
    error = refusal(body)
    assert (error.code, error.field) == (code, field)
    assert says in error.detail


@pytest.mark.parametrize("data", [b"null", b"0", b'""', b"[]", b"{}", b'"\xc3\xbc"', b"[" * 500])
def test_data_may_be_any_json(data: bytes) -> None:
    data += b"]" * data.count(b"[") if len(data) > 2 else b""
    decoded = decode_publication(b'{"type": "a", "data": %b}' % data)
    assert bytes(decoded.data) == data


def test_an_object_that_names_a_field_twice_means_the_last() -> None:
    assert decode_publication(b'{"type": "a", "type": "b", "data": 1}').type == "b"


async def test_a_time_needs_its_zone(rig: Rig) -> None:
    naive = decode_publication(
        b'{"type": "a", "data": 1, "occurred_at": "2026-01-31T09:30:00"}'
    ).occurred_at
    with pytest.raises(HookferryError) as refused:
        await rig.publish(occurred_at=naive)
    assert refused.value.field == "occurred_at"
    told = await rig.publish(occurred_at=dt.datetime(1970, 1, 2, tzinfo=dt.UTC))
    assert rig.disk.events[told.event_id].time_ms == 86_400_000


def test_a_batch_answers_for_each_of_its_events() -> None:
    told = decode_batch(
        b'[{"type": "a", "data": 1}, {"type": "a"}, 5, {"typ": "a"}, {"type": "b", "data": 2}]',
        ndjson=False,
    )
    assert codes(told) == ["ok", "invalid_field", "invalid_field", "unknown_field", "ok"]  # type: ignore[arg-type]


def test_lines_are_a_batch_too_and_a_broken_line_is_broken_alone() -> None:
    body = b'{"type": "a", "data": 1}\n\n  \r\n{"type"\n{"type": "b", "data": 2}\r\n'
    assert codes(decode_batch(body, ndjson=True)) == ["ok", "malformed_json", "ok"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b'[{"type": "a", "data": 1}', b"[1 2]", b"[" * 99_999]
)
def test_what_is_no_array_at_all_is_refused_whole(body: bytes) -> None:
    with pytest.raises(MalformedJson, match="ndjson"):
        decode_batch(body, ndjson=False)


@pytest.mark.parametrize("ndjson", [False, True], ids=["array", "lines"])
def test_a_batch_has_a_thousand_events_at_most(ndjson: bool) -> None:
    one = b'{"type": "a", "data": 1}'

    def body(count: int) -> bytes:
        return b"\n".join([one] * count) if ndjson else b"[%b]" % b",".join([one] * count)

    assert codes(decode_batch(body(1000), ndjson=ndjson)) == ["ok"] * 1000  # type: ignore[arg-type]
    with pytest.raises(PayloadTooLarge, match="split it"):
        decode_batch(body(1001), ndjson=ndjson)
