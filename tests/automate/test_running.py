"""Runs of automations: within their policy, time and memory, and what is kept of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from automate.stage import TENANT, Stage, caught, published
from hookferry.automate.actions.context import Context
from hookferry.automate.running import MAX_COMPILED, Chosen, RunLimits
from hookferry.domain.automation import ON_CALL
from hookferry.domain.run import MESSAGE_CHARACTERS, RunExit
from hookferry.engine.masking import MASK
from hookferry.errors import ScriptError

ASKS = """\
start:
  http.request:
    inputs:
      url: https://a.example/
    output: got
    on_error:
      return:
        body: caught
  return:
    body: {{got.status_code}}
"""
SPINS = "start:\n  while:\n    if@bool: yes\n    do:\n      set:\n        a: 1\n"
CALLS = """\
start:
  function:
    uri: cerb:automation:example.called
    inputs:
      n@int: 20
    output: out
  return:
    body: {{out.twice}}
"""
CALLED = "start:\n  return:\n    twice@int: {{inputs.n * 2}}\n"


@pytest.fixture
async def stage() -> Stage:
    return Stage()


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with structlog.testing.capture_logs() as logs:
        yield logs


def body(ended: Any) -> str:
    assert ended.answer is not None, ended.record.error
    said: str = ended.answer.body.decode()
    return said


# --------------------------------------------------------------------------- how runs end


@pytest.mark.parametrize(
    ("script", "exit", "status"),
    [
        ("start:\n  return:\n    status_code: 201\n", RunExit.RETURN, 201),
        ("start:\n  log: hello\n", RunExit.EXIT, 200),
        ("start:\n  error: no\n", RunExit.ERROR, None),
        ("start:\n  return:\n    status_code: 99\n", RunExit.ERROR, None),
    ],
)
async def test_a_run_ends_by_itself_returns_or_fails(
    stage: Stage, script: str, exit: RunExit, status: int | None
) -> None:
    ended = await stage.plays(script)
    assert ended.record.exit is exit
    assert (ended.answer and ended.answer.status) == status
    assert (ended.record.error is None) == (status is not None)


async def test_what_nobody_chose_does_not_run(stage: Stage) -> None:
    assert await stage.running.run(TENANT, lambda *_: None, {}) is None


async def test_a_name_that_leads_nowhere_is_a_failed_run(stage: Stage) -> None:
    ended = await stage.runs("example.gone")
    assert ended.record.error == "there is no automation 'example.gone'"
    assert (ended.record.automation, ended.record.automation_id) == ("example.gone", None)
    assert [(line.level, line.message) for line in ended.record.log] == [
        ("error", ended.record.error)
    ]


async def test_a_choice_that_fails_is_a_failed_run(stage: Stage) -> None:
    def choose(*_: Any) -> Chosen:
        raise ScriptError("automation/a:inputs came to a text")

    ended = await stage.running.run(TENANT, choose, {})
    assert ended is not None
    assert ended.record.error == "automation/a:inputs came to a text"


async def test_a_function_runs_for_its_callers_alone(stage: Stage) -> None:
    await stage.saves(CALLED, "example.called", extension_id=ON_CALL)
    ended = await stage.runs("example.called", inputs={"n": 1})
    assert "is a function" in (ended.record.error or "")
    assert body(await stage.plays(CALLS)) == "40"


async def test_a_script_that_no_longer_reads_is_a_failed_run_and_its_callers_can_tell(
    stage: Stage,
) -> None:
    await stage.saves("start:\n  sett:\n", "example.called")
    ended = await stage.runs("example.called")
    assert "sett" in (ended.record.error or "")
    on_error = "    on_error:\n      return:\n        body: {{out.error}}\n"
    ended = await stage.plays(CALLS.replace("    output: out\n", f"    output: out\n{on_error}"))
    assert body(ended).startswith("example.called: ")


async def test_a_bug_in_an_action_is_its_runs_alone(stage: Stage, quiet: list[Any]) -> None:
    def breaks(context: Context, inputs: Mapping[str, Any]) -> Any:
        raise ZeroDivisionError("a secret")

    stage.actions["http.request"] = breaks
    ended = await stage.plays(ASKS)
    assert ended.record.error == "http.request broke unexpectedly"
    assert isinstance(next(e["exc_info"] for e in quiet if "exc_info" in e), ZeroDivisionError)
    assert "secret" not in repr(ended.record)


async def test_a_bug_anywhere_else_is_its_runs_alone(stage: Stage) -> None:
    def choose(*_: Any) -> Chosen:
        raise ZeroDivisionError("a secret")

    ended = await stage.running.run(TENANT, choose, {})
    assert ended is not None
    assert ended.record.error == "it broke unexpectedly: ZeroDivisionError"


# --------------------------------------------------------------------------- policies


@pytest.mark.parametrize(
    "policy", ["", "commands:\r\n  ", "commands:\n  storage.get:\n    allow: yes\n"]
)
async def test_what_no_rule_allows_is_denied_and_nothing_catches_it(
    stage: Stage, policy: str
) -> None:
    ended = await stage.plays(ASKS, policy=policy)
    assert "policy does not allow http.request" in (ended.record.error or "")
    assert stage.line.sent == []


async def test_a_function_has_a_policy_of_its_own(stage: Stage) -> None:
    await stage.saves(ASKS, "example.called", policy="commands:\n")
    ended = await stage.plays(CALLS)
    assert "policy does not allow http.request" in (ended.record.error or "")
    await stage.saves(ASKS, "example.called")
    ended = await stage.plays(CALLS, policy="commands:\n  function:\n    allow: yes\n")
    assert ended.record.error is None


async def test_the_policy_says_how_long_a_run_may_take() -> None:
    stage = Stage(limits=RunLimits(seconds=30, max_seconds=60, steps=10**9))
    limit = "settings:\n  time_limit_ms: 20\n"
    assert "longer than 0.02 s" in str((await stage.plays(SPINS, policy=limit)).record.error)


async def test_the_settings_bound_what_the_policy_says() -> None:
    stage = Stage(limits=RunLimits(seconds=0.02, max_seconds=0.03, steps=10**9))
    assert "longer than 0.02 s" in str((await stage.plays(SPINS)).record.error)
    limit = "settings:\n  time_limit_ms: 1000\n"
    assert "longer than 0.03 s" in str((await stage.plays(SPINS, policy=limit)).record.error)


async def test_a_function_shares_the_time_and_steps_of_its_caller(stage: Stage) -> None:
    await stage.saves(SPINS, "example.called")
    ended = await stage.plays(CALLS)
    assert ended.record.error == "the script takes more than 100,000 steps"


# --------------------------------------------------------------------------- versions


async def test_a_script_that_was_changed_runs_as_it_is_now(stage: Stage) -> None:
    for word in ("one", "two"):
        assert body(await stage.plays(f"start:\n  return:\n    body: {word}\n")) == word
        assert body(await stage.runs()) == word
    assert len(stage.running._compiled) == 1


async def test_compiled_scripts_are_bounded_and_let_go(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookferry.automate.running.MAX_COMPILED", 3)
    assert MAX_COMPILED == 1_000
    for number in range(5):
        await stage.saves("start:\n  log: x\n", f"example.n{number}")
        await stage.runs(f"example.n{number}")
    assert len(stage.running._compiled) == 3
    last = await stage.saves("start:\n  log: y\n", "example.n4")
    assert last.id not in stage.running._compiled


# --------------------------------------------------------------------------- memory


async def test_memory_is_given_back_however_a_run_ends(stage: Stage) -> None:
    for script in (SPINS, "start:\n  error: no\n", "start:\n  log: x\n", ASKS):
        await stage.plays(script, scope={"big": "x" * 1_000_000})
        assert stage.running._pool.held == 0


async def test_runs_share_a_memory() -> None:
    stage = Stage(limits=RunLimits(shared_memory=3_000_000))
    await stage.saves(SPINS)
    scope = {"big": "x" * 1_000_000}
    runs = [asyncio.create_task(stage.runs(scope=scope)) for _ in range(8)]
    errors = [(await run).record.error or "" for run in runs]
    assert any("all scripts together" in error for error in errors)
    assert stage.running._pool.held == 0
    assert "100,000 steps" in str((await stage.runs(scope=scope)).record.error)


# --------------------------------------------------------------------------- records


async def test_a_record_says_all_of_a_run(stage: Stage) -> None:
    saved = await stage.saves(
        "start:\n  log.warn/a: careful\n  set:\n    n@int: 5\n  return:\n    body: x\n"
    )
    event = caught(b"hello")
    before = stage.clock.wall_ms()
    record = (await stage.runs(event=event, scope={"given": 1})).record
    assert (record.tenant_id, record.automation, record.automation_id) == (
        1,
        "example.tried",
        saved.id,
    )
    assert (record.event_id, record.source_id, record.delivery_id) == (event.id, 4, None)
    assert before <= record.started_at_ms <= stage.clock.wall_ms()
    assert record.duration_ms > 0
    assert record.steps_used > 0
    [line] = record.log
    assert (line.level, line.node, line.message) == ("warn", "start:log.warn/a", "careful")
    assert [step.command for step in record.steps] == ["log.warn", "set", "return"]
    assert record.dictionary == {"given": 1, "inputs": {}, "n": 5}
    assert record.returned == {"body": "x"}
    assert (record.log_dropped, record.steps_dropped) == (0, 0)


async def test_a_record_shows_no_credentials_of_the_caller(stage: Stage) -> None:
    await stage.saves("start:\n  return:\n    body: {{request_headers.authorization}}\n")
    headers = {"authorization": "Bearer 12345", "x_api_key": "12345", "accept": "*/*"}
    ended = await stage.runs(event=caught(), scope={"request_headers": headers})
    assert body(ended) == "Bearer 12345"  # the script itself sees them
    assert ended.record.dictionary["request_headers"] == {
        "authorization": MASK,
        "x_api_key": MASK,
        "accept": "*/*",
    }


async def test_an_event_without_a_request_is_of_no_source(stage: Stage) -> None:
    await stage.saves("start:\n  log: x\n")
    record = (await stage.runs(event=published({}))).record
    assert (record.event_id, record.source_id) == (7, None)


async def test_an_answer_that_is_none_is_logged_as_the_error(stage: Stage) -> None:
    record = (await stage.plays("start:\n  return:\n    status_code: 99\n")).record
    assert record.exit is RunExit.ERROR
    assert (record.log[-1].level, record.log[-1].message) == ("error", record.error)


async def test_records_are_bounded(stage: Stage) -> None:
    script = (
        "start:\n  while:\n    if@bool: yes\n    do:\n      log: {{'x' ~ big}}\n"
        "      set:\n        b@key: big\n"
    )
    record = (await stage.plays(script, scope={"big": "y" * 500_000})).record
    assert record.log_dropped > 0
    assert all(len(line.message) <= MESSAGE_CHARACTERS + 5 for line in record.log)
    assert len(repr(record)) < 400_000
    ended = await stage.plays("start:\n  error: {{big}}\n", scope={"big": "y" * 500_000})
    assert len(ended.record.error or "") <= MESSAGE_CHARACTERS
