"""Placeholder-free smoke test of the floor everything stands on: ids."""

from hookferry import ids
from hookferry.clock import SystemClock


def test_ids_grow_and_sort_as_text_as_they_do_as_integers() -> None:
    source = ids.IdSource(SystemClock())
    made = [source.next() for _ in range(10_000)]
    texts = [ids.encode("evt", n) for n in made]
    assert made == sorted(set(made))
    assert texts == sorted(texts)
    assert [ids.decode("evt", t) for t in texts] == made
