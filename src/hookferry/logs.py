"""Structured log records: JSON lines for machines, coloured lines for a terminal, on stderr.

Every record, also one of a library's own logger, passes ``mask_secrets`` and ``bound_values``
before it is rendered: a secret or a payload must never be logged, and if somebody hands one to a
logger by a name that says so, it stops here. Metrics are in ``hookferry.telemetry``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]

MASK = "***"
VALUE_LIMIT = 2_000
"""Characters of one value of a record; a longer one is cut and says so."""

_SECRET_WORDS = (
    "secret",
    "password",
    "passphrase",
    "token",
    "authorization",
    "cookie",
    "credential",
    "api_key",
    "apikey",
    "master_key",
    "webhook_key",
    "private_key",
    "signature",
)
_SECRET_NAMES = frozenset(
    {"key", "payload", "body", "data", "headers", "request_head", "response_head", "response_body"}
)
_DEPTH = 4


def _is_secret(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return lowered in _SECRET_NAMES or any(word in lowered for word in _SECRET_WORDS)


def _masked(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if depth == 0:
            return "{...}"
        return {k: MASK if _is_secret(str(k)) else _masked(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(v, depth - 1) for v in value] if depth else "[...]"
    return value


def mask_secrets(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the values of names that mean a secret or a payload, at any depth up to four."""
    for name, value in event.items():
        if name.startswith("_") or name == "event":
            continue
        event[name] = MASK if _is_secret(name) else _masked(value, _DEPTH)
    return event


def bound_values(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut long values, so that one record stays one readable line."""
    for name, value in event.items():
        if name.startswith("_") or name in ("exc_info", "exception", "stack"):
            continue
        if isinstance(value, int | float | None):
            continue
        text = value if isinstance(value, str) else repr(value)
        if len(text) > VALUE_LIMIT:
            event[name] = f"{text[:VALUE_LIMIT]}... ({len(text)} characters)"
    return event


def configure(
    level: LogLevel = "info", log_format: LogFormat = "auto", stream: TextIO | None = None
) -> None:
    """Send structlog's records and those of the standard library to one handler.

    Args:
        level: the least severe level that is written.
        log_format: ``json``, ``console``, or ``auto``: console on a terminal, else JSON.
        stream: where to; standard error unless given.
    """
    stream = stream or sys.stderr
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        (
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
            if console
            else structlog.processors.TimeStamper(fmt="iso", utc=True)
        ),
        mask_secrets,
        bound_values,
    ]
    # The plain traceback formatters: the pretty ones print local variables, and with them secrets.
    render: list[structlog.typing.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                pad_event_to=0,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries speak up when something is wrong; their chatter is not ours to keep.
    for noisy in ("uvicorn", "alembic", "sqlalchemy", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
