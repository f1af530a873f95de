"""Where settings come from: flags, then ``HOOKFERRY_*``, then ``hookferry.toml``.

Strict on purpose: a misspelt setting that is silently ignored is an outage later. What settings
there are is in ``hookferry.settings.model``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hookferry.errors import BadSettings
from hookferry.settings.model import PARSERS, Settings, Spec, check, specs

ENV_PREFIX = "HOOKFERRY_"
CONFIG_NAME = "hookferry.toml"
TOOL_VARIABLES = {
    "HOOKFERRY_CONFIG": "Path of the settings file; hookferry.toml in the working folder if unset.",
    "HOOKFERRY_URL": "Where the command line tools find the running server.",
}
"""Variables beside the settings that hookferry's own tools read."""

_FILE_LIMIT = 64 * 1024
"""A secret or settings file longer than this is a mistake."""


def load(
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Gather the settings.

    Args:
        flags: texts given on the command line, by setting name.
        environ: the environment; the process's own unless given.
        config: the settings file; ``HOOKFERRY_CONFIG``, else ``hookferry.toml`` where it exists.

    Raises:
        BadSettings: a name is unknown, a value not allowed, or a file can't be read.
    """
    environ = os.environ if environ is None else environ
    by_name = {spec.name: spec for spec in specs()}
    values: dict[str, Any] = {}
    named = environ.get("HOOKFERRY_CONFIG")
    path = config or (Path(named) if named else None)
    if path is not None or Path(CONFIG_NAME).exists():
        values |= _from_toml(path or Path(CONFIG_NAME), by_name)
    values |= _from_environ(environ, by_name)
    for name, text in (flags or {}).items():
        values[name] = _parse(by_name[name], text, by_name[name].flag)
    return Settings(**values)


def _from_environ(environ: Mapping[str, str], by_name: Mapping[str, Spec]) -> dict[str, Any]:
    known = {spec.env: spec for spec in by_name.values()}
    files = {f"{spec.env}_FILE": spec for spec in by_name.values() if spec.secret}
    values: dict[str, Any] = {}
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX) or variable in TOOL_VARIABLES:
            continue
        text = environ[variable]
        if (spec := known.get(variable)) is not None:
            values[spec.name] = _parse(spec, text, variable)
        elif (spec := files.get(variable)) is not None:
            if spec.env in environ:
                raise BadSettings(f"{spec.env} and {variable} are both set; keep one of them")
            values[spec.name] = _parse(spec, _secret_in(Path(text), variable), variable)
        else:
            raise _unknown("the environment variable", variable, [*known, *files, *TOOL_VARIABLES])
    return values


def _from_toml(path: Path, by_name: Mapping[str, Spec]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.loads(file.read(_FILE_LIMIT).decode())
    except OSError as error:
        raise BadSettings(f"the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"the settings file {path} is not TOML: {error}") from None
    files = {f"{spec.name}_file": spec for spec in by_name.values() if spec.secret}
    values: dict[str, Any] = {}
    for key, value in table.items():
        label = f"{path}: {key}"
        if (spec := by_name.get(key)) is not None:
            values[key] = _from_value(spec, value, label)
        elif (spec := files.get(key)) is not None:
            if spec.name in table:
                raise BadSettings(f"{path}: {spec.name} and {key} are both set; keep one of them")
            # A relative path in the file is relative to the file.
            values[spec.name] = _parse(spec, _secret_in(path.parent / str(value), label), label)
        else:
            raise _unknown(f"{path}: the setting", key, [*by_name, *files])
    return values


def _from_value(spec: Spec, value: Any, label: str) -> Any:
    """Take a TOML value: its own type where it fits, a text by the rules of the environment."""
    if spec.kind in ("networks", "names") and isinstance(value, list):
        return _parse(spec, ",".join(map(str, value)), label)
    if isinstance(value, str):
        return _parse(spec, value, label)
    # bool is an int to Python, but `port = true` is a mistake.
    fits = {"whole": int, "number": int | float, "switch": bool}.get(spec.kind)
    if fits is None or not isinstance(value, fits) or isinstance(value, bool) != (fits is bool):
        raise _bad(spec, value, label)
    check(spec, value, label)
    return float(value) if spec.kind == "number" else value


def _parse(spec: Spec, text: str, label: str) -> Any:
    try:
        value = PARSERS[spec.kind](text)
    except ValueError:
        raise _bad(spec, text, label) from None
    check(spec, value, label)
    return value


def _bad(spec: Spec, value: object, label: str) -> BadSettings:
    shown = "the value given" if spec.secret else repr(value)
    return BadSettings(f"{label}: {shown} is not allowed; {spec.allowed()}", field=spec.name)


def _secret_in(path: Path, label: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_FILE_LIMIT).rstrip("\r\n")
    except OSError as error:
        raise BadSettings(f"{label}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{label}: {path} is not text") from None


def _unknown(what: str, name: str, known: Iterable[str]) -> BadSettings:
    # Compared without the prefix, which would make all variables look alike.
    bare = {one.removeprefix(ENV_PREFIX): one for one in known}
    close = difflib.get_close_matches(name.removeprefix(ENV_PREFIX), bare, n=1, cutoff=0.5)
    hint = (
        f"did you mean {bare[close[0]]}?"
        if close
        else "`hookferry serve --help` lists the settings"
    )
    return BadSettings(f"{what} {name} is not known; {hint}", field=name)
