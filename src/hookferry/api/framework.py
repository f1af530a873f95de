"""How the framework is used here: errors, authorization, query checks, dependencies.

Litestar's own errors come out as the same problem documents as ours.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.constants import RESERVED_KWARGS
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import Guard
from litestar.typing import FieldDefinition

from hookferry.api.access import Access
from hookferry.api.problems import (
    CONTENT_TYPE,
    BadRequest,
    InternalError,
    encode_problem,
    headers_of,
    status_of,
)
from hookferry.api.publish import PATH
from hookferry.domain.tenant import ApiKey, Tenant
from hookferry.errors import (
    HookferryError,
    InvalidField,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    UnknownField,
)

Owner = NamedDependency[Tenant]
"""The tenant that a request is about."""

IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="the ETag of an earlier answer")
]

PUBLISH_PATH = PATH.decode()


@dataclass(frozen=True)
class Answer:
    """A successful answer of an address, for the OpenAPI document.

    A handler whose signature says its one answer needs none. Others list all of theirs in
    ``opt={"answers": [...]}``; the rest of what a handler may say there is in
    ``hookferry.api.openapi``.
    """

    status: int
    kind: Any
    """The type of its body in JSON; ``str`` for other media; None for no body."""
    media: str = "application/json"
    description: str = ""


IS_HEAD = "hookferry.is_head"
"""Key of an ASGI scope whose method is GET: the client asked with HEAD, and gets no body."""

AnyRequest = Request[Any, Any, Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]

_WHOLE = re.compile(r"-?[0-9]{1,18}")

log = logging.getLogger("hookferry.api")


def problem_response(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer an exception with a problem document (Litestar's exception handler)."""
    known = as_ours(error)
    if isinstance(known, MethodNotAllowed) and request.url.path.rstrip("/") == PUBLISH_PATH:
        known.extra["allow"] = f"{known.extra['allow']}, POST"  # served below the framework
    if isinstance(known, InternalError):
        log.error("a request failed", exc_info=error)
    return Response(
        content=encode_problem(known),
        status_code=status_of(known),
        media_type=CONTENT_TYPE,
        headers=dict(headers_of(known)),
    )


def as_ours(error: Exception) -> HookferryError:
    """Return the error of our tree for any exception."""
    if isinstance(error, HookferryError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        return PayloadTooLarge("the request's body is too large for this address; send less")
    if isinstance(error, MethodNotAllowedException):
        allow = (error.headers or {}).get("allow", "").replace("GET", "GET, HEAD")
        return MethodNotAllowed(
            "this address does not take that method; 'allow' lists those it takes", allow=allow
        )
    if isinstance(error, NotFoundException):
        return NotFound("there is nothing at this address; see /docs")
    if isinstance(error, ValidationException):
        extra = error.extra if isinstance(error.extra, list) else []
        first = extra[0] if extra else {}
        field = first.get("key") if isinstance(first, dict) else None
        what = first.get("message") if isinstance(first, dict) else None
        return InvalidField(f"{field or 'a parameter'}: {what or error.detail}", field=field)
    if isinstance(error, InternalServerException) and "disconnected" in error.detail:
        return RequestTimeout("the request ended before its body did")
    if isinstance(error, HTTPException) and error.status_code < 500:
        return BadRequest(error.detail)
    return InternalError("something broke here; it was logged")


def check_query(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse query parameters that the address does not have, that are given twice, and numbers
    and truth values that are none (Litestar's guard)."""
    given = connection.query_params
    if not given:
        return
    known = query_fields(handler, connection.path_params)
    for name in given:
        field = known.get(name)
        if field is None:
            raise UnknownField.near(name, known, where="the query")
        first, *more = given.getall(name)
        if more:
            raise InvalidField(f"{name} is given twice; give it once", field=name)
        # The framework takes 'null' for an int | None, and 'on' and 'yes' for a bool.
        kinds = (field.annotation, *get_args(field.annotation))
        if int in kinds and not _WHOLE.fullmatch(first):
            raise InvalidField(f"{name} is a whole number", field=name)
        if bool in kinds and first not in ("true", "false"):
            raise InvalidField(f"{name} is true or false", field=name)


def query_fields(
    handler: BaseRouteHandler, path_names: Collection[str]
) -> dict[str, FieldDefinition]:
    """Return a handler's query parameters by name, read from signatures: its own, and those of
    the dependencies that it asks for."""
    dependencies = handler.resolve_dependencies()
    found: dict[str, FieldDefinition] = {}
    signatures = [handler.parsed_fn_signature]
    while signatures:
        for name, field in signatures.pop().parameters.items():
            if name in dependencies:
                signatures.append(dependencies[name].parsed_fn_signature)
            elif (
                name not in RESERVED_KWARGS
                and name not in path_names
                and not isinstance(field.kwarg_definition, HeaderParameter)
            ):
                alias = getattr(field.kwarg_definition, "name", None)
                found[alias or name] = field
    return found


def header_of(connection: AnyConnection, name: bytes) -> bytes | None:
    """Return the first value of a header, by its name in lower case, as bytes."""
    for known, value in connection.scope["headers"]:
        if known == name:
            return bytes(value)
    return None


def _key(access: Access, connection: AnyConnection) -> ApiKey:
    return access.key_of(header_of(connection, b"authorization"))


# Functions, not methods: the framework deep-copies what it is given, and functions stay the same.


def authenticated(access: Access) -> Guard:
    """Make the guard that lets only valid keys in."""

    def guard(connection: AnyConnection, _: BaseRouteHandler) -> None:
        _key(access, connection)

    return guard


def administrator(access: Access) -> Guard:
    """Make the guard that lets only keys in that are bound to no tenant."""

    def guard(connection: AnyConnection, _: BaseRouteHandler) -> None:
        access.require_administrator(_key(access, connection))

    return guard


def owner_of(access: Access) -> Provide:
    """Make the dependency ``owner``: the tenant that a request is about."""

    def owner(
        request: AnyRequest,
        tenant: Annotated[
            str | None,
            QueryParameter(description="whose things are meant; the key's tenant, else 'default'"),
        ] = None,
    ) -> Tenant:
        return access.tenant_of(_key(access, request), tenant)

    return Provide(owner, sync_to_thread=False)
