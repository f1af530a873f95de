"""What expressions come to: Twig 3's documented behaviours."""

from __future__ import annotations

from typing import Any

import pytest

from hookferry.errors import ScriptError

from .rendering import printed, rendered

SCOPE: dict[str, Any] = {
    "a": 5,
    "b": 4,
    "name": "Fabien",
    "items": ["x", "y", "z"],
    "user": {"name": "Joe", "tags": ["new", "vip"], "0": "zero", "last-name": "Doe"},
    "empty": [],
    "text": "hello world",
    "none_here": None,
}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'it\\'s'", "it's"),
        ('"it\'s"', "it's"),
        ("'a\\nb'", "a\nb"),
        ("'\\x41\\101'", "AA"),
        ("'\\\\d'", "\\d"),
        ("'\\d'", "\\d"),
        ("42", "42"),
        ("1_000", "1000"),
        ("42.50", "42.5"),
        ("1e3", "1000"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9.2233720368548E+18"),
        ("true", "1"),
        ("false", ""),
        ("null", ""),
        ("none", ""),
        ("TRUE", "1"),
        ("-5", "-5"),
        ("'a' ~ \"b\" ~ 3", "ab3"),
    ],
)
def test_literals(expression: str, text: str) -> None:
    assert printed(expression) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("user.name", "Joe"),
        ("user['name']", "Joe"),
        ("user['last-name']", "Doe"),
        ("user[\"na\" ~ 'me']", "Joe"),
        ("user.tags[1]", "vip"),
        ("user.tags.1", "vip"),
        ("user.tags['1']", "vip"),
        ("user.0", "zero"),
        ("user[0]", "zero"),
        ("[[1, [2, 3]], 4].0.1.0", "2"),
        ("items[-1]", ""),
        ("items[3]", ""),
        ("items[true]", "y"),
        ("items[1.9]", "y"),
        ("items['01']", ""),
        ("missing", ""),
        ("missing.a.b.c", ""),
        ("missing['a']", ""),
        ("user.name.first", ""),
        ("a.b", ""),
        ("{is: 1}.is ~ {in: 2}.in", "12"),
    ],
)
def test_paths_lead_to_a_value_or_to_null(expression: str, text: str) -> None:
    assert printed(expression, **SCOPE) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("[1, 2, 3,]|length", "3"),
        ("[]|length", "0"),
        ("{}|length", "0"),
        (
            "{'a': 1, \"b\": 2, c: 3, 4: 5, (1 + 4): 6}|json_encode",
            '{"a":1,"b":2,"c":3,"4":5,"5":6}',
        ),
        ("{name}.name", "Fabien"),
        ("{name, a}.a", "5"),
        ("{(name): 1}.Fabien", "1"),
        ("{('a' ~ 'b'): 7}['ab']", "7"),
        ("{true: 1}['true']", "1"),
        ("{'k': 1, 'k': 2}.k", "2"),
        ("{(true): 1}[1]", "1"),
        ("{(1.9): 'x'}[1]", "x"),
        ("{(null): 'x'}['']", "x"),
    ],
)
def test_lists_and_dictionaries(expression: str, text: str) -> None:
    assert printed(expression, **SCOPE) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 2 - 3", "5"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "4"),
        ("2 * 3 ** 2", "18"),
        ("1 ~ 2 + 3 ~ 4", "46"),
        ("'a' ~ 1 * 2", "a2"),
        ("1 + 1 == 2 ? 'y' : 'n'", "y"),
        ("1 < 2 == true ? 'y' : 'n'", "y"),
        ("false and false or true ? 'y' : 'n'", "y"),
        ("true or true and false ? 'y' : 'n'", "y"),
        ("not false and false ? 'y' : 'n'", "n"),
        ("not (1 in [1]) ? 'y' : 'n'", "n"),
        ("not a == 5 ? 'y' : 'n'", "n"),
        ("a ?? b ~ 'x'", "5x"),
        ("missing ?? 'x' ~ 'y'", "xy"),
        ("'4' - '2'|upper > 1 ? 'y' : 'n'", "y"),
        ("(1..3|length)|join(',')", "1"),
        ("(1..3)|length", "3"),
        ("-1|abs", "-1"),
        ("(-1)|abs", "1"),
        ("5 b-and 6", "4"),
        ("5 b-or 6", "7"),
        ("5 b-xor 6", "3"),
        ("1 b-or 2 == 2 ? 'y' : 'n'", "y"),
        ("true xor true ? 'y' : 'n'", "n"),
        ("1 + 2 is even", "2"),
        ("6 / 4 // 1", "1"),
        ("+'3' + 1", "4"),
        ("- - 3", "3"),
        ("a - -b", "9"),
        ("a-1", "4"),
    ],
)
def test_operators_bind_as_in_twig(expression: str, text: str) -> None:
    assert printed(expression, **SCOPE) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("a > 4 ? 'yes' : 'no'", "yes"),
        ("a > 9 ? 'yes' : 'no'", "no"),
        ("a > 4 ? 'yes'", "yes"),
        ("a > 9 ? 'yes'", ""),
        ("name ?: 'anon'", "Fabien"),
        ("missing ?: 'anon'", "anon"),
        ("'0' ?: 'zero is false'", "zero is false"),
        ("'0.0' ?: 'x'", "0.0"),
        ("empty ? 'some' : 'none'", "none"),
        ("missing ?? none_here ?? 'last'", "last"),
        ("missing.a.b ?? 'x'", "x"),
        ("false ?? 'x'", ""),
        ("a == 1 ? 'one' : a == 5 ? 'five' : 'many'", "five"),
        ("true ? false ? 1 : 2 : 3", "2"),
        ("{a: a ? 1 : 2}.a", "1"),
    ],
)
def test_choices(expression: str, text: str) -> None:
    assert printed(expression, **SCOPE) == text


