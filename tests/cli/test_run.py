"""``hookferry run``: a script is tried without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Done, Run

HELLO = """\
start:
  log: From {{request_client_ip}}
  return:
    status_code: 201
    body: Hello {{request_params.name}}{{inputs.name}}!
"""
ASKS = """\
start:
  http.request:
    inputs:
      url: https://a.example/
    on_simulate:
      simulate.success:
        body: mocked
    output: got
  return:
    body: {{got.body}}
"""
CALLS = """\
start:
  function:
    uri: cerb:automation:example.twice
    inputs:
      n@int: 20
    output: out
  return:
    body@key: out:twice
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "respond.kata"
    path.write_text(HELLO)
    return path


def output(done: Done) -> dict[str, object]:
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)
    return found


def test_the_result_is_json_and_the_log_is_beside_it(run: Run, script: Path) -> None:
    done = run("run", "respond.kata", "--input", '{"request": {"query": "name=Joe"}}')
    found = output(done)
    assert list(found)[:2] == ["__exit", "__return"]
    assert found["__return"] == {"status_code": "201", "body": "Hello Joe!"}
    assert "debug" in done.err
    assert "start:log  From 203.0.113.7" in done.err


def test_a_request_alone_or_inputs_may_be_given_also_from_a_file(run: Run, script: Path) -> None:
    found = output(run("run", "respond.kata", "--input", '{"query": {"name": "Joe"}}'))
    assert found["__return"] == {"status_code": "201", "body": "Hello Joe!"}
    (script.parent / "in.json").write_text('{"inputs": {"name": "Ann"}}')
    found = output(run("run", "respond.kata", "--input", "@in.json"))
    assert found["__return"] == {"status_code": "201", "body": "Hello Ann!"}
    done = run("run", "respond.kata", "--input", "-", stdin=b'{"request": {"query": "name=Li"}}')
    assert output(done)["__return"] == {"status_code": "201", "body": "Hello Li!"}


def test_actions_are_simulated_and_steps_are_shown(run: Run, script: Path) -> None:
    script.write_text(ASKS)
    done = run("run", "respond.kata", "--steps")
    assert output(done)["__return"] == {"body": "mocked"}
    assert "start:http.request" in done.err
    assert "start:return" in done.err


def test_functions_are_looked_for_beside_the_script(run: Run, script: Path) -> None:
    script.write_text(CALLS)
    missing = run("run", "respond.kata")
    assert missing.code == 1
    assert "there is no automation 'example.twice'" in missing.err
    beside = script.parent / "example.twice.kata"
    beside.write_text("start:\n  return:\n    twice@int: {{inputs.n * 2}}\n")
    assert output(run("run", "respond.kata"))["__return"] == {"body": 40}


def test_a_policy_can_be_tried_with_it(run: Run, script: Path) -> None:
    script.write_text(ASKS)
    (script.parent / "policy.kata").write_text("commands:\n")
    done = run("run", "respond.kata", "--policy", "policy.kata")
    assert done.code == 1
    assert "policy does not allow http.request" in done.err
    assert json.loads(done.out)["__exit"] == "error"


def test_a_script_that_fails_ends_with_1_and_one_that_returns_errors_does_not(
    run: Run, script: Path
) -> None:
    script.write_text("start:\n  error: it is too late\n")
    done = run("run", "respond.kata")
    assert done.code == 1
    assert done.err.splitlines()[-1] == ("hookferry: the script ended in an error: it is too late")
    assert json.loads(done.out)["__return"] == {"error": "it is too late"}
    script.write_text("start:\n  return:\n    status_code: 500\n")
    assert run("run", "respond.kata").code == 0


def test_problems_are_named_with_line_and_column_a_line_each(run: Run, script: Path) -> None:
    script.write_text("start:\n  sett:\n    a: 1\n  log: {{ 1 + }}\n")
    done = run("run", "respond.kata")
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert lines[0].startswith("respond.kata:2:3: there is no command sett")
    assert lines[1].startswith("respond.kata:4:")
    assert lines[2:] == ["hookferry: respond.kata does not parse"]
    script.write_text(HELLO)
    (script.parent / "policy.kata").write_text("commands:\n  http.requst:\n    allow: yes\n")
    done = run("run", "respond.kata", "--policy", "policy.kata")
    assert done.code == 2
    assert done.err.startswith("policy.kata:2:3: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.kata",), "missing.kata"),
        (("respond.kata", "--input", "{"), "--input is no JSON object"),
        (("respond.kata", "--input", "[1]"), "--input is no JSON object"),
        (("respond.kata", "--input", '{"methd": "GET"}'), "methd"),
        (("respond.kata", "--input", '{"request": {}, "event": {}}'), "not request and event"),
        (("respond.kata", "--input", '{"event": 5}'), "event"),
        (("respond.kata", "--policy", "missing.kata"), "missing.kata"),
        (("binary.kata",), "is not UTF-8"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    run: Run, script: Path, arguments: tuple[str, ...], says: str
) -> None:
    (script.parent / "binary.kata").write_bytes(b"start:\n  log: \xff\n")
    done = run("run", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_what_a_script_says_does_not_steer_the_terminal(run: Run, script: Path) -> None:
    script.write_text('start:\n  log: {{"\\x1b[31m"}}{{request_body}}\n  error@key: request_body\n')
    done = run("run", "respond.kata", "--input", '{"request": {"body": "\\u001b[2J[bold]x"}}')
    assert done.code == 1
    assert "\x1b" not in done.err + done.out
    assert "[bold]x" in done.err
