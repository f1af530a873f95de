"""Schema migrations (Alembic), run from the installed package without an ``alembic.ini``.

The revisions in ``versions/`` serve every engine. A released revision is never edited. Alembic is
loaded only when there is something to migrate: a restart does not wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from hookferry.errors import SchemaOutdated

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

HEAD: Final = "0006"
"""The revision that this build speaks: the newest in ``versions/``."""


def known() -> tuple[str, ...]:
    """Return the revisions that this build knows, newest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config())
    return tuple(script.revision for script in scripts.walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring a ledger to this build's revision, in the transaction that the caller has begun.

    Raises:
        SchemaOutdated: a newer build wrote the ledger.
    """
    from alembic import command
    from alembic.migration import MigrationContext

    at = MigrationContext.configure(connection).get_current_revision()
    refuse_newer(at)
    if at != HEAD:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def refuse_newer(revision: str | None) -> None:
    """Raise SchemaOutdated for a revision that this build does not know."""
    if revision not in (None, HEAD) and revision not in known():
        raise SchemaOutdated(
            f"the ledger's schema is revision {revision}, which this build of hookferry does not "
            f"know (its newest is {HEAD}): run the newer build that wrote it, or restore a "
            "backup taken before that build ran"
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # A percent sign in the installation's path is not an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
