"""Writing packages: records that are here, as a document that imports elsewhere.

Secrets are no part of it: each becomes a prompt, or is left out where another one is made anyway.
So is what is this server's alone: ids and addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hookferry.automate.packages.kinds import CONTEXTS, Fields, Kind, Kinds
from hookferry.automate.packages.manifest import LANGUAGE, MAX_NAME, MAX_RECORDS, MAX_REVISION
from hookferry.automate.packages.prompts import MAX_PROMPTS
from hookferry.automate.packages.rendering import literal
from hookferry.domain.credential import Credential, CredentialKind
from hookferry.domain.source import Source
from hookferry.domain.webhook import Webhook
from hookferry.errors import InvalidField
from hookferry.wire.profiles import profile_named

_VALUES = {
    CredentialKind.BASIC: "password",
    CredentialKind.BEARER: "token",
    CredentialKind.API_KEY: "value",
}
"""The field of a credential that is a secret."""
_CERB_SOURCE = frozenset(("name", "automations_kata"))
"""Fields of a source that Cerb's webhooks have too."""


class _Chosen(NamedTuple):
    uid: str
    kind: Kind
    record: Any


class Exporter:
    """Writes packages.

    Args:
        kinds: the types of records.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def document(
        self, tenant_id: int, wanted: Sequence[str], *, name: str, revision: int = 1
    ) -> dict[str, Any]:
        """Return a package of some of a tenant's records.

        Args:
            tenant_id: whose they are.
            wanted: their ids, such as ``auto_...``, or their types and names, such as
                ``automation:example.answer``.
            name: of the package.
            revision: of the package.

        Raises:
            InvalidField: a record is not there, or is named twice.
        """
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidField(f"name has 1 to {MAX_NAME} printable characters", field="name")
        if not 0 <= revision <= MAX_REVISION:
            raise InvalidField(f"revision is 0 to {MAX_REVISION:,}", field="revision")
        if not 1 <= len(wanted) <= MAX_RECORDS:
            raise InvalidField(f"records names 1 to {MAX_RECORDS} records", field="records")
        chosen = self._chosen(tenant_id, wanted)
        writing = _Writing(chosen)
        records = [writing.record(one) for one in chosen]
        if len(writing.prompts) > MAX_PROMPTS:
            raise InvalidField(
                f"these records have more than {MAX_PROMPTS} secrets, each of which would be a "
                "prompt; export them in parts",
                field="records",
            )
        return {
            "package": {
                "name": name,
                "revision": revision,
                "requires": {
                    "cerb_version": ".".join(map(str, (*LANGUAGE, 0))),
                    "plugins": ["cerb.webhooks"],
                },
                "configure": {"prompts": writing.prompts, "placeholders": []},
            },
            "records": records,
        }

    def _chosen(self, tenant_id: int, wanted: Sequence[str]) -> list[_Chosen]:
        known = {
            called: (kind, record)
            for kind in self._kinds.ordered
            for record in kind.all(tenant_id)
            for called in (kind.key(record.id, record.name), f"{kind.type}:{record.name}")
        }
        found: dict[tuple[str, int], tuple[Kind, Any]] = {}
        for position, one in enumerate(wanted):
            field = f"records[{position}]"
            if one not in known:
                raise InvalidField(
                    f"there is no record {one[:100]!r}; name one by its id, or by its type and "
                    "name, such as automation:example.answer",
                    field=field,
                )
            kind, record = known[one]
            if (kind.type, record.id) in found:
                raise InvalidField(f"{one[:100]!r} is named twice", field=field)
            found[kind.type, record.id] = kind, record
        return [
            _Chosen(f"{kind.type}_{number}", kind, record)
            for number, (kind, record) in enumerate(found.values(), 1)
        ]


class _Writing:
    """One package as it is written.

    Args:
        chosen: its records.

    Attributes:
        prompts: what has to be asked for it.
    """

    def __init__(self, chosen: Sequence[_Chosen]) -> None:
        self._uids = {one.kind.key(one.record.id, one.record.name): one.uid for one in chosen}
        self.prompts: list[dict[str, Any]] = []

    def record(self, one: _Chosen) -> dict[str, Any]:
        """Return a record as the package has it."""
        fields = _escaped(one.kind.fields(one.record))
        write = _WRITERS.get(one.kind.type)
        if write is not None:
            write(self, one, fields)
        context = one.kind.type
        if context == "source" and _CERB_SOURCE.issuperset(fields):
            context = "webhook_listener"
        assert CONTEXTS[context] == one.kind.type
        return {"uid": one.uid, "_context": context, **fields}

    def ask(self, one: _Chosen, field: str) -> str:
        """Return a template of a prompt for one of a record's secrets."""
        key = f"prompt_{one.uid}_{field.replace('.', '_')}"
        label = f"{field} of the {one.kind.type} {one.record.name}"
        self.prompts.append({"type": "text", "key": key, "label": label, "params": {}})
        return f"{{{{{{{key}}}}}}}"

    def reference(self, key: str, otherwise: str) -> str:
        """Return how the package refers to another record: by its uid, if that is in it."""
        uid = self._uids.get(key)
        return literal(otherwise) if uid is None else f"{{{{{{uid.{uid}}}}}}}"


def _credential(writing: _Writing, one: _Chosen, fields: Fields) -> None:
    credential: Credential = one.record
    field = _VALUES[credential.kind]
    fields[field] = writing.ask(one, field)


def _source(writing: _Writing, one: _Chosen, fields: Fields) -> None:
    source: Source = one.record
    for field in ("guid", "expires_at"):
        fields.pop(field, None)
    if source.verify is not None and source.verify.secrets:
        fields["verify"] = {**fields["verify"], "secret": writing.ask(one, "verify.secret")}
    if source.verify_token is not None:
        fields["verify_token"] = writing.ask(one, "verify_token")
    webhook = source.respond.webhook
    if webhook is not None:
        fields["respond"] = {
            **fields["respond"],
            "webhook": writing.reference(webhook, webhook),
        }


def _webhook(writing: _Writing, one: _Chosen, fields: Fields) -> None:
    webhook: Webhook = one.record
    if webhook.secrets and not profile_named(webhook.profile).secret_by_default:
        fields["secret"] = writing.ask(one, "secret")
    if webhook.proxy is not None:
        fields["proxy"] = writing.ask(one, "proxy")
    if webhook.client_certificate is not None:
        fields["client_certificate"] = {
            part: writing.ask(one, f"client_certificate.{part}")
            for part in ("certificate", "private_key")
        }
    if "credential" in fields:
        fields["credential"] = writing.reference(fields["credential"], fields["credential"])


_WRITERS: dict[str, Callable[[_Writing, _Chosen, Fields], None]] = {
    "credential": _credential,
    "source": _source,
    "webhook": _webhook,
}


def _escaped(value: Any) -> Any:
    """Return a value in which nothing is rendered when it is imported."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {literal(name): _escaped(item) for name, item in value.items()}
    return value
