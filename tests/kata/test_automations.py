"""Automations as users write them, from the description of the language alone.

A router, a slash command, a feed, a check of tokens and a fetch of pages: none of them needed
anything of the interpreter that was not there.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hookferry.errors import ScriptError
from kata.runs import NOW, World, play
from kata.test_documented_scripts import request

ROUTER = """\
# Paths below the webhook's URL, as a small API.
start:
  set:
    parts@json: {{request_path|split('/')|json_encode}}
    resource@key: parts:0
    id@key: parts:1
  decision:
    outcome/list:
      if@bool: {{request_method == 'GET' and resource == 'orders' and id is empty}}
      then:
        data.query:
          output: found
          inputs:
            query: type:events event_type:order.created
        return:
          headers@ref: json
          body: {{array_column(found.data, 'number')|json_encode}}
    outcome/one:
      if@bool: {{request_method == 'GET' and resource == 'orders' and id matches '/^[0-9]+$/'}}
      then:
        storage.get:
          output: order
          inputs:
            key: order.{{id}}
        outcome/unknown:
          if@bool: {{order is empty}}
          then:
            return:
              status_code@int: 404
              body: There is no order {{id}}.
        return:
          headers@ref: json
          body: {{order|json_encode}}
    outcome/create:
      if@bool: {{request_method == 'POST' and resource == 'orders'}}
      then:
        set:
          order@key,json: request_body
        storage.set:
          inputs:
            key: order.{{order.number}}
            value@key: order
        event.publish:
          inputs:
            type: order.created
            data@key: order
        return:
          status_code@int: 201
          headers:
            Location: /orders/{{order.number}}
    outcome/otherwise:
      then:
        return:
          status_code@int: 404
          body: Not found.

&json:
  Content-Type: application/json
"""


def keeping() -> World:
    """Return a world that keeps what is stored."""
    stored: dict[str, Any] = {}
    return World(
        {
            "storage.set": lambda inputs: stored.update({inputs["key"]: inputs["value"]}),
            "storage.get": lambda inputs: stored.get(inputs["key"], inputs.get("default")),
            "event.publish": {"id": "evt_1", "deliveries": 1, "duplicate": False},
            "data.query": {"data": [{"number": 1}, {"number": 2}]},
        }
    )


def test_a_router_sends_each_path_where_it_belongs() -> None:
    world = keeping()

    def ask(method: str, path: str, body: str = "") -> tuple[int, str]:
        result = play(ROUTER, scope=request(method, path=path, body=body), world=world)
        assert result.exit == "return", result.error
        return result.returned.get("status_code", 200), result.returned.get("body", "")

    assert ask("GET", "orders/7") == (404, "There is no order 7.")
    assert ask("POST", "orders", '{"number": 7, "sku": "A-1"}') == (201, "")
    status, body = ask("GET", "orders/7")
    assert (status, json.loads(body)) == (200, {"number": 7, "sku": "A-1"})
    assert json.loads(ask("GET", "orders")[1]) == [1, 2]
    assert ask("DELETE", "orders/7")[0] == ask("GET", "orders/x")[0] == ask("GET", "")[0] == 404
    assert ("event.publish", {"type": "order.created", "data": {"number": 7, "sku": "A-1"}}) in (
        world.performed
    )


SLASH = """\
# A chat's slash command: /deploy SERVICE [ENVIRONMENT]
start:
  set:
    services@list:
      shop
      billing
    words@json: {{request_params.text|trim|split(' ')|filter(w => w)|values|json_encode}}
    service: {{words|first}}
    target: {{words[1]|default('staging')}}
  outcome/help:
    if@bool: {{service is empty or service == 'help'}}
    then:
      return:
        body@text:
          Usage: {{request_params.command}} SERVICE [ENVIRONMENT]
          {% for name in services %}
          - {{name}}
          {% endfor %}
  outcome/unknown:
    if@bool: {{service not in services}}
    then:
      return@json:
        {
          "headers": {"Content-Type": "application/json"},
          "body": {{{
            response_type: 'ephemeral',
            text: "There is no service " ~ service ~ "."
          }|json_encode|json_encode}}
        }
  http.request:
    output: answer
    inputs:
      method: POST
      url: https://ci.example/deployments
      headers:
        Content-Type: application/json
      body:
        service@key: service
        target@key: target
        by: {{request_params.user_name|lower}}
      timeout: 2.5
    on_error:
      log.warn: The deployment of {{service}} failed: {{answer.error}}
      return:
        body: Could not reach the build server, please try again.
  return:
    headers:
      Content-Type: application/json
    body@text:
      {{{response_type: 'in_channel', text: service ~ ' goes to ' ~ target}|json_encode}}
