"""hookferry: self-hosted webhooks. What programs import from here is the public Python API.

from hookferry import sign, verify                  # signatures, any scheme
from hookferry.client import Client, AsyncClient    # the HTTP API
from hookferry.testing import Receiver              # a real receiver for tests
"""

from __future__ import annotations

from importlib.metadata import version

from hookferry.errors import HookferryError
from hookferry.wire.schemes import sign, verify
from hookferry.wire.verification import Reason, VerificationFailed, Verified

__version__ = version("hookferry")

__all__ = [
    "HookferryError",
    "Reason",
    "VerificationFailed",
    "Verified",
    "__version__",
    "sign",
    "verify",
]
