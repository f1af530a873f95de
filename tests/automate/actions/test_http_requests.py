"""``http.request``: what a script sends, what it sees of the answer, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automate.stage import ALL, Line, Stage, published, saying
from hookferry.automate.actions.requests import MAX_ANSWER, MAX_BODY
from hookferry.automate.running import RunLimits
from hookferry.clock import SystemClock
from hookferry.domain.credential import Credential, CredentialKind
from hookferry.testing import Receiver
from hookferry.transport.client import HttpTransport
from hookferry.transport.dns import Resolver
from hookferry.transport.guard import Guard
from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Outcome

URL = "https://api.example/orders?page=2"


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def sends(stage: Stage, **inputs: Any) -> Any:
    return await stage.does("http.request", {"url": URL, **inputs})


async def refused(stage: Stage, **inputs: Any) -> str:
    return await stage.fails("http.request", {"url": URL, **inputs})


async def credential(stage: Stage, value: bytes) -> None:
    """Save one that is presented in a header of its own."""
    made = Credential(
        id=stage.office.ids.next(),
        tenant_id=1,
        name="shop",
        kind=CredentialKind.API_KEY,
        header="X-Api-Key",
        value=value,
    )
    await stage.store.save(made)
    await stage.office.directory.refresh()


def body_and_type(line: Line) -> tuple[bytes, str | None]:
    types = [one for one in line.head if one.lower().startswith("content-type:")]
    assert len(types) <= 1
    return line.sent[-1].body, types[0].partition(":")[2].strip() if types else None


# --------------------------------------------------------------------------- what is sent


async def test_a_request_is_sent_as_the_script_says(stage: Stage) -> None:
    await sends(stage, method="post", headers={"X-A": "1"}, body="hello", timeout="1.5")
    [request] = stage.line.sent
    assert (request.target.host, request.body, request.timeout) == ("api.example", b"hello", 1.5)
    assert stage.line.head[:2] == ["POST /orders?page=2 HTTP/1.1", "Host: api.example"]
    assert {"X-A: 1", "Content-Length: 5", "Accept: */*"} <= set(stage.line.head)
    assert stage.line.head[-2:] == ["", ""]


async def test_what_the_script_says_of_itself_is_said_once(stage: Stage) -> None:
    await sends(stage, headers={"User-Agent": "mine", "accept": "text/csv"})
    names = [line.partition(":")[0].lower() for line in stage.line.head[1:-2]]
    assert len(names) == len(set(names))
    assert {"User-Agent: mine", "accept: text/csv"} <= set(stage.line.head)


async def test_headers_may_be_lines(stage: Stage) -> None:
    await sends(stage, headers="X-A: 1\nX-B: a: b\n")
    assert {"X-A: 1", "X-B: a: b"} <= set(stage.line.head)


@pytest.mark.parametrize(
    ("said", "body", "sent", "kind"),
    [
        (
            None,
            {"a b": "é", "c": [1, 2]},
            b"a+b=%C3%A9&c=1&c=2",
            "application/x-www-form-urlencoded",
        ),
        (None, {"a": "\udcff"}, b"a=%FF", "application/x-www-form-urlencoded"),
        (None, [1, {"a": None}], b'[1,{"a":null}]', "application/json"),
        ("application/json", {"a": 1}, b'{"a":1}', "application/json"),
        ("application/vnd.api+json; v=1", {"a": 1}, b'{"a":1}', "application/vnd.api+json; v=1"),
        ("application/yaml", {"a": [1]}, b'{"a":[1]}', "application/yaml"),
        ("text/plain", {"a": 1}, b"a=1", "text/plain"),
        ("text/plain", "é\udcff", b"\xc3\xa9\xff", "text/plain"),
        (None, "as it is", b"as it is", None),
    ],
)
async def test_a_body_is_written_as_its_type_says(
    stage: Stage, said: str | None, body: Any, sent: bytes, kind: str | None
) -> None:
    headers = {"content-type": said} if said else {}
    await sends(stage, method="POST", headers=headers, body=body)
    assert body_and_type(stage.line) == (sent, kind)


async def test_how_often_an_event_went_round_is_said(stage: Stage) -> None:
    await sends(stage)
    assert "Hookferry-Hops: 1" in stage.line.head
    await stage.does("http.request", {"url": URL}, event=published({}, hops=4))
    assert "Hookferry-Hops: 5" in stage.line.head


async def test_a_credential_is_presented_and_no_second_header_of_its_name(stage: Stage) -> None:
    await credential(stage, b"s3cret")
    for reference in ("shop", "cerb:connected_account:shop"):
        await sends(stage, headers={"x-api-key": "mine"}, authentication=reference)
        keys = [line for line in stage.line.head if line.lower().startswith("x-api-key")]
        assert keys == ["X-Api-Key: s3cret"]
    error = await refused(stage, authentication="cerb:connected_account:other")
    assert "'other'" in error


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1\r\nX-Evil: 1"},
        {"X-A\r\nX-Evil": "1"},
        {"Host": "other.example"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"Proxy-Authorization": "x"},
        {"hookferry-hops": "0"},
        {f"X-{n}": "1" for n in range(65)},
        "no colon",
        ["X-A: 1"],
    ],
)
async def test_headers_that_are_not_the_scripts_to_write_are_refused(
    stage: Stage, headers: Any
) -> None:
    assert "http.request:headers" in await refused(stage, headers=headers)
    assert stage.line.sent == []


@given(st.text(max_size=20), st.text(max_size=40), st.text(max_size=20))
async def test_no_input_begins_a_line_of_its_own(name: str, value: str, path: str) -> None:
    stage = Stage()
    await stage.does(
        "http.request", {"url": f"https://api.example/{path}", "headers": {name: value}}
    )
    for _ in stage.line.sent:
        names = [line.partition(":")[0].lower() for line in stage.line.head[1:-2]]
        assert sorted(names) == sorted(
            [name.lower(), "host", "hookferry-hops", "user-agent", "accept"]
        ) or (sorted(names) == sorted(["host", "hookferry-hops", "user-agent", "accept"]))


@pytest.mark.parametrize(
    "inputs",
    [
        {"url": "ftp://api.example/"},
        {"url": "https://user:password@api.example/"},
        {"url": "https://api.example/\r\nX: 1"},
        {"url": "/orders"},
        {"method": "TRACE"},
        {"method": "GET / HTTP/1.1\r\nX: 1"},
        {"timeout": "0"},
        {"timeout": "61"},
        {"timeout": "soon"},
        {"timeout": "nan"},
        {"body": "x" * (MAX_BODY + 1)},
        {"body": ["x" * MAX_BODY]},
        {"body": {"a": {"b": 1}}},
        {"body": ["\udcff"]},
    ],
)
async def test_what_can_not_be_sent_is_refused(stage: Stage, inputs: dict[str, Any]) -> None:
    assert await refused(stage, **inputs)
    assert stage.line.sent == []


# --------------------------------------------------------------------------- what comes back


async def test_an_answer_is_seen_with_its_headers_in_lower_case(stage: Stage) -> None:
    stage.line.answers = lambda _: saying(
        201, "Content-Type: text/plain", "X-Many: 1", "x-many: 2", body="é".encode()
    )
    assert await sends(stage) == {
        "status_code": 201,
        "url": URL,
        "content_type": "text/plain",
        "headers": {"content-type": "text/plain", "x-many": "1, 2"},
        "body": "é",
        "is_data_uri": False,
        "is_cerb_uri": False,
    }


@pytest.mark.parametrize("status", [400, 404, 500, 599])
async def test_an_error_status_is_an_error_with_the_answer_beside_it(
    stage: Stage, status: int
) -> None:
    stage.line.answers = lambda _: saying(status, body=b"why")
    failed = await sends(stage)
    assert failed["error"] == f"the answer has status {status}"
    assert (failed["status_code"], failed["body"]) == (status, "why")


async def test_an_error_without_on_error_ends_the_run(stage: Stage) -> None:
    stage.line.answers = lambda _: saying(500)
    ended = await stage.plays(
        "start:\n  http.request:\n    inputs:\n      url: https://a.example/\n"
        "  return:\n    body: x\n"
    )
    assert ended.answer is None
    assert ended.record.error == "start:http.request: the answer has status 500"


async def test_binary_is_a_data_uri_which_is_answered_as_it_came(stage: Stage) -> None:
    stage.line.answers = lambda _: saying(200, "Content-Type: image/png", body=b"\x89PNG")
    answer = await sends(stage)
    assert answer["is_data_uri"]
    assert answer["body"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


PROXY = """\
start:
  http.request:
    inputs:
      url: https://a.example/
    output: got
  {}return:
    body@key: got:body
