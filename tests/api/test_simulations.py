"""``POST automations/{id}/simulate`` over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .kit import House

SCRIPT = """\
start:
  log.warn/careful: {{request_params.name}}
  http.request:
    inputs:
      url: https://a.example/
    on_simulate:
      simulate.success:
        body: mocked
    output: got
  return:
    status_code: 201
    headers:
      X-A: 1
    body: {{got.body}}
"""
ALL = "commands:\n  all:\n    allow: yes\n"


@pytest.fixture
async def automation(house: House) -> str:
    document = {
        "name": "example.answers",
        "extension_id": "cerb.trigger.webhook.respond",
        "script": SCRIPT,
        "policy_kata": ALL,
    }
    made = await house.client.post("/api/v1/automations", json=document)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def simulated(house: House, automation: str, **body: Any) -> httpx.Response:
    return await house.client.post(f"/api/v1/automations/{automation}/simulate", json=body)


async def test_what_came_of_it_is_told_whole(house: House, automation: str) -> None:
    answer = await simulated(house, automation, request={"query": "name=Joe"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["exit"], told["error"]) == ("return", None)
    assert list(told["output"])[:2] == ["__exit", "__return"]
    assert told["output"]["got"] == {"body": "mocked"}
    assert told["answer"] == {
        "status": 201,
        "headers": {"X-A": "1"},
        "body": "mocked",
        "body_base64": None,
    }
    [line] = told["log"]
    assert (line["level"], line["node"], line["message"]) == (
        "warn",
        "start:log.warn/careful",
        "Joe",
    )
    assert [step["command"] for step in told["steps"]][-1] == "return"
    assert told["steps_used"] > 0
    assert house.transport.sent == []
    assert (await house.client.get("/api/v1/runs")).json()["items"] == []


async def test_nothing_need_be_said(house: House, automation: str) -> None:
    answer = await house.client.post(f"/api/v1/automations/{automation}/simulate")
    assert (answer.status_code, answer.json()["exit"]) == (200, "return")


async def test_a_body_that_is_no_text_is_base64(house: House, automation: str) -> None:
    script = "start:\n  return:\n    body@base64: /w==\n"
    told = (await simulated(house, automation, script=script)).json()
    assert (told["answer"]["body"], told["answer"]["body_base64"]) == (None, "/w==")
    assert told["output"]["__return"] == {"body": "?"}


async def test_a_script_that_fails_has_no_answer(house: House, automation: str) -> None:
    told = (await simulated(house, automation, script="start:\n  error: no\n")).json()
    assert (told["exit"], told["error"], told["answer"]) == ("error", "no", None)


async def test_a_draft_that_does_not_parse_is_refused_with_its_places(
    house: House, automation: str
) -> None:
    answer = await simulated(house, automation, script="start:\n  sett:\n    a: 1\n")
    assert (answer.status_code, answer.json()["code"]) == (422, "script_refused")
    [problem] = answer.json()["problems"]
    assert (problem["line"], problem["column"]) == (2, 3)


@pytest.mark.parametrize(
    "body",
    [
        {"request": {}, "event": {}},
        {"requests": {}},
        {"request": {"headers": 5}},
        {"placeholders": {"a b": 1}},
        {"request_id": "req_0"},
    ],
)
async def test_an_example_that_is_none_is_refused(
    house: House, automation: str, body: dict[str, Any]
) -> None:
    assert (await simulated(house, automation, **body)).status_code == 422


async def test_what_is_not_there_or_anothers_is_not_found(house: House, automation: str) -> None:
    assert (await simulated(house, "auto_0000000000000")).status_code == 404
    missing = await simulated(house, automation, request_id="req_0000000000000")
    assert missing.status_code == 404
    stranger = await house.key_for("stranger")
    url = f"/api/v1/automations/{automation}/simulate"
    assert (await house.client.post(url, json={}, headers=stranger)).status_code == 404
