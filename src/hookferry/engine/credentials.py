"""Credentials as their owners manage them: what hookferry's requests authenticate with.

A value goes in, is sealed, and is opened by ``hookferry.engine.planner`` alone: nothing here gives
one back, and no error quotes one.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

import msgspec

from hookferry.clock import Clock
from hookferry.domain.credential import Credential, CredentialKind
from hookferry.engine.custom_headers import check_header_name, check_header_value
from hookferry.engine.definition import merge_patch
from hookferry.engine.directory import Directory
from hookferry.engine.masking import refuse_mask
from hookferry.engine.sealing import CREDENTIAL_FIELD, Sealer
from hookferry.engine.validation import explain_validation
from hookferry.errors import Conflict, InvalidField, VersionMismatch
from hookferry.ids import IdSource, encode
from hookferry.store.ports import ConfigStore
from hookferry.wire.profiles import PROFILES

MAX_CREDENTIALS: Final = 1_000
"""Live credentials of one tenant."""
MAX_VALUE: Final = 4_096
"""Bytes of a password, token or key: as the value of any other header (SEMANTICS section 11)."""
MAX_USERNAME: Final = 255
"""Bytes of a user name."""
MAX_DESCRIPTION: Final = 2_000
_USES_NAMED: Final = 5
"""Webhooks that the refusal of a deletion names."""
NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FIELDS: Final = {
    CredentialKind.BASIC: ("username", "password"),
    CredentialKind.BEARER: ("token",),
    CredentialKind.API_KEY: ("header", "value"),
}
"""What each kind has; the last is the one that is sealed."""


class CredentialDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A credential as its owner writes it: ``name``, ``kind``, and what the kind has."""

    name: str
    kind: CredentialKind
    description: str = ""
    username: str | None = None
    """Of kind ``basic``."""
    password: str | None = None
    """Of kind ``basic``; never shown again."""
    token: str | None = None
    """Of kind ``bearer``; never shown again."""
    header: str | None = None
    """Of kind ``api_key``: the header that carries ``value``."""
    value: str | None = None
    """Of kind ``api_key``; never shown again."""


class Credentials:
    """The rules for credentials.

    Args:
        config: where they are saved.
        directory: the snapshot that is read.
        sealer: seals their values.
        ids: makes their ids.
        clock: times of creation and change.
    """

    def __init__(
        self,
        config: ConfigStore,
        directory: Directory,
        sealer: Sealer,
        ids: IdSource,
        clock: Clock,
    ) -> None:
        self._config = config
        self._directory = directory
        self._sealer = sealer
        self._ids = ids
        self._clock = clock

    async def create(self, tenant_id: int, document: object) -> Credential:
        """Save a new credential.

        Args:
            tenant_id: whose it is.
            document: the decoded JSON of its definition.

        Raises:
            InvalidField, UnknownField: the definition can't be taken.
            NameTaken: another credential of the tenant has this name.
            Conflict: the tenant has too many.
        """
        self.check_room(tenant_id, 1)
        return await self._save(self.draft(tenant_id, document))

    def check_room(self, tenant_id: int, more: int) -> None:
        """Raise Conflict unless a tenant may have this many more credentials."""
        if len(self._directory.credentials(tenant_id)) + more > MAX_CREDENTIALS:
            raise Conflict(
                f"this tenant may have {MAX_CREDENTIALS:,} credentials, which is the limit; delete "
                "those that no webhook uses"
            )

    def draft(
        self, tenant_id: int, document: object, *, credential_id: int | None = None
    ) -> Credential:
        """Build a credential from a definition without saving it.

        Args:
            tenant_id: whose it would be.
            document: the decoded JSON of the definition.
            credential_id: its id; made when left out.

        Raises:
            InvalidField, UnknownField: the definition can't be taken.
        """
        definition = _parse(merge_patch({}, document))
        secret = _secret_of(definition)
        if secret is None:
            _missing(_FIELDS[definition.kind][-1], definition.kind)
        now = self._clock.wall_ms()
        number = self._ids.next() if credential_id is None else credential_id
        return Credential(
            id=number,
            tenant_id=tenant_id,
            name=definition.name,
            kind=definition.kind,
            username=definition.username or "",
            header=definition.header or "",
            value=self._seal(secret, number),
            description=definition.description,
            created_at_ms=now,
            updated_at_ms=now,
        )

    async def patch(
        self, tenant_id: int, credential_id: int, document: object, *, version: int | None = None
    ) -> Credential:
        """Change a credential by a JSON merge patch (RFC 7396); webhooks use it so at once.

        What is left out stays, the sealed value too, as long as ``kind`` does.

        Raises:
            NotFound: there is no such credential.
            VersionMismatch: it is not at ``version`` any more.
            InvalidField, UnknownField, NameTaken: the result can't be taken.
        """
        return await self._save(
            self.draft_patch(tenant_id, credential_id, document, version=version)
        )

    def draft_patch(
        self, tenant_id: int, credential_id: int, document: object, *, version: int | None = None
    ) -> Credential:
        """Build what ``patch`` would save; raises as it does, but for NameTaken."""
        before = self._at(tenant_id, credential_id, version)
        known = document_of(before)
        if isinstance(document, dict) and document.get("kind", before.kind) != before.kind:
            # Nothing of the former kind goes on, least of all a value shown in another way.
            known = {name: known[name] for name in ("name", "description")}
        definition = _parse(merge_patch(known, document))
        secret = _secret_of(definition)
        value = before.value
        if secret is not None:
            value = self._seal(secret, before.id)
        elif definition.kind is not before.kind or _takes_away(document, definition.kind):
            _missing(_FIELDS[definition.kind][-1], definition.kind)
        return msgspec.structs.replace(
            before,
            name=definition.name,
            kind=definition.kind,
            username=definition.username or "",
            header=definition.header or "",
            value=value,
            description=definition.description,
            version=before.version + 1,
            updated_at_ms=self._clock.wall_ms(),
        )

    async def delete(
        self, tenant_id: int, credential_id: int, *, version: int | None = None
    ) -> None:
        """Delete a credential that no webhook uses.

        Raises:
            NotFound: there is no such credential.
            VersionMismatch: it is not at ``version`` any more.
            Conflict: a webhook uses it.
        """
        found = self._at(tenant_id, credential_id, version)
        uses = self.used_by(found)
        if uses:
            named = ", ".join(uses[:_USES_NAMED])
            rest = f" and {len(uses) - _USES_NAMED} more" if len(uses) > _USES_NAMED else ""
            raise Conflict(
                f"this credential is used by {named}{rest}; give those webhooks another one, or "
                "null, first",
                webhooks=uses[:_USES_NAMED],
            )
        await self._save(
            msgspec.structs.replace(
                found,
                value=b"",  # nobody needs it any more
                deleted=True,
                version=found.version + 1,
                updated_at_ms=self._clock.wall_ms(),
            )
        )

    def used_by(self, credential: Credential) -> list[str]:
        """Return the ids (``wh_...``) of the webhooks that use a credential, newest first."""
        return [
            encode("wh", webhook.id)
            for webhook in self._directory.webhooks(credential.tenant_id)
            if webhook.credential == credential.id
        ]

    def _at(self, tenant_id: int, credential_id: int, version: int | None) -> Credential:
        found = self._directory.credential(tenant_id, credential_id)
        if version is not None and found.version != version:
            raise VersionMismatch(
                f"this credential is at version {found.version}, not {version}; read it again and "
                "repeat your change"
            )
        return found

    def _seal(self, secret: str, credential_id: int) -> bytes:
        return self._sealer.seal(secret.encode(), row=credential_id, field=CREDENTIAL_FIELD)

    async def _save(self, credential: Credential) -> Credential:
        saved = await self._config.save(credential)
        await self._directory.refresh()
        return saved


