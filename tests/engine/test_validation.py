"""What is said of documents that are not what they have to be."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec
import pytest

from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, UnknownField


class Pace(enum.StrEnum):
    SLOW = "slow"
    FAST = "fast"


class Stop(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    kind: Literal["pier", "bridge"] = "pier"


class Route(msgspec.Struct, forbid_unknown_fields=True):
    pace: Pace = Pace.SLOW
    stops: list[Stop] = []
    last: Stop | None = None
    length: float = 1.0


FORMS = {
    "length": "a number of miles, such as 3",
    "stops": 'a list, such as [{"name": "Kirkwall"}]',
}


@pytest.mark.parametrize(
    ("document", "at", "said"),
    [
        ({"pace": "quick"}, "pace", "pace is one of 'slow', 'fast', not 'quick'"),
        ({"pace": 1}, "pace", "pace is one of 'slow', 'fast'"),
        ({"stops": [{"kind": "x"}]}, "stops[0].kind", "one of 'bridge', 'pier', not 'x'"),
        ({"stops": [{"nam": "x"}]}, "stops[0].nam", "did you mean 'name'?"),
        ({"last": {"knd": "x"}}, "last.knd", "did you mean 'kind'?"),
        ({"lenght": 1}, "lenght", "did you mean 'length'?"),
        ({"length": "3 miles"}, "length", "length is a number of miles, such as 3"),
        ({"stops": [5]}, "stops[0]", "stops is a list, such as"),
        ({"last": {"name": 5}}, "last.name", "Expected `str`"),
    ],
)
def test_the_field_is_named_with_what_it_may_be(document: object, at: str, said: str) -> None:
    with pytest.raises((InvalidField, UnknownField)) as refused:
        try:
            msgspec.convert(document, Route)
        except msgspec.ValidationError as error:
            explain_validation(error, Route, FORMS)
    assert refused.value.field == at
    assert said in refused.value.detail
