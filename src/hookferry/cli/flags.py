"""Settings as command line flags: one dataclass made from the descriptions of the settings.

What a flag's text means is decided in ``hookferry.settings``, by the same rules as for the
environment and the settings file; here the flags only get their names and their help.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Group, Parameter

from hookferry.settings import Settings, Spec, load, specs

SETTINGS_GROUP = Group("Settings", sort_key=2)


_METAVARS = {"whole": "NUMBER", "number": "NUMBER", "path": "PATH", "text": "TEXT"}


def _annotation(spec: Spec) -> Any:
    default = f" Default: {spec.default_text}." if spec.default_text else ""
    file = f" or {spec.env}_FILE" if spec.secret else ""
    switch = spec.kind == "switch"
    parameter = Parameter(
        name=spec.flag,
        help=f"{spec.help}{default} [{spec.env}{file}]",
        show_default=False,
        metavar=_METAVARS.get(spec.kind, spec.kind.upper()),
        negative=f"--no-{spec.flag[2:]}" if switch else (),
        show=not spec.hidden,
        group=SETTINGS_GROUP,
    )
    return Annotated[(bool if switch else str) | None, parameter]


# A flag that was not given is None, so that the environment and the file have their say.
_Flags = dataclasses.make_dataclass(
    "_Flags",
    [(spec.name, _annotation(spec), dataclasses.field(default=None)) for spec in specs()],
    frozen=True,
    namespace={"__module__": __name__},  # "types" otherwise, which cyclopts takes for a builtin
)
Parameter(name="*")(_Flags)  # no prefix: --port, not --flags.port
if TYPE_CHECKING:
    SettingFlags: TypeAlias = Any
else:
    SettingFlags = _Flags | None
    """A parameter of a command that takes every setting as a flag."""

ConfigFlag = Annotated[
    Path | None,
    Parameter(
        name="--config",
        help="Settings file. Default: hookferry.toml where it exists. [HOOKFERRY_CONFIG]",
    ),
]
"""A parameter that names the settings file."""


def settings_from(flags: Any, config: Path | None) -> Settings:
    """Return the settings: the flags given, then the environment, then the file.

    Raises:
        BadSettings: see ``hookferry.settings.load``.
    """
    given = {}
    for field in dataclasses.fields(_Flags):
        value = getattr(flags, field.name, None)
        if value is not None:
            given[field.name] = str(value)
    return load(given, config=config)
