"""Secrets: what is taken, what is refused, and that no refusal gives one away."""

import base64
import secrets

import pytest
from vectors import V3

from hookferry.errors import InvalidField
from hookferry.wire import standard_webhooks as sw


def whsec(count: int) -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(count)).decode()


def test_a_new_secret_has_32_random_bytes() -> None:
    made = {sw.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(s.removeprefix("whsec_"))) for s in made} == {32}
    for secret in made:
        sw.parse_signing_key(secret)


@pytest.mark.parametrize("count", [24, 25, 32, 64, 75])
def test_an_hmac_secret_has_24_to_75_bytes(count: int) -> None:
    assert isinstance(sw.parse_signing_key(whsec(count)), sw.HmacKey)


@pytest.mark.parametrize("count", [0, 1, 23, 76, 1000])
def test_a_shorter_or_longer_one_is_refused_naming_the_limits(count: int) -> None:
    with pytest.raises(InvalidField, match="24 to 75 bytes") as refused:
        sw.parse_signing_key(whsec(count))
    assert refused.value.field == "secret"


def test_base64_without_its_padding_is_taken() -> None:
    secret = whsec(25)
    assert secret.endswith("=")
    content = b"content"
    padded, bare = sw.parse_signing_key(secret), sw.parse_signing_key(secret.rstrip("="))
    assert padded.sign(content) == bare.sign(content)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hunter2-hunter2-hunter2-hunter2",
        "WHSEC_" + "A" * 32,
        "whsec_" + "A" * 31 + "!",
        "whsec_" + "A" * 31 + "-",
        "whsec_" + "A" * 16 + " " + "A" * 16,
        "whsec_" + "A" * 32 + "\n",
        "whsec_" + "ä" * 32,
        "whsec_" + "A" * 32 + "AB",  # bits after the last byte are not zero
        "whsk_" + "A" * 32,
        "whsk_" + "nonsense!",
        V3.public,
        "whsk_" + base64.b64encode(bytes(64)).decode(),
    ],
)
def test_anything_else_can_not_sign_and_the_refusal_does_not_quote_it(secret: str) -> None:
    with pytest.raises(InvalidField) as refused:
        sw.parse_signing_key(secret)
    assert refused.value.field == "secret"
    assert not secret or secret not in refused.value.detail


def test_a_key_pair_is_known_by_its_seed_alone() -> None:
    seed = base64.b64decode(V3.secret.removeprefix("whsk_"))[:32]
    alone = "whsk_" + base64.b64encode(seed).decode()
    assert sw.public_key(alone) == sw.public_key(V3.secret) == V3.public
    assert sw.parse_signing_key(alone).sign(b"x") == sw.parse_signing_key(V3.secret).sign(b"x")


def test_a_new_key_pair_signs_what_its_public_half_verifies() -> None:
    private, public = sw.new_key_pair()
    version, _, signature = sw.parse_signing_key(private).sign(b"content").decode().partition(",")
    key = sw.parse_verifying_key(public)
    assert version == key.version == "v1a"
    assert key.verify(b"content", [signature])
    assert not key.verify(b"other", [signature])


def test_an_hmac_secret_has_no_public_half() -> None:
    assert sw.public_key(sw.new_secret()) is None


@pytest.mark.parametrize("public", ["whpk_", "whpk_" + "A" * 40, "whpk_!"])
def test_a_malformed_public_key_is_refused(public: str) -> None:
    with pytest.raises(InvalidField, match="32-byte Ed25519 public key"):
        sw.parse_verifying_key(public)
