"""Scripts of the systems that hookferry follows come to what their documentation says.

The requests and answers are the cases T1 to T4 and T9 of the behaviours' section 2d; the scripts
are written here from the description of the language, but for the first, which is the seed's.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hookferry.errors import ScriptError
from hookferry.kata.result import Result
from kata.runs import NOW, World, play
from shared import SHARED


def request(
    method: str = "POST",
    *,
    path: str = "",
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    body: str = "",
) -> dict[str, Any]:
    """Return the placeholders of a caught request."""
    return {
        "request_body": body,
        "request_client_ip": "203.0.113.7",
        "request_headers": headers or {},
        "request_method": method,
        "request_params": params or {},
        "request_path": path,
    }


def answer(script: str, scope: dict[str, Any], **options: Any) -> tuple[int, str]:
    """Run a script on a request and return the status and the body of its answer."""
    result = play(script, scope=scope, policy="commands:\r\n  ", **options)
    assert result.exit == "return", result.error
    return result.returned.get("status_code", 200), result.returned.get("body", "")


# T1: the seed's script


def seed_script() -> str:
    """Return the script of the package in the seed, as an import finds it."""
    text = (SHARED / "mission/seeds/cerb.txt").read_text()
    package = re.search(r"\{% raw %\}\s*(\{.*?\})\s*\{% endraw %\}", text, re.DOTALL)
    assert package is not None
    script: str = json.loads(package[1])["records"][0]["script"]
    return script


def echoed(scope: dict[str, Any]) -> Any:
    result = play(seed_script(), scope=scope, policy="commands:\r\n  ")
    assert result.exit == "return", result.error
    assert list(result.returned) == ["status_code", "headers", "body"]
    assert result.returned["headers"] == {"Content-Type": "application/json"}
    assert result.returned["status_code"] in (200, "200")
    return json.loads(result.returned["body"])


def test_the_seeds_script_echoes_a_post() -> None:
    seen = echoed(request(headers={"x_customheader": "true"}, params={"key": "value"}))
    assert seen == {
        "http": {
            "method": "POST",
            "path": "",
            "headers": {"x_customheader": "true"},
            "params": {"key": "value"},
        },
        "client": {"ip": "203.0.113.7"},
    }
    assert list(seen) == ["http", "client"]
    assert list(seen["http"]) == ["method", "path", "headers", "params"]


def test_the_seeds_script_echoes_a_get() -> None:
    seen = echoed(request("GET", params={"name": "Joe Customer", "age": "37"}))
    assert seen["http"]["method"] == "GET"
    assert seen["http"]["params"] == {"name": "Joe Customer", "age": "37"}


# T2: an API key

API_KEY = """\
start:
  set:
    valid_api_key: 6e1c2d3f
  decision:
    outcome/noApiKey:
      if@bool: {{request_headers.authorization is empty}}
      then:
        return:
          status_code@int: 401
          body@text:
            Unauthorized. Provide a valid API key in the `Authorization: <key>` header.
    outcome/invalidKey:
      if@bool: {{request_headers.authorization != valid_api_key}}
      then:
        return:
          status_code@int: 403
          body: Invalid API key.
  return:
    status_code@int: 200
    body: Success!
"""


def test_a_key_is_asked_for() -> None:
    status, body = answer(API_KEY, request())
    assert status == 401
    assert body == ("Unauthorized. Provide a valid API key in the `Authorization: <key>` header.")
    assert answer(API_KEY, request(headers={"authorization": "1"})) == (403, "Invalid API key.")
    assert answer(API_KEY, request(headers={"authorization": "6e1c2d3f"})) == (200, "Success!")


# T3: a signature

HMAC = """\
start:
  set:
    hmac_secret: F7WDMN65Y3BNZN1TV6UWE7NWF76FW5G3
    query@text:
      {{request_params|keys|sort|map((k) => k ~ '=' ~ request_params[k])|join('&')}}
    string_to_sign@text:
      {{[request_method, request_path, query, request_headers.content_type, request_headers.date,
         request_body|sha1]|join("\\n")}}
    signature: {{string_to_sign|hash_hmac(hmac_secret, 'sha256')}}
  decision:
    outcome/unsigned:
      if@bool: {{request_headers.authorization is empty}}
      then:
        return:
          status_code@int: 401
          body: Unauthorized. Sign the request.
    outcome/invalid:
      if@bool: {{request_headers.authorization != signature}}
      then:
        return:
          status_code@int: 403
          body: Invalid HMAC signature.
    outcome/expired:
      if@bool:
        {{hmac_expires_in_secs
          and 'now'|date('U') - request_headers.date|date('U') > hmac_expires_in_secs ? 'yes'}}
      then:
        return:
          status_code@int: 403
          body: The signature has expired.
  return:
    status_code@int: 200
    body: Success!
