"""Where the demo's processes find each other: ports, and the environment that all of them share."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
#: Where to look next when nobody asked for a port and the default is taken, as macOS does for AirPlay.
OTHER_PORTS = range(5010, 5100, 10)


@dataclass(frozen=True, slots=True)
class Ports:
    """The site's port, and three more right behind it."""

    web: int

    @property
    def payments(self) -> int:
        return self.web + 1

    @property
    def townsfolk(self) -> int:
        return self.web + 2

    @property
    def smtp(self) -> int:
        return self.web + 3

    @property
    def site_url(self) -> str:
        return f"http://{HOST}:{self.web}"

    @property
    def payments_url(self) -> str:
        return f"http://{HOST}:{self.payments}"

    @property
    def letters_url(self) -> str:
        return f"http://{HOST}:{self.townsfolk}/boite"

    def taken(self) -> list[int]:
        """Those that another program has."""
        return [port for port in (self.web, self.payments, self.townsfolk, self.smtp) if is_taken(port)]


def is_taken(port: int) -> bool:
    """Somebody answers there, or it cannot be had. Two looks: macOS lets two programs share one in a way."""
    with socket.socket() as caller:
        caller.settimeout(1)
        if caller.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((HOST, port))
        except OSError as trouble:
            return trouble.errno in (errno.EADDRINUSE, errno.EACCES)
    return False


def free_ports() -> Ports | None:
    """The default ports, else the first others that nobody has; None when all are taken."""
    candidates = (Ports(port) for port in (DEFAULT_PORT, *OTHER_PORTS))
    return next((ports for ports in candidates if not ports.taken()), None)


def environment(ports: Ports, instance_dir: Path, outer: Mapping[str, str]) -> dict[str, str]:
    """What all processes of the demo are started with.

    What the person who starts it set on purpose stays: a DATABASE_URL of one's own, Mollie's test keys, the real
    geocoder. The rest points at each other.
    """
    env = {
        "SITE_URL": ports.site_url,
        "GEOCODER_URL": f"http://{HOST}:{ports.townsfolk}/geocodage",
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(ports.smtp),
        "MOLLIE_ENV": "sandbox",
        **outer,
        "MARKET_ENV": "demo",
        "PORT": str(ports.web),
        "INSTANCE_DIR": str(instance_dir),
        "SANDBOX_PORT": str(ports.payments),
        "SANDBOX_BOOK": str(instance_dir / "sandbox.sqlite"),
        "SANDBOX_ORGANIZATIONS": str(instance_dir / "sandbox_organizations.json"),
        "TOWNSFOLK_PORT": str(ports.townsfolk),
        "TOWNSFOLK_LETTERS": str(instance_dir / "letters.sqlite"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), outer.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        # A proxy for the internet cannot reach this machine's own servers. On macOS this also keeps Python from
        # asking the system for its proxies, which may crash in a forked process.
        "NO_PROXY": ",".join(filter(None, [outer.get("NO_PROXY"), HOST, "localhost"])),
        "no_proxy": ",".join(filter(None, [outer.get("no_proxy"), HOST, "localhost"])),
    }
    if env["MOLLIE_ENV"] == "sandbox":
        env["MOLLIE_API_ENDPOINT"] = ports.payments_url
        # Play money, play secrets: both ends of the demo are told the same.
        secret, token = "demo-secret", "access_demo"
        env |= {
            "MOLLIE_CLIENT_ID": "app_demo",
            "MOLLIE_CLIENT_SECRET": secret,
            "MOLLIE_ACCESS_TOKEN": token,
            "SANDBOX_CLIENT_ID": "app_demo",
            "SANDBOX_CLIENT_SECRET": secret,
            "SANDBOX_ACCESS_TOKENS": token,
            # What a European card costs (mollie.md 2.6).
            "SANDBOX_FEE_BASIS_POINTS": "180",
            "SANDBOX_FEE_FIXED_CENTS": "25",
            "SANDBOX_REDIRECT_URIS": f"{env['SITE_URL'].rstrip('/')}/boutique/encaissement/retour",
        }
    return env
