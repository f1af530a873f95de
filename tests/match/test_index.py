"""The subscription index agrees with the reference, whatever is put and removed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hookferry.match.index import SubscriptionIndex
from hookferry.match.patterns import matches

# A small alphabet, so that random patterns and types meet often.
SEGMENT = st.sampled_from(["a", "b", "c"])
TYPES = st.lists(SEGMENT, min_size=1, max_size=5).map(".".join)
PATTERNS = st.lists(SEGMENT | st.just("*"), min_size=1, max_size=5).map(".".join)
PUT = st.tuples(st.just("put"), st.integers(1, 6), st.lists(PATTERNS, max_size=5))
REMOVE = st.tuples(st.just("remove"), st.integers(1, 6), st.just([]))
ASK = st.tuples(st.just("ask"), st.just(0), st.lists(TYPES, min_size=1, max_size=3))


@given(st.lists(PUT | REMOVE | ASK, max_size=40), st.lists(TYPES, min_size=1, max_size=8))
@settings(max_examples=400, deadline=None)
def test_the_index_answers_as_brute_force_does_after_any_updates(
    steps: list[tuple[str, int, list[str]]], finally_asked: list[str]
) -> None:
    index: SubscriptionIndex[str] = SubscriptionIndex(cached_types=3)
    subscribed: dict[int, tuple[list[str], str]] = {}

    def agree(types: list[str]) -> None:
        for event_type in types:
            wanted = [
                value
                for _, (patterns, value) in sorted(subscribed.items())
                if any(matches(p, event_type) for p in patterns)
            ]
            assert list(index.match(event_type)) == wanted
            assert list(index.match(event_type)) == wanted  # and once more from the cache

    for number, (step, webhook_id, texts) in enumerate(steps):
        if step == "put":
            value = f"webhook {webhook_id} as of step {number}"
            index.put(webhook_id, texts, value)
            subscribed[webhook_id] = (texts, value)
        elif step == "remove":
            index.remove(webhook_id)
            subscribed.pop(webhook_id, None)
        else:
            agree(texts)
    agree(finally_asked)
    assert len(index) == len(subscribed)


def test_a_webhook_with_several_fitting_patterns_is_matched_once_and_in_order_of_ids() -> None:
    index: SubscriptionIndex[str] = SubscriptionIndex()
    index.put(30, ["*"], "thirty")
    index.put(2, ["contact.*", "*.created", "contact.created", "*"], "two")
    index.put(7, ["contact.created", "contact.created"], "seven")
    assert index.match("contact.created") == ("two", "seven", "thirty")


def test_an_update_is_seen_at_once_also_by_types_asked_before() -> None:
    index: SubscriptionIndex[str] = SubscriptionIndex()
    assert index.match("contact.created") == ()
    index.put(1, ["contact.*"], "first")
    assert index.match("contact.created") == ("first",)
    index.put(1, ["contact.*"], "second")
    assert index.match("contact.created") == ("second",)
    index.put(1, ["person.*"], "third")
    assert index.match("contact.created") == ()
    assert index.match("person.created") == ("third",)
    index.remove(1)
    assert index.match("person.created") == ()


def test_removing_a_webhook_that_is_not_there_changes_nothing() -> None:
    index: SubscriptionIndex[str] = SubscriptionIndex()
    index.put(1, ["*"], "one")
    index.remove(2)
    assert index.match("anything") == ("one",)


def test_what_is_remembered_of_types_is_bounded_and_the_least_recently_asked_goes_first() -> None:
    index: SubscriptionIndex[object] = SubscriptionIndex(cached_types=2)
    index.put(1, ["*"], object())
    first = index.match("a")
    index.match("b")
    assert index.match("a") is first  # remembered, and the most recent now
    index.match("c")  # b has to go
    assert index.match("a") is first
    for number in range(10_000):
        index.match(f"type-{number}")
    assert len(index._cache) == 2
    assert index.match("a") is not first


def test_removed_patterns_leave_nothing_behind() -> None:
    index: SubscriptionIndex[None] = SubscriptionIndex()
    for number in range(500):
        index.put(
            number, [f"a.{number}.*.x", f"*.{number}", f"exact.{number}", f"b.{number}.*"], None
        )
    for number in range(500):
        index.remove(number)
    assert index._root.empty()
    assert not index._exact
