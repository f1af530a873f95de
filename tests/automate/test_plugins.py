"""Automations in Python: functions of installed packages, held to what scripts are held to."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
import structlog

from automate.stage import TENANT, Stage, saying
from hookferry.automate import plugins
from hookferry.automate.actions.events import MAX_EVENTS
from hookferry.automate.automations import ON_REQUEST
from hookferry.automate.plugins import PluginRun
from hookferry.automate.running import Chosen, Ended, RunLimits
from hookferry.domain.automation import PluginState
from hookferry.domain.run import RunExit
from hookferry.engine.intake import Receipt
from hookferry.errors import InvalidField, ScriptError

URL = {"url": "https://a.example/"}


async def answers(run: PluginRun) -> Any:
    run.log("debug", f"hello {run.inputs['who']}")
    return {"status_code": 201, "body": run.placeholders["request_body"]}


def blocks(run: PluginRun) -> Any:
    assert threading.current_thread() is not threading.main_thread()
    got = run.call_from_thread("http.request", URL)
    return {"body": got["body"]}


async def asks(run: PluginRun) -> Any:
    return {"body": (await run.call("http.request", URL))["body"]}


async def asks_at_once(run: PluginRun) -> Any:
    await asyncio.gather(*(run.call("http.request", URL) for _ in range(5)))


async def asks_wrongly(run: PluginRun) -> Any:
    await run.call("http.request", {**URL, "method": "post"})


async def publishes(run: PluginRun) -> Any:
    for _ in range(MAX_EVENTS + 1):
        await run.call("event.publish", {"type": "a"})


async def says_nothing(run: PluginRun) -> Any:
    return None


async def returns_text(run: PluginRun) -> Any:
    return "hello"


async def answers_badly(run: PluginRun) -> Any:
    return {"status_code": 99}


async def raises(run: PluginRun) -> Any:
    raise LookupError("gone")


async def has_had_enough(run: PluginRun) -> Any:
    raise SystemExit(3)


def has_had_enough_in_a_thread(run: PluginRun) -> Any:
    raise SystemExit(3)


def stops(run: PluginRun) -> Any:
    raise StopIteration


async def times_out_itself(run: PluginRun) -> Any:
    raise TimeoutError("the shop is slow")


async def never_ends(run: PluginRun) -> Any:
    await asyncio.get_running_loop().create_future()


async def waits_in_the_wrong_way(run: PluginRun) -> Any:
    run.call_from_thread("http.request", URL)


async def misspells(run: PluginRun) -> Any:
    await run.call("http.requst", {})


async def gives_too_much(run: PluginRun) -> Any:
    await run.call("http.request", {**URL, "colour": "red"})


async def gives_too_little(run: PluginRun) -> Any:
    await run.call("http.request", {})


async def logs_oddly(run: PluginRun) -> Any:
    run.log("loud", "x")


not_a_function = 5


def _takes_a_run(found: object) -> bool:
    return inspect.isfunction(found) and list(inspect.signature(found).parameters) == ["run"]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Offer what is above as though a package were installed."""
    names = [name for name, found in globals().items() if _takes_a_run(found)] + ["not_a_function"]
    entries = [EntryPoint(name, f"{__name__}:{name}", plugins.GROUP) for name in names]
    entries += [EntryPoint("missing", "hookferry_no_such_package:f", plugins.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints(entries))
    plugins._entry_points.cache_clear()
    plugins._load.cache_clear()
    with structlog.testing.capture_logs():
        yield
    plugins._entry_points.cache_clear()
    plugins._load.cache_clear()


@pytest.fixture
async def stage() -> Stage:
    stage = Stage()
    stage.line.answers = lambda _: saying(200, body=b"from there")
    return stage


async def runs(stage: Stage, function: Callable[..., Any] | str, **fields: Any) -> Ended:
    name = function if isinstance(function, str) else function.__name__
    await stage.saves("", python=name, extension_id=ON_REQUEST, **fields)
    chosen = Chosen("example.tried", {"who": "Joe"})
    ended = await stage.running.run(TENANT, lambda *_: chosen, {"request_body": "sent"})
    assert ended is not None
    return ended


def body(ended: Ended) -> bytes:
    assert ended.answer is not None, ended.record.error
    return ended.answer.body


async def test_a_function_gets_inputs_and_placeholders_and_answers(stage: Stage) -> None:
    ended = await runs(stage, answers)
    assert ended.answer is not None
    assert (ended.answer.status, ended.answer.body) == (201, b"sent")
    record = ended.record
    assert (record.exit, record.automation, record.error) == (RunExit.RETURN, "example.tried", None)
    assert record.returned == {"status_code": 201, "body": "sent"}
    assert [(line.level, line.message) for line in record.log] == [("debug", "hello Joe")]


@pytest.mark.parametrize("function", [asks, blocks])
async def test_a_function_carries_out_the_commands_of_scripts(
    stage: Stage, function: Callable[..., Any]
) -> None:
    assert body(await runs(stage, function)) == b"from there"


async def test_commands_may_be_carried_out_at_once(stage: Stage) -> None:
    assert (await runs(stage, asks_at_once)).record.error is None
    assert len(stage.line.sent) == 5


async def test_its_policy_decides_on_what_is_done_and_denies_by_default(stage: Stage) -> None:
    ended = await runs(stage, asks, policy="commands:\n")
    assert "policy does not allow http.request" in (ended.record.error or "")
    policy = "commands:\n  http.request:\n    allow@bool: {{inputs.method != 'POST'}}\n"
    ended = await runs(stage, asks_wrongly, policy=policy)
    assert "policy does not allow http.request" in (ended.record.error or "")
    assert stage.line.sent == []
    assert (await runs(stage, asks, policy=policy)).record.error is None


async def test_bounds_of_a_run_count_over_all_of_its_commands(stage: Stage) -> None:
    class Intake:
        count = 0

        async def publish_one(self, *_: Any, **__: Any) -> Any:
            Intake.count += 1
            return Receipt(1, 0)

    stage.actions["event.publish"].__self__._intake = Intake()  # type: ignore[attr-defined]
    ended = await runs(stage, publishes)
    assert f"at most {MAX_EVENTS} events" in (ended.record.error or "")
    assert Intake.count == MAX_EVENTS


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (raises, "it raised LookupError: gone"),
        (has_had_enough, "it raised SystemExit: 3"),
        (has_had_enough_in_a_thread, "SystemExit(3)"),
        (stops, "StopIteration()"),
        (times_out_itself, "it raised TimeoutError: the shop is slow"),
        (returns_text, "it returned a text"),
        (answers_badly, "status_code"),
        (waits_in_the_wrong_way, "await run.call"),
        (misspells, "there is no command 'http.requst'"),
        (gives_too_much, "http.request has no input 'colour'"),
        (gives_too_little, "url: is empty"),
        (logs_oddly, "debug, warn, error, alert"),
        ("missing", "can't be loaded (ModuleNotFoundError"),
        ("not_a_function", "is no function"),
        ("nobody", "no installed package offers"),
    ],
)
async def test_whatever_a_function_does_wrong_is_its_runs_error(
    stage: Stage, function: Callable[..., Any] | str, says: str
) -> None:
    ended = await runs(stage, function)
    assert ended.answer is None
    assert ended.record.exit is RunExit.ERROR
    assert says in (ended.record.error or ""), ended.record.error
    assert ended.record.log[-1].message == ended.record.error


