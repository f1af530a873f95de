"""Schema migrations (Alembic), run from the installed package without an ``alembic.ini``.

The revisions in ``versions/`` serve every engine. A released revision is never edited.
"""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hookferry.errors import SchemaOutdated


def _config() -> Config:
    config = Config()
    # A percent sign in the installation's path is not an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


@functools.cache
def known() -> tuple[str, ...]:
    """Return the revisions that this build knows, newest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(script.revision for script in scripts.walk_revisions())


def head() -> str:
    """Return the revision that this build speaks."""
    return known()[0]


def current(connection: Connection) -> str | None:
    """Return the revision of a ledger, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection) -> None:
    """Bring a ledger to this build's revision, in the transaction that the caller has begun.

    Raises:
        SchemaOutdated: a newer build wrote the ledger.
    """
    at = current(connection)
    refuse_newer(at)
    if at != head():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def refuse_newer(revision: str | None) -> None:
    """Raise SchemaOutdated for a revision that this build does not know."""
    if revision is not None and revision not in known():
        raise SchemaOutdated(
            f"the ledger's schema is revision {revision}, which this build of hookferry does not "
            f"know (its newest is {head()}): run the newer build that wrote it, or restore a "
            "backup taken before that build ran"
        )