"""


def slash(text: str, world: World | None = None) -> str:
    params = {"command": "/deploy", "text": text, "user_name": "Joe"}
    result = play(SLASH, scope=request(params=params), world=world)
    assert result.exit == "return", result.error
    body: str = result.returned["body"]
    return body


def test_a_slash_command_explains_itself_refuses_and_acts() -> None:
    assert slash("") == "Usage: /deploy SERVICE [ENVIRONMENT]\n- shop\n- billing\n"
    assert json.loads(slash("shpo"))["text"] == "There is no service shpo."
    world = World({"http.request": {"status_code": 201}})
    assert json.loads(slash("  shop   production ", world)) == {
        "response_type": "in_channel",
        "text": "shop goes to production",
    }
    (_, inputs) = world.performed[0]
    assert inputs["body"] == {"service": "shop", "target": "production", "by": "joe"}
    assert inputs["timeout"] == "2.5"
    failing = World({"http.request": ScriptError("no answer came")})
    assert slash("billing", failing) == "Could not reach the build server, please try again."


FEED = """\
# The last events as an Atom feed.
start:
  data.query:
    output: results
    inputs:
      query: type:events limit:3
  set:
    entries@json: []
  repeat:
    each@key: results:data
    as: event
    do:
      set:
        entry@text:
          <entry>
            <id>urn:event:{{event.id}}</id>
            <title>{{event.type|e}}</title>
            <updated>{{event.at|date('c', 'UTC')}}</updated>
            <summary>{{event.text|striptags|truncate(20)|e}}</summary>
          </entry>
      var.push:
        inputs:
          key: entries
          value@key: entry
  return:
    headers:
      Content-Type: application/atom+xml; charset=utf-8
      X-Count: {{entries|length}}
    body@text:
      <feed xmlns="http://www.w3.org/2005/Atom">
      <updated>{{'now'|date('Y-m-d\\\\TH:i:sP', 'UTC')}}</updated>
      {{entries|join("\\n")}}
      </feed>
"""


def test_a_feed_is_written() -> None:
    events = [
        {"id": "evt_1", "type": "order.created", "at": 1_763_000_000, "text": "<b>Two</b> books"},
        {"id": "evt_2", "type": "a<b&c", "at": 1_763_000_060, "text": "x"},
    ]
    result = play(FEED, scope=request("GET"), world=World({"data.query": {"data": events}}))
    assert result.exit == "return", result.error
    assert result.returned["headers"]["X-Count"] == "2"
    body = result.returned["body"]
    assert "<title>order.created</title>" in body
    assert "<title>a&lt;b&amp;c</title>" in body
    assert "<updated>2025-11-13T02:13:20+00:00</updated>" in body
    assert "<summary>Two books</summary>" in body
    assert body.count("<entry>") == 2


TOKENS = """\
# Bearer tokens that are kept in storage, each with the scopes it has and its end.
inputs:
  text/scope:
    required@bool: yes
  text/leeway:
    type: number
    default: 30
start:
  set:
    header: {{request_headers.authorization|trim}}
    token: {{header starts with 'Bearer ' ? header|slice(7)}}
  outcome/none:
    if@bool: {{token is empty}}
    then@ref: refused.none
  storage.get:
    output: grant
    inputs:
      key: token.{{token|sha1}}
    on_error:
      log.error: Tokens can't be read: {{grant.error}}
      error: Tokens can't be read.
  decision:
    outcome/unknown:
      if@bool: {{grant is empty}}
      then@ref: refused.invalid
    outcome/expired:
      if@bool: {{'now'|date('U') > grant.expires + inputs.leeway}}
      then@ref: refused.invalid
    outcome/insufficient:
      if@bool: {{inputs.scope not in grant.scopes}}
      then:
        return:
          status_code@int: 403
          body: The token does not allow {{inputs.scope}}.
  return:
    body: Hello, {{grant.name}}.

