"""Which Chromium the browser tests drive: `executable()`; `python -m tests.chromium` installs one if need be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: The shell first: it draws the same pages with a fifth less work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MAC_APPLICATIONS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)

#: In a process of its own: on a bare machine playwright's driver lacks a library and dies (see `install`).
ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


def executable() -> str | None:
    """The path of CHROMIUM, else of the system's Chromium or Chrome, else of playwright's own; None without any."""
    given = os.environ.get("CHROMIUM")
    if given:
        return given
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for application in MAC_APPLICATIONS:
        if application.exists():
            return str(application)
    asked = subprocess.run([sys.executable, "-c", ASK_PLAYWRIGHT], capture_output=True, text=True)
    own = asked.stdout.strip()
    return own if asked.returncode == 0 and Path(own).exists() else None


def install() -> None:
    """Install a Chromium; CalledProcessError when that fails.

    The system's package first: it brings the libraries that playwright's download lacks on a bare machine. For
    that one has to be root.
    """
    if shutil.which("apt-get") and os.getuid() == 0:
        packages = ["chromium-headless-shell", "fonts-dejavu-core", "libatomic1"]  # the last is for playwright's driver
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def main() -> None:
    found = executable()
    if found is None:
        print("Installing Chromium for the browser tests", flush=True)
        try:
            install()
        except subprocess.CalledProcessError:
            sys.exit("Chromium could not be installed. Install Chromium or Chrome, or set CHROMIUM to its path.")
        found = executable()
    print(f"Browser tests use {found}")


if __name__ == "__main__":
    main()
