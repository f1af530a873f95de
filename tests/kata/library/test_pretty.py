from __future__ import annotations

import pytest

from kata.templates.rendering import rendered as render


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 1000|bytes_pretty }}", "1 KB"),
        ("{{ 1550|bytes_pretty(1) }}", "1.6 KB"),
        ("{{ '5e15'|bytes_pretty }}", "5,000 TB"),
        ("{{ missing|bytes_pretty }}", "0 bytes"),
        ("{{ 999999|number_pretty }}", "999K"),
        ("{{ (-1500)|number_pretty(1) }}", "-1.5K"),
        ("{{ 999|number_pretty(2) }}", "999"),
        ("{{ 1150|number_pretty(2) }}", "1.15K"),
        ("{{ 0|secs_pretty }}", "0 secs"),
        ("{{ 86400|secs_pretty }}", "1 day"),
        ("{{ 90061|secs_pretty }}", "1 day, 1 hour, 1 min, 1 sec"),
        ("{{ 'now'|date_pretty }}", "just now"),
        ("{{ '-800 days'|date_pretty }}", "2 years ago"),
    ],
)
def test_numbers_and_times_are_printed_for_people(template: str, text: str) -> None:
    assert render(template) == text