&refused:
  none:
    return:
      status_code@int: 401
      headers:
        WWW-Authenticate: Bearer
  invalid:
    return:
      status_code@int: 401
      headers:
        WWW-Authenticate: Bearer error="invalid_token"
"""


@pytest.mark.parametrize(
    ("authorization", "grant", "status", "said"),
    [
        ("", None, 401, None),
        ("Basic abc", None, 401, None),
        ("Bearer abc", None, 401, None),
        ("Bearer abc", {"expires": NOW - 31, "scopes": ["read"]}, 401, None),
        (
            "Bearer abc",
            {"expires": NOW - 29, "scopes": ["read"], "name": "Joe"},
            200,
            "Hello, Joe.",
        ),
        ("Bearer abc", {"expires": NOW, "scopes": []}, 403, "The token does not allow read."),
    ],
)
def test_a_token_is_checked(
    authorization: str, grant: dict[str, Any] | None, status: int, said: str | None
) -> None:
    scope = request("GET", headers={"authorization": authorization})
    world = World({"storage.get": grant})
    result = play(TOKENS, scope=scope, inputs={"scope": "read"}, world=world)
    assert result.exit == "return", result.error
    assert result.returned.get("status_code", 200) == status
    assert result.returned.get("body") == said
    if authorization == "Bearer abc":
        # The token itself is nowhere but in the request.
        assert world.performed[0][1] == {"key": "token.a9993e364706816aba3e25717850c26c9cd0d89d"}


PAGES = """\
# All pages of a list, at most ten of them, tried again once each.
start:
  set:
    page@int: 1
    items@json: []
    more@bool: yes
    tries@int: 0
  while:
    if@bool: {{more and page <= 10}}
    do:
      http.request/page:
        output: answer
        inputs:
          url: https://api.example/items?page={{page}}&since={{since|url_encode}}
          headers@text:
            Accept: application/json
        on_success:
          set:
            tries@int: 0
            read@key,json: answer:body
            items@json: {{items|merge(read.items)|json_encode}}
            more@bool: {{read.next}}
            page@int: {{page + 1}}
        on_error:
          set:
            tries@int: {{tries + 1}}
          outcome/enough:
            if@bool: {{tries > 1}}
            then:
              error: Page {{page}} could not be read: {{answer.error}}
  return:
    items@key: items
    pages@int: {{page - 1}}
    total@int: {{array_sum(array_column(items, 'price'))}}
"""


class Api:
    """Three pages; some requests fail, by their number from 1."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.asked: list[str] = []

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(inputs["url"])
        if len(self.asked) in self.failing:
            raise ScriptError("the answer has status 503", output={"status_code": 503})
        page = int(parse_qs(urlsplit(inputs["url"]).query)["page"][0])
        items = [{"id": page * 10 + n, "price": page} for n in range(2)]
        return {"status_code": 200, "body": json.dumps({"items": items, "next": page < 3})}


def fetch(api: Api) -> Any:
    return play(PAGES, scope={"since": "2025-11-01 00:00"}, world=World({"http.request": api}))


def test_pages_are_fetched_to_the_last() -> None:
    api = Api()
    result = fetch(api)
    assert [item["id"] for item in result.returned["items"]] == [10, 11, 20, 21, 30, 31]
    assert (result.returned["pages"], result.returned["total"]) == (3, 12)
    assert api.asked[0].endswith("page=1&since=2025-11-01%2000%3A00")


def test_a_page_is_tried_again_once() -> None:
    assert fetch(Api(2)).returned["pages"] == 3
    result = fetch(Api(2, 3))
    assert (result.exit, result.error) == (
        "error",
        "Page 2 could not be read: the answer has status 503",
    )
