"""``hookferry migrate``: bring the ledger's schema up to date while no server runs on it."""

from __future__ import annotations

import asyncio

from hookferry.cli.flags import ConfigFlag, SettingFlags, settings_from
from hookferry.cli.terminal import out
from hookferry.store import migrations
from hookferry.store.sqlite import SqliteStore


def migrate(*, config: ConfigFlag = None, flags: SettingFlags = None) -> None:
    """Bring the ledger's schema up to date.

    `hookferry serve` does this by itself; run it on its own to see that it works before the
    server is started. Refuses while another process owns the data folder.
    """
    settings = settings_from(flags, config)

    async def run() -> None:
        store = await SqliteStore.open(settings.data, migrate=True)
        await store.aclose()

    asyncio.run(run())
    out.print(f"{settings.data.absolute()}: schema is at {migrations.HEAD}", markup=False)
