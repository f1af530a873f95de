"""Every example of the reference is what it says it is."""

from __future__ import annotations

import pytest

from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS, Callee
from kata.templates.rendering import rendered as render

CALLEES = [callee for registry in (FILTERS, FUNCTIONS, TESTS) for callee in registry.values()]


@pytest.mark.parametrize("callee", CALLEES, ids=lambda callee: f"{callee.kind}-{callee.name}")
def test_an_example_renders_to_the_text_beside_it(callee: Callee) -> None:
    for example in callee.examples:
        assert render(example.template) == example.text


def test_all_that_webhook_scripts_call_is_there() -> None:
    filters = (
        "json_encode json_pretty upper lower split last first join sort map sha1 hash_hmac date "
        "default e escape nl2br length number_format base64_encode base64_decode url_encode "
        "url_decode trim replace regexp slice merge keys values filter reduce column md5 indent "
        "truncate capitalize title striptags kata_encode parse_url round abs reverse raw"
    )
    functions = (
        "dict_set dict_unset json_decode jsonpath_set array_column array_sum array_unique "
        "array_diff random_string validate_email xml_decode xml_xpath xml_encode kata_parse range "
        "min max date regexp_match_all"
    )
    tests = ["empty", "null", "none", "even", "odd", "iterable", "numeric", "pattern", "prefixed"]
    tests += ["suffixed", "same as", "defined", "divisible by", "mapping", "sequence"]
    assert set(filters.split()) <= FILTERS.keys()
    assert set(functions.split()) <= FUNCTIONS.keys()
    assert set(tests) <= TESTS.keys()
