"""``hookferry run``: try a script on an example, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from hookferry.automate.automations import MAX_SCRIPT, ON_REQUEST
from hookferry.automate.plugins import Plugins
from hookferry.automate.running import Running
from hookferry.automate.simulator import Simulated, Simulation, Simulator
from hookferry.cli.reading import read_bytes
from hookferry.cli.terminal import CommandError, Exit, err, out, safe
from hookferry.clock import SystemClock
from hookferry.domain.automation import ON_CALL, Automation
from hookferry.domain.automation_names import NAME
from hookferry.domain.tenant import Tenant
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidInput, ScriptRefused
from hookferry.ids import IdSource
from hookferry.kata.policy import compile_policy
from hookferry.kata.script import compile_script

SHOWN = 1_024
"""Characters of a log line that are shown."""
_ALL = "commands:\n  all:\n    allow: yes\n"
_PARTS = frozenset(Simulation.__struct_fields__)


def run(
    script: Annotated[Path, Parameter(help="File with the script, such as respond.kata.")],
    /,
    *,
    input: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help='What it runs on, as JSON: @FILE, - for stdin, or the text itself. {"request": '
            '{"method", "path", "query", "headers", "body"}}, {"event": {"type", "data"}}, '
            '{"inputs": {...}}, {"placeholders": {...}}; or the request alone.',
        ),
    ] = "{}",
    policy: Annotated[
        Path | None,
        Parameter(help="File with its policy; without one every command may be simulated."),
    ] = None,
    steps: Annotated[
        bool, Parameter(negative=(), help="Show the commands that were carried out, with times.")
    ] = False,
) -> None:
    """Run a script with simulated actions and print how it ended, as JSON.

    Actions such as http.request are not carried out: their `on_simulate:` runs instead. Functions
    are looked for beside the script, as `<name>.kata`. The log goes to stderr. Exits 0 when the
    script ended by itself or returned, 1 when it ended in an error, 2 when it does not parse.
    """
    tried = Automation(
        id=0,
        tenant_id=0,
        name=script.stem,
        extension_id=ON_REQUEST,
        script=_text(script),
        policy_kata=_ALL if policy is None else _text(policy),
    )
    _check(script, compile_script, tried.script)
    if policy is not None:
        _check(policy, compile_policy, tried.policy_kata)
    try:
        simulated = asyncio.run(_simulated(tried, script.parent, _document(input)))
    except InvalidInput as error:
        at = "" if error.field is None else f" {error.field}:"
        raise CommandError(f"--input:{at} {error.detail}", Exit.USAGE) from None
    _show(simulated, steps=steps)
    if simulated.exit == "error":
        raise CommandError(f"the script ended in an error: {safe(simulated.error or '', SHOWN)}")


def _text(path: Path) -> str:
    """Return the text of a file."""
    data = read_bytes(f"@{path}", str(path))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 (byte {error.start})", Exit.USAGE) from None


def _document(given: str) -> Simulation:
    """Return what the script runs on; a request alone counts as one."""
    try:
        document = msgspec.json.decode(read_bytes(given, "--input"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"--input is no JSON object: {error}", Exit.USAGE) from None
    if not _PARTS.issuperset(document):
        document = {"request": document}
    try:
        return msgspec.convert(document, Simulation)
    except msgspec.ValidationError as error:
        explain_validation(error, Simulation)


class _Beside:
    """Functions that are files beside the script."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def automation_by_name(self, tenant_id: int, name: str) -> Automation | None:
        """Return the one in ``<name>.kata``."""
        path = self._folder / f"{name}.kata"
        if not NAME.fullmatch(name) or not path.is_file() or path.stat().st_size > MAX_SCRIPT:
            return None
        return Automation(
            id=hash(name),
            tenant_id=tenant_id,
            name=name,
            extension_id=ON_CALL,
            script=_text(path),
            policy_kata=_ALL,
        )

    def on_automation(self, listener: Callable[[Automation], None]) -> None:
        """Nothing changes while a script is tried."""

    def plugin_enabled(self, name: str) -> bool:
        """There are no plugins here."""
        return False


async def _simulated(automation: Automation, folder: Path, wanted: Simulation) -> Simulated:
    clock, beside = SystemClock(), _Beside(folder)
    running = Running(beside, {}, Plugins(beside), IdSource(clock), clock)
    tenant = Tenant(id=0, name="default")
    return await Simulator(running, None, clock).simulate(tenant, automation, wanted)


def _show(simulated: Simulated, *, steps: bool) -> None:
    for line in simulated.log:
        message = safe(line.message, SHOWN)
        err.print(f"{line.at_ms:8.1f} ms  {line.level:5}  {line.node}  {message}", markup=False)
    if steps:
        for step in simulated.steps:
            took = "" if step.duration_ms is None else f"{step.duration_ms:.2f} ms"
            err.print(f"{step.at_ms:8.1f} ms  {step.node}  {took}", markup=False)
    shown = msgspec.json.format(msgspec.json.encode(simulated.output), indent=2)
    out.print(shown.decode(), markup=False)


def _check(path: Path, compile: Callable[[str], object], text: str) -> None:
    """Print every problem of a text, a line each, as compilers do."""
    try:
        compile(text)
    except ScriptRefused as error:
        problems: Any = error.extra.get("problems", ())
        for problem in problems:
            at = f"{path}:{problem['line']}:{problem['column']}"
            err.print(safe(f"{at}: {problem['message']}", SHOWN), markup=False)
        raise CommandError(f"{path} does not parse", Exit.USAGE) from None