def document_of(credential: Credential) -> dict[str, object]:
    """Return the definition behind a credential, without its value."""
    document: dict[str, object] = {
        "name": credential.name,
        "kind": credential.kind.value,
        "description": credential.description,
    }
    if credential.kind is CredentialKind.BASIC:
        document["username"] = credential.username
    elif credential.kind is CredentialKind.API_KEY:
        document["header"] = credential.header
    return document


def _secret_of(d: CredentialDefinition) -> str | None:
    secret: str | None = getattr(d, _FIELDS[d.kind][-1])
    return secret


def _takes_away(document: object, kind: CredentialKind) -> bool:
    """Tell whether a patch gives null for the value, which nothing works without."""
    name = _FIELDS[kind][-1]
    return isinstance(document, dict) and name in document and document[name] is None


def _parse(document: object) -> CredentialDefinition:
    try:
        definition = msgspec.convert(document, CredentialDefinition)
    except msgspec.ValidationError as error:
        explain_validation(error, CredentialDefinition)
    _check(definition)
    return definition


def _check(d: CredentialDefinition) -> None:
    if not NAME.fullmatch(d.name) or d.name.startswith("cred_"):
        raise InvalidField(
            "a credential's name is 1 to 100 characters without spaces or control characters, and "
            "does not begin with 'cred_', as ids do",
            field="name",
        )
    if len(d.description) > MAX_DESCRIPTION:
        raise InvalidField(
            f"description has at most {MAX_DESCRIPTION:,} characters", field="description"
        )
    for kind, names in _FIELDS.items():
        for name in names:
            if kind is not d.kind and getattr(d, name) is not None:
                raise InvalidField(
                    f"a credential of kind {d.kind.value!r} has no {name}; it has "
                    f"{' and '.join(_FIELDS[d.kind])}",
                    field=name,
                )
    for name in _FIELDS[d.kind][:-1]:
        if getattr(d, name) is None:
            _missing(name, d.kind)
    if d.kind is CredentialKind.BASIC:
        _check_basic(d)
        return
    if d.header is not None:
        own = [prefix for profile in PROFILES.values() for prefix in profile.own_headers]
        check_header_name(d.header, "header", own=own)
    secret, field = _secret_of(d), _FIELDS[d.kind][-1]
    if secret is not None:
        _not_empty(secret, field)
        check_header_value(d.header or "Authorization", secret, field, most=MAX_VALUE)
        refuse_mask(secret, field)


def _check_basic(d: CredentialDefinition) -> None:
    """Check what RFC 7617 section 2 asks: no control characters, no colon in the user name."""
    if d.username is not None and (
        len(d.username.encode()) > MAX_USERNAME or ":" in d.username or _bad(d.username)
    ):
        raise InvalidField(
            f"username has at most {MAX_USERNAME} bytes, no colon and no control characters "
            "(RFC 7617)",
            field="username",
        )
    if d.password is not None:
        _not_empty(d.password, "password")
        if len(d.password.encode()) > MAX_VALUE or _bad(d.password):
            raise InvalidField(
                f"password has at most {MAX_VALUE:,} bytes and no control characters (RFC 7617)",
                field="password",
            )
        refuse_mask(d.password, "password")


def _bad(text: str) -> bool:
    return _CONTROL.search(text) is not None


def _not_empty(text: str, field: str) -> None:
    if not text:
        raise InvalidField(f"{field} is empty; give 1 to {MAX_VALUE:,} bytes", field=field)


def _missing(field: str, kind: CredentialKind) -> NoReturn:
    raise InvalidField(
        f"{field} is missing: a credential of kind {kind.value!r} has "
        f"{' and '.join(_FIELDS[kind])}",
        field=field,
    )
