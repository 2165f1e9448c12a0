"""Everything that differs between a laptop, the demo and a town in production, read once from the environment."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(Exception):
    """The environment is incomplete or nonsense; the message names every key at once."""


@dataclass(frozen=True, slots=True)
class LegalIdentity:
    """The association as its invoices, its mandates and the tax office name it. `vat_number`, empty under the
    franchise, is the one with which the house began (`invoices.vat_status`); `registration` is what people read
    ("RNA W161000000")."""

    name: str
    legal_form: str
    registration: str
    siren: str
    vat_number: str
    street: str
    postcode: str
    city: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Typed settings; build them with `from_env`, which refuses nonsense before anything starts."""

    production: bool
    secret_key: str = field(repr=False)
    secret_key_fallbacks: tuple[str, ...] = field(repr=False)
    site_url: str
    site_name: str
    site_phone: str
    site_email: str
    association: LegalIdentity
    instance_dir: Path
    database_url: str | None
    mollie_endpoint: str
    mollie_api_key: str = field(repr=False)
    mollie_env: str
    #: `delayed`: shares are routed after hand-over; `upfront`: split when paid (payments.upfront).
    mollie_routing: str
    #: Merchants connect their accounts through this application; empty: nobody has switched that on.
    mollie_client_id: str
    mollie_client_secret: str = field(repr=False)
    mollie_authorize_url: str
    #: The association's own organisation, for what an API key may not ask: client links. Empty: only consent.
    mollie_access_token: str = field(repr=False)
    webhook_base: str | None
    smtp_host: str
    smtp_port: int
    mail_from: str
    geocoder_scheme: str
    geocoder_domain: str
    trusted_proxies_qty: int
    demo: bool
    pool_size: int
    rate_limits: bool

    @property
    def is_https(self) -> bool:
        return self.site_url.startswith("https://")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings; raise SettingsError that lists every missing or bad key.

        Outside production everything has a default that runs on one machine. In production nothing that
        protects people or money has one.
        """
        problems: list[str] = []
        production = env.get("MARKET_ENV", "development") == "production"
        instance_dir = Path(env.get("INSTANCE_DIR", "instance")).absolute()

        def required(key: str, default: str) -> str:
            value = env.get(key, "" if production else default).strip()
            if not value:
                problems.append(f"{key} is missing")
            return value

        def url(key: str, default: str) -> str:
            value = required(key, default).rstrip("/")
            parts = urlsplit(value)
            if value and (parts.scheme not in ("http", "https") or not parts.netloc):
                problems.append(f"{key} is not an http(s) address: {value!r}")
            return value

        def number(key: str, default: int, low: int, high: int) -> int:
            text = env.get(key, str(default))
            if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
                problems.append(f"{key} must be a whole number from {low} to {high}, not {text!r}")
                return default
            return int(text)

        secret_key = env.get("SECRET_KEY", "").strip()
        if not secret_key and not production:
            secret_key = _own_secret(instance_dir)
        if len(secret_key) < 32:
            problems.append("SECRET_KEY is missing or shorter than 32 characters")
        mollie_env = env.get("MOLLIE_ENV", "sandbox")
        if mollie_env not in ("sandbox", "test", "live"):
            problems.append(f"MOLLIE_ENV must be sandbox, test or live, not {mollie_env!r}")
        if production and mollie_env == "sandbox":
            problems.append("MOLLIE_ENV is sandbox: production takes test or live")
        mollie_routing = env.get("MOLLIE_ROUTING", "delayed")
        if mollie_routing not in ("delayed", "upfront"):
            problems.append(f"MOLLIE_ROUTING must be delayed or upfront, not {mollie_routing!r}")
        endpoint_default = "http://127.0.0.1:5051" if mollie_env == "sandbox" else "https://api.mollie.com"
        mollie_api_key = required("MOLLIE_API_KEY", "test_sandbox" if mollie_env == "sandbox" else "")
        expected = "live_" if mollie_env == "live" else "test_"
        if mollie_api_key and not mollie_api_key.startswith(expected):
            problems.append(f"MOLLIE_API_KEY does not start with {expected} as MOLLIE_ENV={mollie_env} wants")
        client_id = env.get("MOLLIE_CLIENT_ID", "").strip()
        client_secret = env.get("MOLLIE_CLIENT_SECRET", "").strip()
        if bool(client_id) != bool(client_secret):
            problems.append("MOLLIE_CLIENT_ID and MOLLIE_CLIENT_SECRET go together")
        mollie_endpoint = env.get("MOLLIE_API_ENDPOINT", endpoint_default).rstrip("/")
        authorize_default = (
            f"{mollie_endpoint}/oauth2/authorize"
            if mollie_env == "sandbox"
            else "https://my.mollie.com/oauth2/authorize"
        )
        authorize_url = env.get("MOLLIE_OAUTH_AUTHORIZE_URL", authorize_default)
        if (mollie_env == "sandbox") == (urlsplit(authorize_url).hostname or "").endswith(".mollie.com"):
            problems.append(f"MOLLIE_OAUTH_AUTHORIZE_URL does not fit MOLLIE_ENV={mollie_env}: {authorize_url!r}")
        access_token = env.get("MOLLIE_ACCESS_TOKEN", "").strip()
        if access_token and not access_token.startswith("access_"):
            problems.append("MOLLIE_ACCESS_TOKEN does not start with access_")
        site_url = url("SITE_URL", f"http://127.0.0.1:{env.get('PORT', '5000')}")
        if production and not site_url.startswith("https://"):
            problems.append("SITE_URL must be https in production")
        # The real Mollie refuses addresses that it cannot reach; without one the poller does the work.
        webhook_default = site_url if mollie_env == "sandbox" else ""
        database_url = env.get("DATABASE_URL", "").strip() or None
        if production and database_url is None:
            problems.append("DATABASE_URL is missing")
        siren = required("LEGAL_SIREN", "000000018").replace(" ", "")
        if siren and not (len(siren) == 9 and siren.isascii() and siren.isdigit()):
            problems.append(f"LEGAL_SIREN must be nine digits, not {siren!r}")
        # An association under the franchise has no VAT number; the invented one of the demo town has.
        vat_number = env.get("LEGAL_VAT_NUMBER", "" if "LEGAL_SIREN" in env else f"FR66{siren}").replace(" ", "")
        rate_limits = env.get("RATE_LIMITS", "on")
        if rate_limits not in ("on", "off"):
            problems.append(f"RATE_LIMITS must be on or off, not {rate_limits!r}")
        if production and rate_limits == "off":
            problems.append("RATE_LIMITS is off: production keeps them on")
        geocoder = urlsplit(url("GEOCODER_URL", "https://data.geopf.fr/geocodage"))
        settings = cls(
            production=production,
            secret_key=secret_key,
            secret_key_fallbacks=tuple(key for key in env.get("SECRET_KEY_FALLBACKS", "").split(",") if key),
            site_url=site_url,
            site_name=required("SITE_NAME", "Les Halles d’Angoulême"),
            site_phone=required("SITE_PHONE", "05 36 49 00 00"),
            site_email=required("SITE_EMAIL", "bonjour@halles.example.org"),
            association=LegalIdentity(
                name=required("LEGAL_NAME", "Les Halles d’Angoulême"),
                legal_form=required("LEGAL_FORM", "Association loi 1901"),
                registration=env.get("LEGAL_REGISTRATION", "").strip(),
                siren=siren,
                vat_number=vat_number,
                street=required("LEGAL_STREET", "place des Halles"),
                postcode=required("LEGAL_POSTCODE", "16000"),
                city=required("LEGAL_CITY", "Angoulême"),
            ),
            instance_dir=instance_dir,
            database_url=database_url,
            mollie_endpoint=mollie_endpoint,
            mollie_api_key=mollie_api_key,
            mollie_env=mollie_env,
            mollie_routing=mollie_routing,
            mollie_client_id=client_id,
            mollie_client_secret=client_secret,
            mollie_authorize_url=authorize_url,
            mollie_access_token=access_token,
            webhook_base=env.get("MOLLIE_WEBHOOK_BASE", webhook_default).rstrip("/") or None,
            smtp_host=required("SMTP_HOST", "127.0.0.1"),
            smtp_port=number("SMTP_PORT", 5052, 1, 65535),
            mail_from=required("MAIL_FROM", "Les Halles d’Angoulême <bonjour@halles.example.org>"),
            geocoder_scheme=geocoder.scheme,
            geocoder_domain=f"{geocoder.netloc}{geocoder.path}",
            trusted_proxies_qty=number("TRUSTED_PROXIES", 0, 0, 9),
            demo=env.get("MARKET_ENV") == "demo",
            pool_size=number("DATABASE_POOL_SIZE", 10, 1, 200),
            rate_limits=rate_limits == "on",
        )
        if problems:
            raise SettingsError("; ".join(problems))
        return settings


def _own_secret(instance_dir: Path) -> str:
    """A secret of this machine's own, made once: no key in the source can ever be a default (S38)."""
    path = instance_dir / "secret_key"
    if not path.exists():
        instance_dir.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(32))
        draft.chmod(0o600)
        try:
            path.hardlink_to(draft)  # of two processes that start together, the first one's key stays
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
