from __future__ import annotations

import string

import pytest

from hookferry.errors import ScriptError
from hookferry.kata.templates.library import chance, mail
from kata.library.rendering import a_run
from kata.templates.rendering import rendered as render


def test_a_random_text_is_of_capital_letters_and_digits() -> None:
    run = a_run()
    made = {chance.random_string(run, 16) for _ in range(20)}
    assert len(made) == 20
    assert all(len(each) == 16 for each in made)
    assert set("".join(made)) <= set(string.ascii_uppercase + string.digits)


@pytest.mark.parametrize("length", [0, -1, 1025])
def test_its_length_is_bounded(length: int) -> None:
    with pytest.raises(ScriptError, match="1 to 1024"):
        chance.random_string(a_run(), length)


def test_what_is_chosen_was_there() -> None:
    run = a_run()
    assert {chance.random(run, [1, 2, 3]) for _ in range(50)} == {1, 2, 3}
    assert {chance.random(run, "ab") for _ in range(50)} == {"a", "b"}
    assert {chance.random(run, 2) for _ in range(50)} == {0, 1, 2}
    assert {chance.random(run, 5, 6) for _ in range(50)} == {5, 6}


def test_a_shuffled_list_has_the_same_items() -> None:
    values = list(range(50))
    shuffled = chance.shuffle(a_run(), values)
    assert sorted(shuffled) == values == list(range(50))
    assert shuffled != values


@pytest.mark.parametrize(
    "address", ["kina@x.example", "a.b+c@mail.x-y.example", "o'neil@x.example"]
)
def test_an_address_of_mail(address: str) -> None:
    assert mail.validate_email(a_run(), address)


@pytest.mark.parametrize(
    "address",
    [
        *("kina", "kina@localhost", "@x.example", "a..b@x.example", ".a@x.example", "a@x..example"),
        *("a@-x.example", "a b@x.example", "a@x.example\n", f"{'a' * 65}@x.example", "é@x.example"),
        *("a@" + "x." * 130 + "example", "a@b@x.example", "<a@x.example>"),
    ],
)
def test_no_address_of_mail(address: str) -> None:
    assert not mail.validate_email(a_run(), address)
    assert render("{{ validate_email(5) ? 'yes' : 'no' }}") == "no"
