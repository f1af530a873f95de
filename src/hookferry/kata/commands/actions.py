"""Commands that act on the world: what they take and give. The world's port carries them out.

Inputs that policies look at are brought into one form first, so that what a rule compares is what
is done: a method in capitals, a URL with its scheme and host in small letters.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from hookferry.errors import OutOfFuel, ScriptError
from hookferry.kata.commands.acting import broken, declare
from hookferry.kata.commands.registry import Call, Example, Input
from hookferry.kata.frame import MAX_FUNCTIONS, Frame
from hookferry.kata.values import Value, kind_of

METHODS: Final = ("GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "POST", "PUT")
MAX_URL: Final = 8_192
"""Characters of a URL."""


def _method(value: Value) -> str:
    method = value.strip().upper() if isinstance(value, str) else ""
    if method not in METHODS:
        raise ScriptError(f"method: is one of {', '.join(METHODS)}")
    return method


def _url(value: Value) -> str:
    """Return a URL whose scheme and host are in small letters (RFC 3986 section 6.2.2.1)."""
    url = value.strip() if isinstance(value, str) else ""
    if not url or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise ScriptError("url: is an absolute URL such as https://api.example/orders?page=2")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ScriptError(f"url: {url[:80]} is no URL") from None
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{host.lower()}").geturl()


def _needed(name: str, doc: str) -> Input:
    """Declare an input that has to be a text, and not an empty one."""

    def read(value: Value) -> Value:
        if not isinstance(value, str) or not value:
            what = "empty" if value in (None, "") else kind_of(value)
            raise ScriptError(f"{name}: is {what}; it has to be a text")
        return value

    return Input(name, doc, required=True, read=read)


declare(
    "http.request",
    "Sends an HTTP request. An answer with a status of 400 or more is an error.",
    group="Actions",
    inputs=(
        Input("url", "an absolute URL", required=True, read=_url),
        Input("method", f"{', '.join(METHODS)}", default="GET", read=_method),
        Input("headers", "a dictionary, or a text block of lines `Name: value`"),
        Input(
            "body",
            "a text; or a dictionary, which is written as its `Content-Type` says: JSON, YAML,"
            " else URL-encoded",
        ),
        Input("timeout", "seconds; decimals are allowed"),
        Input(
            "authentication",
            "the credential to present, by its name: `cerb:connected_account:shop`",
        ),
    ),
    output="`status_code`, `url`, `content_type`, `headers` (names in small letters), `body`,"
    " `is_data_uri` (the body is binary: a `data:` URI), `is_cerb_uri` (it is large: a resource)",
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  http.request/order:
    output: answer
    inputs:
      method: POST
      url: https://api.example/orders
      headers:
        Content-Type: application/json
      body:
        sku: A-1
        count@int: 2
    on_error:
      log.error: The shop said {{answer.status_code}}: {{answer.error}}
      return:
        status_code@int: 502
  set:
    order@json: {{answer.body}}
  return:
    status_code@int: 201
    body: Order {{order.id}}
""",
            outputs={"http.request": {"status_code": 200, "body": '{"id": 4711}'}},
            returned={"status_code": 201, "body": "Order 4711"},
        ),
    ),
)


def _function(frame: Frame, call: Call) -> Value:
    uri = call.own["uri"]
    if frame.depth >= MAX_FUNCTIONS:
        raise OutOfFuel(f"functions call functions more than {MAX_FUNCTIONS} deep")
    with frame.fuel.scratch():
        with broken(call.ref):
            function = frame.actions.function(uri, call.ref)
        return function.script.call(frame, uri, function.policy, call.inputs)


declare(
    "function",
    "Runs another automation with inputs of its own and takes what it returns. It has its own"
    " placeholders and its own policy, and shares the time and the steps of the caller. A"
    " simulation runs it too: its actions are simulated.",
    group="Actions",
    keys=(_needed("uri", "the automation: `cerb:automation:example.math.sum`"),),
    inputs=None,
    output="what it returned",
    perform=_function,
    is_action=True,
    examples=(
        Example(
            script="""\
start:
  function/sum:
    uri: cerb:automation:example.math.sum
    inputs:
      numbers@csv: 2, 4, 8
    output: result
    on_success:
      return:
        sum@key: result:sum
""",
            functions={
                "cerb:automation:example.math.sum": """\
inputs:
  array/numbers:
    required@bool: yes
start:
  return:
    sum@int: {{inputs.numbers|reduce((carry, v) => carry + v, 0)}}
"""
            },
            returned={"sum": 14},
        ),
    ),
)