@pytest.mark.parametrize(
    "expression",
    [
        "'world' in text",
        "'' in text",
        "'x' in items",
        "'Joe' in user",
        "'1' in [1, 2]",
        "5 in 'a5'",
        "'q' not in text",
        "null in [null]",
        "not ('q' in text)",
        "'q' not in missing",
        "[1] in [[1], 2]",
        "text starts with 'hello'",
        "text ends with 'world'",
        "text starts with ''",
        "not (5 starts with '5')",
        "text matches '/^HELLO/i'",
        "text matches '#o w#'",
        "'+1 555-123' matches '/^[\\\\d\\\\s+-]+$/'",
        "'2024-05-01' matches '/^\\d{4}-\\d\\d-\\d\\d$/'",
        "not (text matches '/^w/')",
        "missing is not defined",
        "name is defined",
        "none_here is defined",
        "user.name is defined",
        "user.nope is not defined",
        "user.nope.deeper is not defined",
        "items[2] is defined",
        "items[3] is not defined",
        "(missing ?? none_here) is not defined",
        "(a + 1) is defined",
        "name is defined is defined",
        "missing is null",
        "name is not null",
        "empty is empty",
        "4 is even and 3 is odd",
        "3 is same as(3)",
        "3 is not same as('3')",
        "6 is divisible by 3",
        "6 is divisible by(3)",
    ],
)
def test_questions_that_come_out_true(expression: str) -> None:
    assert printed(f"({expression}) ? 'yes' : 'no'", **SCOPE) == "yes"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("items[1:]|join(',')", "y,z"),
        ("items[:2]|join(',')", "x,y"),
        ("items[1:1]|join(',')", "y"),
        ("text[0:5]", "hello"),
        ("text[-5:]", "world"),
        ("(1..5)|join(',')", "1,2,3,4,5"),
        ("(3..1)|join(',')", "3,2,1"),
        ("('a'..'e')|join", "abcde"),
        ("items|first ~ items|last", "xz"),
        ("text|upper|lower|upper", "HELLO WORLD"),
        ("3.14159|number_format(2, ',')", "3,14"),
        ("3.14159|number_format(decimal=2)", "3.14"),
        ("3.14159|number_format(decimal: 2, decimal_point: ',')", "3,14"),
        ("items|map(v => v ~ '!')|join(' ')", "x! y! z!"),
        ("items|map((v, k) => k ~ v)|join(' ')", "0x 1y 2z"),
        ("[1, 2, 3, 4]|filter(v => v is even)|join(',')", "2,4"),
        ("[1, 2, 3]|reduce((carry, v) => carry + v, a)", "11"),
        ("[1, 2]|map(x => [3, 4]|map(y => x * y)|join(','))|join(' ')", "3,4 6,8"),
        ("max(1, [5, 3]|first)", "5"),
    ],
)
def test_filters_functions_and_arrows(expression: str, text: str) -> None:
    assert printed(expression, **SCOPE) == text


def test_filters_bind_tighter_than_arithmetic() -> None:
    template = "{{ 'now'|date('U') - '@1762999000'|date('U') > 300 ? 'expired' : 'fresh' }}"
    assert rendered(template) == "expired"


def test_an_arrow_keeps_the_variables_of_the_moment_it_was_made() -> None:
    template = "{% set n = 1 %}{% set f = v => v + n %}{% set n = 100 %}{{ [1]|map(f)|join }}"
    assert rendered(template) == "2"


def test_an_arrow_leaves_variables_of_the_same_name_alone() -> None:
    assert rendered("{% set v = 'kept' %}{{ [1]|map(v => v)|join }}{{ v }}") == "1kept"


@pytest.mark.parametrize("operator", ["and", "or", "??", "?:"])
def test_what_is_not_needed_is_not_evaluated(operator: str) -> None:
    left = "0" if operator == "and" else "1"
    assert printed(f"{left} {operator} (1 / 0)") == ("" if operator == "and" else "1")


@pytest.mark.parametrize("value", ["[1]", "{a: 1}", "v => v"])
def test_what_is_no_text_is_not_printed(value: str) -> None:
    with pytest.raises(ScriptError, match="can't be printed"):
        printed(value)
