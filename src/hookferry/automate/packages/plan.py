"""What an import is about to do: which records, under which ids, with which fields.

Ids are made before anything is rendered, so that records can refer to each other in any order by
``{{{uid.X}}}`` (behaviours S-CB-06). So a name, which decides whether a record is there already,
can't contain one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hookferry.automate.packages.kinds import SECRETS, Kind, Kinds, Record, definition
from hookferry.automate.packages.problems import Problems
from hookferry.automate.packages.rendering import Renderer, has_template
from hookferry.domain.package import ImportedPackage
from hookferry.errors import InvalidField
from hookferry.ids import IdSource, with_article
from hookferry.kata.values import truthy

_OWN = ("uid", "_context", "_exclude", "name")
"""Members of a record that are read before the others."""


class Planned(NamedTuple):
    """A record to come."""

    uid: str
    context: str
    kind: Kind
    name: str
    number: int
    before: Record | None
    """The record of this name, which this package made."""
    raw: dict[str, Any]
    """As the package has it."""

    @property
    def key(self) -> str:
        """What others refer to it by."""
        return self.kind.key(self.number, self.name)


class Planner:
    """Reads the records of one package.

    Args:
        kinds: the types of records.
        ids: makes their ids.
        renderer: renders what they say.
        problems: where what is wrong is noted.
    """

    def __init__(self, kinds: Kinds, ids: IdSource, renderer: Renderer, problems: Problems) -> None:
        self._kinds = kinds
        self._ids = ids
        self._renderer = renderer
        self._problems = problems
        self._names: dict[str, dict[str, Record]] = {}

    def plan(
        self,
        tenant_id: int,
        records: list[dict[str, Any]],
        scope: dict[str, Any],
        known: ImportedPackage | None,
    ) -> tuple[list[Planned], list[str]]:
        """Return the records to come, and the uids of those that are left out.

        Args:
            tenant_id: whose they will be.
            records: as the package has them.
            scope: the names that templates may use.
            known: what came from this package before.
        """
        ours = {(r.type, r.id) for r in known.records} if known is not None else set()
        self._names.clear()
        planned: list[Planned] = []
        skipped: list[str] = []
        seen: set[tuple[str, str]] = set()
        for raw in records:
            uid = raw["uid"]
            if self._excluded(raw, scope):
                skipped.append(uid)
                continue
            context = str(self._renderer.render(raw["_context"], scope, uid, "_context"))
            name = self._renderer.render(raw.get("name"), scope, uid, "name")
            try:
                kind = self._kinds.of(context)
            except InvalidField as error:
                self._problems.add_error(uid, "_context", error)
                continue
            if not isinstance(name, str) or not name:
                self._problems.add(uid, "name", "each record has a name")
                continue
            if (kind.type, name) in seen:
                self._problems.add(uid, "name", f"another {kind.type} of the package is {name!r}")
                continue
            seen.add((kind.type, name))
            before = self._there(tenant_id, kind, ours).get(name)
            if before is not None and (kind.type, before.id) not in ours:
                self._problems.add(
                    uid,
                    "name",
                    f"there is {with_article(kind.type)} called {name[:100]!r} that did not come "
                    "from this package; rename that one, or the record in the package",
                )
                continue
            number = self._ids.next() if before is None else before.id
            planned.append(Planned(uid, context, kind, name, number, before, raw))
        return planned, skipped

    def _there(
        self, tenant_id: int, kind: Kind, ours: Collection[tuple[str, int]]
    ) -> dict[str, Record]:
        """Return a tenant's records of a type by name; of several of a name, the package's own."""
        if kind.type not in self._names:
            records = sorted(kind.all(tenant_id), key=lambda r: (kind.type, r.id) in ours)
            self._names[kind.type] = {record.name: record for record in records}
        return self._names[kind.type]

    def _excluded(self, raw: dict[str, Any], scope: dict[str, Any]) -> bool:
        return truthy(self._renderer.render(raw.get("_exclude"), scope, raw["uid"], "_exclude"))

    def fields(self, one: Planned, scope: dict[str, Any]) -> dict[str, Any]:
        """Return a record's definition, rendered; notes what is wrong with it."""
        raw = {name: value for name, value in one.raw.items() if name not in _OWN}
        for path in _secrets_in(one.kind.type, raw):
            self._problems.add(
                one.uid,
                path,
                "a secret is no part of a package: ask for it by a prompt, or have it made by a "
                "placeholder of type random",
            )
        rendered = self._renderer.render(raw, scope, one.uid, "")
        try:
            return definition(one.context, {"name": one.name, **rendered})
        except InvalidField as error:
            self._problems.add_error(one.uid, error.field, error)
            return {}


def contents_of(
    planned: Sequence[Planned], answers: Mapping[str, Any], uids: Mapping[str, str]
) -> list[bytes]:
    """Return a digest for each record of all that it was made from, but for random values."""
    common = hashlib.blake2b(msgspec.json.encode([answers, uids], order="sorted"), digest_size=32)
    found = []
    for one in planned:
        raw = {name: value for name, value in one.raw.items() if name != "_exclude"}
        made_from = common.copy()
        made_from.update(msgspec.json.encode(raw, order="sorted"))
        found.append(made_from.digest())
    return found


def _secrets_in(type: str, raw: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of secrets that stand in a record as they are."""
    for path in SECRETS.get(type, ()):
        value: Any = raw
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text and not has_template(text):
                yield path
                break
