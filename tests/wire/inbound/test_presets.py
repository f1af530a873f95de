"""Every provider whose scheme is known: what verifies, and what no longer does."""

from __future__ import annotations

import msgspec
import pytest

from hookferry.errors import InvalidField
from hookferry.match.readings import DuplicateKey, EventTypeRule
from hookferry.wire.greetings import GREETINGS
from hookferry.wire.inbound.definition import check_verification, compile_verification
from hookferry.wire.inbound.presets import PRESETS, preset_named
from hookferry.wire.inbound.received import Received
from hookferry.wire.verification import Reason, VerificationFailed

from .samples import NOW, SAMPLES, Sample, flipped, with_header

every = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
timed = pytest.mark.parametrize(
    "sample", [one for one in SAMPLES.values() if one.tolerance is not None], ids=lambda s: s.name
)
NEEDED = {
    "webhook_id": "WH-1",
    "topics": ["arn:aws:sns:eu-central-1:123456789012:orders"],
    "algorithm": "ed25519",
}


def refusal(sample: Sample, given: Received, now: float = NOW) -> Reason:
    with pytest.raises(VerificationFailed) as refused:
        sample.verifier().verify(given, now, {})
    return refused.value.reason


def test_every_provider_whose_scheme_is_known_has_a_sample() -> None:
    known = {preset.name for preset in PRESETS.values() if not preset.unverified}
    assert known == {sample.name for sample in SAMPLES.values()}


@every
def test_a_genuine_request_verifies_with_any_of_several_secrets(sample: Sample) -> None:
    for secrets in ((sample.secret,), (sample.other, sample.secret)):
        found = sample.verifier(secrets).verify(sample.request, NOW, {})
        assert found.timestamp in (None, NOW)
        assert (found.timestamp is None) == (sample.tolerance is None and sample.name != "discord")


@every
def test_with_another_secret_it_does_not(sample: Sample) -> None:
    with pytest.raises(VerificationFailed) as refused:
        sample.verifier((sample.other,)).verify(sample.request, NOW, {})
    assert refused.value.reason is Reason.MISMATCH


@every
def test_without_a_secret_nothing_does_and_an_empty_one_is_refused(sample: Sample) -> None:
    with pytest.raises(VerificationFailed) as refused:
        sample.verifier(()).verify(sample.request, NOW, {})
    assert refused.value.reason is Reason.NO_SECRET
    with pytest.raises(InvalidField) as empty:
        sample.verifier(("",))
    assert empty.value.field == "secret"


@every
def test_every_byte_of_the_body_counts_where_the_body_is_signed(sample: Sample) -> None:
    verifier = sample.verifier()
    body = sample.request.body
    for changed in (*flipped(body), body + b"\n", body[:-1], b""):
        other = msgspec.structs.replace(sample.request, body=changed)
        if sample.covers_body:
            with pytest.raises(VerificationFailed):
                verifier.verify(other, NOW, {})


@every
def test_every_byte_of_the_address_counts_where_it_is_signed(sample: Sample) -> None:
    if not sample.covers_url:
        other = msgspec.structs.replace(sample.request, url="https://elsewhere.example/")
        sample.verifier().verify(other, NOW, {})
        return
    verifier = sample.verifier()
    for changed in flipped(sample.request.url.encode()):
        with pytest.raises(VerificationFailed):
            verifier.verify(msgspec.structs.replace(sample.request, url=changed.decode()), NOW, {})


@every
def test_every_byte_of_every_signed_header_counts(sample: Sample) -> None:
    verifier = sample.verifier()
    for name in sample.headers:
        [value] = sample.request.values(name.lower().encode())
        for changed in (*flipped(value), value + b"x", value[:-1]):
            with pytest.raises(VerificationFailed):
                verifier.verify(with_header(sample.request, name, changed), NOW, {})


@every
def test_a_signed_header_that_is_missing_empty_or_given_twice_fails(sample: Sample) -> None:
    for name in sample.headers:
        [value] = sample.request.values(name.lower().encode())
        for missing in (with_header(sample.request, name), with_header(sample.request, name, b"")):
            assert refusal(sample, missing) is Reason.MISSING_HEADER
        for other in (value, b"x"):
            twice = with_header(sample.request, name, value, other)
            assert refusal(sample, twice) is Reason.BAD_ENCODING


@timed
def test_it_verifies_at_the_tolerance_and_no_longer_a_second_beyond_it(sample: Sample) -> None:
    tolerance = sample.tolerance
    assert tolerance is not None
    verifier = sample.verifier()
    for now in (NOW - tolerance, NOW + tolerance):
        verifier.verify(sample.request, now, {})
    assert refusal(sample, sample.request, NOW + tolerance + 1) is Reason.STALE
    assert refusal(sample, sample.request, NOW - tolerance - 1) is Reason.FUTURE


@timed
def test_a_source_may_set_the_tolerance_or_turn_it_off(sample: Sample) -> None:
    sample.verifier(tolerance=7200).verify(sample.request, NOW + 7200, {})
    sample.verifier(tolerance=None).verify(sample.request, NOW + 10**9, {})
    with pytest.raises(VerificationFailed):
        sample.verifier(tolerance=1).verify(sample.request, NOW + 2, {})


@timed
def test_a_forged_request_is_a_mismatch_whatever_its_age(sample: Sample) -> None:
    other = msgspec.structs.replace(sample.request, body=sample.request.body.replace(b'"', b"'", 1))
    if sample.name != "linear":  # its time is in the body, which is no longer JSON
        assert refusal(sample, other, NOW + 10**6) in (Reason.MISMATCH, Reason.DIGEST_MISMATCH)


@every
def test_an_explanation_shows_what_was_signed_and_never_a_secret(sample: Sample) -> None:
    explained = sample.verifier().explain(sample.request, NOW, {})
    assert explained.genuine
    assert explained.reason is None
    assert sample.name == "gitlab" or any(trial.matches for trial in explained.trials)
    forged = sample.verifier((sample.other,)).explain(sample.request, NOW, {})
    assert (forged.genuine, forged.reason) == (False, "mismatch")
    assert not any(trial.matches for trial in forged.trials)
    if sample.name != "gitlab":  # where the secret is what the request shows
        for written in (repr(explained), repr(forged)):
            assert sample.secret not in written
            assert sample.other not in written


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_is_a_scheme_and_its_defaults_are_what_sources_take(preset: object) -> None:
    one = preset_named(preset.name)  # type: ignore[attr-defined]
    check_verification({"preset": one.name, **{name: NEEDED[name] for name in one.needs}})
    EventTypeRule(one.event_type)
    if isinstance(one.event_type, dict) and "path" in one.event_type:
        # Below the data, and no provider has a member of that name there.
        assert one.event_type["path"].split(".").count("data") == 1
    DuplicateKey(one.deduplicate)
    assert set(one.handshakes) <= set(GREETINGS)
    for name in one.needs:
        with pytest.raises(InvalidField) as refused:
            check_verification({"preset": one.name})
        assert refused.value.field == name


def test_a_misspelt_preset_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidField, match="did you mean 'github'"):
        compile_verification({"preset": "gihtub"}, ())