"""
SIGNED = "11213c4eef09e3597ef3d41ac0dde59fa94fc4c0157877dbf815461073a5ce44"
SIGNED_AT = 1_708_486_376.0


def signed(authorization: str | None) -> dict[str, Any]:
    headers = {"content_type": "application/json", "date": "Wed, 21 Feb 2024 03:32:56 +0000"}
    if authorization is not None:
        headers["authorization"] = authorization
    return request(
        path="some/path",
        headers=headers,
        params={"b": "bar", "a": "foo"},
        body="This is a test body",
    )


def test_a_signature_is_asked_for() -> None:
    assert answer(HMAC, signed(SIGNED)) == (200, "Success!")
    assert answer(HMAC, signed(None))[0] == 401
    assert answer(HMAC, signed(SIGNED.replace("1", "2"))) == (403, "Invalid HMAC signature.")


def test_a_signature_expires() -> None:
    scope = {**signed(SIGNED), "hmac_expires_in_secs": 300}
    assert answer(HMAC, scope, now=SIGNED_AT + 299) == (200, "Success!")
    assert answer(HMAC, scope, now=NOW) == (403, "The signature has expired.")


# T4: a contact form that other sites' pages send

CONTACT = """\
start:
  set:
    headers:
      Access-Control-Allow-Origin: *
      Access-Control-Allow-Headers: User-Agent, Content-Type
      Access-Control-Allow-Methods: OPTION,POST
  outcome/preflight:
    if@bool: {{request_method == 'OPTIONS'}}
    then:
      return:
        headers@key: headers
  set/check:
    problem@text:
      {% if request_params.email is empty %}
      The 'Email Address' field is required.
      {% elseif request_params.message is empty %}
      The 'Message' field is required.
      {% endif %}
    answer@json:
      {% set problem = problem|trim %}
      {{(problem ? {error: problem} : {success: "Thanks! We've received your message."})
        |json_encode}}
  return:
    headers@key: headers
    body: {{answer|json_encode}}
"""


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"email": ""}, {"error": "The 'Email Address' field is required."}),
        ({"email": "a@b.example", "message": ""}, {"error": "The 'Message' field is required."}),
        (
            {"email": "a@b.example", "message": "Hi"},
            {"success": "Thanks! We've received your message."},
        ),
    ],
)
def test_a_form_is_checked(params: dict[str, str], said: dict[str, str]) -> None:
    assert json.loads(answer(CONTACT, request(params=params))[1]) == said


def test_a_preflight_is_answered_with_headers_alone() -> None:
    result = play(CONTACT, scope=request("OPTIONS"))
    assert result.returned == {
        "headers": {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "User-Agent, Content-Type",
            "Access-Control-Allow-Methods": "OPTION,POST",
        }
    }


# T9: small checks of the language


def test_a_product() -> None:
    script = "start:\n  return:\n    answer: {{a * b}}"
    assert play(script, scope={"a": "5", "b": "4"}).returned == {"answer": "20"}


def test_later_keys_of_set_see_earlier_ones() -> None:
    script = """\
start:
  set:
    a@int: 2
    b@int: {{a*2}}
    c@int: {{b*2}}
  return:
    answer@int: {{a + b + c}}
"""
    assert play(script).returned == {"answer": 14}


def test_a_sum_over_a_list() -> None:
    script = """\
start:
  set:
    sum: 0
  repeat:
    each@json: [1,2,3,4,5,6,7,8,9,10]
    as: i
    do:
      set:
        sum@int: {{sum + i}}
  return:
    sum@key: sum
"""
    assert play(script).returned == {"sum": 55}


def test_a_loop_ends_when_its_condition_does() -> None:
    script = """\
start:
  set:
    counter: 0
  while:
    if@bool: {{counter < 5 ? 'yes'}}
    do:
      set:
        counter: {{counter+1}}
  return:
    counter@key: counter
"""
    assert play(script).returned == {"counter": "5"}


MOCKED = """\
start:
  http.request:
    output: http_response
    inputs:
      method: GET
      url: https://invalid.url.example/
    on_simulate:
      simulate.success:
        status_code: 200
        content_type: application/json
        body: { "output": "Good job!" }
    on_success:
      return:
        body@key: http_response:body
"""


def test_a_simulated_request_returns_its_mock() -> None:
    world = World({"http.request": ScriptError("nothing is to be sent")})
    result = play(MOCKED, world=world, simulate=True)
    assert result.returned == {"body": '{ "output": "Good job!" }'}
    assert world.performed == []


UNANSWERED = """\
start:
  http.request:
    output: http_response
    inputs:
      method: GET
      url: https://invalid.url.example/
  return:
"""


def unanswered(script: str) -> Result:
    failure = ScriptError("the name does not exist", output={"url": "https://invalid.url.example/"})
    return play(script, world=World({"http.request": failure}))


def test_a_failure_without_on_error_ends_the_run() -> None:
    result = unanswered(UNANSWERED)
    assert (result.exit, result.error) == ("error", "start:http.request: the name does not exist")
    assert result.returned == {"error": "the name does not exist"}
    assert [step.node for step in result.steps] == ["start:http.request"]


def test_a_failure_with_on_error_does_not() -> None:
    script = UNANSWERED.replace(
        "  return:\n",
        "    on_error:\n      return:\n        said@key: http_response:error\n"
        "        url@key: http_response:url\n",
    )
    assert unanswered(script).returned == {
        "said": "the name does not exist",
        "url": "https://invalid.url.example/",
    }
