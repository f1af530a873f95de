"""``hookferry verify`` knows every profile's rule."""

from pathlib import Path

import pytest

from hookferry import sign

from .conftest import Run

SUPEROFFICE = (
    '{"EventId":"88f91933-edce-4c1a-8ded-ade8e2f72434","Timestamp":"2018-04-05T08:28:01.5732501Z",'
    '"Changes":["contact_id","name"],"Event":"contact.changed","PrimaryKey":18,"Entity":"contact",'
    '"ContextIdentifier":"Cust54321","ChangedByAssociateId":5,'
    '"WebhookName":"Tonys Contact Handler"}'
)
OURS = '{"uuid":"03d44455-8ec0-8000-8000-000000000042"}'


def header(scheme: str, secret: str, body: str) -> str:
    [(name, value)] = sign(scheme, secret, body.encode(), id="m").items()
    return f"{name}: {value}"


@pytest.mark.parametrize(
    ("scheme", "secret", "body", "said"),
    [
        (
            "superoffice",
            "Something Super Secret",
            SUPEROFFICE,
            "genuine: id 88f91933-edce-4c1a-8ded-ade8e2f72434\n",
        ),
        ("superoffice", "  blanks count ", "{}", "genuine: id none\n"),
        (
            "happyfox",
            "my-webhook-key",
            OURS,
            "genuine: id 03d44455-8ec0-8000-8000-000000000042, event evt_07n24ap7c0000\n",
        ),
        (
            "hornbill",
            "admin:pass word",
            "any",
            "genuine: user name and password are right; nothing vouches for the body\n",
        ),
    ],
)
def test_what_a_genuine_request_says_of_itself_is_shown(
    run: Run, scheme: str, secret: str, body: str, said: str
) -> None:
    signed = header(scheme, secret, body)
    done = run("verify", "--scheme", scheme, "--secret", secret, "-H", signed, "--body", body)
    assert (done.code, done.out.replace("\n", "") + "\n") == (0, said), done.err
    forged = run("verify", "--scheme", scheme, "--secret", "x:y", "-H", signed, "--body", body)
    assert forged.code == 1
    assert "not genuine (mismatch)" in forged.err


def test_a_secret_from_a_file_ends_before_the_line_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" blanks count \r\n")
    signed = header("superoffice", " blanks count ", "{}")
    done = run(
        *("verify", "--scheme", "superoffice", "--secret", "@secret"),
        *("-H", signed, "--body", "{}"),
    )
    assert done.code == 0, done.err
