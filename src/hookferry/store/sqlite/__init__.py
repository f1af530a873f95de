"""The ledger on one SQLite file. ``store.SqliteStore`` is its face; what each module does:

``opening`` starts it: ``owner`` locks the data folder, ``inspection`` and ``schema`` look at the
file before it is used, ``connection`` sets connections up. ``writer`` writes, on a thread
(``worker``) or in a process of its own (``child``, ``apart``, ``apart_main``, ``frames``).
``commit``, ``caught``, ``claims`` and ``due`` hold the hot statements, written by hand; the rest is
compiled by SQLAlchemy.
"""

from hookferry.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
