"""Identity: ids only grow, and their text sorts as they do."""

import pytest

from hookferry import ids
from hookferry.clock import SystemClock
from hookferry.errors import InvalidField


def test_ids_grow_and_sort_as_text_as_they_do_as_integers() -> None:
    source = ids.IdSource(SystemClock())
    made = [source.next() for _ in range(10_000)]
    texts = [ids.encode("evt", n) for n in made]
    assert made == sorted(set(made))
    assert texts == sorted(texts)
    assert [ids.decode("evt", t) for t in texts] == made


class StandingClock:
    """A clock that was set back and stands."""

    def wall_ms(self) -> int:
        return ids.EPOCH_MS + 5

    def monotonic(self) -> float:
        return 0.0


def test_ids_grow_although_the_clock_was_set_back() -> None:
    greatest = ids.IdSource(SystemClock()).next()
    source = ids.IdSource(StandingClock(), above=greatest)
    made = [source.next() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert made[0] > greatest


@pytest.mark.parametrize(("kind", "named"), [("auto", "an automation"), ("wh", "a webhook")])
def test_what_is_no_id_is_told_with_the_right_article(kind: str, named: str) -> None:
    with pytest.raises(InvalidField, match=f"is not the id of {named};"):
        ids.decode(kind, "x")
