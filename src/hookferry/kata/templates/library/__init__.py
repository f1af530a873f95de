"""The filters, functions and tests that templates can call.

They are Twig's (https://twig.symfony.com/doc/3.x/) and Cerb's
(https://cerb.ai/docs/scripting/), on PHP's rules. Importing this package registers them all.
"""

from hookferry.kata.templates.library import (
    arrays,
    chance,
    checks,
    dates,
    digests,
    encodings,
    escaping,
    json_texts,
    kata_texts,
    lists,
    mail,
    numbers,
    paths,
    pretty,
    regexes,
    tables,
    texts,
    xml_texts,
)

__all__ = [
    "arrays",
    "chance",
    "checks",
    "dates",
    "digests",
    "encodings",
    "escaping",
    "json_texts",
    "kata_texts",
    "lists",
    "mail",
    "numbers",
    "paths",
    "pretty",
    "regexes",
    "tables",
    "texts",
    "xml_texts",
]