_STORAGE_KEY: Final = _needed("key", "a name; all automations share the values")

declare(
    "storage.set",
    "Keeps a value beyond the run, under a name.",
    group="Actions",
    inputs=(
        _STORAGE_KEY,
        Input("value", "the value", required=True),
        Input("expires", "until when, such as `+15 mins` or `31 Dec 2036`; for good without"),
    ),
    output="`key` and `expires` (Unix seconds)",
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  storage.set:
    output: saved
    inputs:
      key: orders.last
      value: {{number}}
      expires: +1 day
  return:
    key@key: saved:key
""",
            scope={"number": "4711"},
            outputs={"storage.set": {"key": "orders.last", "expires": 1_763_000_000}},
            returned={"key": "orders.last"},
        ),
    ),
)

declare(
    "storage.get",
    "Reads a value that was kept under a name.",
    group="Actions",
    inputs=(_STORAGE_KEY, Input("default", "what it is where there is none")),
    output="the value",
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  storage.get:
    output: last
    inputs:
      key: orders.last
      default: none
  return:
    last@key: last
""",
            outputs={"storage.get": "4711"},
            returned={"last": "4711"},
        ),
    ),
)

declare(
    "storage.delete",
    "Forgets a value that was kept under a name.",
    group="Actions",
    inputs=(_STORAGE_KEY,),
    output="whether there was one",
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  storage.delete:
    output: gone
    inputs:
      key: orders.last
  return:
    gone@key: gone
""",
            outputs={"storage.delete": True},
            returned={"gone": True},
        ),
    ),
)

declare(
    "data.query",
    "Reads what hookferry has stored, newest first. The query is made of terms `field:value`, "
    "values with blanks in quotes: `type:` is `events` (`event_type`, `state`, `id`), "
    "`deliveries` (`event_type`, `state`, `status`, `event`, `webhook`, `text`), `requests` "
    "(`source`, `verdict`, `method`, `status`, `text`) or `runs` (`automation`, `exit`, `event`); "
    "all take `after`, `before` and `limit` (25; 250 at most).",
    group="Actions",
    inputs=(
        _needed("query", "such as `type:deliveries state:failed after:'-1 day' limit:10`"),
        Input("query_params", "texts that the query refers to as `${name}`"),
    ),
    output="`data`, a list of dictionaries, and `_` about the query",
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  data.query:
    output: results
    inputs:
      query: type:events event_type:${wanted} after:'-1 day'
      query_params:
        wanted: order.created
  return:
    count@int: {{results.data|length}}
""",
            outputs={"data.query": {"data": [{"type": "order.created"}], "_": {}}},
            returned={"count": 1},
        ),
    ),
)

_DATA: Final = (
    _needed("type", "the event type: `order.created`"),
    Input("data", "what happened: a dictionary or another value"),
    Input("id", "the publisher's own id, which makes it idempotent"),
    Input("application", "the application it belongs to"),
    Input("entity", "the kind of record it is about"),
    Input("primary_key", "the record it is about"),
    Input("changes", "the names of the fields that changed"),
    Input("actor", "who did it: `id` and `name`"),
    Input("occurred_at", "when, as RFC 3339 has it"),
    Input("channels", "a list of channels"),
)
_PUBLISHED: Final = "`id`, `deliveries` (their number) and `duplicate`"

declare(
    "event.publish",
    "Publishes an event, which goes to all webhooks that subscribe to it.",
    group="Actions",
    inputs=_DATA,
    output=_PUBLISHED,
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  event.publish:
    output: published
    inputs:
      type: order.created
      data:
        number: {{request_params.number}}
  return:
    status_code@int: 202
    body: {{published.id}}
""",
            scope={"request_params": {"number": "4711"}},
            outputs={"event.publish": {"id": "evt_1", "deliveries": 2, "duplicate": False}},
            returned={"status_code": 202, "body": "evt_1"},
        ),
    ),
)

declare(
    "webhook.send",
    "Publishes an event that goes to one webhook only, whatever it subscribes to.",
    group="Actions",
    inputs=(_needed("webhook", "the id or the name of the webhook"), *_DATA),
    output=_PUBLISHED,
    is_action=True,
    simulated=False,
    examples=(
        Example(
            script="""\
start:
  webhook.send:
    output: sent
    inputs:
      webhook: shop
      type: order.created
      data:
        number: {{request_params.number}}
  return:
    body: {{sent.id}}
""",
            scope={"request_params": {"number": "4711"}},
            outputs={"webhook.send": {"id": "evt_1", "deliveries": 1, "duplicate": False}},
            returned={"body": "evt_1"},
        ),
    ),
)
