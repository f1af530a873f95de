"""Webhooks over HTTP: what a definition may say, secrets, states, versions."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hookferry.transport.port import ErrorKind, Outcome

from .kit import TARGET, House, until

GOOD = {"name": "crm", "target_url": TARGET, "events": ["contact.*"]}


def certificate() -> tuple[str, str]:
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


BAD_DEFINITIONS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"name": "two words"}, "invalid_field", "name"),
    ({"name": ""}, "invalid_field", "name"),
    ({"name": "x" * 101}, "invalid_field", "name"),
    ({"name": None}, "invalid_field", "name"),
    ({"events": []}, "invalid_field", "events"),
    ({"events": ["*"] * 2}, "invalid_field", "events"),
    ({"events": [f"a.b{n}" for n in range(51)]}, "invalid_field", "events"),
    ({"events": ["a.b", "con*"]}, "invalid_field", "events[1]"),
    ({"events": "contact.*"}, "invalid_field", "events"),
    ({"target_url": "http://receiver.example/"}, "invalid_field", "target_url"),
    ({"target_url": "https://10.0.0.1/"}, "target_refused", "target_url"),
    ({"target_url": "https://receiver.example/" + "x" * 2048}, "invalid_field", "target_url"),
    ({"target_ulr": TARGET}, "unknown_field", "target_ulr"),
    ({"profile": "nosuch"}, "invalid_field", "profile"),
    ({"type": "pigeon"}, "invalid_field", "type"),
    ({"type": "automation"}, "invalid_field", "target_url"),
    ({"type": "automation", "target_url": "example.run", "ca": "x"}, "invalid_field", "ca"),
    (
        {"automations_kata": "automation/x:\n  uri: example.run"},
        "invalid_field",
        "automations_kata",
    ),
    (
        {"type": "automation", "target_url": "", "automations_kata": "nobody/x:"},
        "script_refused",
        "automations_kata",
    ),
    ({"mode": "sometimes"}, "invalid_field", "mode"),
    ({"credential": "nobody"}, "invalid_field", "credential"),
    ({"properties": {"Region": "north"}}, "invalid_field", "properties"),
    ({"channels": ["no spaces"]}, "invalid_field", "channels[0]"),
    ({"channels": ["twice", "twice"]}, "invalid_field", "channels"),
    ({"profile": "superoffice", "properties": {"x": "y" * 17_000}}, "invalid_field", "properties"),
    (
        {"profile": "superoffice", "headers": {"X-SuperOffice-Event": "mine"}},
        "invalid_field",
        "headers",
    ),
    ({"payload_format": "xml"}, "invalid_field", "payload_format"),
    ({"secret": "short"}, "invalid_field", "secret"),
    ({"secret": "whsec_c2hvcnQ="}, "invalid_field", "secret"),
    ({"headers": {"X-A": "one\r\nX-Injected: two"}}, "invalid_field", "headers.X-A"),
    ({"headers": {"X-A": "one\ntwo"}}, "invalid_field", "headers.X-A"),
    ({"headers": {"X-A": "nul\x00"}}, "invalid_field", "headers.X-A"),
    ({"headers": {"X-A": "x" * 4097}}, "invalid_field", "headers.X-A"),
    ({"headers": {"X A": "1"}}, "invalid_field", "headers"),
    ({"headers": {"X-A:": "1"}}, "invalid_field", "headers"),
    ({"headers": {"X-A\r\nX-B": "1"}}, "invalid_field", "headers"),
    ({"headers": {"": "1"}}, "invalid_field", "headers"),
    ({"headers": {"X" * 65: "1"}}, "invalid_field", "headers"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "invalid_field", "headers.x-a"),
    ({"headers": {"X-Key": "********"}}, "invalid_field", "headers.X-Key"),
    ({"headers": {f"X-{n}": "1" for n in range(65)}}, "invalid_field", "headers"),
    *[
        ({"headers": {name: "x"}}, "invalid_field", "headers")
        for name in (
            "Host",
            "content-length",
            "Content-Type",
            "Transfer-Encoding",
            "Connection",
            "Expect",
            "TE",
            "Upgrade",
            "Trailer",
            "Proxy-Authorization",
            "webhook-id",
            "Webhook-Signature",
        )
    ],
    ({"retry": {"schedule": [5] * 21}}, "invalid_field", "retry.schedule"),
    ({"retry": {"schedule": [700_000]}}, "invalid_field", "retry.schedule[0]"),
    ({"retry": {"schedule": [-1]}}, "invalid_field", "retry.schedule[0]"),
    ({"retry": {"schedule": [5], "jitter": 2}}, "invalid_field", "retry.jitter"),
    ({"retry": {"shedule": [5]}}, "unknown_field", "retry.shedule"),
    ({"timeout": 0}, "invalid_field", "timeout"),
    ({"timeout": 61}, "invalid_field", "timeout"),
    ({"timeout": "15"}, "invalid_field", "timeout"),
    ({"failure_limit": 0}, "invalid_field", "failure_limit"),
    ({"failure_limit": 1001}, "invalid_field", "failure_limit"),
    ({"failure_window": 1}, "invalid_field", "failure_window"),
    ({"rate_limit": {"per_second": 0}}, "invalid_field", "rate_limit.per_second"),
    ({"rate_limit": {"per_second": 1, "burst": 0}}, "invalid_field", "rate_limit.burst"),
    ({"max_in_flight": 33}, "invalid_field", "max_in_flight"),
    ({"ca": "not PEM"}, "invalid_field", "ca"),
    ({"client_certificate": {"certificate": "x"}}, "invalid_field", None),
    (
        {"client_certificate": {"certificate": "x", "private_key": "y"}},
        "invalid_field",
        "client_certificate.certificate",
    ),
    ({"proxy": "ftp://proxy.example:21"}, "invalid_field", "proxy"),
    ({"proxy": "http://proxy.example"}, "invalid_field", "proxy"),
    ({"proxy": "http://proxy.example:99999"}, "invalid_field", "proxy"),
    ({"description": "x" * 2001}, "invalid_field", "description"),
    ({"title": "bell\x07"}, "invalid_field", "title"),
]


async def test_a_bad_definition_names_the_field_and_nothing_is_stored(house: House) -> None:
    for change, code, field in BAD_DEFINITIONS:
        answer = await house.client.post("/api/v1/webhooks", json=GOOD | change)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code), (change, problem)
        if field is not None:
            assert problem["field"] == field, (change, problem)
    for body in (b"{", b"[]", b'"x"', b""):
        answer = await house.client.post("/api/v1/webhooks", content=body)
        assert answer.status_code in (400, 422), body
    assert (await house.client.get("/api/v1/webhooks")).json()["items"] == []


async def test_a_bad_patch_leaves_the_webhook_as_it_was(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    before = (await house.client.get(url)).json()
    for change, code, _ in BAD_DEFINITIONS:
        if "secret" not in change:
            answer = await house.client.patch(url, json=change)
            assert (answer.status_code, answer.json()["code"]) == (422, code), change
    answer = await house.client.patch(url, json={"secret": "whsec_" + "A" * 32})
    assert (answer.status_code, answer.json()["field"]) == (422, "secret")
    assert (await house.client.get(url)).json() == before


async def test_a_merge_patch_changes_removes_and_keeps(house: House) -> None:
    made = await house.webhook(
        headers={"X-Keep": "1", "X-Drop": "2"}, timeout=5, retry={"schedule": [5, 10], "jitter": 0}
    )
    url = f"/api/v1/webhooks/{made['id']}"
    patch = {
        "headers": {"X-Drop": None, "X-New": "3"},
        "timeout": None,
        "retry": {"jitter": 0.5},
        "title": "CRM",
    }
    answer = await house.client.patch(url, json=patch)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after["headers"] == {"X-Keep": "1", "X-New": "3"}
    assert after["timeout"] is None
    assert after["retry"] == {"schedule": [5, 10], "jitter": 0.5}
    assert (after["title"], after["version"]) == ("CRM", 2)
    assert after["events"] == made["events"]


async def test_a_target_is_judged_when_it_changes_and_only_then(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    asked = len(house.targets.asked)
    await house.client.patch(url, json={"title": "x"})
    assert len(house.targets.asked) == asked
    await house.client.patch(url, json={"target_url": "https://other.example/"})
    assert house.targets.asked[-1]["url"] == "https://other.example/"


async def test_two_writers_with_if_match_do_not_overwrite_each_other(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    etag = {"If-Match": (await house.client.get(url)).headers["etag"]}
    first = await house.client.patch(url, json={"title": "first"}, headers=etag)
    assert first.status_code == 200
    second = await house.client.patch(url, json={"title": "second"}, headers=etag)
    assert (second.status_code, second.json()["code"]) == (412, "version_mismatch")
    deleted = await house.client.delete(url, headers=etag)
    assert deleted.status_code == 412
    deleted = await house.client.delete(url, headers={"If-Match": first.headers["etag"]})
    assert deleted.status_code == 204
    assert (await house.client.get(url)).status_code == 404


async def test_simultaneous_patches_do_not_lose_one_another(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    answers = await asyncio.gather(
        *(house.client.patch(url, json={"title": f"t{n}"}) for n in range(8))
    )
    saved = [a for a in answers if a.status_code == 200]
    assert {a.status_code for a in answers} <= {200, 412}
    assert (await house.client.get(url)).json()["version"] == 1 + len(saved)


async def test_names_are_unique_where_the_profile_says_so(house: House) -> None:
    await house.webhook("crm")
    answer = await house.client.post("/api/v1/webhooks", json=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


async def test_a_secret_is_shown_at_its_making_and_once_more_and_then_never(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}/secret"
    answers = await asyncio.gather(*(house.client.get(url) for _ in range(4)))
    shown = [a.json()["secret"] for a in answers if a.status_code == 200]
    assert shown == [made["secret"]]
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    assert (await house.client.get(url)).status_code == 409
    everything = (await house.client.get("/api/v1/webhooks")).text
    assert made["secret"] not in everything


async def test_a_rotated_secret_signs_beside_the_new_one_until_it_expires(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}/secret"
    rotated = await house.client.post(url, json={"overlap": 3600})
    assert rotated.json()["secret"] not in (made["secret"], "whsec_********")
    assert (await _signatures(house)) == 2
    house.clock.ahead_ms += 3_601_000
    assert (await _signatures(house)) == 1
    await house.client.post(url, json={"overlap": 3600})
    assert (await house.client.post(url, json={"overlap": 0})).status_code == 200
    assert (await _signatures(house)) == 1
    for body in ({"overlap": -1}, {"overlap": 604_801}, {"secret": "short"}, {"ovelap": 1}):
        assert (await house.client.post(url, json=body)).status_code == 422, body


async def _signatures(house: House) -> int:
    before = len(house.transport.sent)
    await house.publish()
    await until(lambda: len(house.transport.sent) > before)
    return house.transport.sent[-1].head.count(b"v1,")


async def test_what_is_sealed_is_never_shown_and_reaches_the_transport(house: House) -> None:
    pem, key = certificate()
    made = await house.webhook(
        client_certificate={"certificate": pem, "private_key": key},
        proxy="http://user:hidden@proxy.example:3128",
        headers={"Authorization": "Basic aGlkZGVu"},
    )
    text = (await house.client.get(f"/api/v1/webhooks/{made['id']}")).text
    assert "hidden" not in text
    assert "aGlkZGVu" not in text
    assert "PRIVATE KEY" not in text
    await house.client.patch(f"/api/v1/webhooks/{made['id']}", json={"title": "still sealed"})
    await house.publish()
    await until(lambda: len(house.transport.sent) == 1)
    target = house.transport.sent[0].target
    assert target.proxy == "http://user:hidden@proxy.example:3128"
    assert target.client_certificate is not None
    assert b"PRIVATE KEY" in target.client_certificate
    await house.client.patch(f"/api/v1/webhooks/{made['id']}", json={"proxy": None})
    shown = (await house.client.get(f"/api/v1/webhooks/{made['id']}")).json()
    assert (shown["proxy"], shown["client_certificate"]) == (None, "********")


async def test_a_key_of_another_certificate_is_refused(house: House) -> None:
    pem, _ = certificate()
    _, key = certificate()
    pair = {"certificate": pem, "private_key": key}
    answer = await house.client.post("/api/v1/webhooks", json=GOOD | {"client_certificate": pair})
    assert answer.json()["field"] == "client_certificate.private_key"


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (["pause"], "paused"),
        (["pause", "pause"], "paused"),
        (["pause", "resume"], "active"),
        (["stop"], "stopped"),
        (["stop", "restart"], "active"),
        (["pause", "stop", "restart"], "active"),
        (["stop", "!resume"], "stopped"),
        (["stop", "!pause"], "stopped"),
        (["pause", "!restart"], "paused"),
    ],
)
async def test_states_change_as_they_may(house: House, steps: list[str], state: str) -> None:
    made = await house.webhook()
    for step in steps:
        answer = await house.client.post(f"/api/v1/webhooks/{made['id']}/{step.strip('!')}")
        assert answer.status_code == (409 if step.startswith("!") else 200), (step, answer.text)
    shown = (await house.client.get(f"/api/v1/webhooks/{made['id']}")).json()
    assert shown["state"] == state


async def test_a_ping_tells_what_the_receiver_said_and_stores_nothing(house: House) -> None:
    house.transport.outcome = lambda _: Outcome(status=500, body=b"no \xff", duration=0.01)
    told = (await house.client.post("/api/v1/webhooks/test", json=GOOD)).json()
    assert (told["success"], told["status"], told["response_body"]) == (False, 500, "no \ufffd")
    house.transport.outcome = lambda _: Outcome(error=ErrorKind.TIMEOUT, detail="late")
    made = await house.webhook()
    told = (await house.client.post(f"/api/v1/webhooks/{made['id']}/test")).json()
    assert (told["success"], told["error"]) == (False, "timeout")
    assert b'"type":"hookferry.test"' in house.transport.sent[-1].body
    assert await house.events() == []
    stats = (await house.client.get(f"/api/v1/webhooks/{made['id']}/stats")).json()
    assert stats["total_calls"] == 0


async def test_figures_and_the_last_error_tell_how_a_receiver_has_been(house: House) -> None:
    house.transport.outcome = lambda _: Outcome(status=500)
    made = await house.webhook()
    await house.publish()
    url = f"/api/v1/webhooks/{made['id']}"
    health = house.services.directory.health
    [webhook] = house.services.directory.webhooks(house.services.directory.tenant("default").id)
    await until(lambda: health(webhook.id).total_errors == 1)
    await until(lambda: house.engine.lanes.in_flight == 0)
    await house.engine.committer.flush()
    stats = (await house.client.get(f"{url}/stats?hours=1")).json()
    assert (stats["total_calls"], stats["consecutive_failures"]) == (1, 1)
    assert sum(stats["deliveries"].values()) == 1
    error = (await house.client.get(f"{url}/last_error")).json()
    assert error["at"] is not None
    assert (await house.client.get(f"{url}/stats?hours=0")).json()["field"] == "hours"


async def test_recover_starts_a_job_that_ends(house: House) -> None:
    made = await house.webhook()
    url = f"/api/v1/webhooks/{made['id']}"
    await house.client.post(f"{url}/stop")
    await house.publish()
    await house.client.post(f"{url}/restart")
    since = "2020-01-01T00:00:00Z"
    started = await house.client.post(f"{url}/recover", json={"since": since})
    assert started.status_code == 202, started.text
    await until(lambda: len(house.transport.sent) == 1)
    job = (await house.client.get(f"/api/v1/jobs/{started.json()['id']}")).json()
    assert job["state"] in ("running", "done")
    for body in ({}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}):
        refused = await house.client.post(f"{url}/recover", json=body)
        assert (refused.status_code, refused.json()["field"]) == (422, "since"), body
