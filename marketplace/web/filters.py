"""Money, days and hours as people here write them: "12,50 €", "samedi 28 novembre", "17 h 30"."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from functools import lru_cache

from babel.dates import format_date
from flask import Flask

from marketplace.clock import TOWN_ZONE
from marketplace.drawings import colourway_for
from marketplace.language import current_language
from marketplace.money import Money

NARROW, FIXED = "\u202f", "\u00a0"


def money(amount: Money) -> str:
    """French: 1\u202f234,50\u00a0€. English: €1,234.50."""
    sign = "-" if amount.cents < 0 else ""
    euros, cents = divmod(abs(amount.cents), 100)
    if current_language() == "en":
        return f"{sign}€{euros:,}.{cents:02d}"
    return f"{sign}{f'{euros:,}'.replace(',', NARROW)},{cents:02d}{FIXED}€"


def day(value: date | datetime) -> str:
    """samedi 28 novembre; mardi 1er décembre (babel leaves the "er" out)."""
    if isinstance(value, datetime):
        value = value.astimezone(TOWN_ZONE).date()
    if current_language() == "en":
        return format_date(value, "EEEE d MMMM", locale="en_GB")
    text = format_date(value, "EEEE d MMMM", locale="fr")
    return text.replace(" 1 ", " 1er ") if value.day == 1 else text


def long_day(value: date) -> str:
    """24 novembre 2026, 1er décembre 2026: for papers, which are read years later."""
    if current_language() == "en":
        return format_date(value, "d MMMM y", locale="en_GB")
    text = format_date(value, "d MMMM y", locale="fr")
    return f"1er{text[1:]}" if value.day == 1 else text


def month(value: date) -> str:
    """novembre 2026."""
    return format_date(value, "MMMM y", locale="en_GB" if current_language() == "en" else "fr")


def hour(value: datetime) -> str:
    """17 h, 17 h 30; in English 17:30."""
    local = value.astimezone(TOWN_ZONE)
    if current_language() == "en":
        return f"{local:%H:%M}"
    minutes = f"{FIXED}{local.minute:02d}" if local.minute else ""
    return f"{local.hour}{FIXED}h{minutes}"


def when(value: datetime) -> str:
    """samedi 28 novembre à 17 h 30."""
    joint = " at " if current_language() == "en" else " à "
    return f"{day(value)}{joint}{hour(value)}"


def slot(window: tuple[datetime, datetime]) -> str:
    """samedi 28 novembre, entre 17 h et 19 h."""
    start, end = window
    if current_language() == "en":
        return f"{day(start)}, between {hour(start)} and {hour(end)}"
    return f"{day(start)}, entre {hour(start)} et {hour(end)}"


def code_pairs(code: str) -> str:
    """12 34 56 78: people say numbers in pairs (residents.md P2)."""
    return FIXED.join(code[i : i + 2] for i in range(0, len(code), 2))


def phone(number: str) -> str:
    """06 39 98 12 34 for +33639981234; a number from elsewhere as it is."""
    if number.startswith("+33") and len(number) == 12:
        return code_pairs(f"0{number[3:]}")
    return number


def percent(basis_points: int) -> str:
    """20 %, 5,5 %; in English 5.5%."""
    whole, rest = divmod(basis_points, 100)
    is_english = current_language() == "en"
    decimals = f"{'.' if is_english else ','}{rest:02d}".rstrip("0") if rest else ""
    return f"{whole}{decimals}{'' if is_english else FIXED}%"


def permille(rate: int) -> str:
    """A rate in thousandths as people read it: 8 %, 8,5 %."""
    return percent(10 * rate)


def km(metres: int | float) -> str:
    """3,2 km."""
    text = f"{metres / 1000:.1f}"
    return f"{text if current_language() == 'en' else text.replace('.', ',')}{FIXED}km"


@lru_cache(8192)
def slug(name: str) -> str:
    """tomme-fermiere-du-breuil: a name as a readable end of an address; the number before it decides."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("œ", "oe").replace("æ", "ae"))
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in plain if not unicodedata.combining(c)).split()
    return "-".join(words)[:60] or "-"


def init(app: Flask) -> None:
    app.add_template_global(colourway_for)
    for filter_ in (money, day, long_day, month, hour, when, slot, code_pairs, percent, permille, km, phone, slug):
        app.add_template_filter(filter_)
