"""TLS contexts: verified, TLS 1.2 or later, cached per CA and client certificate.

Also says in words why a certificate was not accepted. Handshakes happen in ``dial``.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from hookferry.transport.port import ErrorKind

CONTEXTS = 256
"""Contexts kept; the one used longest ago goes first."""

# X.509 verification codes of OpenSSL (x509_vfy.h) that receivers actually run into.
_REASONS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "a self-signed certificate is in its chain (unknown CA)",
    20: "its issuer is unknown (unknown CA, or the receiver does not send its chain)",
    21: "its issuer is unknown (unknown CA, or the receiver does not send its chain)",
    62: "it is for another name",
    64: "it is for another address",
}


class CertificateInputError(Exception):
    """A CA or client certificate given for a target can't be used.

    Args:
        detail: why, for a person.
        field: ``ca`` or ``client_certificate``.
    """

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class Contexts:
    """Makes and keeps client contexts."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[str | None, bytes | None], ssl.SSLContext] = OrderedDict()

    @property
    def size(self) -> int:
        """How many are kept."""
        return len(self._contexts)

    def get(self, ca: str | None, client_certificate: bytes | None) -> ssl.SSLContext:
        """Return the context for a CA (PEM; None: the system's) and a client certificate.

        Raises:
            CertificateInputError: one of them can't be used.
        """
        key = (ca, client_certificate)
        context = self._contexts.get(key)
        if context is None:
            context = _make(ca, client_certificate)
            if len(self._contexts) >= CONTEXTS:
                self._contexts.popitem(last=False)
            self._contexts[key] = context
        else:
            self._contexts.move_to_end(key)
        return context


def _make(ca: str | None, client_certificate: bytes | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateInputError(f"ca must hold PEM certificates: {error}", "ca") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if client_certificate is not None:
        try:
            with _as_file(client_certificate) as path:
                # A key with a passphrase must fail, not ask on the terminal.
                context.load_cert_chain(path, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise CertificateInputError(
                "client_certificate must hold a PEM certificate chain and its unencrypted"
                f" private key: {getattr(error, 'reason', None) or 'it can not be read'}",
                "client_certificate",
            ) from None
    return context


@contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """Lend PEM bytes as a file, which is the only way the ssl module takes a private key.

    In memory where the system can (Linux), else in a file that only this user can read.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        path, unlink = f"/proc/self/fd/{descriptor}", False
    else:
        descriptor, path = tempfile.mkstemp()
        unlink = True
    try:
        with open(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            yield path
    finally:
        if unlink:
            os.unlink(path)


def explain(error: ssl.SSLError | ConnectionError, host: str) -> tuple[ErrorKind, str]:
    """Return the kind and the words for a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _REASONS.get(error.verify_code, error.verify_message)
        return ErrorKind.TLS_CERTIFICATE, f"the certificate of {host} is not accepted: {reason}"
    if isinstance(error, ssl.SSLError):
        return ErrorKind.TLS, f"the TLS handshake with {host} failed: {error.reason or error}"
    return ErrorKind.TLS, f"{host} closed the connection during the TLS handshake"
