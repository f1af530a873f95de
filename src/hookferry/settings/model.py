"""The settings: one frozen dataclass that is flags, environment, TOML file and reference page.

A setting's default, unit, range and help stand here once. Reading sources is in
``hookferry.settings.load``; what a setting does is where it is used.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from hookferry.errors import BadSettings
from hookferry.logs import LogFormat, LogLevel

ADMIN_KEY_FILE = "admin.key"
"""In the data folder: the first API key, where none was given (SEMANTICS section 12)."""
MASTER_KEY_FILE = "master.key"
"""In the data folder: the key that seals secrets, where none was given."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KB = 1024
MB = 1024 * KB


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What is known about one setting beside its value."""

    name: str
    default: Any
    help: str
    kind: str
    """A key of ``PARSERS``."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    """Never shown; may also be given as the path of a file, ``<name>_file``."""
    shortest: int = 0
    """Fewest characters, where it is given at all."""
    hidden: bool = False
    """For the project's own benchmarks; neither in the help nor in the reference."""

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"HOOKFERRY_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The command line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default for a person, with its unit; empty where there is none."""
        if self.kind == "switch":
            return "true" if self.default else "false"
        if self.kind in ("whole", "number"):
            return f"{_plain(self.default)} {self.unit}".strip()
        return "" if self.default == () else str(self.default)

    def allowed(self) -> str:
        """Say in words what values are allowed."""
        unit = f" {self.unit}" if self.unit else ""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None and self.high is not None:
            what = "whole numbers" if self.kind == "whole" else "numbers"
            return f"{what} from {_plain(self.low)} to {_plain(self.high)}{unit}"
        if self.shortest:
            return f"at least {self.shortest} printable ASCII characters without spaces"
        return {
            "switch": "true or false",
            "networks": "networks such as 10.0.0.0/8, separated by commas",
            "names": "addresses, separated by commas",
            "path": "a path",
        }.get(self.kind, "text")


def _plain(number: float) -> str:
    # No comma below 10,000: a port is not 8,080.
    return f"{number:g}" if number < 10_000 else f"{number:,.0f}"


def _setting(default: Any, text: str, **spec: Any) -> Any:
    kind = spec.pop("kind", None) or {
        bool: "switch",
        int: "whole",
        float: "number",
        str: "text",
    }.get(type(default), "path")
    return dataclasses.field(
        default=default, metadata={"help": " ".join(text.split()), "kind": kind, **spec}
    )


def _seconds(default: float, low: float, high: float, text: str) -> Any:
    return _setting(float(default), text, unit="s", low=low, high=high)


