"""``hookferry verify`` for providers, and its debugger."""

from __future__ import annotations

import datetime as dt
import hmac
import json
import zlib
from base64 import b64encode
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .conftest import Run

SECRET = "It's a Secret to Everybody"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
HEADER = f"X-Hub-Signature-256: sha256={DIGEST}"
GITHUB = ("verify", "--scheme", "github", "--secret", SECRET, "-H", HEADER)


def test_explain_shows_the_signed_bytes_and_the_likely_mistake(run: Run) -> None:
    done = run(*GITHUB, "--explain", stdin=b"Hello, World!")
    assert done.code == 0, done.err
    assert done.out == (
        f"algorithm: hmac-sha256\nsignature: sha256={DIGEST}\n"
        "signed, 13 bytes: Hello, World!\nmatches\ngenuine: id none\n"
    )
    changed = run(*GITHUB, "--explain", stdin=b"Hello, World!\n")
    assert changed.code == 1
    assert "signed, 14 bytes: Hello, World!\\n\ndoes not match\n" in changed.out
    assert "It would verify if the body had no line end at its end" in " ".join(changed.err.split())
    assert SECRET not in changed.out + changed.err


def test_control_characters_of_a_request_do_not_reach_the_terminal(run: Run) -> None:
    signature = hmac.new(b"k", b"\x1b[31m\x07", "sha256").hexdigest()
    done = run(
        *("verify", "--scheme", "github", "--secret", "k", "--explain"),
        *("-H", f"X-Hub-Signature-256: sha256={signature}"),
        stdin=b"\x1b[31m\x07",
    )
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert r"\x1b[31m\x07" in done.out


def test_a_scheme_may_be_in_a_file(run: Run, tmp_path: Path) -> None:
    scheme = json.dumps({"signature": "header:X-Hub-Signature-256", "prefix": "sha256="})
    (tmp_path / "scheme.json").write_text(scheme)
    done = run(
        *("verify", "--scheme", "@scheme.json", "--secret", SECRET, "-H", HEADER),
        *("--body", "Hello, World!"),
    )
    assert (done.code, done.out) == (0, "genuine: id none\n"), done.err


def test_what_can_not_be_tried_is_a_mistake_of_the_command_line(run: Run) -> None:
    for arguments, said in (
        (
            ("--scheme", "githb", "--secret", "x"),
            "there is no scheme 'githb'; did you mean 'github'?",
        ),
        (("--scheme", '{"preset":"github","encodng":"hex"}', "--secret", "x"), "'encoding'"),
        (("--scheme", "github"), "give --secret"),
        (("--scheme", "standard"), "give --secret"),
        (("--scheme", "github", "--explain"), "give --secret"),
    ):
        done = run("verify", *arguments, "-H", HEADER, "--body", "x")
        assert done.code == 2, done.err
        assert said in " ".join(done.err.split())


def test_the_names_of_all_schemes_are_listed_once_where_none_is_near(run: Run) -> None:
    done = run("verify", "--scheme", "qqqq", "--secret", "x", "--body", "x")
    names = " ".join(done.err.split()).partition("choose one of ")[2].split(", ")
    assert done.code == 2
    assert {"standard", "github", "superoffice"} <= set(names)
    assert len(names) == len(set(names))


def test_an_address_and_a_method_are_given_where_they_are_signed(run: Run) -> None:
    secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    digest = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"
    done = run(
        *("verify", "--scheme", "hubspot_v2", "--secret", secret, "--body", "", "--method", "GET"),
        *("-H", f"X-HubSpot-Signature: {digest}", "--url", "https://www.example.com/webhook_uri"),
    )
    assert done.code == 0, done.err


def test_a_signing_certificate_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    at = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    signed = f"t-1|{at}|WH-1|{zlib.crc32(b'{}')}".encode()
    url = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    headers = {
        "paypal-transmission-id": "t-1",
        "paypal-transmission-time": at,
        "paypal-transmission-sig": b64encode(
            key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        ).decode(),
        "paypal-cert-url": url,
        "paypal-auth-algo": "SHA256withRSA",
    }
    (tmp_path / "headers").write_text("".join(f"{k}: {v}\n" for k, v in headers.items()))
    scheme = '{"preset": "paypal", "webhook_id": "WH-1"}'
    given = ("verify", "--scheme", scheme, "--headers", "headers", "--body", "{}")
    without = run(*given)
    assert without.code == 2
    assert url in "".join(without.err.split())
    done = run(*given, "--certificate", "cert.pem")
    assert done.code == 0, done.err
    assert done.out.startswith("genuine: id t-1, signed ")
