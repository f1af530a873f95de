"""The program ``hookferry``: its commands, and how their failures become exit codes.

Commands are named by import path, so that ``hookferry --help`` does not load a server.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from hookferry.cli.terminal import CommandError, Exit, complain
from hookferry.errors import BadSettings, HookferryError, StartupError

app = App(
    name="hookferry",
    help="Self-hosted webhooks: publish events, and every subscriber gets them.",
    version=lambda: version("hookferry"),
    default_parameter=None,
)
for _name, _help in (
    ("serve", "Run the server."),
    ("trigger", "Publish an event, and see what synchronous webhooks say to it."),
    ("tail", "Follow deliveries."),
    ("listen", "Forward what a source catches to a program here."),
    ("bin", "Make an address that takes any request, and show what comes."),
    ("replay", "Deliver an event once more."),
    ("keys", "Create, list and revoke API keys."),
    ("verify", "Check the signature of a request."),
    ("run", "Try a script on an example, its actions simulated."),
    ("packages", "Import and export packages of automations and sources."),
    ("migrate", "Bring the ledger's schema up to date."),
    ("doctor", "Check this deployment: settings, disk, ledger, keys, port, DNS, limits."),
):
    app.command(f"hookferry.cli.{_name}:{_name}", help=_help)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code (see ``hookferry.cli.terminal.Exit``)."""
    sys.exit(_run(argv))


def _run(argv: Sequence[str] | None) -> int:
    try:
        result = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
        return result if isinstance(result, int) else Exit.OK
    except CycloptsError as error:
        complain(str(error))
        return Exit.USAGE
    except BadSettings as error:
        complain(error.detail)
        return Exit.USAGE
    except StartupError as error:
        complain(error.detail)
        return Exit.UNAVAILABLE
    except CommandError as error:
        complain(str(error))
        return error.code
    except HookferryError as error:
        complain(error.detail)
        # By its code, since importing the client for it would slow every start down.
        return Exit.UNAVAILABLE if error.code == "unreachable" else Exit.FAILED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
