"""Scripts tried on examples: requests, events, what was caught; actions are not carried out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api.kit import House
from automate.stage import ALL, TENANT, Stage
from automate.staged_house import StagedHouse
from hookferry.automate.simulator import Simulated, Simulation
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.errors import InvalidField, NotFound, ScriptRefused, UnknownField

SHOWS = """\
start:
  return:
    body@key: {}
"""
ASKS = """\
start:
  http.request:
    inputs:
      url: https://a.example/
    output: got
    on_simulate:
      simulate.success:
        body: mocked
  storage.set:
    inputs:
      key: k
      value: v
  return:
    body: {{got.body}}
"""


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def tried(stage: Stage, script: str, policy: str = ALL, **wanted: Any) -> Simulated:
    automation = await stage.saves(script, policy=policy)
    return await stage.simulator.simulate(TENANT, automation, Simulation(**wanted))


async def shown(stage: Stage, path: str, **wanted: Any) -> Any:
    simulated = await tried(stage, SHOWS.format(path), **wanted)
    assert simulated.error is None
    return simulated.output["__return"]["body"]


async def test_the_output_is_the_exit_what_was_returned_and_the_dictionary(stage: Stage) -> None:
    simulated = await tried(stage, "start:\n  set:\n    n@int: 5\n  return:\n    body: {{n}}\n")
    assert list(simulated.output)[:2] == ["__exit", "__return"]
    assert simulated.output["__exit"] == simulated.exit == "return"
    assert simulated.output["__return"] == {"body": "5"}
    assert simulated.output["n"] == 5
    assert simulated.answer is not None
    assert simulated.answer.body == b"5"
    assert [step.command for step in simulated.steps] == ["set", "return"]
    assert simulated.steps_used > 0


async def test_a_request_is_written_as_json(stage: Stage) -> None:
    request = {
        "method": "put",
        "path": "/a/b/",
        "query": {"A-B": ["1", "2"], "c[]": ["3", "4"]},
        "headers": {"X-A": ["1", "2"], "Cookie": "secret"},
        "body": "é",
        "client_ip": "192.0.2.1",
    }
    for path, value in {
        "request_method": "PUT",
        "request_path": "a/b",
        "request_params": {"a_b": "2", "c": ["3", "4"]},
        "request_headers": {"x_a": "1, 2"},
        "request_body": "é",
        "request_client_ip": "192.0.2.1",
    }.items():
        assert await shown(stage, path, request=request) == value
    assert await shown(stage, "request_params", request={"query": "?a=b"}) == {"a": "b"}
    assert await shown(stage, "request_method") == "POST"


async def test_a_body_of_any_bytes_is_base64(stage: Stage) -> None:
    body = bytes(range(256))
    request = {"body_base64": base64.b64encode(body).decode()}
    simulated = await tried(stage, SHOWS.format("request_body"), request=request)
    assert simulated.answer is not None
    assert simulated.answer.body == body


async def test_fields_of_a_form_are_parameters(stage: Stage) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = {"headers": headers, "body": "text=hi"}
    assert await shown(stage, "request_params:text", request=request) == "hi"


async def test_an_event_is_written_as_json(stage: Stage) -> None:
    event = {
        "type": "order.created",
        "data": {"total": 5},
        "entity": "order",
        "primary_key": 7,
        "changes": ["total"],
    }
    assert await shown(stage, "Changes", event=event) == {"total": 5}
    assert await shown(stage, "PrimaryKey", event=event) == 7
    assert await shown(stage, "event:type", event=event) == "order.created"


async def test_inputs_and_placeholders_are_given_too(stage: Stage) -> None:
    assert await shown(stage, "inputs:n", inputs={"n": 5}) == 5
    assert await shown(stage, "request_body", placeholders={"request_body": "mine"}) == "mine"


async def test_actions_are_mocked_or_left_out(stage: Stage) -> None:
    simulated = await tried(stage, ASKS)
    assert simulated.output["__return"] == {"body": "mocked"}
    assert [line.message for line in simulated.log] == [
        "simulated: storage.set was not carried out"
    ]
    assert stage.line.sent == []
    assert stage.store.disk.values == {}


async def test_the_policy_is_asked_as_in_a_run(stage: Stage) -> None:
    simulated = await tried(stage, ASKS, policy="commands:\n")
    assert "policy does not allow http.request" in (simulated.error or "")
    assert simulated.answer is None
    allowed = await tried(stage, ASKS, policy="commands:\n", policy_kata=ALL)
    assert allowed.error is None


async def test_a_script_that_is_not_saved_is_tried_and_saves_nothing(stage: Stage) -> None:
    saved = await stage.saves(SHOWS.format("request_path"))
    wanted = Simulation(script=SHOWS.format("request_method"))
    simulated = await stage.simulator.simulate(TENANT, saved, wanted)
    assert simulated.output["__return"] == {"body": "POST"}
    assert stage.office.saved(Automation) == [saved]
    with pytest.raises(ScriptRefused):
        await stage.simulator.simulate(TENANT, saved, Simulation(policy_kata="commands:\n  x:\n"))


async def test_a_function_can_be_tried_by_itself(stage: Stage) -> None:
    saved = await stage.saves(SHOWS.format("inputs:n"), extension_id=ON_CALL)
    simulated = await stage.simulator.simulate(TENANT, saved, Simulation(inputs={"n": 5}))
    assert simulated.output["__return"] == {"body": 5}


async def test_a_script_that_is_none_any_more_is_an_error(stage: Stage) -> None:
    simulated = await tried(stage, "start:\n  sett:\n")
    assert simulated.output["__exit"] == "error"
    assert "sett" in simulated.output["__return"]["error"]


async def test_a_return_that_is_no_answer_is_an_error(stage: Stage) -> None:
    simulated = await tried(stage, "start:\n  return:\n    status_code: 99\n")
    assert (simulated.exit, simulated.output["__exit"]) == ("error", "error")
    assert simulated.output["__return"] == {"error": simulated.error}


async def test_output_is_bounded(stage: Stage) -> None:
    simulated = await tried(
        stage, SHOWS.format("big"), placeholders={"big": "x" * 3_000_000, "other": 1}
    )
    assert 900_000 < len(repr(simulated.output)) < 1_200_000


async def test_a_plugins_function_is_not_tried(stage: Stage) -> None:
    saved = await stage.saves("", python="example.function")
    with pytest.raises(InvalidField) as refused:
        await stage.simulator.simulate(TENANT, saved, Simulation())
    assert refused.value.field == "python"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"request": {}, "event": {}}, "event"),
        ({"request": {}, "request_id": "req_0000000000000"}, "request_id"),
        ({"request": {"methd": "GET"}}, "methd"),
        ({"request": {"body": {"a": 1}}}, "body"),
        ({"request": {"body_base64": "?"}}, "request.body_base64"),
        ({"request": {"body": "x" * 5_300_000}}, "request.body"),
        ({"event": {"type": 5}}, "type"),
        ({"placeholders": {"a b": 1}}, "placeholders"),
        ({"request_id": "evt_0000000000000"}, "id"),
    ],
)
async def test_an_example_that_is_none_is_refused_by_name(
    stage: Stage, wanted: dict[str, Any], field: str
) -> None:
    with pytest.raises((InvalidField, UnknownField)) as refused:
        await tried(stage, SHOWS.format("a"), **wanted)
    assert refused.value.field == field


async def test_a_request_that_nobody_made_is_not_found(stage: Stage) -> None:
    with pytest.raises(NotFound):
        await tried(stage, SHOWS.format("a"), request_id="req_0000000000000")


async def test_a_caught_request_is_an_example_and_its_tenants_alone(house: House) -> None:
    staged = StagedHouse(house)
    source, path = await staged.source()
    await staged.sends(path + "/a/b?c=d", b"\xff", {"X-A": "1"})
    page = (await house.client.get("/api/v1/requests", params={"source": source})).json()
    request_id = page["items"][0]["id"]
    automation = await staged.automation(SHOWS.format("request_path"))
    simulator = house.services.simulator
    wanted = Simulation(request_id=request_id)
    simulated = await simulator.simulate(staged.tenant, automation, wanted)
    assert simulated.output["__return"] == {"body": "a/b"}
    assert simulated.output["request_params"] == {"c": "d"}
    assert simulated.output["request_headers"]["x_a"] == "1"
    await house.key_for("other")
    other = house.services.directory.tenant("other")
    with pytest.raises(NotFound):
        await simulator.simulate(other, automation, wanted)
