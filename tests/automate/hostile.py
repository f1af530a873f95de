"""Scripts that want more than their share, or what is not theirs; each ends in an error."""

from __future__ import annotations

import json
from typing import Any, Final


def _loop(body: str) -> str:
    """Return a script that does something for ever; begin each line with six blanks."""
    return f"start:\n  set:\n    a@json: [1]\n  while:\n    if@bool: yes\n    do:\n{body}"


HOSTILE: Final = {
    "nested-loops": """\
start:
  set:
    numbers@json: {{range(1, 9999)|json_encode}}
  repeat/outer:
    each@key: numbers
    as: i
    do:
      repeat/inner:
        each@key: numbers
        as: j
        do:
          set:
            k: {{i * j}}
""",
    "for-ever": _loop("      set:\n        b: 1\n"),
    "text-that-doubles": (
        "start:\n  set:\n    a: a\n  while:\n    if@bool: yes\n    do:\n"
        "      set:\n        a: {{a}}{{a}}\n"
    ),
    "text-that-doubles-in-a-template": (
        "start:\n  set:\n"
        "    a: {% set a = 'aaaaaaaa' %}{% for i in 1..60 %}{% set a = a ~ a %}{% endfor %}{{a}}\n"
    ),
    "lists-that-double": _loop("      set:\n        a@json: {{a|merge(a)|json_encode}}\n"),
    "lists-that-share": _loop(
        "      var.push:\n        inputs:\n          key: a\n          value@key: a\n"
    ),
    "a-pattern-that-backtracks": _loop(
        "      set:\n        b: {{xs|regexp('/^(x+x+)+y$/', 1)}}{{xs matches '/(x+)+y/'}}\n"
    ),
    "a-text-that-is-replaced": _loop(
        "      set:\n        b: {{big|replace({'x': 'yy'})|upper|length}}\n"
    ),
    "documents-that-are-read": _loop("      set:\n        b@json: {{numbers}}\n"),
    "lists-that-are-sorted": (
        "start:\n  set:\n    l@json: {{numbers}}\n  while:\n    if@bool: yes\n    do:\n"
        "      set:\n        b: {{l|sort|reverse|join(',')|length}}\n"
    ),
    "attributes-of-the-inside": (
        "start:\n  error: {{[].__class__.__base__.__subclasses__|json_encode}}"
        "{{request_headers.__class__.__init__.__globals__}}{{range.__globals__}}.\n"
    ),
    "a-function-that-calls-itself": (
        "start:\n  function:\n    uri: cerb:automation:hostile.a-function-that-calls-itself\n"
        "    output: out\n    on_error:\n      log: again\n"
    ),
    "a-million-stored-keys": """\
start:
  repeat:
    each@json: {{range(1, 9999)|json_encode}}
    as: i
    do:
      storage.set:
        inputs:
          key: key.{{i}}
          value: x
        on_error:
          log: again
""",
    "a-header-that-begins-another": (
        "start:\n  return:\n    headers:\n"
        '      X-A: {{"1\\r\\nX-Evil: 1\\r\\n\\r\\n"}}\n    body: evil\n'
    ),
    "a-large-return": (
        "start:\n  return:\n    body:\n"
        + "".join(f"      k{n}@json: {{{{numbers}}}}\n" for n in range(40))
    ),
}

KNOWN: Final[dict[str, Any]] = {
    "big": "x" * 500_000,
    "xs": "x" * 5_000,
    "numbers": json.dumps(list(range(20_000))),
    "request_headers": {},
}
"""What they find when they begin."""
