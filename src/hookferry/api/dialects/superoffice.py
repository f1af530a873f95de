"""``/api/v1/Webhook``: SuperOffice's own REST API for webhooks (behaviours 4b, S-SO-17 to 20).

A program written for it works with the address changed. Only webhooks with the profile
``superoffice`` are seen here. The door maps names (``superoffice_shapes``) and calls the services.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import MediaType, Router, delete, get, patch, post, put
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, HeaderParameter, PathParameter, QueryParameter, RawBody

from hookferry.api.access import Access
from hookferry.api.dialects import superoffice_shapes as shapes
from hookferry.api.dialects.json_patch import Operation
from hookferry.api.dialects.superoffice_saving import (
    JSON_PATCH,
    MERGE_PATCH,
    Saving,
    is_shown_as,
    patched_webhook,
    version_unmodified_since,
)
from hookferry.api.dialects.superoffice_shapes import (
    GivenWebhook,
    LinkedWebhook,
    ShownWebhook,
    TestResult,
)
from hookferry.api.framework import (
    AnyConnection,
    AnyRequest,
    Owner,
    authenticated,
    header_of,
    owner_of,
    problem_response,
)
from hookferry.api.problems import NotAcceptable, UnsupportedMediaType
from hookferry.api.services import Services
from hookferry.api.wire import decode_json
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook, WebhookState
from hookferry.engine.masking import MASK, refuse_mask
from hookferry.engine.pings import PingResult
from hookferry.engine.publication import Publication
from hookferry.engine.sealing import open_secrets
from hookferry.errors import HookferryError, InvalidField, NotFound, TargetRefused
from hookferry.match.patterns import matches
from hookferry.wire.naming import split_type

PATH = "/api/v1/Webhook"
MAX_KEY = 2**31 - 1
"""SuperOffice's ids are 32-bit."""

_JSON = ("application/json", "text/json", JSON_PATCH, MERGE_PATCH)

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

Number = Annotated[int, PathParameter(description="the webhook's number, its WebhookId")]
Select = Annotated[
    str | None,
    QueryParameter(name="$select", description="properties to show; the others are null"),
]
Unmodified = Annotated[
    str | None,
    HeaderParameter(
        name="If-Unmodified-Since", description="412 when the webhook was saved after this"
    ),
]


def superoffice_routers(s: Services, access: Access) -> list[Router]:
    """Return the door under its own address, and once more under ``/{tenant}`` before it.

    The second is how SuperOffice Online's addresses look: ``https://host/Cust1234/api/v1/...``.
    """

    def customer(request: AnyRequest, customer: FromPath[str]) -> Tenant:
        if "tenant" in request.query_params:
            raise InvalidField("the address names the tenant; leave 'tenant' out", field="tenant")
        return access.tenant_of(access.key_of(header_of(request, b"authorization")), customer)

    return [
        _router(s, access, PATH, owner_of(access), in_schema=True),
        _router(
            s,
            access,
            "/{customer:str}" + PATH,
            Provide(customer, sync_to_thread=False),
            in_schema=False,
        ),
    ]


def _router(s: Services, access: Access, path: str, owner: Provide, *, in_schema: bool) -> Router:
    return Router(
        path,
        route_handlers=_handlers(s),
        guards=[authenticated(access), json_only],
        dependencies={"owner": owner},
        exception_handlers={HookferryError: _problem},
        include_in_schema=in_schema,
        opt={"problems": (406, 415)},
        tags=["superoffice"],
    )


def _problem(request: AnyRequest, error: HookferryError) -> Any:
    return problem_response(request, shapes.in_their_words(error))


