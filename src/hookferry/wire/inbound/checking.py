"""What all verifiers share: the explanation of a verdict, and what to do without a secret."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping

from hookferry.wire.inbound.received import Explanation, Received, Trial
from hookferry.wire.verification import Reason, VerificationFailed, Verified

MAX_SIGNATURES = 32
"""Signatures looked at in one request; what a stranger sends costs no more than that."""
MAX_SIGNATURE = 4_096
"""Bytes of one signature as text."""

MISMATCH = (
    "no signature given was made over this content with this secret: compare the secrets, and make "
    "sure that nothing between the sender and here changes the body"
)


class Checking(ABC):
    """A verifier that can explain itself."""

    algorithm: str

    @abstractmethod
    def verify(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Verified:
        """Check a request; see ``Verifier``."""

    def trials(self, request: Received, now: float, keys: Mapping[str, bytes]) -> tuple[Trial, ...]:
        """Return what is tried on a request, whatever its age.

        Raises:
            VerificationFailed: it does not come so far.
            KeyNeeded: it can't be told.
        """
        return ()

    def claimed(self, request: Received) -> float | None:
        """Return the Unix seconds that the request says it was signed at.

        Raises:
            VerificationFailed: it says nothing legible.
        """
        return None

    def hint(self, request: Received, now: float, failure: VerificationFailed) -> str:
        """Return the likely cause of a failure, or nothing."""
        return ""

    def explain(self, request: Received, now: float, keys: Mapping[str, bytes]) -> Explanation:
        """Tell what ``verify`` does with a request; see ``Verifier``."""
        failure: VerificationFailed | None = None
        detail = "genuine"
        trials: tuple[Trial, ...] = ()
        timestamp: float | None = None
        try:
            self.verify(request, now, keys)
        except VerificationFailed as failed:
            failure = failed
            detail = ". ".join(filter(None, (failed.detail, self.hint(request, now, failed))))
        # Where these fail, verify has said why; what can be shown is shown.
        with contextlib.suppress(VerificationFailed):
            timestamp = self.claimed(request)
        with contextlib.suppress(VerificationFailed):
            trials = self.trials(request, now, keys)
        return Explanation(
            genuine=failure is None,
            reason=None if failure is None else str(failure.reason),
            detail=detail,
            algorithm=self.algorithm,
            timestamp=None if timestamp is None else int(timestamp),
            trials=trials,
        )


def no_secret() -> VerificationFailed:
    """Return the failure of a verification that has no secret yet."""
    return VerificationFailed(
        Reason.NO_SECRET,
        "there is no secret to verify with, so nothing can be genuine; give the source one",
    )


def mismatch(what: str = MISMATCH) -> VerificationFailed:
    """Return the failure of a signature that is none of the secrets'."""
    return VerificationFailed(Reason.MISMATCH, what)
