"""What statements do, and what becomes of whitespace: Twig 3's documented behaviours."""

from __future__ import annotations

import pytest

from hookferry.errors import ScriptError
from hookferry.kata.templates import PACKAGE, Run, compile_template

from .rendering import rendered


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain text", "plain text"),
        ("{ % {a} # }", "{ % {a} # }"),
        ("a{{ 1 }}b{{ 2 }}c", "a1b2c"),
        ("{{a}}{{ a }}{{\n  a\n}}", "555"),
        ("{{ {a: {b: 1}}.a.b}}", "1"),
        ("{{ '}}' }}{% set x = '%}' %}{{ x }}", "}}%}"),
        ("a{# {{ 1 }} {% if %} #}b", "ab"),
        ("{{ 1 }}\r\n{{ 2 }}", "1\n2"),
        ("{% do 1 + 1 %}x", "x"),
        ("{% verbatim %}{{ a }}{% if %}{% endverbatim %}", "{{ a }}{% if %}"),
        ("a {%- verbatim -%} {{ a }} {%- endverbatim -%} b", "a{{ a }}b"),
    ],
)
def test_text_and_prints(template: str, text: str) -> None:
    assert rendered(template, a=5) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a {{- 1 -}} b", "a1b"),
        ("a \n {{- 1 -}} \n b", "a1b"),
        ("a \n {{~ 1 ~}} \n b", "a \n1\n b"),
        ("a {%- if 1 -%} b {%- endif -%} c", "abc"),
        ("a {#- x -#} b", "ab"),
        ("a{% if 1 %}\nb\n{% endif %}\nc", "ab\nc"),
        ("a{% if 1 %}\n\nb{% endif %}", "a\nb"),
        ("a{# x #}\nb", "ab"),
        ("{{ 1 }}\nb", "1\nb"),
        ("a{% if 1 %}\r\nb{% endif %}", "ab"),
        ("{{ 5 -}} {{- 6 }}", "56"),
    ],
)
def test_whitespace(template: str, text: str) -> None:
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% set a = 1 %}{{ a }}", "1"),
        ("{% set a, b = 1, 'x' %}{{ a }}{{ b }}", "1x"),
        ("{% set a, b = b, a %}{{ a }}{{ b }}", "45"),
        ("{% set c %}<{{ a }}>{% endset %}{{ c }}{{ c|length }}", "<5>3"),
        ("{% set a = a + 1 %}{{ a }}", "6"),
        ("{% set user = {name: 'x'} %}{{ user.name }}{{ user.tags }}", "x"),
    ],
)
def test_set(template: str, text: str) -> None:
    assert rendered(template, a=5, b=4, user={"name": "Joe", "tags": "t"}) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "one"),
        ("1", "one"),
        (2, "two"),
        (None, "none"),
        ("0", "zero"),
        ([], "empty"),
        ("x", "other"),
    ],
)
def test_if(value: object, text: str) -> None:
    template = (
        "{% if a is null %}none{% elseif a == 1 %}one{% elseif a == 2 %}two"
        "{% elseif a is same as([]) %}empty{% elseif not a %}zero{% else %}other{% endif %}"
    )
    assert rendered(template, a=value) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% for i in [1, 2] %}{{ i }},{% endfor %}", "1,2,"),
        ("{% for i in 1..3 %}{{ i }}{% endfor %}", "123"),
        ("{% for k, v in ['a', 'b'] %}{{ k }}{{ v }}{% endfor %}", "0a1b"),
        ("{% for k, v in {x: 1, y: 2} %}{{ k }}{{ v }}{% endfor %}", "x1y2"),
        ("{% for v in {x: 1, y: 2} %}{{ v }}{% endfor %}", "12"),
        ("{% for v in [] %}{{ v }}{% else %}none{% endfor %}", "none"),
        ("{% for v in missing %}{{ v }}{% else %}none{% endfor %}", "none"),
        ("{% for v in 'text' %}{{ v }}{% else %}none{% endfor %}", "none"),
        ("{% for v in 5 %}{{ v }}{% endfor %}", ""),
        (
            "{% for v in 'abc'|split('') %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
            "{{ loop.revindex0 }}{{ loop.length }}{{ loop.first ? 'F' }}{{ loop.last ? 'L' }} "
            "{% endfor %}",
            "10323F 21213 32103L ",
        ),
        (
            "{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.parent.loop.index }}."
            "{{ loop.index }} {% endfor %}{% endfor %}",
            "1.1 1.2 2.1 2.2 ",
        ),
        ("{% for i in [1] %}{{ loop.parent.a }}{% endfor %}", "5"),
        ("{% for i in [1] %}{{ loop|keys|first }}{% endfor %}", "index"),
        ("{% for i in [1] %}{{ loop['index'] }}{% endfor %}", "1"),
        ("{% for i in [1, 2] %}{% set a = a + i %}{% endfor %}{{ a }}", "8"),
        ("{% for a in [1, 2] %}{% set a = 9 %}{% endfor %}{{ a }}", "5"),
        ("{% set n = 0 %}{% for i in [1, 2] %}{% set n = n + i %}{% endfor %}{{ n }}", "3"),
        (
            "{% for i in [1] %}{% set fresh = 1 %}{% endfor %}{{ fresh is defined ? 'y' : 'n' }}",
            "n",
        ),
        ("{% set i = 'kept' %}{% for i in [1] %}{% endfor %}{{ i }}", "kept"),
        ("{% for i in [1] %}{% endfor %}{{ i is defined ? 'y' : 'n' }}{{ loop }}", "n"),
        ("{% for i in [1] %}{% for i in [2] %}{% endfor %}{{ i }}{% endfor %}", "1"),
    ],
)
def test_for(template: str, text: str) -> None:
    assert rendered(template, a=5) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% with {x: 1} %}{{ x }}{{ a }}{% endwith %}{{ x }}", "15"),
        ("{% with %}{% set y = 2 %}{{ y }}{% endwith %}{{ y }}", "2"),
        ("{% with {x: 1} only %}{{ x }}{{ a }}{% endwith %}", "1"),
        ("{% with only %}{{ a }}{% endwith %}{{ a }}", "5"),
        ("{% set b = 1 %}{% with %}{% set b = 2 %}{% endwith %}{{ b }}", "1"),
        ("{% filter upper %}a{{ a }}b{% endfilter %}", "A5B"),
        ("{% apply lower|replace({x: 'y'}) %}X{{ a }}X{% endapply %}", "y5y"),
        ("{% spaceless %} <p> <b>x y</b>\n </p> {% endspaceless %}", "<p><b>x y</b></p>"),
    ],
)
def test_blocks_of_their_own(template: str, text: str) -> None:
    assert rendered(template, a=5) == text


