"""Amazon SNS over HTTPS: the signature is in the body, its certificate at an address in the body.

No secret is shared: any AWS account can have its own messages signed, so the topics that count are
part of the definition. From AWS's documentation as remembered; unverified against the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from hookferry.errors import InvalidField
from hookferry.wire.inbound.certificates import certificate_key
from hookferry.wire.inbound.checking import MAX_SIGNATURE, Checking, mismatch
from hookferry.wire.inbound.encodings import decode_base64
from hookferry.wire.inbound.moments import parse_moment
from hookferry.wire.inbound.reading import NOT_JSON
from hookferry.wire.inbound.received import Received, Trial
from hookferry.wire.inbound.signature_scheme import Tolerance, tolerance_of
from hookferry.wire.verification import Reason, VerificationFailed, Verified, check_age

TOLERANCE_S = 3_600.0

_CERTIFICATE = re.compile(
    r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?/[A-Za-z0-9_-]{1,200}\.pem"
)
_ALGORITHMS = {"1": "rsa-sha1", "2": "rsa-sha256"}


class SnsScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amazon SNS."""

    type: str = "sns"
    topics: list[str]
    """ARNs of the topics whose messages are taken."""
    tolerance: Tolerance = msgspec.UNSET
    """Seconds that a message's Timestamp may be off; an hour when left out, null for any."""


class _Message(msgspec.Struct, frozen=True):
    Type: str
    MessageId: str
    TopicArn: str
    Message: str
    Timestamp: str
    SignatureVersion: str
    Signature: str
    SigningCertURL: str
    Subject: str | None = None
    SubscribeURL: str | None = None
    Token: str | None = None


_decoder = msgspec.json.Decoder(_Message)
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)


class SnsVerifier(Checking):
    """Checks SNS messages, confirmations included.

    Args:
        scheme: the definition.
        secrets: none; they would play no part.

    Raises:
        InvalidField: the definition is not allowed, or there is a secret.
    """

    algorithm = "rsa-sha256 or rsa-sha1, as SignatureVersion says"

    def __init__(self, scheme: SnsScheme, secrets: Sequence[str]) -> None:
        if secrets:
            raise InvalidField("sns has no secret; leave it out", field="secret")
        if not scheme.topics or not all(one.startswith("arn:aws") for one in scheme.topics):
            raise InvalidField(
                "topics are the ARNs of your topics, such as "
                "'arn:aws:sns:eu-central-1:123456789012:orders': everybody's are signed",
                field="topics",
            )
        self._topics = frozenset(scheme.topics)
        self._tolerance = tolerance_of(scheme.tolerance, TOLERANCE_S, timed=True)

    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""
        message = _read(request)
        if message.TopicArn not in self._topics:
            raise mismatch("the message is not of a topic that the source takes")
        [trial] = self.trials(request, now, keys)
        if not trial.matches:
            raise mismatch()
        moment = parse_moment(message.Timestamp.encode(), "iso")
        check_age(moment, now, self._tolerance)
        return Verified(id=message.MessageId, timestamp=int(moment))

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return the one content that is signed."""
        message = _read(request)
        signature = decode_base64(message.Signature[: MAX_SIGNATURE + 1].encode())
        if not signature:
            raise VerificationFailed(Reason.BAD_ENCODING, "Signature is not base64")
        content = _signed(message)
        key = certificate_key(
            message.SigningCertURL, _CERTIFICATE, _ALGORITHMS[message.SignatureVersion], now, keys
        )
        return (
            Trial(
                signed=content,
                given=(message.Signature,),
                matches=key.matches(content, (signature,)),
            ),
        )

    def claimed(self, request: Received) -> float | None:
        """Return when the message says it was made."""
        return parse_moment(_read(request).Timestamp.encode(), "iso")


def _read(request: Received) -> _Message:
    try:
        message = _decoder.decode(request.body)
    except NOT_JSON:
        raise VerificationFailed(
            Reason.MALFORMED, "the body is no SNS message; raw message delivery is not signed"
        ) from None
    if message.SignatureVersion not in _ALGORITHMS:
        raise VerificationFailed(Reason.MALFORMED, "SignatureVersion is neither 1 nor 2")
    return message


def _signed(message: _Message) -> bytes:
    names = _NOTIFICATION if message.Type == "Notification" else _CONFIRMATION
    lines = []
    for name in names:
        value: str | None = getattr(message, name)
        if value is not None:
            lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode()