async def test_nothing_returned_is_an_empty_answer(stage: Stage) -> None:
    ended = await runs(stage, says_nothing)
    assert (body(ended), ended.record.exit) == (b"", RunExit.EXIT)


async def test_a_function_ends_when_its_time_is_over() -> None:
    stage = Stage(limits=RunLimits(seconds=5))
    ended = await runs(stage, never_ends, policy="settings:\n  time_limit_ms: 20\n")
    assert ended.record.error == "the function takes longer than 0.02 s"


async def test_a_thread_that_goes_on_can_do_nothing_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, refused = threading.Event(), threading.Event()

    def goes_on(run: PluginRun) -> None:
        may_go_on.wait(10)
        try:
            run.call_from_thread("http.request", URL)
        except ScriptError:
            refused.set()

    monkeypatch.setattr(plugins, "load", lambda name: goes_on)
    ended = await runs(stage, "goes_on", policy="settings:\n  time_limit_ms: 20\n")
    assert "longer than 0.02 s" in (ended.record.error or "")
    [thread] = [one for one in threading.enumerate() if one.name == "hookferry-plugin"]
    assert thread.daemon
    may_go_on.set()
    assert await asyncio.to_thread(refused.wait, 10)
    await asyncio.to_thread(thread.join, 10)
    assert stage.line.sent == []


async def test_what_a_function_leaves_behind_can_do_nothing_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, left = asyncio.Event(), []

    async def goes_on(run: PluginRun) -> None:
        await ended.wait()
        await run.call("http.request", URL)

    async def returns(run: PluginRun) -> None:
        left.append(asyncio.create_task(goes_on(run)))

    monkeypatch.setattr(plugins, "load", lambda name: returns)
    assert (await runs(stage, "returns")).record.error is None
    ended.set()
    with pytest.raises(ScriptError, match="the run is over"):
        await left[0]
    assert stage.line.sent == []


async def test_threads_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_threads", threading.BoundedSemaphore(1))
    assert plugins._threads.acquire(blocking=False)
    assert "run already" in str((await runs(stage, blocks)).record.error)
    plugins._threads.release()
    for _ in range(2):
        assert (await runs(stage, blocks)).record.error is None


async def test_a_plugin_that_is_switched_off_does_not_run(stage: Stage) -> None:
    state = PluginState(id=stage.office.ids.next(), name="answers", enabled=False)
    await stage.store.save(state)
    await stage.office.directory.refresh()
    assert "is switched off" in str((await runs(stage, answers)).record.error)


async def test_a_script_can_not_call_a_plugins_function(stage: Stage) -> None:
    await stage.saves("", "example.called", python="answers")
    ended = await stage.plays("start:\n  function:\n    uri: cerb:automation:example.called\n")
    assert "plugin's function" in (ended.record.error or "")


def test_names_are_those_of_entry_points_and_others_are_refused_with_them() -> None:
    assert {"answers", "missing"} <= set(plugins.names())
    with pytest.raises(InvalidField, match="offered: answers"):
        plugins.load("nobody")
