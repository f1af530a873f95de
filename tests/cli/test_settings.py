"""Where settings come from, and what is said when one is wrong."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from hookferry.errors import BadSettings
from hookferry.settings import Settings, load, specs


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_limits_of_the_specification() -> None:
    settings = load(environ={})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.payload_limit == 1024 * 1024
    assert (settings.response_kept, settings.response_read) == (16 * 1024, 64 * 1024)
    assert (settings.attempt_timeout, settings.connect_timeout) == (15, 5)
    assert (settings.lane_memory, settings.lane_in_flight, settings.in_flight) == (256, 32, 1000)
    assert (settings.deliveries_per_event, settings.retention_days) == (10_000, 30)
    assert settings.allow_targets == ()
    assert not settings.allow_http


def test_a_flag_beats_the_environment_which_beats_the_file() -> None:
    Path("hookferry.toml").write_text('port = 1\nhost = "file"\nin_flight = 7\n')
    environ = {"HOOKFERRY_PORT": "2", "HOOKFERRY_HOST": "environment"}
    settings = load({"port": "3"}, environ)
    assert (settings.port, settings.host, settings.in_flight) == (3, "environment", 7)


def test_lists_come_as_text_or_as_toml_arrays() -> None:
    wanted = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    text = load(environ={"HOOKFERRY_ALLOW_TARGETS": "10.0.0.0/8, ::1/128"})
    Path("hookferry.toml").write_text('allow_targets = ["10.0.0.0/8", "::1/128"]')
    assert text.allow_targets == load(environ={}).allow_targets == wanted


def test_a_settings_file_named_in_the_environment_is_read_and_must_exist(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 4")
    assert load(environ={"HOOKFERRY_CONFIG": "other.toml"}).port == 4
    with pytest.raises(BadSettings, match=r"missing\.toml"):
        load(environ={"HOOKFERRY_CONFIG": "missing.toml"})


def test_a_secret_is_read_from_the_file_that_its_variable_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the-key-of-24-characters\n")
    assert load(environ={"HOOKFERRY_API_KEY_FILE": "key"}).api_key == "the-key-of-24-characters"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "key").write_text("beside-the-file-it-is-named-in")
    (tmp_path / "sub" / "h.toml").write_text('api_key_file = "key"')
    assert load(environ={}, config=Path("sub/h.toml")).api_key == "beside-the-file-it-is-named-in"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"HOOKFERRY_PROT": "1"}, r"HOOKFERRY_PROT is not known; did you mean HOOKFERRY_PORT\?"),
        ({"HOOKFERRY_MASTERKEY_FILE": "x"}, r"did you mean HOOKFERRY_MASTER_KEY_FILE\?"),
        ({"HOOKFERRY_ZZZZZZ": "1"}, r"hookferry serve --help"),
        ({"HOOKFERRY_PORT": "x"}, r"HOOKFERRY_PORT: 'x' is not allowed; whole numbers from 0"),
        ({"HOOKFERRY_PORT": "65536"}, r"65536 is not allowed; whole numbers from 0 to 65,535"),
        ({"HOOKFERRY_RETENTION_DAYS": "nan"}, r"nan is not allowed"),
        ({"HOOKFERRY_DRAIN_TIMEOUT": "inf"}, r"inf is not allowed"),
        ({"HOOKFERRY_ALLOW_HTTP": "perhaps"}, r"'perhaps' is not allowed; true or false"),
        ({"HOOKFERRY_ALLOW_TARGETS": "10.0.0.1/8"}, r"networks such as 10\.0\.0\.0/8"),
        ({"HOOKFERRY_LOG_LEVEL": "loud"}, r"one of debug, info, warning, error"),
        ({"HOOKFERRY_MASTER_KEY": "a", "HOOKFERRY_MASTER_KEY_FILE": "b"}, r"both set"),
        ({"HOOKFERRY_API_KEY": "short"}, r"HOOKFERRY_API_KEY: too short; at least 24"),
        ({"HOOKFERRY_API_KEY_FILE": "nowhere"}, r"HOOKFERRY_API_KEY_FILE: nowhere: No such file"),
        ({"HOOKFERRY_DATABASE": "postgresql://x"}, r"data folder only"),
        ({"HOOKFERRY_WORKERS": "2"}, r"whole numbers from 1 to 1"),
        ({"HOOKFERRY_PUBLIC_URL": "example.com"}, r"does not start with http"),
        ({"HOOKFERRY_RESPONSE_KEPT": "70000"}, r"response_kept \(70,000\) must not exceed"),
    ],
)
def test_a_bad_setting_says_which_and_what_is_allowed(environ: dict[str, str], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load(environ=environ)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("prot = 1", r"hookferry\.toml: the setting prot is not known; did you mean port\?"),
        ("port = true", r"hookferry\.toml: port: True is not allowed; whole numbers"),
        ("port = 1.5", r"port: 1\.5 is not allowed"),
        ("allow_http = 1", r"allow_http: 1 is not allowed; true or false"),
        ("port = ", r"is not TOML"),
        ('master_key = "a"\nmaster_key_file = "b"', r"both set"),
        ("[server]\nport = 1", r"the setting server is not known"),
    ],
)
def test_a_bad_line_of_the_file_says_which_and_what_is_allowed(toml: str, said: str) -> None:
    Path("hookferry.toml").write_text(toml)
    with pytest.raises(BadSettings, match=said):
        load(environ={})


def test_a_bad_secret_is_not_repeated() -> None:
    with pytest.raises(BadSettings) as caught:
        load(environ={"HOOKFERRY_MASTER_KEY": " hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Settings(master_key="hunter2"))


def test_every_setting_can_be_given_its_own_default_as_text() -> None:
    for spec in specs():
        if isinstance(spec.default, tuple) or spec.default == "":
            continue
        text = str(spec.default).lower() if spec.kind == "switch" else str(spec.default)
        assert getattr(load(environ={spec.env: text}), spec.name) == spec.default
