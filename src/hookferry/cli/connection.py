"""Which server a command talks to, and with which key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from hookferry.cli.terminal import CommandError, Exit
from hookferry.client import Client
from hookferry.settings import Settings, load

_GROUP = Group("Server", sort_key=3)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True)
class ServerFlags:
    """What commands that talk to a running server have in common."""

    url: Annotated[
        str | None,
        Parameter(
            help="Where the server is. Default: http://127.0.0.1:8080, or as its settings here say."
            " [HOOKFERRY_URL]"
        ),
    ] = None
    data_folder: Annotated[
        Path | None,
        Parameter(
            help="The server's data folder, for the key in its admin.key, where HOOKFERRY_API_KEY"
            " is not set. [HOOKFERRY_DATA]"
        ),
    ] = None
    tenant: Annotated[str | None, Parameter(help="Act for this tenant.")] = None


def connect(flags: ServerFlags | None) -> Client:
    """Return a client for the server that flags, environment and settings file point at.

    Raises:
        BadSettings: see ``hookferry.settings.load``.
        CommandError: no key was given and none can be read.
    """
    url, key = address(flags)
    return Client(url, api_key=key, tenant=flags.tenant if flags else None)


def address(flags: ServerFlags | None) -> tuple[str, str]:
    """Return where the server is, and the key to it; raises what ``connect`` does."""
    flags = flags or ServerFlags()
    settings = load({} if flags.data_folder is None else {"data": str(flags.data_folder)})
    url = flags.url or os.environ.get("HOOKFERRY_URL") or _url(settings)
    return url.rstrip("/"), _key(settings)


def _url(settings: Settings) -> str:
    # A server that listens everywhere is reached on this machine.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return settings.public_url or f"http://{host}:{settings.port}"


def _key(settings: Settings) -> str:
    if settings.api_key:
        return settings.api_key
    path = settings.admin_key_path
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(
            "no API key: set HOOKFERRY_API_KEY, or name the server's data folder with "
            f"--data-folder ({path}: {error.strerror})",
            Exit.USAGE,
        ) from None
