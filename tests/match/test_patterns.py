"""Event types and patterns (SEMANTICS section 6)."""

import pytest

from hookferry.errors import InvalidField
from hookferry.match.patterns import check_event_type, check_pattern, matches

EIGHT = "a.b.c.d.e.f.g.h"


@pytest.mark.parametrize("name", ["a", "contact.created", "A-1._.z_9", EIGHT, "x" * 128])
def test_an_event_type_is_one_to_eight_segments_of_letters_digits_and_two_signs(name: str) -> None:
    check_event_type(name)
    check_pattern(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "a.", ".a", "a..b", "a b", "ä", "a/b", EIGHT + ".i", "x" * 129, "a\n", "a.\x00", "٣"],
)
def test_anything_else_is_refused_as_type_and_as_pattern_with_a_remedy(name: str) -> None:
    with pytest.raises(InvalidField, match=r"contact\.created") as refused:
        check_event_type(name)
    assert refused.value.field == "type"
    with pytest.raises(InvalidField, match=r"contact\.\*") as refused:
        check_pattern(name)
    assert refused.value.field == "events"


def test_a_long_refused_name_is_not_echoed_whole() -> None:
    with pytest.raises(InvalidField) as refused:
        check_event_type("x" * 100_000)
    assert len(refused.value.detail) < 400


@pytest.mark.parametrize(
    "pattern", ["*", "contact.*", "*.created", "*.*", "a.*.c", EIGHT[:-1] + "*"]
)
def test_a_star_may_stand_for_any_whole_segment_of_a_pattern_but_not_of_a_type(
    pattern: str,
) -> None:
    check_pattern(pattern)
    with pytest.raises(InvalidField):
        check_event_type(pattern)


@pytest.mark.parametrize("pattern", ["con*", "contact.*d", "**", "a.**.b"])
def test_a_star_inside_a_segment_is_refused_and_the_error_says_how_stars_work(pattern: str) -> None:
    with pytest.raises(InvalidField, match="whole segments only"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "event_type", "wanted"),
    [
        ("contact.created", "contact.created", True),
        ("contact.created", "contact.Created", False),
        ("contact.created", "contact.created.twice", False),
        ("*", "contact", True),
        ("*", EIGHT, True),
        ("contact.*", "contact.created", True),
        ("contact.*", "contact.address.changed", True),
        ("contact.*", "contact", False),
        ("contact.*", "contacts.created", False),
        ("*.created", "contact.created", True),
        ("*.created", "created", False),
        ("*.created", "contact.address.created", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.b.c", False),
        ("a.*.c", "a.c", False),
        ("*.*", "a", False),
        ("*.*", "a.b.c", True),
        ("a.*.*", "a.b", False),
        ("a.*.*", "a.b.c.d", True),
    ],
)
def test_a_last_star_takes_one_or_more_segments_and_any_other_exactly_one(
    pattern: str, event_type: str, wanted: bool
) -> None:
    assert matches(pattern, event_type) is wanted
