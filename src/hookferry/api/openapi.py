"""The OpenAPI 3.1 document at ``/openapi.json``: every address, exactly as it answers.

Read from what serves: the routes and their handlers' signatures, the structs that are decoded and
encoded, the table of errors. What a signature can't say stands in a handler's ``opt``:

``body``      the type of the body, or types by media type
``partial``   the body is a merge patch of that type
``optional``  the body may be left out
``answers``   the successful answers (``Answer``), where it has several or not JSON
``problems``  statuses of problems beside those that follow from the rest
``public``    no API key is asked for
``traced``    a publisher's trace context is taken

How parameters look is ``parameters``, what is known of fields ``constraints``.
"""

from __future__ import annotations

import http
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from hookferry import __version__
from hookferry.api import constraints, parameters
from hookferry.api.caught_views import StreamedRequest
from hookferry.api.framework import Answer, query_fields
from hookferry.api.problems import CONTENT_TYPE, Problem, catalogue
from hookferry.api.publish import PATH, VerdictView
from hookferry.api.resources.events import ReceiptView
from hookferry.api.wire import PageSizes
from hookferry.catch.definition import SourceLimits
from hookferry.engine.definition import DefinitionLimits
from hookferry.engine.publication import Publication
from hookferry.engine.verdicts import CallOutcome

Schema = dict[str, Any]
_SCHEMA_REF = "#/components/schemas/{name}"
_PROBLEM_REF = "#/components/responses/Problem{status}"
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"

_ANY_REQUEST = (400, 408, 422, 431, 503)
"""Problems that any request may meet: it is no HTTP, comes too slowly, asks with a parameter that
the address does not have, has too large a head, or finds the ledger away."""
_WITH_A_KEY = (401, 403, 404)
_WITH_A_BODY = (413,)
_CHANGING = (409,)
_CONDITIONAL = (412,)
_SYNCHRONOUS = (424,)


@dataclass(frozen=True)
class _Operation:
    """One address and method, before its types are turned into schemas."""

    path: str
    method: str
    id: str
    tag: str
    summary: str
    public: bool
    parameters: tuple[Schema, ...]
    bodies: Mapping[str, Any]
    partial: bool
    body_required: bool
    answers: tuple[Answer, ...]
    problems: tuple[int, ...]


def describe(
    app: Litestar, pages: PageSizes, limits: DefinitionLimits, source_limits: SourceLimits
) -> Schema:
    """Return the OpenAPI document of an application as plain values.

    Args:
        app: what is served.
        pages: how many items a page of a list has.
        limits: what the operator set of the rules for webhooks.
        source_limits: and of those for sources.
    """
    known = parameters.table(pages)
    operations = [*_operations(app, known), _publish(known)]
    operations.sort(key=lambda o: (o.path, o.method))
    shapes = _Shapes(operations, limits, source_limits)
    paths: dict[str, Schema] = {}
    for operation in operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method] = shown = _show(operation, shapes)
        if operation.method == "get":
            item["head"] = _as_head(shown)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hookferry",
            "version": __version__,
            "description": "Self-hosted webhooks: send, catch, automate. Every problem carries a "
            "stable code.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "responses": {f"Problem{status}": shown for status, shown in shapes.problems.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The API key."},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The API key as the password, for programs that know no other.",
                },
            },
        },
    }


# ------------------------------------------------------------------ from routes to operations


