"""Events for the tests of conditions and schemas, made by hand or by hypothesis."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from hookferry.domain.event import NO_META, EventMeta
from hookferry.match.facts import Facts

encode = msgspec.json.Encoder().encode


def facts(data: Any = None, *, type: str = "order.paid", **meta: Any) -> Facts:
    """An event with this data and whatever its publisher says beside."""
    return Facts(type, encode(data), EventMeta(**meta) if meta else NO_META)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["high", "2026-01-31T09:30:00Z", "a.b", ""])
)
names = st.sampled_from(["a", "b", "0", "1", "a.b", "items", ""]) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
metas = st.builds(
    EventMeta,
    external_id=st.none() | st.text(max_size=4),
    application=st.none() | st.sampled_from(["shop", "crm"]),
    entity=st.none() | st.text(max_size=4),
    primary_key=st.none() | st.integers() | st.text(max_size=4),
    changes=st.none() | st.lists(names, max_size=3),
    actor_id=st.none() | st.integers() | st.text(max_size=4),
    actor_name=st.none() | st.text(max_size=4),
    occurred_at_ms=st.none() | st.integers(0, 4_000_000_000_000),
    channels=st.none() | st.lists(names, max_size=3),
)
events = st.builds(lambda data, meta: Facts("order.paid", encode(data), meta), values, metas)
