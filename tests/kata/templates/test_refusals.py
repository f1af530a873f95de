"""What does not read as a template is refused when it is compiled, all of it, with its place."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookferry.errors import ScriptRefused
from hookferry.kata.problems import MAX_PROBLEMS
from hookferry.kata.templates import PACKAGE, TWIG, Delimiters, compile_template
from hookferry.kata.templates.lexer import MAX_WORDS
from hookferry.kata.templates.template import MAX_TEXT

from .rendering import problems


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ }}", "1:4 a value is expected, not the end of the tag"),
        ("{{ 1 + }}", "1:8 a value is expected, not the end of the tag"),
        ("{{ 1 2 }}", "1:6 2 is not expected here"),
        ("{{ a b }}", "1:6 b is not expected here"),
        ("{{ a 'b' }}", "1:6 a text is not expected here"),
        ("{{ (1 }}", "1:4 ( is not closed"),
        ("{{ [1) }}", "1:4 [ is not closed"),
        ("{{ 1) }}", "1:5 ) closes nothing"),
        ("{{ 'a }}", "1:4 the text is not closed; end it with '"),
        ("{{ a", "1:1 the tag is not closed; end it with }}"),
        ("x{# a", "1:2 the comment is not closed; end it with #}"),
        ("{% verbatim %}", "1:1 end verbatim with {% endverbatim %}"),
        ("{{ a && b }}", "1:6 & is no operator here; write and"),
        ("{{ a || b }}", "1:7 the name of a filter is expected, not |"),
        ("{{ !a }}", "1:4 ! is no operator here; write not"),
        ("{{ a === b }}", "1:6 === is not expected here; use == or is same as(..)"),
        ("{{ a = b }}", "1:6 = is not expected here; use == to compare"),
        ("{{ [...a] }}", "1:5 a value is expected, not ...; use |merge"),
        ('{{ "a #{b}" }}', '1:4 a text is not interpolated here; write "a " ~ b for "a #{b}"'),
        ("{{ '\\xff' }}", "1:4 \\xff is no character of ASCII; write the character itself"),
        ("{{ a.b() }}", "1:6 values have no methods; use a filter, as in value|filter"),
        ("{{ a. }}", "1:7 a key is expected after the dot, not the end of the tag"),
        ("{{ {a.b} }}", "1:6 , is expected between entries, not ."),
        ("{{ {[1]: 2} }}", "1:5 a key is expected, not ["),
        ("{{ {'a'} }}", "1:8 : is expected after a key, not }"),
        ("{{ a is }}", "1:9 the name of a test is expected, not the end of the tag"),
        ("{{ and }}", "1:4 a value is expected, not and"),
        ("{{ a ? b c }}", "1:10 c is not expected here"),
        ("{{ a|uppr }}", "1:6 there is no filter uppr; did you mean upper?"),
        ("{{ randm_string(1) }}", "1:4 there is no function randm_string; did you mean "),
        ("{{ a is evn }}", "1:9 there is no test evn; did you mean even?"),
        ("{{ include('x') }}", "1:4 there is no function include: templates don't include others"),
        ("{{ a|upper(1, 2) }}", "1:6 upper takes no arguments, and 2 are given"),
        ("{{ a|join('a', 'b', 'c') }}", "1:6 join takes at most "),
        ("{{ a|map }}", "1:6 map needs arrow"),
        ("{{ a|date(formt='U') }}", "1:6 date has no argument formt; did you mean format?"),
        ("{{ a|date('U', format='U') }}", "1:6 date is given format twice"),
        ("{{ a|date(format='U', format='U') }}", "1:23 format is given twice"),
        ("{{ a|date(format='U', 'U') }}", "1:23 arguments without a name come before"),
        ("{% %}", "1:4 a tag begins with its name, such as if, for or set"),
        ("{% iff a %}", "1:4 there is no tag iff; did you mean if?"),
        ("{% include 'x' %}", "1:4 there is no tag include: templates don't include or extend"),
        ("{% macro x() %}{% endmacro %}", "1:4 there is no tag macro: templates have no macros"),
        ("{% block x %}{% endblock %}", "1:4 there is no tag block: templates have no blocks"),
        ("{% raw %}{% endraw %}", "1:4 there is no tag raw: use verbatim"),
        ("a{% if 1 %}b", "1:2 if is not closed; end it with {% endif %}"),
        ("{% endif %}", "1:1 endif has no if to belong to; leave it out"),
        ("{% else %}", "1:1 else has no if or for to belong to; leave it out"),
        ("{% if 1 %}{% else %}{% else %}{% endif %}", "1:21 else has no if or for to belong to"),
        ("{% if 1 %}{% endfor %}{% endif %}", "1:11 endfor has no for to belong to; leave it out"),
        (
            "{% for a in b %}{% if a %}{% endfor %}",
            "1:17 if is not closed; end it with {% endif %}",
        ),
        ("{% if 1 %}{% endif 2 %}", "1:20 2 is not expected here"),
        ("{% for a %}{% endfor %}", "1:10 in is expected after the variable, not the end"),
        ("{% for 1 in b %}{% endfor %}", "1:8 the name of a variable is expected, not 1"),
        ("{% for a in b if a %}{% endfor %}", "1:15 for takes no if; write items|filter(v => ..)"),
        ("{% set a = %}", "1:12 a value is expected, not the end of the tag"),
        ("{% set a, b = 1 %}", "1:13 2 variables are set, and 1 values are given"),
        ("{% set a, b %}", "1:13 = is expected after the variable, not the end of the tag"),
        ("{% set true = 1 %}", "1:8 true can't be the name of a variable"),
        ("{% set a %}b", "1:1 set is not closed; end it with {% endset %}"),
        ("{% apply upper %}{% endfilter %}", "1:1 apply is not closed; end it with {% endapply %}"),
    ],
)
def test_a_problem_is_told_with_its_place_and_remedy(template: str, problem: str) -> None:
    assert problems(template)[0].startswith(problem)


def test_every_problem_is_told_at_once() -> None:
    template = (
        "{{ 'a }}\n{% foo %}{% if (1 %}{{ x|uppr }}\n  {% elseif %}{% endif %}{{ 1 + }}{{ ok }}"
    )
    assert problems(template) == [
        "1:4 the text is not closed; end it with '",
        "2:4 there is no tag foo; did you mean for?",
        "2:16 ( is not closed",
        "2:26 there is no filter uppr; did you mean upper?",
        "3:13 a value is expected, not the end of the tag",
        "3:33 a value is expected, not the end of the tag",
    ]


def test_a_block_that_does_not_read_still_ends() -> None:
    assert problems("{% for (a %}{% else %}{% endfor %}{% if ] %}{% elseif ' %}{% endif %}") == [
        "1:8 ( is not closed",
        "1:41 ] closes nothing",
        "1:55 the text is not closed; end it with '",
    ]


def test_places_count_from_where_the_text_begins() -> None:
    assert problems("a {{ }}\n {{ }}", line=10, column=5)[0].startswith("10:10 ")
    assert problems("a {{ }}\n {{ }}", line=10, column=5)[1].startswith("11:5 ")


def test_no_more_problems_are_told_than_anybody_reads() -> None:
    assert len(problems("{{ }}" * 10_000)) == MAX_PROBLEMS


def test_a_template_has_a_largest_size() -> None:
    compile_template("a" * MAX_TEXT)
    assert problems("a" * (MAX_TEXT + 1)) == [
        "1:1 a template has at most 262,144 characters; split it"
    ]


def test_a_template_has_a_largest_number_of_words() -> None:
    compile_template("{{a}}" * (MAX_WORDS // 2))
    too_many = "1:50001 a template has at most 20,000 words in its tags; split it"
    assert problems("{{a}}" * (MAX_WORDS // 2 + 1)) == [too_many]
    assert problems("{{ [" + "1," * 100_000 + "] }}")[0].startswith("1:1 a template has at most")


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 999 + "1" + ")" * 999 + " }}",
        "{{ " + "[" * 999 + "]" * 999 + " }}",
        "{{ " + "{a:" * 999 + "1" + "}" * 999 + " }}",
        "{{ " + "-" * 999 + "1 }}",
        "{{ " + "not " * 999 + "1 }}",
        "{{ " + "a ?? " * 999 + "1 }}",
        "{{ " + "2 ** " * 999 + "1 }}",
        "{{ " + "a ? " * 999 + "1 }}",
        "{{ " + "a ?: " * 999 + "1 }}",
        "{{ " + "a ? b : " * 999 + "1 }}",
        "{{ " + "v => " * 999 + "1 }}",
        "{{ " + "max(" * 999 + "1" + ")" * 999 + " }}",
        "{{ " + "a|default(" * 999 + "1" + ")" * 999 + " }}",
        "{{ " + "a[" * 999 + "1" + "]" * 999 + " }}",
        "{{ " + "a is same as(" * 999 + "1" + ")" * 999 + " }}",
        "{% if 1 %}" * 999 + "{% endif %}" * 999,
        "{% for a in b %}" * 999,
        "{% if ' %}" * 999 + "{% endif %}" * 999,
    ],
    ids=lambda template: template[:20],
)
def test_nesting_is_bounded_when_it_is_read(template: str) -> None:
    assert "64 levels" in problems(template)[-1] or "is not closed" in problems(template)[-1]


marks = "{}%#-~()[]|.,:?='\"\\ \n"
tokens = (
    "{{ }} {% %} {# #} if for in set endif endfor else elseif endset a 1 1.5 is not upper => ?? "
    ".. ** verbatim endverbatim with filter and b-and range("
)
pieces = st.sampled_from([*marks, *tokens.split()])


@given(
    st.lists(pieces | st.text(max_size=3), max_size=60).map("".join),
    st.sampled_from([TWIG, PACKAGE]),
)
@example("{{ a is not", TWIG)
@example("{%-%}", TWIG)
@example("{{-}}", TWIG)
@example("{#-#}{#}", TWIG)
def test_any_text_is_a_template_or_refused(text: str, delimiters: Delimiters) -> None:
    with contextlib.suppress(ScriptRefused):
        compile_template(text, delimiters=delimiters)


@given(st.text())
def test_text_without_tags_is_left_alone(text: str) -> None:
    if not any(opening in text for opening in ("{{", "{%", "{#")):
        assert compile_template(text).constant == text.replace("\r\n", "\n").replace("\r", "\n")
