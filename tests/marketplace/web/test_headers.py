from __future__ import annotations

import re

from flask.testing import FlaskClient

from tests.walk import Town


def test_a_browser_asks_for_a_style_sheet_once_and_again_when_it_changes(client: FlaskClient, town: Town) -> None:
    page = client.get("/").text
    sheets = re.findall(r'href="(/static/css/[^"]+)"', page)
    assert sheets
    for address in sheets:
        assert re.search(r"\?v=[0-9a-f]{10}$", address), address
        assert client.get(address).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    plain = sheets[0].partition("?")[0]
    assert client.get(plain).headers["Cache-Control"] == "no-cache"


def test_a_font_has_one_address_for_page_and_style_sheet(client: FlaskClient, town: Town) -> None:
    fonts = re.findall(r'href="(/static/fonts/[^"]+)"', client.get("/").text)
    assert fonts and not any("?" in address for address in fonts)
    assert client.get(fonts[0]).headers["Cache-Control"] == "public, max-age=2592000"


def test_a_file_that_is_not_there_is_kept_by_nobody(client: FlaskClient, town: Town) -> None:
    answer = client.get("/static/css/nowhere.css?v=0123456789")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "private, no-cache")
