"""The application at the provider: half of it, or one of another world, stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketplace.payments.connecting.application import consent_of
from marketplace.settings import Settings, SettingsError


def settings(folder: Path, **env: str) -> Settings:
    return Settings.from_env({"SECRET_KEY": "t" * 40, "INSTANCE_DIR": str(folder), **env})


LIVE = {"MOLLIE_ENV": "live", "MOLLIE_API_KEY": "live_abc"}
APPLICATION = {"MOLLIE_CLIENT_ID": "app_x", "MOLLIE_CLIENT_SECRET": "not-to-be-read"}


def test_without_an_application_nobody_is_asked_for_consent(tmp_path: Path) -> None:
    assert consent_of(settings(tmp_path)) is None


def test_consent_is_asked_for_at_mollie_and_in_the_sandbox_there(tmp_path: Path) -> None:
    live, play = settings(tmp_path, **LIVE, **APPLICATION), settings(tmp_path, **APPLICATION)
    assert live.mollie_authorize_url == "https://my.mollie.com/oauth2/authorize"
    assert play.mollie_authorize_url == "http://127.0.0.1:5051/oauth2/authorize"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"MOLLIE_CLIENT_ID": "app_x"}, "MOLLIE_CLIENT_ID and MOLLIE_CLIENT_SECRET go together"),
        ({"MOLLIE_CLIENT_SECRET": "s"}, "MOLLIE_CLIENT_ID and MOLLIE_CLIENT_SECRET go together"),
        ({"MOLLIE_ACCESS_TOKEN": "test_abc"}, "MOLLIE_ACCESS_TOKEN does not start with access_"),
        ({"MOLLIE_OAUTH_AUTHORIZE_URL": "https://my.mollie.com/oauth2/authorize"}, "does not fit MOLLIE_ENV=sandbox"),
        ({**LIVE, "MOLLIE_OAUTH_AUTHORIZE_URL": "http://127.0.0.1:5051/x"}, "does not fit MOLLIE_ENV=live"),
        ({**LIVE, "MOLLIE_OAUTH_AUTHORIZE_URL": "https://mollie.com.evil.example/"}, "does not fit MOLLIE_ENV=live"),
    ],
)
def test_nonsense_stops_the_start(tmp_path: Path, env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, **env)


def test_settings_do_not_show_their_secrets(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path, **LIVE, **APPLICATION, MOLLIE_ACCESS_TOKEN="access_hidden"))
    for secret in ("not-to-be-read", "access_hidden", "live_abc", "t" * 40):
        assert secret not in shown
