"""The hot route ``POST /api/v1/events``: one event in, 202 after its commit.

Per-event code: no coroutine, no framework, prebuilt bytes. The rules are the engine's
(``hookferry.engine.intake``); this decodes, authorizes and answers.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec

from hookferry import ids
from hookferry.api.access import Access
from hookferry.api.hotroute import (
    SECURITY_HEADERS,
    HotHandler,
    HotRequest,
    Respond,
    header_block,
    respond_problem,
)
from hookferry.domain.tenant import Tenant
from hookferry.engine.intake import Answer, Intake, Receipt
from hookferry.engine.publication import Publication, decode_publication
from hookferry.engine.synchronous import Verdict
from hookferry.engine.verdicts import CallOutcome
from hookferry.errors import HookferryError, InvalidField, Unauthorized, UnknownField
from hookferry.tracing import TRACEPARENT, read_trace
from hookferry.wire.headers import values_of

PATH = b"/api/v1/events"
ENVELOPE_BYTES = 64 * 1024
"""Room for what surrounds the payload in a publish body."""

_AUTHORIZATION = b"authorization"
_IDEMPOTENCY_KEY = b"idempotency-key"
_encode = msgspec.json.Encoder().encode
_HEAD = header_block(((b"content-type", b"application/json"), *SECURITY_HEADERS))
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class VerdictView(msgspec.Struct):
    """What a publisher is told whose event has synchronous webhooks, when none refused."""

    id: str
    deliveries: int
    duplicate: bool
    outcomes: tuple[CallOutcome, ...]


def verdict_view(verdict: Verdict) -> VerdictView:
    """Show a verdict."""
    return VerdictView(
        ids.encode("evt", verdict.event_id),
        verdict.deliveries,
        verdict.duplicate,
        verdict.outcomes,
    )


def check_idempotency_key(value: bytes) -> str:
    """Return an ``Idempotency-Key`` header's value.

    Raises:
        InvalidField: it is not 1 to 255 printable ASCII characters without spaces.
    """
    key = value.decode("latin-1")
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidField(
            "an Idempotency-Key is 1 to 255 printable ASCII characters without spaces, such as a "
            "UUID",
            field="Idempotency-Key",
        )
    return key


def tenant_in_query(query: bytes) -> str | None:
    """Return the ``tenant`` of a publish's query string, its only parameter.

    Raises:
        UnknownField: there is another parameter.
        InvalidField: it is given twice.
    """
    asked: str | None = None
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name != "tenant":
            raise UnknownField.near(name, ("tenant",), where="the query")
        if asked is not None:
            raise InvalidField("tenant is given twice; give it once", field="tenant")
        asked = value
    return asked


def tenant_of(
    access: Access, authorization: bytes | None, in_query: str | None, publication: Publication
) -> Tenant:
    """Return the tenant that a publication goes to.

    Raises:
        Unauthorized, Forbidden, NotFound: as the names say.
        InvalidField: query and body name different tenants.
    """
    key = access.key_of(authorization)
    asked = publication.tenant
    if asked is None:
        asked = in_query
    elif in_query is not None and in_query != asked:
        raise InvalidField(
            f"the query names the tenant {in_query[:80]!r} and the body {asked[:80]!r}; name one",
            field="tenant",
        )
    return access.tenant_of(key, asked)


class PublishRoute:
    """The hot route that publishes one event (a ``HotRoute``, and its own ``HotHandler``).

    Args:
        access: authenticates and finds the tenant.
        intake: takes the event.
    """

    prefix = PATH

    def __init__(self, access: Access, intake: Intake) -> None:
        self._access = access
        self._intake = intake
        self.max_body = intake.payload_limit + ENVELOPE_BYTES

    def match(self, method: bytes, path: bytes) -> HotHandler | None:
        """Return the handler for ``POST /api/v1/events``."""
        if method == b"POST" and (path == PATH or path.rstrip(b"/") == PATH):
            return self
        return None

    def admit(self, request: HotRequest) -> HookferryError | None:
        """Refuse a stranger before any of the body is held."""
        try:
            self._access.key_of(request.headers.last(_AUTHORIZATION))
        except Unauthorized as error:
            return error
        return None

    def refused(self, request: HotRequest, error: HookferryError) -> None:
        """Do nothing: whoever publishes learns it from the answer."""

    def __call__(self, request: HotRequest, respond: Respond) -> None:
        """Take the event; answer when it is durable."""
        headers = request.headers
        idempotency = trace = None
        if _IDEMPOTENCY_KEY in headers.first:
            for value in values_of(headers, _IDEMPOTENCY_KEY):
                idempotency = check_idempotency_key(value)
        if TRACEPARENT in headers.first:
            trace = read_trace(headers)
        publication = decode_publication(request.body)
        in_query = tenant_in_query(request.query) if request.query else None
        tenant = tenant_of(self._access, headers.last(_AUTHORIZATION), in_query, publication)

        def done(answer: Answer) -> None:
            request.gone = None
            if isinstance(answer, Receipt):
                respond(
                    202,
                    _HEAD,
                    b'{"id":"%b","deliveries":%d,"duplicate":%b}'
                    % (
                        ids.encode("evt", answer.event_id).encode(),
                        answer.deliveries,
                        b"true" if answer.duplicate else b"false",
                    ),
                )
            elif isinstance(answer, Verdict):
                respond(200, _HEAD, _encode(verdict_view(answer)))
            else:
                respond_problem(respond, answer)

        publishing = self._intake.publish(tenant, publication, done, idempotency, trace=trace)
        if publishing is not None:
            request.gone = publishing.leave
