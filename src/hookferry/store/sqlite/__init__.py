"""The ledger on one SQLite file. ``store.SqliteStore`` is its face; what each module does:

``connection`` sets connections up, ``worker`` runs calls on threads, ``owner`` locks the data
folder, ``inspection`` and ``schema`` look at the file before it is used; ``commit``, ``caught`` and
``due`` hold the hot statements, written by hand; the rest is compiled by SQLAlchemy.
"""

from hookferry.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
