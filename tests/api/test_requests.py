"""What people see of caught requests, and do with them: the inspector over HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest

from hookferry import ids
from hookferry.api.caught_views import BODY_SHOWN
from hookferry.api.resources.requests import MAX_REPLAYS
from hookferry.catch.stream import STREAMS_OF_SOURCE
from hookferry.transport.port import ErrorKind, Outcome

from .kit import House, until

SECRET = "It's a Secret to Everybody"
GITHUB = {"preset": "github", "secret": SECRET}
OPENED = {"path": "data.action", "op": "equals", "value": "opened"}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


class Source:
    """A source, and what is sent to it."""

    def __init__(self, house: House, view: dict[str, Any]) -> None:
        self.house = house
        self.view = view
        self.id: str = view["id"]
        self.path = f"/webhooks/{view['guid']}"

    @classmethod
    async def made(cls, house: House, **fields: Any) -> Source:
        answer = await house.client.post("/api/v1/sources", json=fields)
        assert answer.status_code == 201, answer.text
        return cls(house, answer.json())

    async def send(
        self, body: bytes = b"{}", path: str = "", method: str = "POST", **headers: str
    ) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.house.client.request(
            method, self.path + path, content=body, headers=named
        )
        return answer.status_code

    async def caught(self, body: bytes = b"{}", path: str = "", **headers: str) -> dict[str, Any]:
        """Send a request; return how it is listed."""
        await self.send(body, path, **headers)
        newest: dict[str, Any] = (await listed(self.house, source=self.id))[0]
        return newest

    async def raw(self, *headers: bytes, target: bytes = b"", body: bytes = b"") -> dict[str, Any]:
        """Send a request as bytes; return the newest one as it is listed."""
        lines = [
            b"POST %b%b HTTP/1.1" % (self.path.encode(), target),
            b"Host: hooks.example",
            b"Connection: close",
            b"Content-Length: %d" % len(body),
            *headers,
        ]
        await self.house.raw(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        newest: dict[str, Any] = (await listed(self.house, source=self.id))[0]
        return newest


async def get(house: House, path: str, /, **query: Any) -> Any:
    answer = await house.client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(house: House, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await get(house, "requests", **query))["items"]
    return items


async def post(house: House, path: str, document: Any = None) -> httpx.Response:
    return await house.client.post(f"/api/v1/{path}", json=document)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    assert told["code"] == code
    return told


# ------------------------------------------------------------------ looking


async def test_a_caught_request_is_shown_byte_for_byte(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.raw(
        b"X-Two: 1",
        b"x-two: \xff\xe9",
        b"X-Two: 1",
        target=b"/a%2Fb//c?x=1&y=%zz",
        body=b"\x00\xff{",
    )
    assert item["verdict"] == "inspected"
    assert (item["path"], item["query"]) == ("/a%2Fb//c", "x=1&y=%zz")
    view = await get(house, f"requests/{item['id']}")
    assert item == {name: view[name] for name in item}
    two = [header for header in view["headers"] if header["name"].lower() == "x-two"]
    assert two == [
        {"name": "X-Two", "value": "1", "base64": None},
        {"name": "x-two", "value": "\xff\xe9", "base64": base64.b64encode(b"\xff\xe9").decode()},
        {"name": "X-Two", "value": "1", "base64": None},
    ]
    assert view["body"] is None
    assert base64.b64decode(view["body_base64"]) == b"\x00\xff{"
    assert view["body_size"] == 3
    assert view["client"] == "127.0.0.1"
    assert view["status"] == 204


async def test_a_long_body_is_cut_in_the_view_and_whole_where_it_says(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    body = b"x" + "é".encode() * BODY_SHOWN
    item = await source.caught(body)
    view = await get(house, f"requests/{item['id']}")
    assert view["body_truncated"]
    assert view["body_size"] == len(body)
    # The character that the cut divides is left out.
    assert view["body"] == body.decode()[: (BODY_SHOWN - 1) // 2 + 1]
    answer = await house.client.get(view["body_url"])
    assert answer.content == body


async def test_a_raw_body_is_never_a_page(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught(b"<script>alert(1)</script>", Content_Type="text/html")
    answer = await house.client.get(f"/api/v1/requests/{item['id']}/raw")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    name = f'attachment; filename="{item["id"]}.bin"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


async def test_credentials_are_masked_unless_they_are_asked_for(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    hidden = "s3cr3t-value"
    item = await source.caught(
        b"{}",
        f"/x?token={hidden}&api%5Fkey={hidden}&page=2",
        Authorization=f"Bearer {hidden}",
        Cookie=f"a={hidden}",
        X_Gitlab_Token=hidden,
        X_Event="push",
    )
    path = f"/api/v1/requests/{item['id']}"
    for address in (
        path,
        f"{path}/copy?as=curl",
        f"{path}/copy?as=python",
        f"{path}/copy?as=httpie",
        "/api/v1/requests",
        f"/api/v1/sources/{source.id}/requests",
        "/api/v1/requests/export",
        "/api/v1/requests/export?format=har",
    ):
        answer = await house.client.get(address)
        assert answer.status_code == 200
        assert hidden not in answer.text, address
        assert "page=2" in answer.text, address
    for address in (path, f"{path}/copy", "/api/v1/requests/export"):
        answer = await house.client.get(address, params={"reveal": "true"})
        assert answer.text.count(hidden) >= 5, address


@pytest.mark.parametrize("form", ["curl", "httpie", "python"])
async def test_a_copy_begins_with_what_is_masked_in_it(house: House, form: str) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught(
        b"{}",
        "/x?token=t&api%5Fkey=k&page=2",
        Authorization="Bearer t",
        X_Gitlab_Token="t",
        Proxy_Authorization="Basic t",  # of its connection: not in the copy
    )
    path = f"/api/v1/requests/{item['id']}/copy"
    # What the caller's own target says is not masked, so that it isn't named.
    query = {"as": form, "target_url": "http://127.0.0.1:9000/?key=mine"}
    first, _, rest = (await house.client.get(path, params=query)).text.partition("\n")
    names = "authorization, x-gitlab-token, ?token, ?api%5fkey"
    assert first.lower().startswith(f"# masked here as ********, and sent so: {names}. ask for")
    assert "reveal=true" in first
    assert "key=mine" in rest
    revealed = await house.client.get(path, params={**query, "reveal": "true"})
    assert "reveal" not in revealed.text
    plain = await source.raw(b"X-Event: push", target=b"/x?page=2", body=b"{}")
    copied = await house.client.get(f"/api/v1/requests/{plain['id']}/copy", params=query)
    assert "masked" not in copied.text.lower()


async def test_a_request_of_another_tenant_or_of_nobody_is_not_there(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught()
    foreign = await house.key_for("other")
    for address in ("", "/raw", "/copy", f"/compare/{item['id']}"):
        answer = await house.client.get(f"/api/v1/requests/{item['id']}{address}", headers=foreign)
        problem(answer, 404, "not_found")
    for action in ("replay", "verify", "release"):
        answer = await house.client.post(f"/api/v1/requests/{item['id']}/{action}", headers=foreign)
        problem(answer, 404, "not_found")
    answer = await house.client.get(f"/api/v1/sources/{source.id}/requests", headers=foreign)
    problem(answer, 404, "not_found")
    answer = await house.client.get(f"/api/v1/sources/{source.id}/requests/stream", headers=foreign)
    problem(answer, 404, "not_found")
    answer = await house.client.get("/api/v1/requests", headers=foreign)
    assert answer.json() == {"items": [], "next": None}
    answer = await house.client.get("/api/v1/requests/export", headers=foreign)
    assert answer.content == b""


# ------------------------------------------------------------------ searching


async def test_requests_are_found_by_each_of_their_traits(house: House) -> None:
    source = await Source.made(
        house, name="github", verify=GITHUB, deduplicate={"header": "x-github-delivery"}
    )
    first_body = b'{"action":"opened"}'
    first = await source.caught(
        first_body, "/repo?branch=main", **signed(first_body), X_GitHub_Delivery="one"
    )
    again = await source.caught(first_body, **signed(first_body), X_GitHub_Delivery="one")
    closed_body = b'{"action":"closed","n":1}'
    closed = await source.caught(closed_body, **signed(closed_body), X_GitHub_Delivery="two")
    forged = await source.caught(b'{"action":"opened","forged":1}', **signed(b"else"))
    other = await Source.made(house, name="other", bin=True, methods=["POST", "PUT"])
    await other.send(b"hello", method="PUT")
    [put] = await listed(house, source=other.id)
    every = [put, forged, closed, again, first]

    async def found(**query: Any) -> list[str]:
        return [item["id"] for item in await listed(house, **query)]

    assert await found() == [item["id"] for item in every]
    assert await found(source=other.id) == [put["id"]]
    assert await found(verdict="accepted") == [closed["id"], first["id"]]
    assert await found(verdict="duplicate, quarantined") == [forged["id"], again["id"]]
    assert await found(reason="mismatch") == [forged["id"]]
    assert await found(method="PUT") == [put["id"]]
    assert await found(status_code=401) == [forged["id"]]
    assert await found(client="192.0.2.1") == []
    assert len(await found(client="127.0.0.1")) == 5
    assert await found(duplicate_of=first["id"]) == [again["id"]]
    assert await found(key=closed["key"]) == [closed["id"]]
    assert await found(path="branch=main") == [first["id"]]
    assert await found(header="x-github-delivery:tw") == [closed["id"]]
    assert await found(text="forged") == [forged["id"]]
    assert await found(after=put["received_at"]) == [put["id"]]
    assert put["id"] not in await found(before=put["received_at"])
    assert await found(where=json.dumps(OPENED)) == [forged["id"], again["id"], first["id"]]
    delivery = {"path": "headers.x-github-delivery", "op": "equals", "value": "two"}
    assert await found(where=json.dumps(delivery)) == [closed["id"]]
    assert await found(where=json.dumps({"not": OPENED}), verdict="accepted") == [closed["id"]]
    own = await get(house, f"sources/{source.id}/requests", verdict="accepted", limit=1)
    assert [item["id"] for item in own["items"]] == [closed["id"]]
    following = await get(house, f"sources/{source.id}/requests", cursor=own["next"], limit=250)
    assert [item["id"] for item in following["items"]] == [again["id"], first["id"]]


NOT_MEANT: list[tuple[dict[str, str], str]] = [
    ({"verdict": "fine"}, "verdict"),
    ({"status_code": "99"}, "status_code"),
    ({"method": "A B"}, "method"),
    ({"header": "no colon"}, "header"),
    ({"text": ""}, "text"),
    ({"path": "x" * 201}, "path"),
    ({"duplicate_of": "evt_1"}, "duplicate_of"),
    ({"source": "nobody"}, "source"),
    ({"after": "yesterday"}, "after"),
    ({"where": "{"}, "where"),
    ({"where": "[]"}, "where"),
    ({"where": '{"path": "data.x", "op": "is"}'}, "where.op"),
    ({"where": '{"path": "data.x", "op": "equals"}'}, "where.value"),
    ({"limit": "0"}, "limit"),
    ({"cursor": "x"}, "cursor"),
]


async def test_a_search_that_can_t_be_meant_is_refused_by_its_field(house: House) -> None:
    for query, field in NOT_MEANT:
        answer = await house.client.get("/api/v1/requests", params=query)
        assert problem(answer, 422, "invalid_field")["field"] == field, query


async def test_a_search_by_condition_goes_on_behind_what_it_has_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookferry.catch.inspection.SCANNED", 16)
    source = await Source.made(house, name="any", bin=True)
    wanted = await source.caught(b'{"action":"opened"}')
    for _ in range(20):
        await source.send(b'{"action":"closed"}')
    page = await get(house, "requests", where=json.dumps(OPENED))
    assert page["items"] == []
    assert page["next"] is not None
    page = await get(house, "requests", where=json.dumps(OPENED), cursor=page["next"])
    assert [item["id"] for item in page["items"]] == [wanted["id"]]
    assert page["next"] is None


# ------------------------------------------------------------------ exports and comparing


async def test_exports_have_every_request_whole_however_many(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    bodies = [b"%d \xff" % number + b"x" * BODY_SHOWN for number in range(18)]
    for body in bodies:
        await source.send(body)
    answer = await house.client.get("/api/v1/requests/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [base64.b64decode(line["body_base64"]) for line in lines] == bodies[::-1]
    assert not any(line["body_truncated"] for line in lines)
    answer = await house.client.get(
        "/api/v1/requests/export", params={"format": "har", "source": source.id}
    )
    entries = answer.json()["log"]["entries"]
    posted = [base64.b64decode(entry["request"]["postData"]["text"]) for entry in entries]
    assert posted == bodies[::-1]
    assert entries[0]["request"]["url"] == "https://hooks.example/webhooks/********"
    none = await house.client.get(
        "/api/v1/requests/export", params={"format": "har", "text": "nowhere"}
    )
    assert none.json()["log"]["entries"] == []
    query = {"where": json.dumps(OPENED)}
    assert (await house.client.get("/api/v1/requests/export", params=query)).content == b""
    problem(
        await house.client.get("/api/v1/requests/export", params={"format": "pcap"}),
        422,
        "invalid_field",
    )


async def test_an_archive_has_the_source_s_address_only_where_it_is_asked_for(
    house: House,
) -> None:
    source = await Source.made(house, name="any", bin=True)
    await source.send(b"{}", "/orders?page=2")
    query = {"format": "har"}
    answer = await house.client.get("/api/v1/requests/export", params=query)
    assert source.view["guid"] not in answer.text
    [entry] = answer.json()["log"]["entries"]
    assert entry["request"]["url"] == "https://hooks.example/webhooks/********/orders?page=2"
    query["reveal"] = "true"
    answer = await house.client.get("/api/v1/requests/export", params=query)
    [entry] = answer.json()["log"]["entries"]
    assert entry["request"]["url"] == f"https://hooks.example{source.path}/orders?page=2"


async def test_two_requests_are_compared(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    other = await Source.made(house, name="other", bin=True)
    first = await source.caught(b'{"a":1,"b":2}', "/x?page=1", Authorization="one")
    second = await other.caught(b'{"a":1,"b":3}', "/x?page=2", Authorization="two")
    made = await get(house, f"requests/{first['id']}/compare/{second['id']}")
    assert not made["same"]
    assert made["request_line"] == []  # below their sources, the paths are the same
    assert made["query"] == [{"at": "page", "change": "changed", "before": "1", "after": "2"}]
    assert made["headers"] == [
        {"at": "authorization", "change": "changed", "before": "********", "after": "********"}
    ]
    assert made["body"]["changes"] == [
        {"at": "/b", "change": "changed", "before": "2", "after": "3"}
    ]


async def test_a_copy_goes_to_the_source_or_to_where_it_is_asked_to_go(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught(b"{}", "/a/?b=1")
    path = f"/api/v1/requests/{item['id']}/copy"
    answer = await house.client.get(path)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert f"'https://hooks.example{source.path}/a/?b=1'" in answer.text
    there = {"target_url": "http://127.0.0.1:9000/base/?k=v"}
    assert (
        "'http://127.0.0.1:9000/base/a/?k=v&b=1'"
        in (await house.client.get(path, params=there)).text
    )
    public = {"public_url": "https://public.example/in"}
    await house.client.patch(f"/api/v1/sources/{source.id}", json=public)
    assert "'https://public.example/in/a/?b=1'" in (await house.client.get(path)).text
    problem(await house.client.get(path, params={"as": "wget"}), 422, "invalid_field")
    problem(await house.client.get(path, params={"target_url": "x"}), 422, "invalid_field")
    await house.client.delete(f"/api/v1/sources/{source.id}")
    told = problem(await house.client.get(path), 409, "conflict")
    assert "target_url" in told["detail"]
    assert (await house.client.get(path, params=there)).status_code == 200


# ------------------------------------------------------------------ sending again


async def test_a_replay_runs_a_request_as_a_new_one_that_says_so(house: House) -> None:
    source = await Source.made(
        house, name="github", verify=GITHUB, deduplicate={"header": "x-github-delivery"}
    )
    body = b'{"action":"opened"}'
    first = await source.caught(body, "/a?b=1", **signed(body), X_GitHub_Delivery="one")
    answer = await post(house, f"requests/{first['id']}/replay")
    assert answer.status_code == 200
    told = answer.json()
    assert told["request"] == first["id"]
    assert (told["verdict"], told["status"]) == ("accepted", 204)
    assert told["event"] != first["event"]
    again = await get(house, f"requests/{told['made']}")
    assert again["replay_of"] == first["id"]
    assert again["event"] == told["event"]
    assert (again["body"], again["path"], again["query"]) == (body.decode(), "/a", "b=1")
    assert len(await house.events()) == 2
    # It goes through the source as it is now.
    condition = {"path": "data.action", "op": "equals", "value": "closed"}
    await house.client.patch(f"/api/v1/sources/{source.id}", json={"condition": condition})
    told = (await post(house, f"requests/{first['id']}/replay", {"to": "pipeline"})).json()
    assert (told["verdict"], told["reason"]) == ("filtered", "condition")
    assert len(await house.events()) == 2


async def test_a_request_is_sent_to_a_url_as_it_came(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    house.transport.outcome = lambda _: Outcome(
        status=202, head=b"HTTP/1.1 202 Accepted\r\nX: y\r\n", body=b"took it", duration=0.25
    )
    item = await source.raw(
        b"X-Two: 1",
        b"Authorization: Bearer theirs",
        b"x-two: \xff",
        b"Hookferry-Replay: forged",
        b"Accept-Encoding: gzip",
        b"Keep-Alive: timeout=5",
        target=b"/deep/er?x=%2f",
        body=b"\x00\xff",
    )
    url = "https://crm.example:8443/hooks/?key=1"
    answer = await post(house, f"requests/{item['id']}/replay", {"to": "url", "target_url": url})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["status"] == 202
    assert told["answer_body"] == "took it"
    assert told["duration_ms"] == 250
    assert told["made"] is None
    [sent] = house.transport.sent
    assert sent.target.host == "crm.example"
    assert sent.head.split(b"\r\n") == [
        b"POST /hooks/deep/er?key=1&x=%2f HTTP/1.1",
        b"Host: crm.example:8443",
        b"X-Two: 1",
        b"Authorization: Bearer theirs",
        b"x-two: \xff",
        f"Hookferry-Replay: {item['id']}".encode(),
        b"Content-Length: 2",
        b"",
        b"",
    ]
    assert sent.body == b"\x00\xff"
    assert len(await listed(house)) == 1  # nothing is stored of it


async def test_what_a_url_does_with_a_replay_is_told(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught()
    house.transport.outcome = lambda _: Outcome(
        error=ErrorKind.CONNECT_REFUSED, detail="nobody listens", address="192.0.2.1:443"
    )
    order = {"to": "url", "target_url": "https://crm.example/hooks"}
    told = (await post(house, f"requests/{item['id']}/replay", order)).json()
    assert told["status"] is None
    assert told["error"] == "connection_refused"
    assert told["detail"] == "nobody listens"
    assert told["address"] == "192.0.2.1:443"


async def test_a_replay_goes_nowhere_that_the_guard_denies(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught()
    order = {"to": "url", "target_url": "https://10.0.0.1/hooks"}
    problem(await post(house, f"requests/{item['id']}/replay", order), 422, "target_refused")
    many = order | {"filter": {}}
    problem(await post(house, "requests/replay", many), 422, "target_refused")
    assert house.transport.sent == []


async def test_a_replay_that_can_t_be_meant_is_refused(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    item = await source.caught()
    for order, field in (
        ({"to": "url"}, "target_url"),
        ({"target_url": "https://crm.example/hooks"}, "target_url"),
        ({"to": "moon"}, "to"),
        ({"to": "url", "target_url": "https://u:p@crm.example/"}, "target_url"),
    ):
        answer = await post(house, f"requests/{item['id']}/replay", order)
        assert problem(answer, 422, "invalid_field")["field"] == field


async def test_many_are_replayed_oldest_first_a_bounded_number_at_a_time(house: House) -> None:
    source = await Source.made(house, name="any")
    for number in range(MAX_REPLAYS + 5):
        await source.send(b'{"n":%d}' % number)
    house.transport.outcome = lambda _: Outcome(status=200)
    order: dict[str, Any] = {
        "to": "url",
        "target_url": "https://crm.example/hooks",
        "filter": {"source": source.id, "where": {"path": "data.n", "op": "greater", "value": 0}},
    }
    told = (await post(house, "requests/replay", order)).json()
    assert len(told["items"]) == MAX_REPLAYS
    sent = [json.loads(request.body)["n"] for request in house.transport.sent]
    assert sent == list(range(5, MAX_REPLAYS + 5))
    told = (await post(house, "requests/replay", order | {"cursor": told["next"]})).json()
    sent = [json.loads(request.body)["n"] for request in house.transport.sent[MAX_REPLAYS:]]
    assert sent == [1, 2, 3, 4]
    assert told["next"] is None
    again = {"filter": {"source": source.id}, "limit": 3}
    told = (await post(house, "requests/replay", again)).json()
    assert [item["verdict"] for item in told["items"]] == ["accepted"] * 3
    newest = await listed(house, limit=3)
    assert [item["replay_of"] for item in newest] == [
        item["request"] for item in told["items"][::-1]
    ]
    too_many = await post(house, "requests/replay", {"filter": {}, "limit": MAX_REPLAYS + 1})
    problem(too_many, 422, "invalid_field")


# ------------------------------------------------------------------ quarantine


async def test_a_quarantined_request_is_explained_and_genuine_once_the_secret_is_right(
    house: House,
) -> None:
    source = await Source.made(house, name="github", verify=GITHUB | {"secret": "wrong" * 5})
    body = b'{"action":"opened"}'
    item = await source.caught(body, **signed(body))
    assert (item["verdict"], item["reason"]) == ("quarantined", "mismatch")
    told = (await post(house, f"requests/{item['id']}/verify")).json()
    assert (told["genuine"], told["reason"]) == (False, "mismatch")
    [trial] = told["trials"]
    assert trial["signed"] == body.decode()
    assert base64.b64decode(trial["signed_base64"]) == body
    assert trial["given"] == [signed(body)["X-Hub-Signature-256"]]
    assert not trial["matches"]
    # Nothing that would let anybody forge one.
    right = hmac.new(b"wrong" * 5, body, hashlib.sha256).hexdigest()
    assert right not in json.dumps(told)
    assert "wrongwrong" not in json.dumps(told)
    answer = await post(house, f"sources/{source.id}/secret", {"secret": SECRET, "overlap": 0})
    assert answer.status_code == 200, answer.text
    told = (await post(house, f"requests/{item['id']}/verify")).json()
    assert (told["genuine"], told["reason"]) == (True, None)
    assert told["trials"][0]["matches"]
    # It is as it was until it is replayed or released.
    assert (await get(house, f"requests/{item['id']}"))["verdict"] == "quarantined"
    assert await house.events() == []
    told = (await post(house, f"requests/{item['id']}/replay")).json()
    assert told["verdict"] == "accepted"


async def test_a_quarantined_request_is_released_once(house: House) -> None:
    source = await Source.made(house, name="github", verify=GITHUB)
    body = b'{"action":"opened"}'
    item = await source.caught(body)
    assert (item["verdict"], item["reason"]) == ("quarantined", "missing_header")
    answers = await asyncio.gather(
        *(post(house, f"requests/{item['id']}/release") for _ in range(3))
    )
    released = [a.json() for a in answers if a.json().get("verdict") == "accepted"]
    assert len(released) == 1
    assert len(await house.events()) == 1
    view = await get(house, f"requests/{item['id']}")
    assert view["verdict"] == "released"
    run = await get(house, f"requests/{released[0]['made']}")
    assert run["replay_of"] == item["id"]
    told = problem(await post(house, f"requests/{item['id']}/release"), 409, "conflict")
    assert "released" in told["detail"]
    body = b'{"action":"closed"}'
    fine = await source.caught(body, **signed(body))
    told = problem(await post(house, f"requests/{fine['id']}/release"), 409, "conflict")
    assert "accepted" in told["detail"]


async def test_where_nothing_is_verified_there_is_nothing_to_explain(house: House) -> None:
    source = await Source.made(house, name="any")
    item = await source.caught()
    told = problem(await post(house, f"requests/{item['id']}/verify"), 409, "conflict")
    assert "nothing to verify" in told["detail"]
    await house.client.delete(f"/api/v1/sources/{source.id}")
    problem(await post(house, f"requests/{item['id']}/verify"), 404, "not_found")
    problem(await post(house, f"requests/{item['id']}/replay"), 404, "not_found")


# ------------------------------------------------------------------ live


class Watched:
    """An open stream of a source."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def event(self) -> dict[str, str]:
        """Return the next event's fields; comments are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                if not line and "data" in fields:
                    return fields
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        raise EOFError

    async def request(self) -> dict[str, Any]:
        told = await self.event()
        assert told["event"] == "request"
        view: dict[str, Any] = json.loads(told["data"])
        assert view["id"] == told["id"]
        return view

    async def ends(self) -> bool:
        async with asyncio.timeout(10):
            async for line in self._lines:
                assert not line.startswith("data")
        return True


async def test_a_stream_tells_what_is_caught_as_it_is_caught(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    await source.send(b"before")
    path = f"/api/v1/sources/{source.id}/requests/stream"
    async with house.client.stream("GET", path) as answer:
        watched = Watched(answer)
        await until(lambda: house.services.catching.streams.count == 1)
        item = await source.raw(
            b"X-Two: \xff", b"Authorization: Bearer it", target=b"/a%2f?x=1", body=b"\x00\xff"
        )
        told = await watched.request()
        assert told["id"] == item["id"]
        assert (told["method"], told["path"], told["query"]) == ("POST", "/a%2f", "x=1")
        assert base64.b64decode(told["body"]) == b"\x00\xff"
        # Whole, for whoever sends it on: in order, nothing masked.
        assert told["headers"][-2:] == [["X-Two", "\xff"], ["Authorization", "Bearer it"]]
        assert (told["verdict"], told["replay_of"]) == ("inspected", None)
        await post(house, f"requests/{item['id']}/replay")
        assert (await watched.request())["replay_of"] == item["id"]
    await until(lambda: house.services.catching.streams.count == 0)


async def test_a_stream_tells_a_request_while_its_caller_still_waits(house: House) -> None:
    await house.webhook("asked", mode="sync")
    source = await Source.made(house, name="any", respond={"webhook": "asked"})
    held: list[Any] = []
    house.transport.send = lambda request, done: held.append(done)  # type: ignore[method-assign]
    heard: list[int] = []
    house.services.catching.on_caught(heard.append)
    path = f"/api/v1/sources/{source.id}/requests/stream"
    start = {"after": "req_0000000000000"}
    async with house.client.stream("GET", path, params=start) as answer:
        calling = asyncio.create_task(source.send(b"{}"))
        await until(lambda: len(held) == 1)
        # It is told of it, and does not only happen to look.
        assert [ids.encode("src", source_id) for source_id in heard] == [source.id]
        assert (await Watched(answer).request())["verdict"] == "accepted"
        assert not calling.done()
        held[0](Outcome(status=200, head=b"HTTP/1.1 200 OK\r\n"))
        assert await calling == 200


async def test_a_stream_resumes_where_it_was_left(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    other = await Source.made(house, name="other", bin=True)
    items = []
    for number in range(5):
        items.append(await source.caught(b"%d" % number))
        await other.send()
    path = f"/api/v1/sources/{source.id}/requests/stream"
    # Last-Event-ID is what a client that was cut off sends, with the address as it was.
    headers = {"Last-Event-ID": items[2]["id"]}
    async with house.client.stream(
        "GET", path, params={"after": items[0]["id"]}, headers=headers
    ) as answer:
        watched = Watched(answer)
        assert [(await watched.request())["id"] for _ in range(2)] == [
            item["id"] for item in items[3:]
        ]
        await source.send(b"5")
        assert base64.b64decode((await watched.request())["body"]) == b"5"
    async with house.client.stream("GET", path, params={"after": "req_0000000000000"}) as answer:
        watched = Watched(answer)
        assert [(await watched.request())["id"] for _ in range(5)] == [i["id"] for i in items]
    problem(await house.client.get(path, params={"after": "x"}), 422, "invalid_field")


async def test_streams_are_bounded_and_free_again_when_their_reader_leaves(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    path = f"/api/v1/sources/{source.id}/requests/stream"
    streams = house.services.catching.streams
    writers = []
    for _ in range(STREAMS_OF_SOURCE):
        _, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {house.client.headers['Authorization']}\r\n\r\n".encode()
        )
        writers.append(writer)
    await until(lambda: streams.count == STREAMS_OF_SOURCE)
    answer = await house.client.get(path)
    problem(answer, 503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    for writer in writers:
        writer.close()
    await until(lambda: streams.count == 0)


async def test_a_stream_ends_when_the_server_stops(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    path = f"/api/v1/sources/{source.id}/requests/stream"
    async with house.client.stream("GET", path) as answer:
        await until(lambda: house.services.catching.streams.count == 1)
        house.server.stop()
        assert await Watched(answer).ends()


async def test_a_stream_ends_when_its_source_is_deleted(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    path = f"/api/v1/sources/{source.id}/requests/stream"
    async with house.client.stream("GET", path) as answer:
        await until(lambda: house.services.catching.streams.count == 1)
        await house.client.delete(f"/api/v1/sources/{source.id}")
        assert await Watched(answer).ends()
    problem(await house.client.get(path), 404, "not_found")


async def test_whoever_asks_with_head_is_not_kept_waiting(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    async with asyncio.timeout(10):
        answer = await house.client.head(f"/api/v1/sources/{source.id}/requests/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert house.services.catching.streams.count == 0


# ------------------------------------------------------------------ shared


async def shared(house: House, source: Source, days: float = 1) -> str:
    answer = await post(house, f"sources/{source.id}/shares", {"days": days})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


async def test_a_share_link_shows_what_was_caught_and_nothing_else(house: House) -> None:
    source = await Source.made(house, name="any", bin=True)
    other = await Source.made(house, name="other", bin=True)
    elsewhere = await other.caught()
    first = await source.caught(b"one", "/x?token=hidden", Authorization="Bearer hidden")
    second = await source.caught(b"two")
    token = await shared(house, source)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}") as stranger:
        answer = await stranger.get(f"/shared/{token}", params={"limit": 1})
        assert answer.status_code == 200
        assert answer.headers["x-robots-tag"].startswith("noindex")
        assert answer.headers["cache-control"] == "no-store"
        page = answer.json()
        assert page["name"] == "any"
        assert [item["id"] for item in page["items"]] == [second["id"]]
        page = (await stranger.get(f"/shared/{token}", params={"cursor": page["next"]})).json()
        assert [item["id"] for item in page["items"]] == [first["id"]]
        answer = await stranger.get(f"/shared/{token}/requests/{first['id']}")
        view = answer.json()
        assert (view["body"], view["path"], view["body_url"]) == ("one", "/x", None)
        for text in (answer.text, (await stranger.get(f"/shared/{token}")).text):
            assert "hidden" not in text
            assert source.view["guid"] not in text  # who may look may not send
        for path in (
            f"/shared/{token}/requests/{elsewhere['id']}",
            f"/shared/{token}x",
            f"/shared/{token[:-1]}",
            "/shared/hfs_",
        ):
            problem(await stranger.get(path), 404, "not_found")
        problem(await stranger.get("/api/v1/requests"), 401, "unauthorized")
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await stranger.request(method, f"/shared/{token}")
            assert answer.status_code == 405


async def test_a_share_link_ends_with_its_time_and_when_it_is_revoked(house: House) -> None:
    source = await Source.made(house, name="any", bin=True, expires_at=None)
    for_a_day, for_two = await shared(house, source, 1), await shared(house, source, 2)
    assert (await house.client.get(f"/shared/{for_a_day}")).status_code == 200
    house.clock.ahead_ms += 86_400_000
    problem(await house.client.get(f"/shared/{for_a_day}"), 404, "not_found")
    assert (await house.client.get(f"/shared/{for_two}")).status_code == 200
    [share] = (await get(house, f"sources/{source.id}/shares"))["items"]
    await house.client.delete(f"/api/v1/sources/{source.id}/shares/{share['id']}")
    problem(await house.client.get(f"/shared/{for_two}"), 404, "not_found")


async def test_a_stream_is_answered_once_it_knows_where_it_begins(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has its headers counts on it: what comes from then on must be in it."""
    source = await house.client.post("/api/v1/sources", json={"name": "watched"})
    asked, told = asyncio.Event(), asyncio.Event()
    newest = house.store.newest_request

    async def slowly(tenant_id: int, source_id: int) -> int:
        asked.set()
        await told.wait()
        return await newest(tenant_id, source_id)

    monkeypatch.setattr(house.store, "newest_request", slowly)
    request = house.client.build_request(
        "GET", f"/api/v1/sources/{source.json()['id']}/requests/stream"
    )
    sending = asyncio.create_task(house.client.send(request, stream=True))
    await asked.wait()
    early, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not early
    told.set()
    answer = await sending
    assert answer.status_code == 200
    await answer.aclose()