def test_with_takes_a_dictionary() -> None:
    with pytest.raises(ScriptError, match="with takes a dictionary of variables, not a list"):
        rendered("{% with [1] %}{% endwith %}")


def test_nothing_is_escaped_by_itself() -> None:
    assert rendered("{{ '<b>' }}{{ '<b>'|e }}") == "<b>&lt;b&gt;"


def test_the_variables_of_a_run_stay_as_they_are() -> None:
    scope = {"a": [1]}
    rendered("{% set a = 2 %}{% for a in [3] %}{% endfor %}{% set b = 4 %}", **scope)
    assert scope == {"a": [1]}


def test_a_template_without_tags_is_a_constant(run: Run) -> None:
    assert compile_template("a { b }").constant == "a { b }"
    assert compile_template("").constant == ""
    assert compile_template("a{{ '' }}").constant is None
    assert compile_template("a { b }").render({}, run) == "a { b }"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ a }}{% if %}{# x #}", "{{ a }}{% if %}{# x #}"),
        ("{{{ a }}}", "5"),
        ("{{{ {a: 1}.a }}}", "1"),
        ("{{%if a%}}{{b}}{{%endif%}}", "{{b}}"),
        ("{{# gone #}}x", "x"),
        ("{{{- a -}}} x", "5x"),
    ],
)
def test_packages_have_delimiters_of_their_own(run: Run, template: str, text: str) -> None:
    assert compile_template(template, delimiters=PACKAGE).render({"a": 5}, run) == text


def test_a_template_is_compiled_once() -> None:
    assert compile_template("{{ once }}") is compile_template("{{ once }}")
    assert compile_template("{{{ once }}}", delimiters=PACKAGE) is not compile_template(
        "{{{ once }}}" + " "
    )