"""


async def test_a_large_answer_is_kept_beside_the_dictionary(stage: Stage) -> None:
    large = bytes(range(256)) * 5_000
    stage.line.answers = lambda _: saying(200, body=large)
    ended = await stage.plays(PROXY.format(""))
    assert ended.answer is not None
    assert ended.answer.body == large
    assert ended.result is not None
    assert ended.result.dictionary["got"]["is_cerb_uri"]
    assert len(str(ended.result.dictionary["got"])) < 1_000


async def test_a_large_answer_can_be_sent_on(stage: Stage) -> None:
    large = b"x" * (MAX_BODY + 1)
    stage.line.answers = lambda _: saying(200, body=large)
    put = "http.request/put:\n    inputs:\n      url: https://a.example/\n      method: PUT\n"
    await stage.plays(PROXY.format(f"{put}      body@key: got:body\n  "))
    assert stage.line.sent[-1].body == large


async def test_large_answers_are_bounded_in_all(stage: Stage) -> None:
    stage.line.answers = lambda _: saying(200, body=b"x" * MAX_ANSWER)
    loop = PROXY.format("").replace(
        "\n  http", "\n  repeat:\n    each@csv: 1,2,3,4\n    as: n\n    do:\n      http"
    )
    loop = loop.replace("\n    inputs", "\n        inputs").replace(
        "\n      url", "\n          url"
    )
    ended = await stage.plays(loop.replace("\n    output", "\n        output"))
    assert "large answers" in (ended.record.error or "")
    assert len(stage.line.sent) == 4


async def test_an_answer_that_was_cut_off_is_an_error(stage: Stage) -> None:
    stage.line.answers = lambda _: Outcome(
        status=200, head=b"HTTP/1.1 200 OK\r\n\r\n", body=b"x", truncated=True
    )
    assert "cut off" in await refused(stage)


async def test_no_answer_is_an_error_that_names_its_kind(stage: Stage) -> None:
    stage.line.answers = lambda _: Outcome(error=ErrorKind.DNS, detail="no such name")
    assert await refused(stage) == "dns_failed: no such name"


async def test_a_run_whose_time_is_over_waits_no_longer() -> None:
    stage = Stage(limits=RunLimits(seconds=0.05))
    stage.line.answers = lambda _: None
    ended = await stage.plays(PROXY.format(""))
    assert "longer than 0.05 s" in (ended.record.error or "")


async def test_the_policy_sees_one_form_of_method_and_host(stage: Stage) -> None:
    policy = (
        "commands:\n  http.request:\n    deny/x@bool: {{inputs.method != 'GET'}}\n"
        "    allow@bool: {{inputs.url starts with 'https://api.example/'}}\n"
    )
    ended = await stage.plays(
        "start:\n  http.request:\n    inputs:\n      url: HTTPS://API.EXAMPLE/\n"
        "      method: get\n",
        policy=policy,
    )
    assert ended.record.error is None
    ended = await stage.plays(
        "start:\n  http.request:\n    inputs:\n      url: https://api.example/\n"
        "      method: post\n"
        "    on_error:\n      return:\n        body: caught\n",
        policy=policy,
    )
    assert "policy does not allow http.request" in (ended.record.error or "")
    assert len(stage.line.sent) == 1


# --------------------------------------------------------------------------- on real sockets


@pytest.fixture
async def calling() -> AsyncIterator[Stage]:
    """Scripts that may call this machine, and it alone of what is private."""
    clock = SystemClock()
    resolver = Resolver(clock.monotonic, nameservers=None, time_limit=1)
    guard = Guard((ip_network("127.0.0.1/32"),), allow_http=True)
    limits = Limits(connect=2, read=MAX_ANSWER + 1_000_000, keep=MAX_ANSWER)
    transport = HttpTransport(guard, resolver, clock, limits)
    yield Stage(transport)
    await transport.aclose()
    await resolver.aclose()


async def test_a_receiver_is_called_and_answers(calling: Stage) -> None:
    async with Receiver() as receiver:
        receiver.answer(200, {"X-A": "1"}, b"hi")
        inputs = {"url": f"{receiver.url}/a?b=c", "method": "PUT", "body": {"a": "b"}}
        answer = await calling.does("http.request", inputs)
        assert (answer["status_code"], answer["body"], answer["headers"]["x-a"]) == (200, "hi", "1")
        [got] = receiver.requests
        assert (got.method, got.path, got.body) == ("PUT", "/a?b=c", b"a=b")


async def test_what_head_announces_does_not_come(calling: Stage) -> None:
    async with Receiver() as receiver:
        receiver.answer(200, {"X-A": "1"}, b"a body")
        answer = await calling.does("http.request", {"url": receiver.url, "method": "HEAD"})
        assert (answer["status_code"], answer["body"], answer["headers"]["x-a"]) == (200, "", "1")


async def test_no_redirect_is_followed(calling: Stage) -> None:
    async with Receiver() as receiver:
        receiver.answer(302, {"Location": f"{receiver.url}/elsewhere"})
        answer = await calling.does("http.request", {"url": receiver.url})
        assert (answer["status_code"], len(receiver.requests)) == (302, 1)
        assert answer["headers"]["location"].endswith("/elsewhere")


async def test_an_answer_of_too_many_bytes_is_an_error(calling: Stage) -> None:
    async with Receiver() as receiver:
        receiver.answer(200, (), b"x" * (MAX_ANSWER + 1))
        failed = await calling.does("http.request", {"url": receiver.url})
        assert "cut off" in failed["error"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://0x7f000002/",
        "http://[::ffff:10.0.0.1]/",
    ],
)
async def test_private_addresses_are_refused(calling: Stage, url: str) -> None:
    assert (await calling.fails("http.request", {"url": url})).startswith("target_denied")


async def test_http_is_refused_unless_it_is_allowed() -> None:
    clock = SystemClock()
    resolver = Resolver(clock.monotonic, nameservers=None, time_limit=1)
    guard = Guard((ip_network("127.0.0.0/8"),), allow_http=False)
    transport = HttpTransport(guard, resolver, clock, Limits(connect=2, read=1_000, keep=1_000))
    async with Receiver() as receiver:
        stage = Stage(transport)
        assert (await stage.fails("http.request", {"url": receiver.url})).startswith(
            "target_denied"
        )
        assert receiver.requests == []
    await transport.aclose()
    await resolver.aclose()


async def test_a_request_takes_no_longer_than_its_timeout(calling: Stage) -> None:
    async with Receiver() as receiver:
        receiver.hang_next(1)
        failed = await calling.fails("http.request", {"url": receiver.url, "timeout": "0.1"})
        assert failed.startswith("timeout")


async def test_a_credential_is_in_no_message(calling: Stage) -> None:
    await credential(calling, b"s3cret-value")
    async with Receiver() as receiver:
        receiver.fail_next(1, 401)
        script = (
            f"start:\n  http.request:\n    inputs:\n      url: {receiver.url}\n"
            "      authentication: shop\n    output: got\n"
        )
        ended = await calling.plays(script, policy=ALL)
        [request] = receiver.requests
        assert ("x-api-key", "s3cret-value") in [(n.lower(), v) for n, v in request.headers]
    assert ended.record.error is not None
    assert "s3cret" not in repr(ended)