def json_only(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Refuse bodies that are not JSON, and callers that want something else (Litestar's guard)."""
    given = _media_type(header_of(connection, b"content-type"))
    if given and given not in _JSON:
        raise UnsupportedMediaType(
            f"this address takes JSON only, not {given[:80]}; send Content-Type: application/json"
        )
    accept = header_of(connection, b"accept")
    if accept is not None and not any(
        kind in (*_JSON, "application/*", "text/*", "*/*")
        for kind in map(_media_type, accept.split(b","))
    ):
        raise NotAcceptable("this address answers JSON only; send Accept: application/json")


def _media_type(value: bytes | None) -> str:
    return (value or b"").partition(b";")[0].strip().lower().decode("latin-1")


def _handlers(s: Services) -> list[Any]:
    def of(owner: Tenant) -> list[Webhook]:
        return [w for w in s.directory.webhooks(owner.id) if w.profile == shapes.PROFILE]

    def numbered(owner: Tenant, number: int) -> Webhook:
        for webhook in of(owner):
            if webhook.number == number:
                return webhook
        raise NotFound(f"there is no webhook {number} with the profile {shapes.PROFILE!r}")

    def answer(request: AnyRequest, webhook: Webhook, select: str | None) -> LinkedWebhook:
        return shapes.selected(shapes.linked(webhook, _collection(request)), select)

    @get("/default", summary="SuperOffice: what a new webhook starts from")
    async def default() -> ShownWebhook:
        return shapes.default()

    @get("/", summary="SuperOffice: list webhooks")
    async def list_all(
        owner: Owner,
        name: Annotated[
            str | None,
            QueryParameter(name="nameFilter", description="only those of this name, in any case"),
        ] = None,
        event: Annotated[
            str | None,
            QueryParameter(name="eventFilter", description="only those that this event is sent to"),
        ] = None,
        status: Annotated[
            str | None,
            QueryParameter(
                name="statusFilter",
                description="only those in this state, by name or number; Unknown for all",
            ),
        ] = None,
    ) -> list[ShownWebhook]:
        state = shapes.state_of(status, "statusFilter")
        return [
            shapes.shown(w)
            for w in sorted(of(owner), key=lambda w: w.number)
            if (not name or w.name.casefold() == name.casefold())
            and (not event or any(matches(pattern, event) for pattern in w.events))
            and (state is WebhookState.UNKNOWN or is_shown_as(w, state))
        ]

    @post("/", status_code=200, summary="SuperOffice: create a webhook", opt={"body": GivenWebhook})
    async def create(
        request: AnyRequest, owner: Owner, body: RawBody, select: Select = None
    ) -> LinkedWebhook:
        given = shapes.given(shapes.canonical(decode_json(body)))
        return answer(request, await Saving(s.webhooks, owner.id).create(given), select)

    @post(
        "/Test",
        status_code=200,
        summary="SuperOffice: ping a definition, saved or not",
        opt={"body": GivenWebhook},
    )
    async def test(owner: Owner, body: RawBody) -> TestResult:
        given = shapes.given(shapes.canonical(decode_json(body)))
        known = numbered(owner, given.webhook_id) if given.webhook_id else None
        definition = {"name": "test", "events": ["test"], **shapes.definition_of(given, known)}
        if given.secret == MASK and known is not None and known.secrets:
            definition["secret"] = open_secrets(s.sealer, known, s.clock.wall_ms())[0]
        elif given.secret:
            refuse_mask(given.secret, "Secret")
            definition["secret"] = given.secret
        try:
            draft, _ = await s.webhooks.draft(owner.id, definition)
        except TargetRefused as refused:
            return TestResult(False, refused.detail)
        return _result(await s.pings.ping(draft))

    @get("/{number:int}", summary="SuperOffice: get a webhook")
    async def get_one(
        request: AnyRequest, owner: Owner, number: Number, select: Select = None
    ) -> LinkedWebhook:
        return answer(request, numbered(owner, number), select)

    @put("/{number:int}", summary="SuperOffice: replace a webhook", opt={"body": GivenWebhook})
    async def replace(
        request: AnyRequest,
        owner: Owner,
        number: Number,
        body: RawBody,
        select: Select = None,
        unmodified: Unmodified = None,
    ) -> LinkedWebhook:
        given = shapes.given(shapes.canonical(decode_json(body)))
        before = numbered(owner, number)
        saved = await Saving(s.webhooks, owner.id).replace(
            before, given, version_unmodified_since(before, unmodified)
        )
        return answer(request, saved, select)

    @patch(
        "/{number:int}",
        summary="SuperOffice: change a webhook by a merge patch or a JSON patch",
        opt={"body": {MERGE_PATCH: GivenWebhook, JSON_PATCH: list[Operation]}},
    )
    async def change(
        request: AnyRequest,
        owner: Owner,
        number: Number,
        body: RawBody,
        select: Select = None,
        unmodified: Unmodified = None,
    ) -> LinkedWebhook:
        before = numbered(owner, number)
        kind = _media_type(header_of(request, b"content-type"))
        given = patched_webhook(before, decode_json(body), kind)
        saved = await Saving(s.webhooks, owner.id).replace(
            before, given, version_unmodified_since(before, unmodified)
        )
        return answer(request, saved, select)

    @delete("/{number:int}", summary="SuperOffice: delete a webhook; what it owes is cancelled")
    async def remove(owner: Owner, number: Number) -> None:
        await s.webhooks.delete(owner.id, numbered(owner, number).id)

    @get(
        "/{number:int}/LastError",
        media_type=MediaType.JSON,
        summary="SuperOffice: the last error, or an empty string",
    )
    async def last_error(owner: Owner, number: Number) -> str:
        text = s.directory.health(numbered(owner, number).id).last_error or ""
        return msgspec.json.encode(text).decode()  # the framework sends a str as it is

    @post(
        "/{event_name:str}/{primary_key:int}",
        status_code=204,
        summary="SuperOffice: signal an event; answered after it is durable",
        request_max_body_size=s.intake.payload_limit,
        opt={"body": dict[str, Any] | None, "optional": True},
    )
    async def signal(
        owner: Owner,
        event_name: FromPath[str],
        primary_key: Annotated[int, PathParameter(ge=0, le=MAX_KEY)],
        body: RawBody,
    ) -> None:
        payload = body if body.strip() else b"null"
        data = decode_json(payload)
        if not isinstance(data, dict | None):
            raise InvalidField("an event's data is a JSON object, or left out")
        publication = Publication(
            type=event_name,
            data=msgspec.Raw(payload),
            entity=split_type(event_name)[0],
            primary_key=primary_key,
            changes=list(data or ()),
        )
        # As one of a batch: whoever signals an event does not wait for receivers (S-SO-09).
        [told] = await s.intake.publish_many(lambda _: owner, [publication])
        if isinstance(told, HookferryError):
            if told.field == "type":
                told.field = "event_name"  # and not a webhook's Type
            raise told

    return [
        default,
        list_all,
        create,
        test,
        get_one,
        replace,
        change,
        remove,
        last_error,
        signal,
    ]


def _collection(request: AnyRequest) -> str:
    """Return the URL of the list, as the caller sees this server: relative where that is unclear.

    The framework's own property raises on a Host that can't be read, after the work is done.
    """
    before, _, _ = request.scope["path"].partition(PATH)
    path = quote(before) + PATH
    host = (header_of(request, b"host") or b"").decode("latin-1")
    return f"{request.scope['scheme']}://{host}{path}" if _HOST.fullmatch(host) else path


def _result(ping: PingResult) -> TestResult:
    if ping.status is None:
        return TestResult(False, ": ".join(filter(None, (ping.error, ping.detail))))
    return TestResult(ping.success, ping.response_head + ping.response_body)
