from __future__ import annotations

import pytest

from hookferry.errors import OutOfFuel, ScriptError
from kata.templates.rendering import NOW
from kata.templates.rendering import rendered as render


def test_null_and_an_empty_text_are_now_as_in_twig() -> None:
    assert render("{{ missing|date('U') }}") == str(int(NOW))
    assert render("{{ ''|date('U') }}") == str(int(NOW))


def test_the_age_of_a_signature_is_computed() -> None:
    template = "{{ 'now'|date('U') - sent|date('U') > 300 ? 'expired' : 'fresh' }}"
    assert render(template, sent="Thu, 13 Nov 2025 02:10:00 +0000") == "fresh"
    assert render(template, sent="Wed, 21 Feb 2024 03:32:56 +0000") == "expired"


def test_a_date_without_a_zone_is_of_the_zone_that_is_asked_for() -> None:
    assert render("{{ '2026-07-01 10:00'|date('H:i T', 'Europe/Berlin') }}") == "10:00 CEST"
    assert render("{{ '2026-07-01T10:00Z'|date('H:i T', timezone='Europe/Berlin') }}") == (
        "12:00 CEST"
    )


def test_the_default_format_is_twigs() -> None:
    assert render("{{ 0|date }} {{ 0|date(null, 'UTC') }}") == (
        "January 1, 1970 00:00 January 1, 1970 00:00"
    )


def test_a_date_can_be_moved_and_compared() -> None:
    assert render("{{ date('2024-02-29')|date_modify('+1 year')|date('Y-m-d') }}") == "2025-03-01"
    assert render("{{ date('tomorrow') > date() ? 'later' }}") == "later"


def test_what_is_no_date_is_refused() -> None:
    with pytest.raises(ScriptError, match="is no date"):
        render("{{ 'whenever'|date }}")


def test_many_dates_are_paid_for() -> None:
    with pytest.raises(OutOfFuel):
        render("{% for i in 1..3000 %}{{ 'last monday of next month'|date('r') }}{% endfor %}")
