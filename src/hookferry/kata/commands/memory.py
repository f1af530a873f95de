"""Commands that change the working memory: ``set`` and ``var.*``."""

from __future__ import annotations

from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.annotations import REMOVED
from hookferry.kata.commands.acting import declare
from hookferry.kata.commands.compiler import Compiler, Place
from hookferry.kata.commands.registry import Call, Example, Input, command
from hookferry.kata.frame import Execute, Frame
from hookferry.kata.fuel import CELL
from hookferry.kata.memory import MAX_PATH, read_path
from hookferry.kata.tree import Node
from hookferry.kata.values import Value, kind_of

MAX_PATHS: Final = 100
"""Key paths that one command takes."""

_KEY: Final = Input("key", "a key path, such as `person:name:last`", required=True)
_DELIMITER: Final = Input(
    "delimiter", "what stands between the keys of the path instead of a colon", default=":"
)


@command(
    "set",
    group="Values",
    examples=(
        Example(
            script="""\
start:
  set:
    a@int: 2
    b@int: {{a * 2}}
    c@int: {{b * 2}}
  return:
    answer@int: {{a + b + c}}
""",
            returned={"answer": 14},
        ),
        Example(
            script="""\
start:
  set:
    person:
      name: Kina
      role:
        title: Manager
  return:
    text: {{person.name}} is a {{person.role.title}}
""",
            returned={"text": "Kina is a Manager"},
        ),
    ),
)
def prepare_set(compiler: Compiler, node: Node, place: Place) -> Execute:
    """Sets placeholders. Each key sees those above it. A value with keys under it is a dictionary,
    which replaces what was there."""
    if node.annotations or node.text is not None:
        compiler.problem(node, "set: has placeholders under it, such as name: Joe")
    values = [(child.name, compiler.value(child)) for child in node.children]

    def assign(frame: Frame) -> None:
        memory, fuel = frame.memory, frame.fuel
        for name, evaluate in values:
            fuel.spend()
            held = fuel.held
            value = evaluate(memory.values, frame.run)
            fuel.held = held
            if value is not REMOVED:
                memory.assign(name, value)

    return assign


def _set(frame: Frame, call: Call) -> Value:
    inputs = call.inputs
    delimiter = inputs["delimiter"]
    if not isinstance(delimiter, str) or not delimiter:
        raise ScriptError("delimiter: is a text, such as . or /")
    frame.memory.put(read_path(inputs["key"], delimiter), inputs["value"])
    return inputs["value"]


declare(
    "var.set",
    "Sets a value at a key path; dictionaries that are missing on the way are made. In a list the"
    " key is the place, counted from 0.",
    group="Values",
    inputs=(_KEY, Input("value", "the value", required=True), _DELIMITER),
    output="the value",
    perform=_set,
    examples=(
        Example(
            script="""\
start:
  set:
    person:
      name:
        first: Kina
  var.set:
    inputs:
      key: person:name:last
      value: Halpue
  return:
    text: {{person.name.first}} {{person.name.last}}
""",
            returned={"text": "Kina Halpue"},
        ),
    ),
)


def _push(frame: Frame, call: Call) -> Value:
    return frame.memory.push(read_path(call.inputs["key"]), call.inputs["value"])


declare(
    "var.push",
    "Appends a value to the list at a key path; a list that is missing is made.",
    group="Values",
    inputs=(_KEY, Input("value", "the value", required=True)),
    output="the list",
    perform=_push,
    examples=(
        Example(
            script="""\
start:
  set:
    numbers@csv: 1, 2, 3
  var.push:
    output: result
    inputs:
      key: numbers
      value@int: 4
  return:
    text: {{numbers|join('-')}}
    result@key: result
""",
            returned={"text": "1-2-3-4", "result": ["1", "2", "3", 4]},
        ),
    ),
)


def _texts(value: Value) -> list[Value]:
    """Read one text, or several as a list or separated by commas."""
    if isinstance(value, str):
        if len(value) > MAX_PATHS * MAX_PATH:
            raise ScriptError(f"at most {MAX_PATHS} key paths can be given")
        value = [item.strip() for item in value.split(",")]
    if not isinstance(value, list):
        raise ScriptError(f"key paths are texts or a list of them, not {kind_of(value)}")
    if len(value) > MAX_PATHS:
        raise ScriptError(f"at most {MAX_PATHS} key paths can be given")
    return value


def _unset(frame: Frame, call: Call) -> Value:
    # Each is tried: a list tells whether all were there.
    found = [frame.memory.remove(read_path(path)) for path in call.inputs["key"]]
    return all(found)


declare(
    "var.unset",
    "Takes away what is at one or more key paths.",
    group="Values",
    inputs=(
        Input(
            "key",
            "a key path, such as `person:phone`, or several: a list, or separated by commas",
            required=True,
            read=_texts,
        ),
    ),
    output="whether all of them were there",
    perform=_unset,
    examples=(
        Example(
            script="""\
start:
  set:
    person:
      name: Kina
      phone: +15551234321
  var.unset:
    output: found
    inputs:
      key: person:phone
  return:
    person@key: person
    found@key: found
""",
            returned={"person": {"name": "Kina"}, "found": True},
        ),
    ),
)


def _expand(frame: Frame, call: Call) -> Value:
    key = call.inputs.get("key")
    base = [] if key in (None, "") else list(read_path(key))
    at = frame.memory.find(base)
    if isinstance(at, list):
        places = [[*base, str(index)] for index in range(len(at))]
        frame.fuel.spend(len(places))
    else:
        places = [base]
    for place in places:
        record = frame.memory.find(place)
        if not isinstance(record, dict):
            raise ScriptError(
                f"{':'.join(place)} is {kind_of(record)}; only dictionaries and lists of them can"
                " be expanded"
            )
        _expand_one(frame, place, record, call.inputs["paths"])
    if base:
        return frame.memory.find(base)
    frame.fuel.read(CELL * len(frame.memory.values))
    return dict(frame.memory.values)  # which goes on changing, unlike values


def _expand_one(frame: Frame, place: list[str], record: dict[str, Value], paths: Value) -> None:
    for path in paths:
        name = path.removesuffix("_") if isinstance(path, str) else path
        inner = record.get(name) if isinstance(name, str) else None
        if not isinstance(inner, dict):
            continue
        frame.fuel.spend(len(inner))
        for key, value in list(inner.items()):
            if f"{name}_{key}" not in record:
                frame.memory.put([*place, f"{name}_{key}"], value)


declare(
    "var.expand",
    "Gives a dictionary the keys of dictionaries inside it, as Cerb's records have them: with"
    " `owner_` the name of an owner can be read as `owner_name`. Keys that are there already stay.",
    group="Values",
    inputs=(
        Input("key", "the key path of a dictionary or of a list of them; all placeholders without"),
        Input("paths", "the inner keys to expand, such as `owner_, customer_`", True, read=_texts),
    ),
    output="the dictionary or list",
    perform=_expand,
    examples=(
        Example(
            script="""\
start:
  set:
    ticket:
      subject: Hello
      owner:
        name: Kina
  var.expand:
    inputs:
      key: ticket
      paths: owner_
  return:
    owner: {{ticket.owner_name}}
""",
            returned={"owner": "Kina"},
        ),
    ),
)
