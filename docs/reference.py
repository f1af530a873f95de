"""``make docs``: writes the reference pages from the code that they describe.

``docs/settings.md``, ``docs/cli.md``, ``docs/metrics.md``, ``docs/providers.md`` and
``docs/language.md`` are made here and nowhere else;
``tests/test_documented.py`` fails when they are not what this would write.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App, ArgumentCollection

from hookferry.cli.main import app
from hookferry.cli.terminal import Exit
from hookferry.kata.annotations import ANNOTATIONS, REMOVED
from hookferry.kata.commands import COMMANDS
from hookferry.kata.commands.acting import COMMON
from hookferry.kata.commands.registry import Command
from hookferry.kata.input_types import KINDS, TYPES
from hookferry.kata.templates.registry import FILTERS, FUNCTIONS, TESTS, Callee
from hookferry.settings import CONFIG_NAME, TOOL_VARIABLES, specs
from hookferry.telemetry import COUNTERS, GAUGES, HISTOGRAMS
from hookferry.wire.inbound.presets import PRESETS

FOLDER = Path(__file__).parent
_NOTE = "<!-- Written by docs/reference.py (make docs) from the code; edit that. -->\n"


def settings_page() -> str:
    """Return docs/settings.md."""
    rows = [
        "# Settings",
        "",
        _NOTE,
        "A flag of `hookferry serve` comes first, then the environment variable, then the key in "
        f"`{CONFIG_NAME}` (in the working folder, or where `--config` or `HOOKFERRY_CONFIG` says). "
        "An unknown name in any of them is an error that names the nearest known one; so is a "
        "value out of its range.",
        "",
        "```toml",
        f"# {CONFIG_NAME}",
        'host = "0.0.0.0"',
        "port = 8080",
        'allow_targets = ["10.0.0.0/8"]',
        "retention_days = 14",
        'master_key_file = "/run/secrets/hookferry-master-key"',
        "```",
        "",
        "Lists are separated by commas in flags and variables, and arrays in TOML.",
        "",
        "| setting | default | allowed | meaning |",
        "|---|---|---|---|",
    ]
    for spec in specs():
        if spec.hidden:
            continue
        names = f"`{spec.name}`<br>`{spec.flag}`<br>`{spec.env}`"
        if spec.secret:
            names += f"<br>`{spec.env}_FILE`"
        default = f"`{spec.default_text}`" if spec.default_text else "none"
        rows.append(f"| {names} | {default} | {spec.allowed()} | {spec.help} |")
    rows += [
        "",
        "Secrets can be given as the path of a file: `HOOKFERRY_API_KEY_FILE`, or `api_key_file` "
        "in TOML. On Kubernetes, a service called `hookferry` injects variables such as "
        "`HOOKFERRY_PORT=tcp://...` into every pod of its namespace, which are refused: set "
        "`enableServiceLinks: false` on the pod.",
        "",
        "Read by the command line tools only:",
        "",
        "| variable | meaning |",
        "|---|---|",
        *(f"| `{name}` | {text} |" for name, text in TOOL_VARIABLES.items()),
        "",
    ]
    return "\n".join(rows)


def commands(parent: App = app, name: str = "hookferry") -> Iterator[tuple[str, App]]:
    """Yield every command with its full name, those of groups included."""
    for word in parent:
        if word.startswith("-"):
            continue
        command = parent[word]
        yield f"{name} {word}", command
        yield from commands(command, f"{name} {word}")


def _parameters(command: App) -> ArgumentCollection | None:
    if command.default_command is None:
        return None
    return command.assemble_argument_collection()


def cli_page() -> str:
    """Return docs/cli.md."""
    rows = [
        "# Command line",
        "",
        _NOTE,
        "`hookferry COMMAND --help` shows the parameters. Results go to standard output, "
        "everything else to standard error; an error is one line.",
        "",
        "| exit code | meaning |",
        "|---|---|",
    ]
    meanings = {
        Exit.OK: "done",
        Exit.FAILED: "tried, and it did not succeed; the message says why",
        Exit.USAGE: "the command line or a setting is wrong; nothing was tried",
        Exit.UNAVAILABLE: "the server can't be reached or can't start, or the data folder is in "
        "use by another process",
        Exit.VETOED: "the event was vetoed: what it asks must not happen",
        Exit.INTERRUPTED: "Ctrl-C",
    }
    rows += [f"| {int(code)} | {meanings[code]} |" for code in Exit]
    rows += [
        "",
        "Commands that talk to a running server find it by `--url`, `HOOKFERRY_URL` or the host "
        "and port in their settings, and take the key from `HOOKFERRY_API_KEY` or from "
        "`admin.key` in the data folder.",
        "",
    ]
    for name, command in commands():
        parameters = _parameters(command)
        if parameters is None:
            continue
        rows += [f"## `{name}`", "", *_help(command), ""]
        leaves = [a for a in parameters if a.show and not a.children]
        flags = {spec.flag for spec in specs()}
        takes_settings = "--port" in {argument.name for argument in leaves}
        shown = [a for a in leaves if not (takes_settings and a.name in flags)]
        if takes_settings:
            rows += ["Takes every [setting](settings.md) as a flag.", ""]
        if shown:
            rows += ["| parameter | meaning |", "|---|---|"]
            for argument in shown:
                names = ", ".join(f"`{n}`" for n in argument.names)
                if argument.field_info.kind is argument.field_info.POSITIONAL_ONLY:
                    names = f"`{argument.name.removeprefix('--').upper()}`"
                text = " ".join((argument.parameter.help or "").split())
                default = argument.field_info.default
                if isinstance(default, str | float | int) and not isinstance(default, bool):
                    text += f" Default: `{default}`."
                if argument.required:
                    text += " Required."
                rows.append(f"| {names} | {text} |")
            rows.append("")
    return "\n".join(rows)


def _help(command: App) -> list[str]:
    function = command.default_command
    return re.sub(r"\n +", "\n", (function.__doc__ or "").strip()).splitlines()


def metrics_page() -> str:
    """Return docs/metrics.md."""
    rows = [
        "# Metrics",
        "",
        _NOTE,
        "`GET /metrics` answers in Prometheus' text format. No label carries a tenant, a webhook "
        "or a URL: their number is not bounded; ask the API about a single webhook. Counters "
        "begin at zero with each start. The usual `process_*` and `python_info` come with them.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, (text, labels) in COUNTERS.items():
        shown = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | counter | {shown} | {text} |")
    for name, (text, _) in HISTOGRAMS.items():
        rows.append(f"| `{name}` | histogram | | {text} |")
    for name, text in GAUGES.items():
        rows.append(f"| `{name}` | gauge | | {text} |")
    return "\n".join([*rows, ""])


_EVIDENCE = {
    "V": "a vector that the provider, its library or an RFC publishes verifies",
    "S": "its documentation or source was read; the vectors under test are our own",
    "M": "from memory, **unverified**: check the first request, and say what was wrong",
}


def providers_page() -> str:
    """Return docs/providers.md."""
    rows = [
        "# Providers",
        "",
        _NOTE,
        'Each is a preset: `"verify": {"preset": "github", "secret": "..."}` in a source, and a '
        "name for `hookferry verify --scheme`. Beside the preset a source may give any field of "
        "its scheme another value, and any of its other defaults. A provider that is not here is "
        "[described as data](verification.md#a-provider-that-is-not-there).",
        "",
        "| evidence | meaning |",
        "|---|---|",
        *(f"| {grade} | {meaning} |" for grade, meaning in _EVIDENCE.items()),
        "",
        "| preset | provider | evidence | secret | duplicates by | type | handshake | notes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for preset in PRESETS.values():
        notes = [preset.notes] if preset.notes else []
        if preset.deadline is not None:
            notes.append(f"Waits {preset.deadline:g} s for the answer.")
        if preset.needs:
            notes.append(f"Needs {', '.join(f'`{name}`' for name in preset.needs)} as well.")
        cells = [
            f"`{preset.name}`",
            preset.title,
            preset.evidence + (" (unverified)" if preset.unverified else ""),
            preset.secret or "none",
            _rule(preset.deduplicate),
            _rule(preset.event_type),
            ", ".join(f"`{name}`" for name in preset.handshakes),
            " ".join(notes),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    rows += [
        "",
        "## How they sign",
        "",
        "What each preset stands for, as a source could write it out. Fields that are left out "
        "have the defaults of [verification](verification.md#the-fields-of-a-signature).",
        "",
        "| preset | scheme |",
        "|---|---|",
        *(f"| `{p.name}` | `{json.dumps(p.scheme)}` |" for p in PRESETS.values()),
        "",
    ]
    return "\n".join(rows)


def _rule(rule: object) -> str:
    return f"`{rule if isinstance(rule, str) else json.dumps(rule)}`"


def language_page() -> str:
    """Return docs/language.md."""
    rows = [
        "# The automation language: reference",
        "",
        _NOTE,
        "Every command, annotation, filter, function and test that scripts know, with examples "
        "that the test suite runs. What a script is, and where it runs: "
        "[Automations](automations.md). How scripts and templates are written: "
        "[the language's syntax](kata.md).",
        "",
        "- [Commands](#commands)",
        "- [Annotations](#annotations)",
        "- [Types of inputs](#types-of-inputs)",
        "- [Filters](#filters)",
        "- [Functions](#functions)",
        "- [Tests](#tests)",
        "",
        "## Commands",
        "",
        "Those that act on the world are marked *action*: a [policy](automations.md#policy) says "
        "whether a script may use them. They, and those of values that have an `output:`, take:",
        "",
        "| key | |",
        "|---|---|",
        *(f"| `{key.name}` | {key.doc} |" for key in COMMON),
        "",
    ]
    for name, command in sorted(COMMANDS.items()):  # in whichever order they were imported
        rows += _command(name, command)
    rows += ["## Annotations", "", "`key@annotation:`; several are applied from left to right.", ""]
    for name, annotation in ANNOTATIONS.items():
        rows += [f"### @{name}", "", annotation.doc.replace("``", "`"), ""]
        for kata, value in annotation.examples:
            said = "nothing: the key is removed"
            if value is not REMOVED:
                said = f"`{json.dumps(value, ensure_ascii=False)}`"
            rows += [*_fenced("yaml", kata), f"is {said}", ""]
    rows += _input_types()
    for title, registry, how in (
        ("Filters", FILTERS, "`{{ value|name(arguments) }}`"),
        ("Functions", FUNCTIONS, "`{{ name(arguments) }}`"),
        ("Tests", TESTS, "`{{ value is name ? 'yes' : 'no' }}`"),
    ):
        rows += [f"## {title}", "", how, ""]
        for name, callee in sorted(registry.items()):
            rows += _callee(name, callee)
    return "\n".join(rows).rstrip() + "\n"


def _input_types() -> Iterator[str]:
    yield from ("## Types of inputs", "")
    yield from ("What stands before an input's name in [`inputs:`](kata.md#inputs):", "")
    yield from ("| kind | what it has to be |", "|---|---|")
    for name, kind in KINDS.items():
        doc = kind.doc if name != "text" else "Of the `type:` that it says; any text without one."
        yield f"| `{name}/` | {doc.replace('``', '`')} |"
    yield from ("", "The `type:` of a `text/`:", "", "| type | what it has to be |", "|---|---|")
    for name, kind in TYPES.items():
        yield f"| `{name}` | {kind.doc.replace('``', '`')} |"
    yield ""


def _command(name: str, command: Command) -> Iterator[str]:
    action = " *action*" if command.is_action else ""
    yield from (f"### {name}{action}", "", command.doc, "")
    own = tuple(key for key in command.keys if key not in COMMON)
    for what, inputs in (("key", own), ("input", command.inputs or ())):
        if inputs:
            yield from (f"| {what} | |", "|---|---|")
            for given in inputs:
                needed = " (required)" if given.required else ""
                yield f"| `{given.name}`{needed} | {given.doc} |"
            yield ""
    if command.output:
        yield from (f"`output:` receives {command.output}.", "")
    for example in command.examples:
        yield from _fenced("yaml", example.script)
        said = json.dumps(example.returned, ensure_ascii=False)
        ends = f"ends in `{example.exit}`"
        yield from (f"{ends} with `{said}`" if example.returned else ends, "")


def _callee(name: str, callee: Callee) -> Iterator[str]:
    own = next(iter(callee.signature.parameters))
    skipped = {own} if callee.kind == "function" else {own, "value"}
    parameters = []
    for given in callee.signature.parameters.values():
        if given.name in skipped:
            continue
        optional = given.default is not given.empty
        text = f"...{given.name}" if given.kind is given.VAR_POSITIONAL else given.name
        parameters.append(f"[{text}]" if optional else text)
    yield from (f"### {name}({', '.join(parameters)})" if parameters else f"### {name}", "")
    yield from (" ".join(callee.doc.split()).replace("``", "`"), "")
    short = [example for example in callee.examples if _fits(*example)]
    if short:
        yield from ("| template | prints |", "|---|---|")
        for example in short:
            yield f"| {_cell(example.template)} | {_cell(example.text)} |"
        yield ""
    for example in callee.examples:
        if example not in short:
            yield from _fenced("twig", example.template)
            yield from ("prints", "", *_fenced("text", example.text))


def _fits(*texts: str) -> bool:
    """Tell whether texts can be shown in a line of a table."""
    return not any("\n" in text or "`" in text or len(text) > 120 for text in texts)


def _cell(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`" if text.strip() else ""


def _fenced(language: str, text: str) -> list[str]:
    text = text.replace("\r", "\N{SYMBOL FOR CARRIAGE RETURN}")
    return [f"```{language}", *text.rstrip("\n").split("\n"), "```", ""]


PAGES = {
    "language.md": language_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "metrics.md": metrics_page,
    "providers.md": providers_page,
}


def main() -> int:
    """Write the pages."""
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write())
    return 0


if __name__ == "__main__":
    sys.exit(main())