def _count(default: int, low: int, high: int, text: str, unit: str = "") -> Any:
    return _setting(default, text, unit=unit, low=low, high=high)


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings with their defaults; ``load`` fills it from flags, environment and file.

    Raises:
        BadSettings: a value is out of its range, or two settings contradict each other.
    """

    # ------------------------------------------------------------------ the server
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _count(8080, 0, 65_535, "Port to listen on; 0 takes a free one and prints it.")
    public_url: str = _setting(
        "", "URL under which others reach this server, used in links; http://host:port if empty."
    )
    data: Path = _setting(  # noqa: RUF009 - a dataclasses.field, as all the others
        Path("hookferry-data"), "Folder of the ledger and the generated keys; one server owns it."
    )
    database: str = _setting(
        "", "URL of a database server; empty keeps the ledger in the data folder (SQLite)."
    )
    workers: int = _count(1, 1, 1, "Worker processes; the embedded ledger has one owner.")
    api_key: str = _setting(
        "",
        "The first administrator's API key. Without it one is made and written to admin.key in "
        "the data folder.",
        secret=True,
        shortest=24,
    )
    master_key: str = _setting(
        "",
        "The key that seals secrets in the ledger. Without it one is made and written to "
        "master.key in the data folder.",
        secret=True,
    )
    head_timeout: float = _seconds(
        10, 0.1, 600, "Longest time a caller may take to send a request's head."
    )
    body_timeout: float = _seconds(
        30, 0.1, 3600, "Longest time a caller may take to send a request's body."
    )
    idle_timeout: float = _seconds(75, 0.1, 3600, "How long an idle caller stays connected.")
    connections: int = _count(10_000, 1, 1_000_000, "Callers connected at once.")
    drain_timeout: float = _seconds(
        30, 0, 3600, "How long a shutdown waits for requests in flight before it cuts them."
    )
    hot_asgi: bool = _setting(
        False, "Serve publishing through ASGI instead of inside the HTTP protocol (slower)."
    )
    log_level: LogLevel = _setting(  # noqa: RUF009 - as above
        "info",
        "The least severe log records written.",
        kind="choice",
        choices=get_args(LogLevel),
    )
    log_format: LogFormat = _setting(  # noqa: RUF009 - as above
        "auto",
        "Log records as JSON lines or for reading; auto looks whether stderr is a terminal.",
        kind="choice",
        choices=get_args(LogFormat),
    )

    # ------------------------------------------------------------------ accepting
    payload_limit: int = _count(MB, KB, 64 * MB, "Largest event.", "bytes")
    deliveries_per_event: int = _count(
        10_000, 1, 100_000, "Most webhooks one event may match; more is refused."
    )
    intake_events: int = _count(
        10_000, 1, 1_000_000, "Events that may wait for their commit; more are answered 503."
    )
    intake_bytes: int = _count(
        64 * MB, MB, 16_384 * MB, "Payload bytes that may wait for their commit.", "bytes"
    )
    body_bytes: int = _count(
        64 * MB,
        MB,
        16_384 * MB,
        "Bytes of publish requests that are still arriving, on all connections together; more are "
        "answered 503.",
        "bytes",
    )
    event_id_hours: float = _setting(
        72.0,
        "How long a publisher's own event id makes a repeat idempotent.",
        unit="hours",
        low=0.01,
        high=8760,
    )
    idempotency_hours: float = _setting(
        24.0,
        "How long an Idempotency-Key makes a repeat idempotent.",
        unit="hours",
        low=0.01,
        high=8760,
    )

    # ------------------------------------------------------------------ catching
    caught_limit: int = _count(
        5 * MB, KB, 64 * MB, "Largest body of a caught request; more is answered 413.", "bytes"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (),
        "Networks of the reverse proxies in front of this server: only what they say in "
        "X-Forwarded-For about a caller's address is believed.",
        kind="networks",
    )
    quarantine_requests: int = _count(
        500, 1, 100_000, "Refused requests kept of each source; older ones make room."
    )
    quarantine_bytes: int = _count(
        50 * MB, KB, 16_384 * MB, "And bytes of their bodies, for each source.", "bytes"
    )
    quarantine_rate: float = _setting(
        20.0,
        "Refused requests a second that are kept of each source, ten times as many at once; more "
        "are only counted.",
        unit="a second",
        low=0.01,
        high=100_000,
    )

    page: int = _count(50, 1, 10_000, "Items on a page of a list, where the caller does not say.")
    page_max: int = _count(250, 1, 10_000, "Most items on a page of a list.")

    # ------------------------------------------------------------------ sending
    allow_targets: tuple[Network, ...] = _setting(
        (),
        "Networks that may be called though they are private or loopback; by default none.",
        kind="networks",
    )
    allow_http: bool = _setting(False, "Allow targets without TLS; by default they must be https.")
    nameservers: tuple[str, ...] = _setting(
        (), "DNS servers to ask (address or address:port) instead of the system's.", kind="names"
    )
    dns_timeout: float = _seconds(5, 0.05, 60, "Longest time of a DNS look-up.")
    connect_timeout: float = _seconds(
        5, 0.05, 60, "Longest time to connect to a receiver, TLS included."
    )
    attempt_timeout: float = _seconds(
        15, 0.05, 600, "Deadline of a whole attempt where the webhook names none."
    )
    attempt_timeout_max: float = _seconds(
        60, 1, 600, "Longest deadline that a webhook may give its attempts."
    )
    automation_timeout: float = _seconds(
        25, 0.1, 60, "Longest run of an automation where its policy names no limit."
    )
    automation_timeout_max: float = _seconds(
        60, 0.1, 300, "Longest run of an automation, whatever its policy names."
    )
    automation_steps: int = _count(
        100_000,
        1_000,
        10_000_000,
        "Most steps of a run: commands, iterations, operations.",
    )
    automation_memory: int = _count(
        16 * MB, 64 * KB, 1024 * MB, "Most memory that the values of a run may take.", "bytes"
    )
    automations_memory: int = _count(
        512 * MB, 16 * MB, 64 * 1024 * MB, "The same of all runs together.", "bytes"
    )
    header_limit: int = _count(64, 0, 1_000, "Most custom headers of one webhook.")
    header_bytes: int = _count(
        4 * KB, 1, 64 * KB, "Largest value of a webhook's custom header.", "bytes"
    )
    rotation_overlap_hours: float = _setting(
        24.0,
        "How long a replaced secret goes on signing beside the new one, where a rotation does not "
        "say.",
        unit="hours",
        low=0,
        high=168,
    )
    response_read: int = _count(
        64 * KB, KB, 16 * MB, "Most bytes read of a receiver's answer.", "bytes"
    )
    response_kept: int = _count(
        16 * KB, 0, MB, "Most bytes kept of a receiver's answer in the attempt log.", "bytes"
    )
    in_flight: int = _count(1000, 1, 100_000, "Requests to receivers at once, in all.")
    lane_in_flight: int = _count(
        32, 1, 10_000, "Requests to one webhook's receiver at once, where the webhook names none."
    )
    lane_memory: int = _count(
        256, 1, 100_000, "Deliveries of one webhook kept in memory; the rest waits in the ledger."
    )
    lane_bytes: int = _count(
        4 * MB, KB, 1024 * MB, "Payload bytes of one webhook kept in memory.", "bytes"
    )

    writer_process: bool = _setting(
        True,
        "Write the ledger in a process of its own, beside the one that serves; without it a thread "
        "does, which takes less memory and is slower where there are two cores.",
    )

    # ------------------------------------------------------------------ keeping
    retention_days: float = _setting(
        30.0,
        "How long events, deliveries and attempts are kept once nothing is owed.",
        unit="days",
        low=0.001,
        high=36_500,
    )

    request_retention_days: float = _setting(
        7.0,
        "How long caught requests are kept, where their source does not say; an event that one "
        "became stays as long as every event.",
        unit="days",
        low=0.001,
        high=36_500,
    )

    # ------------------------------------------------------------------ measuring
    null_engine: bool = _setting(
        False, "For the benchmark: store nothing and promise nothing.", hidden=True
    )

    def __post_init__(self) -> None:
        for spec in specs():
            check(spec, getattr(self, spec.name), spec.name)
        if self.response_kept > self.response_read:
            raise BadSettings(
                f"response_kept ({self.response_kept:,}) must not exceed response_read "
                f"({self.response_read:,})",
                field="response_kept",
            )
        for setting, most in (
            ("attempt_timeout", "attempt_timeout_max"),
            ("automation_timeout", "automation_timeout_max"),
            ("automation_memory", "automations_memory"),
            ("page", "page_max"),
            ("request_retention_days", "retention_days"),
        ):
            if getattr(self, setting) > getattr(self, most):
                raise BadSettings(
                    f"{setting} ({getattr(self, setting):,g}) must not exceed {most} "
                    f"({getattr(self, most):,g})",
                    field=setting,
                )
        if self.database:
            raise BadSettings(
                "database: this version keeps its ledger in the data folder only; leave it empty",
                field="database",
            )
        if self.public_url and urlsplit(self.public_url).scheme not in ("http", "https"):
            raise BadSettings(
                f"public_url: {self.public_url!r} does not start with http:// or https://",
                field="public_url",
            )

    @property
    def admin_key_path(self) -> Path:
        """Where the first API key is written when none is given."""
        return self.data / ADMIN_KEY_FILE

    @property
    def master_key_path(self) -> Path:
        """Where the master key is written when none is given."""
        return self.data / MASTER_KEY_FILE

    def __repr__(self) -> str:
        """Show what differs from the defaults, secrets masked."""
        shown = (
            f"{spec.name}={'***' if spec.secret else repr(getattr(self, spec.name))}"
            for spec in specs()
            if getattr(self, spec.name) != spec.default
        )
        return f"Settings({', '.join(shown)})"


_SPECS = tuple(
    Spec(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(Settings)
)


def specs() -> tuple[Spec, ...]:
    """Return the description of every setting, in the order of the reference page."""
    return _SPECS


def check(spec: Spec, value: Any, label: str) -> None:
    """Raise BadSettings unless ``value`` is in the setting's range; ``label`` names its source."""
    if spec.low is not None and spec.high is not None and not spec.low <= value <= spec.high:
        raise BadSettings(f"{label}: {value} is not allowed; {spec.allowed()}", field=spec.name)
    if spec.choices and value not in spec.choices:
        raise BadSettings(f"{label}: {value!r} is not allowed; {spec.allowed()}", field=spec.name)
    if value and len(str(value)) < spec.shortest:
        raise BadSettings(f"{label}: too short; {spec.allowed()}", field=spec.name)
    if spec.secret and value and not (value.isascii() and value.isprintable() and " " not in value):
        raise BadSettings(
            f"{label}: not allowed; a secret is printable ASCII without spaces",
            field=spec.name,
        )


def _whole(text: str) -> int:
    return int(text.replace("_", ""))


def _switch(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("true", "1", "yes", "on"):
        return True
    if lowered in ("false", "0", "no", "off"):
        return False
    raise ValueError


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


PARSERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "choice": str,
    "whole": _whole,
    "number": float,
    "switch": _switch,
    "path": Path,
    "networks": lambda text: tuple(ipaddress.ip_network(part) for part in _list(text)),
    "names": lambda text: tuple(_list(text)),
}
"""From the text of a flag or an environment variable to a value; ValueError if it is none."""