def routes(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Yield path, method and handler of every address that the document describes."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if handler.resolve_include_in_schema():
                    yield route.path_format, method.lower(), handler


def _operations(app: Litestar, known: Mapping[str, Schema]) -> Iterator[_Operation]:
    for path, method, handler in routes(app):
        opt = handler.opt
        bodies = opt.get("body", {})
        if not isinstance(bodies, dict):
            bodies = {_MERGE_PATCH if opt.get("partial") else _JSON: bodies}
        tag = handler.resolve_tags()[0]
        public = bool(opt.get("public"))
        given = tuple(_parameters(path, handler, tag, known))
        if method == "post" and not public:
            given += (parameters.IDEMPOTENCY,)
        if opt.get("traced"):
            given += parameters.TRACE
        yield _Operation(
            path=path,
            method=method,
            id=f"{tag}_{handler.handler_name}",
            tag=tag,
            summary=handler.summary or "",
            public=public,
            parameters=given,
            bodies=bodies,
            partial=bool(opt.get("partial")),
            body_required=not opt.get("optional"),
            answers=tuple(opt["answers"]) if "answers" in opt else (_answer(handler),),
            problems=_problems(method, public, bool(bodies), given, opt.get("problems", ())),
        )


def _problems(
    method: str, public: bool, body: bool, given: tuple[Schema, ...], more: tuple[int, ...]
) -> tuple[int, ...]:
    found = {*_ANY_REQUEST, *more}
    if not public:
        found.update(_WITH_A_KEY)
    if body:
        found.update(_WITH_A_BODY)
    if method != "get":
        found.update(_CHANGING)
    if any(p["name"] in ("If-Match", "If-Unmodified-Since") for p in given):
        found.update(_CONDITIONAL)
    return tuple(sorted(found))


def _parameters(
    path: str, handler: HTTPRouteHandler, tag: str, known: Mapping[str, Schema]
) -> Iterator[Schema]:
    fields = handler.parsed_fn_signature.parameters
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    for name in in_path:
        yield _parameter(name, "path", fields[name], tag, known)
    for name, field in query_fields(handler, in_path).items():
        yield _parameter(name, "query", field, tag, known)
    for field in fields.values():
        kwarg = field.kwarg_definition
        if isinstance(kwarg, HeaderParameter):
            yield _parameter(kwarg.name or field.name, "header", field, tag, known)


def _parameter(
    name: str, place: str, field: FieldDefinition, tag: str, known: Mapping[str, Schema]
) -> Schema:
    schema = known.get(f"{tag}.{name}") or known.get(name) or _typed(field)
    shown: Schema = {"name": name, "in": place, "required": place == "path", "schema": schema}
    description = getattr(field.kwarg_definition, "description", None)
    if description:
        shown["description"] = description
    return shown


def _typed(field: FieldDefinition) -> Schema:
    """Return the schema of a parameter that has no rule but its type, and its range if any."""
    kinds = {field.annotation, *get_args(field.annotation)}
    if bool in kinds:
        return {"type": "boolean"}
    if int not in kinds:
        return {"type": "string"}
    schema: Schema = {"type": "integer"}
    kwarg = field.kwarg_definition
    if isinstance(kwarg, ParameterKwarg):
        for keyword, bound in (("minimum", kwarg.ge), ("maximum", kwarg.le)):
            if bound is not None:
                schema[keyword] = int(bound)
    return schema


def _answer(handler: HTTPRouteHandler) -> Answer:
    """Return the one answer that a handler's signature names.

    Raises:
        TypeError: the signature can't tell; ``opt`` has to.
    """
    kind = handler.parsed_fn_signature.return_type.annotation
    if get_origin(kind) is Response:
        kind = get_args(kind)[0]
    if kind is type(None):
        return Answer(handler.status_code, None)
    if kind is bytes or (isinstance(kind, type) and issubclass(kind, Response)):
        raise TypeError(f"{handler.handler_name}: say in opt['answers'] what it answers")
    return Answer(handler.status_code, kind)


def _publish(known: Mapping[str, Schema]) -> _Operation:
    """Return the hot route, which no framework knows (``hookferry.api.publish``)."""
    tenant = {"name": "tenant", "in": "query", "required": False, "schema": known["tenant"]}
    given = (tenant, parameters.IDEMPOTENCY, *parameters.TRACE)
    return _Operation(
        path=PATH.decode(),
        method="post",
        id="events_publish",
        tag="events",
        summary="Publish one event; answered after it is durable",
        public=False,
        parameters=given,
        bodies={_JSON: Publication},
        partial=False,
        body_required=True,
        answers=(
            Answer(
                200,
                VerdictView,
                description="Its synchronous webhooks answered, and none refused it",
            ),
            Answer(
                202,
                ReceiptView,
                description="The event is stored and its deliveries are on their way",
            ),
        ),
        problems=_problems("post", False, True, given, _SYNCHRONOUS),
    )


# ------------------------------------------------------------------ from operations to JSON


class _Shapes:
    """The schemas of all types that are served.

    Args:
        operations: where they are served.
        limits: what the operator set of the rules for webhooks.
        source_limits: and of those for sources.
    """

    def __init__(
        self,
        operations: list[_Operation],
        limits: DefinitionLimits,
        source_limits: SourceLimits,
    ) -> None:
        kinds: list[Any] = [Problem, CallOutcome, StreamedRequest]
        for operation in operations:
            for kind in (*operation.bodies.values(), *(a.kind for a in operation.answers)):
                kinds += _parts(kind)
        kinds = [kind for kind in dict.fromkeys(kinds) if kind not in (None, str)]
        shapes, self.components = msgspec.json.schema_components(kinds, ref_template=_SCHEMA_REF)
        constraints.apply(self.components, constraints.table(limits, source_limits))
        self._of = dict(zip(kinds, shapes, strict=True))
        used = {status for operation in operations for status in operation.problems}
        codes = _codes()
        self.problems = {status: _problem(status, codes[status]) for status in sorted(used)}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; ``str`` is any text."""
        if kind is str:
            return {"type": "string"}
        if get_origin(kind) is list:
            return {"type": "array", "items": self.of(get_args(kind)[0])}
        if get_origin(kind) is UnionType:
            return {"anyOf": [self.of(one) for one in get_args(kind)]}
        found: Schema = self._of[kind]
        return found

    def body(self, kind: Any, media: str, *, partial: bool) -> Schema:
        """Return the schema of a body."""
        shape = self.of(kind)
        if partial:
            name = shape["$ref"].rpartition("/")[2]
            return constraints.merge_patch_of(name, self.components, _SCHEMA_REF)
        return shape

    def versioned(self, kind: Any) -> bool:
        """Tell whether an answer has a version, which its ETag says too."""
        return isinstance(kind, type) and "version" in getattr(kind, "__struct_fields__", ())


def _parts(kind: Any) -> list[Any]:
    """Take arrays and unions apart: those of untagged structs are no types to msgspec."""
    if get_origin(kind) in (list, UnionType):
        return [part for one in get_args(kind) for part in _parts(one)]
    return [kind]


def _codes() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code, status, _ in catalogue():
        found.setdefault(status, []).append(code)
    return found


def _problem(status: int, codes: list[str]) -> Schema:
    schema = constraints.problem_schema(status, codes, _SCHEMA_REF)
    if status in _SYNCHRONOUS:
        outcome = {"$ref": _SCHEMA_REF.format(name="CallOutcome")}
        schema["allOf"][1]["properties"] |= {
            "id": parameters.id_schema("evt"),
            "outcomes": {"type": "array", "items": outcome},
        }
    shown: Schema = {
        "description": http.HTTPStatus(status).phrase,
        "content": {CONTENT_TYPE: {"schema": schema}},
    }
    header = {
        401: ("WWW-Authenticate", {"type": "string"}),
        405: ("Allow", {"type": "string"}),
        503: ("Retry-After", {"type": "integer", "minimum": 0}),
    }.get(status)
    if header is not None:
        shown["headers"] = {header[0]: {"required": True, "schema": header[1]}}
    return shown


def _show(operation: _Operation, shapes: _Shapes) -> Schema:
    answers: Schema = {}
    for answer in operation.answers:
        shown = answers.setdefault(
            str(answer.status),
            {"description": answer.description or http.HTTPStatus(answer.status).phrase},
        )
        if answer.kind is not None:
            shown.setdefault("content", {})[answer.media] = {"schema": shapes.of(answer.kind)}
        headers: Schema = {}
        if shapes.versioned(answer.kind):
            headers["ETag"] = {"required": True, "schema": {"type": "string"}}
        if answer.status == http.HTTPStatus.CREATED:
            headers["Location"] = {"required": True, "schema": {"type": "string"}}
        if headers:
            shown["headers"] = headers
    for status in operation.problems:
        answers[str(status)] = {"$ref": _PROBLEM_REF.format(status=status)}
    described: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": answers,
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.bodies:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {
                media: {"schema": shapes.body(kind, media, partial=operation.partial)}
                for media, kind in operation.bodies.items()
            },
        }
    if operation.public:
        described["security"] = []
    return described


def _as_head(get: Schema) -> Schema:
    """Return HEAD of an address from its GET: the same answers, without their bodies."""
    answers = {}
    for status, answer in get["responses"].items():
        if "$ref" in answer:
            answer = {"description": http.HTTPStatus(int(status)).phrase}
        answers[status] = {name: value for name, value in answer.items() if name != "content"}
    return get | {
        "operationId": get["operationId"] + "_head",
        "summary": "As GET, without the body",
        "responses": answers,
    }
