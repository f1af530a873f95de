"""aiohttp's client as a second opinion: the same request, its answer in our vocabulary."""

from __future__ import annotations

import ssl

import aiohttp

from hookferry.transport.limits import Limits
from hookferry.transport.port import ErrorKind, Outcome, Request

LIMITS = Limits()


async def ask(request: Request) -> Outcome:
    """Send with aiohttp; no redirects, no decompression, our caps."""
    target = request.target
    verified: ssl.SSLContext | bool = True
    if target.scheme == "https":
        verified = ssl.create_default_context(cadata=target.ca)
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=request.timeout),
                auto_decompress=False,
                max_line_size=LIMITS.head,
                max_field_size=LIMITS.head,
                max_headers=LIMITS.headers,
            ) as session,
            session.post(
                f"{target.scheme}://{target.host}:{target.port}/",
                data=request.body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                ssl=verified,
            ) as response,
        ):
            return await _read(response)
    except aiohttp.ClientConnectorCertificateError:
        return Outcome(error=ErrorKind.TLS_CERTIFICATE)
    except aiohttp.ClientSSLError:
        return Outcome(error=ErrorKind.TLS)
    except aiohttp.ClientConnectorDNSError:
        return Outcome(error=ErrorKind.DNS)
    except aiohttp.ClientConnectorError:
        return Outcome(error=ErrorKind.CONNECT_REFUSED)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        return Outcome(error=ErrorKind.CLOSED)
    except TimeoutError:
        return Outcome(error=ErrorKind.TIMEOUT)
    except aiohttp.ClientResponseError as error:
        if "Got more than" in error.message or "Too many headers" in error.message:
            return Outcome(error=ErrorKind.HEADERS_TOO_LARGE)
        return Outcome(error=ErrorKind.PROTOCOL, detail=str(error))


async def _read(response: aiohttp.ClientResponse) -> Outcome:
    body, truncated = bytearray(), False
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LIMITS.read:
                truncated = True
                break
    except (TimeoutError, aiohttp.ClientError):
        truncated = True
    return Outcome(
        status=response.status,
        body=bytes(body[: LIMITS.keep]),
        truncated=truncated or len(body) > LIMITS.keep,
    )
