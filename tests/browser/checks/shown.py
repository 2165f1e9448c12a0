"""What only a browser can see: axe, layout, keyboard, targets, network (K01, K05, K08 to K10, K14, K17 to K19, K24)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.checks import Said
from tests.browser.screen import Screen, script

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "RGAAv4"]
#: Where axe cannot decide; each with the reason why a person has.
UNSURE = {
    ("color-contrast", "bgGradient"): "text over an awning's stripes: there is none, headings stand below them",
    ("color-contrast", "pseudoContent"): "cards and choices are clickable whole, through an empty ::after",
    ("color-contrast", "bgOverlap"): "the same ::after of the next card",
    ("color-contrast", "shortTextContent"): "a single letter or figure; its neighbours were measured",
    ("color-contrast", "elmPartiallyObscured"): "a field beside the focus ring of the summary",
}

#: Shift+Tab is tried on pages with so many controls; longer ones are made of the same parts.
SHORT_WAY_QTY = 45

#: Rules whose verdict changes with the width of the window; the others were asked on the phone.
DEPEND_ON_SIZE = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")

SPACING = """
* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
p { margin-block-end: 2em !important }
"""
DOUBLE = ":root { font-size: 200% !important }"


@cache
def axe_source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def k01_axe_finds_nothing(page: Page, *, only: tuple[str, ...] = ()) -> Said:
    """0 violations of the page as it stands; `only` limits it to some rules."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(axe_source())
    what: dict[str, Any] = {"type": "rule", "values": list(only)} if only else {"type": "tag", "values": TAGS}
    # What passed is counted by rule and not told node by node: axe spends a quarter of its time on that.
    answer = page.evaluate(script("axe"), {"runOnly": what, "resultTypes": ["violations", "incomplete"]})
    for found in answer["violations"]:
        yield f"{found['rule']} ({found['impact']}): {found['target']}: {found['why']}"
    for found in answer["unsure"]:
        is_known = (found["rule"], found["about"]) in UNSURE
        yield None if is_known else f"{found['rule']} unsure ({found['about']}): {found['target']}: {found['why']}"
    for _ in range(answer["cases"]):
        yield None


def fit(screen: Screen, least_px: int) -> dict[str, list[str | None]]:
    """K08, K09, K10 and K24: the layout as it is, with wide spacing, with double letters; the targets' size."""
    source = script("fit").replace("LAYOUT", script("layout")).replace("TARGETS", script("targets"))
    answers = screen.page.evaluate(source, [SPACING, DOUBLE, least_px])
    return {
        check: [*answer["said"], *[None] * (answer["cases"] - len(answer["said"]))] for check, answer in answers.items()
    }


def k08_fits_a_phone(screen: Screen) -> Said:
    yield from fit(screen, 24)["K08"]


def k08_nothing_sticks(screen: Screen) -> Said:
    """At 1280 by 256 (RGAA 10.11) fixed and sticky parts cover at most 30 %."""
    covered = screen.page.evaluate(
        """() => [...document.body.querySelectorAll("*")].filter((el) => ["fixed", "sticky"].includes(
        getComputedStyle(el).position)).reduce((sum, el) => sum + el.getBoundingClientRect().height, 0) / 256"""
    )
    yield f"fixed parts cover {covered:.0%}" if covered > 0.3 else None


def add_style(screen: Screen, css: str) -> None:
    """Our policy refuses foreign style elements; a sheet made by script is let in, so that the page needs no reload."""
    screen.page.evaluate(
        """(css) => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css);
        document.adoptedStyleSheets = [sheet]; }""",
        css,
    )


def k14_no_complaints(screen: Screen) -> Said:
    yield from screen.troubles
    for _ in range(screen.requests_qty):
        yield None


#: Tab stops at the day, the month and the year of a date, at hours and minutes, and at the button that opens them.
PARTED, MOST_PARTS = "input[type=date], input[type=time]", 4


def keyboard(screen: Screen) -> dict[str, list[str | None]]:
    """K05, K17, K18 and K19 in one walk through the page with Tab, and back again where the way is short."""
    page = screen.page
    _start_before_everything(screen)
    qty = page.evaluate(script("tabbable"))
    said: dict[str, list[str | None]] = {"K05": [], "K17": [], "K18": [], "K19": []}
    reached: list[int] = []
    for now in _hold_tab(screen, qty + 2 + page.locator(PARTED).count() * MOST_PARTS):
        if now is None or (len(reached) == qty and now["tab"] == "0"):
            break  # out of the page, or round to its start
        if now["parted"] and reached and now["tab"] == str(reached[-1]):
            continue  # the next part of the same field
        if now["tab"] is None:
            said["K17"].append(f"Tab stops at {now['name']}, which is no visible control")
        else:
            reached.append(int(now["tab"]))
        _judge_ring(now, said)
    said["K17"] += [None] * len(reached)
    if reached != list(range(qty)):
        missed = sorted(set(range(qty)) - set(reached))
        said["K17"].append(f"Tab reaches {len(set(reached))} of {qty} controls: not {_names(screen, missed)}")
    elif qty <= SHORT_WAY_QTY:
        said["K17"].append(_way_back(screen, qty))
    said["K05"] += _skip_link(screen)
    return said


