"""What happens to a request between its arrival and its answer, over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any

import msgspec
import pytest

from api.kit import House, until
from hookferry import sign
from hookferry.catch.replies import Answer
from hookferry.domain.event import EventState
from hookferry.domain.request import Verdict
from hookferry.engine.event_types import EventTypes, EventTypeSettings
from hookferry.ids import encode
from hookferry.transport.port import ErrorKind, Outcome, Request

from .kit import GITHUB, SECRET, Caller, signed, source, webhook

ACCEPTED = (Verdict.ACCEPTED, None)


# --------------------------------------------------------------------------- taken


async def test_a_genuine_request_is_stored_with_its_event_and_answered_204(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    body = b'{"ref": "refs/heads/main",  "n": 1.0}'
    answer = await caller.send(body, signed(body), below="/some/path?a=1&a=2")
    assert (answer.status_code, answer.content) == (204, b"")
    [request] = await caller.kept()
    [event] = await house.events()
    assert (request.verdict, request.event_id, request.status) == (Verdict.ACCEPTED, event.id, 204)
    assert request.body == event.payload == body
    assert request.path == f"{caller.path}/some/path".encode()
    assert request.query == b"a=1&a=2"
    assert (b"X-GitHub-Event", b"push") in request.headers
    assert event.type == "github.push"
    caught = event.meta.caught
    assert caught is not None
    assert (caught.request_id, caught.path, caught.query) == (request.id, b"some/path", b"a=1&a=2")


async def test_nothing_is_answered_before_the_commit(house: House) -> None:
    caller = await source(house)
    released = house.hold_commits()
    sending = asyncio.create_task(caller.send())
    await until(lambda: house.engine.intake.waiting == 1)
    answered, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not answered
    released.set()
    assert (await sending).status_code == 204


async def test_an_event_that_was_caught_is_sent_on_like_any_other(house: House) -> None:
    await webhook(house, profile="raw", events=["github.*"])
    caller = await source(house, verify=GITHUB)
    body = b"\xef\xbb\xbf not json \x00\xff"
    await caller.send(body, signed(body, **{"Content-Type": "application/x-odd"}))
    await until(lambda: bool(house.transport.sent))
    [sent] = house.transport.sent
    assert sent.body == body
    assert b"Content-Type: application/x-odd\r\n" in sent.head


async def test_any_method_is_taken_unless_the_source_names_some(house: House) -> None:
    caller = await source(house)
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"):
        assert (await caller.send(b"", method=method)).status_code == 204
    assert [request.method for request in await caller.kept()] == [
        "GET",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "PURGE",
    ]


# --------------------------------------------------------------------------- refused


async def test_a_forged_request_is_quarantined_and_learns_nothing(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    body = b"{}"
    wrong = {**signed(body), "X-Hub-Signature-256": "sha256=" + "0" * 64}
    unsigned = {"X-GitHub-Event": "push"}
    answers = [await caller.send(body, headers) for headers in (wrong, unsigned)]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].content == answers[1].content == b""
    assert answers[0].headers.keys() == answers[1].headers.keys()
    assert await caller.verdicts() == [
        (Verdict.QUARANTINED, "mismatch"),
        (Verdict.QUARANTINED, "missing_header"),
    ]
    assert await house.events() == []


async def test_a_source_may_answer_the_forged_otherwise(house: House) -> None:
    caller = await source(house, verify=GITHUB, refuse_status=200)
    assert (await caller.send(b"{}")).status_code == 200
    assert (await caller.verdicts())[0][0] is Verdict.QUARANTINED


async def test_method_address_and_rate_are_judged_before_the_body_and_the_signature(
    house: House,
) -> None:
    caller = await source(house, verify=GITHUB, methods=["POST"])
    answer = await caller.send(b"{}", method="PUT")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    await caller.change(methods=[], allow_ips=["192.0.2.0/24"])
    assert (await caller.send(b"{}")).status_code == 403
    await caller.change(allow_ips=[], rate_limit={"per_second": 0.01, "burst": 1}, verify=None)
    assert (await caller.send(b"{}")).status_code == 204
    answer = await caller.send(b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "100")
    await until(lambda: house.engine.intake.waiting == 0)
    assert await caller.verdicts() == [
        (Verdict.REJECTED, "method_not_allowed"),
        (Verdict.REJECTED, "forbidden"),
        ACCEPTED,
        (Verdict.REJECTED, "rate_limited"),
    ]


async def test_under_maintenance_everybody_is_asked_to_come_back(house: House) -> None:
    caller = await source(house, maintenance=True)
    answer = await caller.send()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert await house.events() == []


async def test_unknown_disabled_and_deleted_sources_look_alike(house: House) -> None:
    caller = await source(house)
    unknown = Caller(house, msgspec.structs.replace(caller.source, guid="0123456789" * 4))
    await caller.change(enabled=False)
    answers = [await unknown.send(), await caller.send()]
    await house.services.sources.delete(caller.source.tenant_id, caller.source.id)
    answers.append(await caller.send())
    assert [a.status_code for a in answers] == [404, 404, 404]
    assert len({a.content for a in answers}) == 1
    assert len({tuple(sorted(set(a.headers) - {"date"})) for a in answers}) == 1


async def test_a_rotated_address_leads_here_until_its_overlap_ends(house: House) -> None:
    caller = await source(house)
    before = caller.source
    after = await house.services.sources.rotate(before.tenant_id, before.id, overlap=3600)
    old, new = Caller(house, before), Caller(house, after)
    assert [(await c.send()).status_code for c in (old, new)] == [204, 204]
    house.clock.ahead_ms += 3_601_000
    assert [(await c.send()).status_code for c in (old, new)] == [404, 204]


async def test_a_body_over_the_sources_limit_is_413_and_visible(house: House) -> None:
    caller = await source(house, max_body=100)
    assert (await caller.send(b"x" * 101)).status_code == 413
    assert (await caller.send(b"x" * 100)).status_code == 204
    assert await caller.verdicts() == [(Verdict.REJECTED, "payload_too_large"), ACCEPTED]


async def test_what_can_not_be_parsed_is_refused_only_where_parsing_was_asked_for(
    house: House,
) -> None:
    caller = await source(house, parse="require")
    odd = {"Content-Type": "application/json"}
    assert (await caller.send(b"{", odd)).status_code == 400
    await caller.change(parse="auto")
    assert (await caller.send(b"{", odd)).status_code == 204
    [refused, taken] = await caller.kept()
    assert (refused.verdict, refused.reason) == (Verdict.FILTERED, "unparseable")
    assert refused.body == taken.body == b"{"


# --------------------------------------------------------------------------- duplicates


async def test_a_repeat_is_answered_like_the_first_and_points_at_it(house: House) -> None:
    caller = await source(house, verify=GITHUB, respond={"status": 201, "body": "thanks"})
    for delivery in ("d-1", "d-1", "d-2"):
        answer = await caller.send(b"{}", signed(b"{}", delivery))
        assert (answer.status_code, answer.text) == (201, "thanks")
    first, repeat, other = await caller.kept()
    assert [r.verdict for r in (first, repeat, other)] == [
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.ACCEPTED,
    ]
    assert (repeat.duplicate_of, repeat.event_id) == (first.id, first.event_id)
    assert repeat.body == b"{}"
    assert len(await house.events()) == 2


async def test_a_repeat_with_another_body_is_a_conflict_and_kept(house: House) -> None:
    caller = await source(house, deduplicate={"header": "X-Id"})
    assert (await caller.send(b"1", {"X-Id": "a"})).status_code == 204
    assert (await caller.send(b"2", {"X-Id": "a"})).status_code == 422
    assert await caller.verdicts() == [ACCEPTED, (Verdict.FILTERED, "idempotency_conflict")]


async def test_a_key_is_free_again_after_its_window(house: House) -> None:
    caller = await source(house, deduplicate={"header": "X-Id"}, window=60)
    for ahead in (0, 59_000, 2_000):
        house.clock.ahead_ms += ahead
        await caller.send(b"1", {"X-Id": "a"})
    assert [v for v, _ in await caller.verdicts()] == [
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.ACCEPTED,
    ]


async def test_the_forged_reserve_no_key(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    forged = {**signed(b"{}"), "X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert (await caller.send(b"{}", forged)).status_code == 401
    assert (await caller.send(b"{}", signed(b"{}"))).status_code == 204
    assert len(await house.events()) == 1


# --------------------------------------------------------------------------- what it becomes


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        (None, "webhook.received"),
        ("fixed.type", "fixed.type"),
        ({"header": "X-Kind", "prefix": "shop."}, "shop.order"),
        ({"path": "data.kind"}, "note"),
        ({"template": "shop.{{ headers.x-kind }}.{{ data.kind }}"}, "shop.order.note"),
    ],
)
async def test_a_type_comes_from_header_path_template_or_is_fixed(
    house: House, event_type: Any, expected: str
) -> None:
    caller = await source(house, event_type=event_type)
    await caller.send(b'{"kind": "note"}', {"X-Kind": "order"})
    [event] = await house.events()
    assert event.type == expected


async def test_a_condition_keeps_what_it_does_not_want_from_becoming_an_event(
    house: House,
) -> None:
    wanted = {
        "all": [
            {"path": "data.action", "op": "equals", "value": "opened"},
            {"path": "headers.x-kind", "op": "equals", "value": "issue"},
        ]
    }
    caller = await source(house, condition=wanted)
    for body, kind in ((b'{"action":"opened"}', "issue"), (b'{"action":"closed"}', "issue")):
        assert (await caller.send(body, {"X-Kind": kind})).status_code == 204
    assert await caller.verdicts() == [ACCEPTED, (Verdict.FILTERED, "condition")]


async def test_data_that_break_an_enforced_schema_are_refused_and_kept(house: House) -> None:
    settings = EventTypeSettings(schema={"type": "object", "required": ["id"]})
    tenant = house.services.directory.tenant("default")
    services = house.services
    types = EventTypes(services.store, services.directory, services.ids, house.clock)
    await types.put(tenant.id, "shop.order", settings)
    caller = await source(house, event_type="shop.order")
    assert (await caller.send(b"{}")).status_code == 422
    assert (await caller.send(b'{"id": 1}')).status_code == 204
    refused, _ = await caller.kept()
    assert (refused.verdict, refused.reason) == (Verdict.FILTERED, "schema_violation")
    assert "id" in str(refused.detail)


async def test_a_type_that_asks_does_not_stop_what_was_caught(house: House) -> None:
    caller = await source(house, event_type="contact.create")
    assert (await caller.send()).status_code == 204
    assert len(await house.events()) == 1


async def test_what_hookferry_sent_itself_too_often_is_stored_and_not_matched(
    house: House,
) -> None:
    await webhook(house)
    caller = await source(house)
    await caller.send(headers={"Hookferry-Hops": "5"})
    await caller.send(headers={"Hookferry-Hops": "6"})
    looped, fine = await house.events()
    assert (fine.state, looped.state) == (EventState.MATCHED, EventState.UNMATCHED)


async def test_a_draft_keeps_samples_and_runs_nothing(house: House) -> None:
    caller = await source(house, draft=True, respond={"status": 204})
    assert (await caller.send()).status_code == 204
    assert await caller.verdicts() == [(Verdict.SAMPLE, None)]
    assert await house.events() == []


async def test_a_bin_inspects_only_and_keeps_the_newest(house: House) -> None:
    caller = await source(house, bin=True, keep=2)
    for number in range(3):
        await caller.send(b"%d" % number)
    assert [request.body for request in await caller.kept()] == [b"1", b"2"]
    assert await house.events() == []


async def test_a_source_keeps_its_newest_requests_and_all_of_their_events(house: House) -> None:
    caller = await source(house, keep=2)
    for number in range(4):
        await caller.send(b"%d" % number)
    assert [request.body for request in await caller.kept()] == [b"2", b"3"]
    assert len(await house.events()) == 4


# --------------------------------------------------------------------------- answers


async def test_an_answer_is_filled_in_from_the_request(house: House) -> None:
    caller = await source(
        house,
        respond={
            "status": 200,
            "headers": {"X-Seen": "{{ headers.x-who }}", "Content-Type": "application/json"},
            "body": '{"you": "{{ data.name }}", "q": "{{ query.q }}"}',
        },
    )
    answer = await caller.send(b'{"name": "ada"}', {"X-Who": "me"}, below="?q=a%20b")
    assert answer.json() == {"you": "ada", "q": "a b"}
    assert answer.headers["x-seen"] == "me"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"


async def test_pages_of_named_origins_may_call(house: House) -> None:
    caller = await source(house, cors=["https://app.example"])
    ask = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-who",
    }
    preflight = await caller.send(b"", ask, method="OPTIONS")
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert preflight.headers["access-control-allow-headers"] == "content-type, x-who"
    answer = await caller.send(headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    stranger = await caller.send(headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in stranger.headers
    assert len(await caller.kept()) == 2


async def test_every_origin_may_call_where_that_is_said(house: House) -> None:
    caller = await source(house, cors=["*"])
    answer = await caller.send(headers={"Origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_handshake_is_answered_before_verification_and_becomes_no_event(
    house: House,
) -> None:
    caller = await source(house, verify=GITHUB, handshakes=["dropbox"])
    answer = await caller.send(b"", method="GET", below="?challenge=abc123")
    assert (answer.status_code, answer.text) == (200, "abc123")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert await caller.verdicts() == [(Verdict.HANDSHAKE, "dropbox")]
    assert await house.events() == []


async def test_a_handshake_comes_by_its_own_method_and_nothing_else_does(house: House) -> None:
    caller = await source(house, methods=["POST"], handshakes=["dropbox"])
    assert (await caller.send(b"", method="GET", below="?challenge=abc")).text == "abc"
    answer = await caller.send(b"", method="GET")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await caller.verdicts() == [
        (Verdict.HANDSHAKE, "dropbox"),
        (Verdict.REJECTED, "method_not_allowed"),
    ]


async def test_a_secret_handed_out_in_a_handshake_is_taken_once(house: House) -> None:
    verify = {
        "algorithm": "hmac-sha256",
        "signature": "header:X-Hook-Signature",
        "signed": "{body}",
        "encoding": "hex",
    }
    caller = await source(house, verify=verify, handshakes=["asana"])
    first = await caller.send(b"", {"X-Hook-Secret": "a-secret-of-their-choice-123"})
    assert first.status_code == 200
    assert first.headers["x-hook-secret"] == "a-secret-of-their-choice-123"
    second = await caller.send(b"", {"X-Hook-Secret": "another-secret-of-somebody-else"})
    assert second.status_code == 403
    body = b'{"events": []}'
    mac = hmac.new(b"a-secret-of-their-choice-123", body, hashlib.sha256).hexdigest()
    assert (await caller.send(body, {"X-Hook-Signature": mac})).status_code == 204


# --------------------------------------------------------------------------- answers waited for


def answers(house: House, status: int, body: bytes = b"", kind: str = "text/plain") -> None:
    """Let every receiver answer so."""
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nX-Own: secret\r\n\r\n".encode()
    house.transport.outcome = lambda _: Outcome(status=status, head=head, body=body)


async def waiting_source(house: House, **fields: Any) -> Caller:
    await webhook(house, "gate", mode="sync", profile="raw")
    return await source(house, respond={"webhook": "gate", **fields.pop("respond", {})}, **fields)


async def test_a_webhooks_answer_is_the_callers(house: House) -> None:
    caller = await waiting_source(house)
    answers(house, 200, b'{"hello": "you"}', "application/json")
    answer = await caller.send()
    assert (answer.status_code, answer.json()) == (200, {"hello": "you"})
    assert answer.headers["content-type"] == "application/json"
    assert "x-own" not in answer.headers
    [request] = await caller.kept()
    assert (request.status, request.answer_body) == (200, b'{"hello": "you"}')


async def test_a_webhooks_refusal_is_the_callers_too(house: House) -> None:
    caller = await waiting_source(house)
    answers(house, 403, b"not today")
    answer = await caller.send()
    assert (answer.status_code, answer.text) == (403, "not today")
    assert len(await house.events()) == 1


async def test_nothing_that_answers_is_204(house: House) -> None:
    caller = await waiting_source(house)
    [gate] = house.services.directory.all_webhooks()
    await house.services.webhooks.patch(gate.tenant_id, gate.id, {"events": ["other.type"]})
    assert (await caller.send()).status_code == 204


async def test_a_condition_that_does_not_hold_is_422_where_the_caller_waits(house: House) -> None:
    caller = await waiting_source(house, condition={"path": "data.a", "op": "equals", "value": 2})
    assert (await caller.send()).status_code == 422


class Silent:
    """A receiver that answers when it is told to."""

    def __init__(self, house: House) -> None:
        self.waiting: list[tuple[Request, Any]] = []
        house.transport.send = lambda request, done: self.waiting.append((request, done))  # type: ignore[method-assign]

    def answer(self, status: int, body: bytes = b"") -> None:
        for _, done in self.waiting:
            done(Outcome(status=status, head=b"HTTP/1.1 200 OK\r\n\r\n", body=body))
        self.waiting.clear()


async def test_after_the_deadline_the_late_answer_is_given_and_the_run_goes_on(
    house: House,
) -> None:
    receiver = Silent(house)
    caller = await waiting_source(
        house, respond={"deadline": 0.2, "late": {"status": 202, "body": "later"}}
    )
    answer = await caller.send()
    assert (answer.status_code, answer.text) == (202, "later")
    assert len(receiver.waiting) == 1
    receiver.answer(200)
    [event] = await house.events()

    async with asyncio.timeout(10):
        while True:
            counts = await house.store.states(event.tenant_id, [event.id])
            if [state.name for state in counts[event.id]] == ["DELIVERED"]:
                break


async def test_a_late_answer_is_not_given_before_the_commit(house: House) -> None:
    caller = await waiting_source(house, respond={"deadline": 0.1})
    receiver = Silent(house)
    released = house.hold_commits()
    sending = asyncio.create_task(caller.send())
    await until(lambda: any(wait.over for wait in house.services.catching.pipeline.waiting.open))
    early, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not early
    released.set()
    assert (await sending).status_code == 202
    await until(lambda: len(receiver.waiting) == 1)
    receiver.answer(200)


async def test_a_repeat_waits_for_the_first_and_gets_its_answer(house: House) -> None:
    receiver = Silent(house)
    caller = await waiting_source(house, deduplicate={"body_hash": True})
    first = asyncio.create_task(caller.send())
    await until(lambda: len(receiver.waiting) == 1)
    repeat = asyncio.create_task(caller.send())
    waiting = house.services.catching.pipeline.waiting
    await until(lambda: [len(wait.repeats) for wait in waiting.open] == [1])
    assert not repeat.done()
    receiver.answer(200, b"done")
    assert [(await first).text, (await repeat).text] == ["done", "done"]
    third = await caller.send()
    assert third.text == "done"
    assert [v for v, _ in await caller.verdicts()] == [
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


async def test_a_repeat_runs_what_failed_the_first_time(house: House) -> None:
    caller = await waiting_source(house, deduplicate={"body_hash": True})
    house.transport.outcome = lambda _: Outcome(error=ErrorKind.CONNECT_REFUSED, detail="refused")
    assert (await caller.send()).status_code == 502
    [failed] = await caller.kept()
    assert failed.detail == "the webhook gave no answer: connection_refused"
    answers(house, 200, b"fine")
    assert (await caller.send()).status_code == 202
    await until(lambda: len(house.transport.sent) == 2)
    [event] = await house.events()
    async with asyncio.timeout(10):
        while True:
            counts = await house.store.states(event.tenant_id, [event.id])
            if [state.name for state in counts[event.id]] == ["DELIVERED"]:
                break
    assert (await caller.send()).status_code == 202
    assert len(house.transport.sent) == 2


async def test_a_listeners_answer_is_the_callers_while_it_listens(house: House) -> None:
    caller = await source(house)
    listeners = house.services.catching.listeners
    listeners.join(caller.source.id)
    sending = asyncio.create_task(caller.send())
    request_id = 0
    async with asyncio.timeout(10):
        # It can be read a moment before its commit is told here.
        while not listeners.answer(request_id, Answer(418, (("x-tea", "yes"),), b"pot")):
            request_id = await house.store.newest_request(caller.source.tenant_id, caller.source.id)
    answer = await sending
    assert (answer.status_code, answer.text, answer.headers["x-tea"]) == (418, "pot", "yes")
    assert not listeners.answer(request_id, Answer(200))
    listeners.leave(caller.source.id)
    assert (await caller.send()).status_code == 204


# --------------------------------------------------------------------------- once more


async def test_a_replay_is_a_new_request_that_says_which_it_repeats(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    await caller.send(b"{}", signed(b"{}"))
    [first] = await caller.kept()
    house.clock.ahead_ms += 90_000
    outcome = await house.services.catching.replays.to_pipeline([first])
    assert outcome[0].taken is not None
    assert outcome[0].taken.verdict is Verdict.ACCEPTED
    _, again = await caller.kept()
    assert (again.replay_of, again.body, again.verdict) == (first.id, b"{}", Verdict.ACCEPTED)
    assert len(await house.events()) == 2


async def test_a_quarantined_request_is_released_once(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    await caller.send(b"{}", {"X-GitHub-Delivery": "d-9", "X-GitHub-Event": "push"})
    [held] = await caller.kept()
    replays = house.services.catching.replays
    assert (await replays.release(held)).verdict is Verdict.ACCEPTED
    [event] = await house.events()
    assert event.type == "github.push"
    assert (await replays.release(held)).verdict is Verdict.DUPLICATE
    assert len(await house.events()) == 1
    released, *_ = await caller.kept()
    assert released.verdict is Verdict.RELEASED
    assert "released as req_" in str(released.detail)
    # What its sender repeats, signed by then, is known to have run.
    await caller.send(b"{}", signed(b"{}", "d-9"))
    assert len(await house.events()) == 1


async def test_what_a_wrong_secret_held_up_runs_once_when_it_is_replayed(house: House) -> None:
    caller = await source(house, verify={**GITHUB, "secret": "a wrong one altogether"})
    for delivery in ("d-1", "d-2"):
        assert (await caller.send(b"{}", signed(b"{}", delivery))).status_code == 401
    held = await caller.kept()
    replays = house.services.catching.replays
    [still] = await replays.to_pipeline(held[:1])
    assert still.taken is not None
    assert (still.taken.verdict, still.taken.request_id) == (Verdict.QUARANTINED, None)
    assert [v for v, _ in await caller.verdicts()] == [Verdict.QUARANTINED] * 2
    await caller.change(verify={"secret": SECRET})
    await caller.send(b"{}", signed(b"{}", "d-1"))  # its sender tries again
    for _ in range(2):
        outcomes = [one.taken for one in await replays.to_pipeline(held)]
        assert len(await house.events()) == 2
    assert [o.verdict for o in outcomes if o] == [Verdict.DUPLICATE] * 2
    assert [v for v, _ in await caller.verdicts()][:2] == [Verdict.RELEASED] * 2


async def test_conditions_of_webhooks_see_what_was_caught(house: House) -> None:
    await webhook(
        house, "crm", condition={"path": "headers.x-kind", "op": "equals", "value": "order"}
    )
    caller = await source(house)
    await caller.send(
        b"a=1&b=2", {"X-Kind": "order", "Content-Type": "application/x-www-form-urlencoded"}
    )
    await caller.send(b"a=1", {"X-Kind": "other"})
    await until(lambda: len(house.transport.sent) == 1)
    body = msgspec.json.decode(house.transport.sent[0].body)
    assert body["data"] == {"a": "1", "b": "2"}
    states = [event.state for event in await house.events()]
    assert sorted(states) == [EventState.UNMATCHED, EventState.MATCHED]


async def test_what_is_counted_says_source_verdict_and_reason(house: House) -> None:
    caller = await source(house, verify=GITHUB)
    await caller.send(b"{}", signed(b"{}"))
    await caller.send(b"{}")
    metrics = house.services.render_metrics().decode()
    label = f'source="{encode("src", caller.source.id)}"'
    assert f'{{reason="",{label},verdict="accepted"}} 1.0' in metrics
    assert f'{{reason="missing_header",{label},verdict="quarantined"}} 1.0' in metrics
    assert GITHUB["secret"] not in metrics


async def test_any_age_is_taken_where_that_is_said(house: House) -> None:
    scheme = {"preset": "slack", "secret": "a slack secret", "tolerance": "any"}
    caller = await source(house, verify=scheme)
    headers = sign("slack", "a slack secret", b"{}", id="", timestamp=1_000_000_000)
    assert (await caller.send(b"{}", headers)).status_code == 204
    await caller.change(verify={"tolerance": 300})
    assert (await caller.send(b"{}", headers)).status_code == 401
    assert (await caller.verdicts())[1] == (Verdict.QUARANTINED, "stale")


# --------------------------------------------------------------------------- in time


async def test_an_expired_bin_goes_with_all_that_it_caught(house: House) -> None:
    caller = await source(house, bin=True)
    await caller.send()
    house.clock.ahead_ms += 24 * 3_600_000 + 1
    assert (await caller.send()).status_code == 404
    await house.engine.janitor.sweep()
    assert house.services.directory.all_sources() == []
    await house.engine.janitor.sweep()
    assert await caller.kept() == []


async def test_requests_are_forgotten_after_their_sources_time_and_events_after_theirs(
    house: House,
) -> None:
    short, usual = await source(house, retention_days=1), await source(house, "usual")
    for caller in (short, usual):
        await caller.send()
    for days, left in ((2, [0, 1]), (6, [0, 0])):
        house.clock.ahead_ms += days * 86_400_000
        await house.engine.janitor.sweep()
        assert [len(await caller.kept()) for caller in (short, usual)] == left
    assert len(await house.events()) == 2
