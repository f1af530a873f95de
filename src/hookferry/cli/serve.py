"""``hookferry serve``: run the server until SIGTERM or Ctrl-C, and say where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hookferry import logs
from hookferry.cli.descriptors import raise_limit
from hookferry.cli.flags import ConfigFlag, SettingFlags, settings_from
from hookferry.cli.terminal import err
from hookferry.collector import load_without_the_collector

if TYPE_CHECKING:
    from hookferry.app import App


def serve(*, config: ConfigFlag = None, flags: SettingFlags = None) -> None:
    """Run the server.

    SIGTERM or Ctrl-C drains it: no new events, requests in flight finish, then it ends.
    """
    settings = settings_from(flags, config)
    logs.configure(settings.log_level, settings.log_format)
    raise_limit(settings)
    # Late, because `hookferry serve --help` needs none of it; and the process that writes the
    # ledger first, which loads what it needs while this one loads the whole server.
    from hookferry.store.sqlite.child import Child

    child = Child() if settings.writer_process else None
    load_without_the_collector()
    from hookferry.app import run

    run(settings, announce, child)


def announce(app: App) -> None:
    """Say where the server is and where its key is; the key itself on a terminal only."""
    settings = app.settings
    lines = Table.grid(padding=(0, 2))
    lines.add_row("listening on", Text(app.url, "bold cyan"))
    lines.add_row("data folder", Text(str(settings.data.absolute())))
    if settings.api_key:
        lines.add_row("API key", "as given by HOOKFERRY_API_KEY")
    elif app.new_api_key is not None and err.is_terminal:
        lines.add_row("API key", Text(app.new_api_key, "bold yellow"))
        lines.add_row("", Text(f"shown once; kept in {settings.admin_key_path}", "dim"))
    else:
        lines.add_row("API key", Text(f"in {settings.admin_key_path}"))
    lines.add_row("try", Text(f"curl {app.url}/readyz"))
    err.print(Text("hookferry", "bold"), lines, "", sep="\n")