def rings(screen: Screen) -> dict[str, list[str | None]]:
    """K18 and K19 of every control, in the light and the width that the page has now; not one press of Tab for each."""
    said: dict[str, list[str | None]] = {"K18": [], "K19": []}
    screen.page.keyboard.press("Tab")  # a browser shows rings to whom the keyboard leads
    screen.page.evaluate(script("tabbable"))
    for now in screen.page.evaluate(script("rings").replace("FOCUSED", script("focused"))):
        if now is not None:
            _judge_ring(now, said)
    return said


def _judge_ring(now: dict[str, Any], said: dict[str, list[str | None]]) -> None:
    is_seen = now["width"] >= 2 and now["ring"] >= 3
    said["K18"].append(None if is_seen else f"ring of {now['name']}: {now['width']} px, {now['ring']} to 1")
    said["K19"].append(f"{now['name']} is covered while it has the focus" if now["covered"] else None)


def _hold_tab(screen: Screen, times: int) -> list[dict[str, Any] | None]:
    """What had the focus after each press of a Tab that is held down; the page notes it before the next press."""
    page = screen.page
    page.evaluate(script("tabs").replace("FOCUSED", script("focused")))
    for _ in range(times):
        page.keyboard.down("Tab")
    page.keyboard.up("Tab")
    noted: list[dict[str, Any] | None] = page.evaluate("() => window.tabbed")
    return [*noted[1:], page.evaluate(script("focused"))]


def _way_back(screen: Screen, qty: int) -> str | None:
    """Shift+Tab visits the same controls in reverse; a group of radios without choice is entered at its other end."""
    page = screen.page
    page.locator(f"[data-tab='{qty - 1}']").focus()
    met = 1
    page.keyboard.down("Shift")
    way = _hold_tab(screen, qty - 1 + page.locator(PARTED).count() * MOST_PARTS)
    page.keyboard.up("Shift")
    for now in way:
        if met == qty or now is None or (now["tab"] is None and not now["group"]):
            break
        if now["parted"] and now["tab"] == str(qty - met):
            continue
        if now["tab"] is not None and int(now["tab"]) != qty - 1 - met:
            break
        met += 1
    return None if met == qty else f"Shift+Tab leads back over {met} of {qty} controls"


def _start_before_everything(screen: Screen) -> None:
    """Where Tab starts is where the focus was last."""
    screen.page.evaluate(
        """() => { scrollTo(0, 0); document.body.tabIndex = -1; document.body.focus();
        document.body.removeAttribute("tabindex"); }"""
    )


def _names(screen: Screen, numbers: list[int]) -> str:
    said: str = screen.page.evaluate(
        """(all) => all.slice(0, 3).map((n) => document.querySelector(`[data-tab='${n}']`).outerHTML.slice(0, 90))
        .join(" ")""",
        numbers,
    )
    return said


def _skip_link(screen: Screen) -> list[str | None]:
    page = screen.page
    _start_before_everything(screen)
    page.keyboard.press("Tab")
    is_skip = page.evaluate("() => document.activeElement.matches('a[href=\"#contenu\"]')")
    if not is_skip:
        return ["the first Tab does not reach the way to the content"]
    page.keyboard.press("Enter")
    in_main = page.evaluate("() => document.activeElement.closest('main') !== null")
    return [None, None if in_main else "the way to the content does not move the focus there"]


def k31_the_summary_has_the_focus(screen: Screen) -> Said:
    """At once, without a script of ours; and each of its links leads the focus to its field (K31, K32)."""
    links = screen.page.evaluate(
        """() => [...document.querySelectorAll("#erreurs a")].map((link) => link.hash.slice(1))"""
    )
    if not links:
        return
    try:
        # The browser itself moves it there with the first picture that it paints, a moment after the page has come.
        expect(screen.page.locator("#erreurs")).to_be_focused(timeout=3_000)
        yield None
    except AssertionError:
        has = screen.page.evaluate("() => document.activeElement.id")
        yield f"the focus is at {has!r}, not at the summary"
    led_to = screen.page.evaluate(
        """() => [...document.querySelectorAll("#erreurs a")].map((link) => {
        link.click(); return document.activeElement.id; })"""
    )
    for id_, now in zip(links, led_to, strict=True):
        yield None if now == id_ else f"the summary's link leads the focus to {now!r}, not {id_!r}"


def k64_nothing_is_kept_in_the_browser(screen: Screen) -> Said:
    """Whoever only reads gets no cookie and no storage."""
    cookies = [cookie.get("name") for cookie in screen.context.cookies()]
    yield f"cookies {cookies}" if cookies else None
    stored = screen.page.evaluate("() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    yield f"storage {stored}" if stored else None
