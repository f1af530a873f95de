"""What a package's document says, and whether it may be imported here at all.

The shape is Cerb's (behaviours S-CB-04, S-CB-06, S-CB-08; its "Webhooks Example" is the seed):
``package`` with its name, what it requires and what it asks, and ``records``.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from hookferry.automate.packages.kinds import BOTS, NO_BOTS
from hookferry.automate.packages.problems import Problems
from hookferry.automate.packages.prompts import Placeholder, Prompt, check_keys
from hookferry.engine.validation import explain_validation
from hookferry.errors import InvalidField, PayloadTooLarge

LANGUAGE: Final = (10, 4)
"""The version of Cerb whose automation language this build speaks."""
PLUGINS: Final = frozenset({"cerb.webhooks", "cerberusweb.core"})
"""Cerb's plugins that are built in here."""
MAX_SIZE: Final = 1024 * 1024
"""Bytes of a document as JSON."""
MAX_RECORDS: Final = 200
MAX_DEPTH: Final = 32
"""Levels of a document."""
MAX_NAME: Final = 200
MAX_REVISION: Final = 2**31 - 1
_VERSION: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){0,3}")
_UID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Requires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a package needs of the server."""

    cerb_version: str | None = None
    plugins: list[str] | None = None


class Configure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be filled in before an import."""

    prompts: list[Prompt] | None = None
    """By whoever imports it."""
    placeholders: list[Placeholder] | None = None
    """By the server."""
    options: dict[str, Any] | None = None
    """Cerb's; nothing here has them."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a package says of itself."""

    name: str = ""
    """Records are remembered under it; see ``hookferry.automate.packages.importing``."""
    revision: int = 1
    requires: Requires | None = None
    configure: Configure | None = None
    cerb_version: str | None = None
    """Where older packages require it too."""
    library: dict[str, Any] | None = None
    """How Cerb's own library shows it: its name, description and picture there."""

    @property
    def prompts(self) -> list[Prompt]:
        """What whoever imports it is asked."""
        return (self.configure.prompts if self.configure else None) or []

    @property
    def placeholders(self) -> list[Placeholder]:
        """What is made for it."""
        return (self.configure.placeholders if self.configure else None) or []


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole document."""

    package: Manifest
    records: list[dict[str, Any]]
    """Each with its ``uid``, its ``_context``, and the fields of such a record."""


def parse_package(document: object) -> Package:
    """Read a package and refuse one that this server can't import.

    Args:
        document: the decoded JSON, or its text.

    Raises:
        InvalidField, UnknownField: it is not a package; names the field.
        PackageRefused: it is, and requires what is not here, or says something twice.
        PayloadTooLarge: it is too large.
    """
    if isinstance(document, str):
        document = _decoded(document)
    _check_depth(document)
    if isinstance(document, dict):
        for name in BOTS:
            if name in document:
                raise InvalidField(NO_BOTS, field=name)
    try:
        package = msgspec.convert(document, Package)
    except msgspec.ValidationError as error:
        explain_validation(error, Package, _FORMS)
    problems = Problems()
    _check_manifest(package.package, problems)
    _check_records(package.records, problems)
    problems.check()
    return package


_FORMS: Final = {
    "": 'a package: {"package": {...}, "records": [...]}',
    "package": "what the package says of itself: name, revision, requires, configure",
    "records": "a list of records, each with its uid, _context and fields",
}


def _decoded(text: str) -> object:
    if len(text) > MAX_SIZE or len(text.encode(errors="replace")) > MAX_SIZE:
        raise PayloadTooLarge(f"a package has at most {MAX_SIZE:,} bytes; split it")
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidField(f"the package is not valid JSON: {error}", field="package") from None


def _check_depth(document: object) -> None:
    """Refuse what is nested too deeply, level by level: a walk that recurses would end itself."""
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise InvalidField(f"a package is nested at most {MAX_DEPTH} levels deep", field="package")


def _check_manifest(manifest: Manifest, problems: Problems) -> None:
    if len(manifest.name) > MAX_NAME or not (manifest.name.isprintable()):
        problems.add(None, "package.name", f"a name has at most {MAX_NAME} printable characters")
    if not 0 <= manifest.revision <= MAX_REVISION:
        problems.add(None, "package.revision", f"a revision is 0 to {MAX_REVISION:,}")
    requires = manifest.requires or Requires()
    for field, version in (
        ("package.requires.cerb_version", requires.cerb_version),
        ("package.cerb_version", manifest.cerb_version),
    ):
        if version is not None:
            _check_version(field, version, problems)
    for position, plugin in enumerate(requires.plugins or ()):
        if plugin not in PLUGINS:
            problems.add(
                None,
                f"package.requires.plugins[{position}]",
                f"the plugin {plugin[:100]!r} is not here; of Cerb's, hookferry has "
                + " and ".join(sorted(PLUGINS)),
            )
    check_keys(manifest.prompts, manifest.placeholders, problems)


def _check_version(field: str, version: str, problems: Problems) -> None:
    speaks = ".".join(map(str, LANGUAGE))
    if not _VERSION.fullmatch(version):
        problems.add(None, field, f"a version is numbers and dots, such as {speaks}.0")
        return
    wanted = tuple(int(number) for number in version.split("."))
    if wanted[: len(LANGUAGE)] > LANGUAGE:
        problems.add(
            None,
            field,
            f"the package requires Cerb {version}, and this build speaks the automation language "
            f"of Cerb {speaks}; take an earlier revision of the package, or a newer hookferry",
        )


def _check_records(records: list[dict[str, Any]], problems: Problems) -> None:
    if len(records) > MAX_RECORDS:
        problems.add(None, "records", f"a package has at most {MAX_RECORDS} records; split it")
        return
    seen: set[str] = set()
    for position, record in enumerate(records):
        uid = record.get("uid")
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            problems.add(
                None,
                f"records[{position}].uid",
                "each record has a uid of 1 to 100 letters, digits, '_', '.' and '-', by which "
                "the others of the package refer to it",
            )
        elif uid in seen:
            problems.add(uid, "uid", "another record of the package has this uid")
        else:
            seen.add(uid)
        if not isinstance(record.get("_context"), str):
            problems.add(
                uid if isinstance(uid, str) else None,
                f"records[{position}]._context",
                "each record says what it is, such as automation or webhook_listener",
            )
