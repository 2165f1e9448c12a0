"""Fields, their labels, and what a refused form says (K27 to K32)."""

from __future__ import annotations

import unicodedata

from tests.browser.checks import Said
from tests.browser.checks.reading import ancestor, attribute, by_id, fields, label_of, words
from tests.browser.crawl import Snapshot

REQUIRED = ("(obligatoire)", "(required)")
GROUPED = ("radio", "checkbox")
TOKENS = {
    "name": "name",
    "phone": "tel",
    "street": "street-address",
    "postcode": "postal-code",
    "city": "address-level2",
    "email": "email",
    "password": "current-password",
}
#: Who signs in is known by the address: there it is a user name, and browsers fill it with the password.
TOKENS_OF = {"/connexion": {**TOKENS, "email": "username"}}


def k27_fields_have_visible_labels(page: Snapshot) -> Said:
    for field in fields(page):
        name = attribute(field, "name")
        label = label_of(page, field) if attribute(field, "id") else None
        if label is None:
            yield f"field {name!r} has no label"
            continue
        seen = words(label)
        for hidden in label.css(".hidden"):
            seen = seen.replace(words(hidden), "")
        is_hidden = "hidden" in attribute(label, "class").split()
        yield f"the label of {name!r} cannot be seen" if is_hidden or not seen.strip() else None


def k28_choices_stand_in_a_group(page: Snapshot) -> Said:
    for field in fields(page):
        if attribute(field, "type") in GROUPED:
            group = ancestor(field, "fieldset")
            legend = group.css_first("legend") if group is not None else None
            yield None if words(legend) else f"{attribute(field, 'name')!r} has no legend"
    for group in page.tree.css("fieldset"):
        yield None if words(group.css_first("legend")) else "a fieldset without legend"


def k29_what_is_required_is_said(page: Snapshot) -> Said:
    for field in fields(page):
        name = attribute(field, "name")
        if attribute(field, "type") == "radio":
            group = ancestor(field, "fieldset")
            said = words(group.css_first("legend")) if group is not None else ""
        else:
            said = words(label_of(page, field))
        says_so = any(word in said for word in REQUIRED)
        is_required = "required" in field.attributes
        yield None if says_so == is_required else f"{name!r} is required: {is_required}, its label: {said!r}"
    for form in page.tree.css("form[method=post]"):
        if any(True for _ in fields(page, form)):
            yield None if "novalidate" in form.attributes else f"form {attribute(form, 'action')} lacks novalidate"


def k30_browsers_can_fill_in(page: Snapshot) -> Said:
    for form in page.tree.css("form[method=post]"):
        tokens = TOKENS_OF.get(attribute(form, "action"), TOKENS)
        for field in fields(page, form):
            name = attribute(field, "name")
            if name in tokens:
                found = attribute(field, "autocomplete")
                yield None if found == tokens[name] else f"{name!r} has autocomplete={found!r}"


def k31_a_refusal_says_what_to_do_where(page: Snapshot) -> Said:
    """The summary and each field say the same sentence, and what was typed is still there."""
    if page.method != "POST" or page.status != 422:
        return
    summary = page.tree.css_first("#erreurs")
    if summary is None:
        yield "no summary"
        return
    links = summary.css("a[href]")
    yield None if links else "an empty summary"
    for link in links:
        target = by_id(page, attribute(link, "href").removeprefix("#"))
        if target is None:
            yield f"{attribute(link, 'href')} leads nowhere"
            continue
        yield from _field_says_the_same(page, target.attributes.get("id") or "", words(link))
    yield from _typed_is_kept(page)


def _field_says_the_same(page: Snapshot, id_: str, sentence: str) -> Said:
    field = by_id(page, id_)
    assert field is not None
    if field.tag not in ("input", "select", "textarea"):
        # A fault of the whole page, not of one field: it must be said where the link leads to.
        yield None if attribute(field, "tabindex") == "-1" else f"#{id_} is no field and cannot take the focus"
        return
    line = by_id(page, f"{id_}-erreur") or by_id(page, f"{attribute(field, 'name')}-erreur")
    yield None if sentence in words(line) else f"{id_}: {sentence!r} in the summary, {words(line)!r} at the field"
    yield None if attribute(field, "aria-invalid") == "true" else f"{id_} lacks aria-invalid"
    described = attribute(field, "aria-describedby")
    if attribute(field, "type") in GROUPED and "-erreur" not in described:
        group = ancestor(field, "fieldset")
        described = attribute(group, "aria-describedby") if group is not None else ""
    yield None if "-erreur" in described else f"{id_} is not described by its error"


def _typed_is_kept(page: Snapshot) -> Said:
    sent_from = [form for form in page.tree.css("main form") if attribute(form, "action").split("?")[0] == page.path]
    for name, value in page.form:
        for field in [field for form in sent_from for field in form.css("input, textarea")]:
            kind = attribute(field, "type")
            if attribute(field, "name") != name or kind in ("hidden", "password", "checkbox", "submit"):
                continue
            if kind == "radio":
                if attribute(field, "value") == value:
                    yield None if "checked" in field.attributes else f"{name}={value!r} is no longer chosen"
                continue
            kept = words(field) if field.tag == "textarea" else attribute(field, "value")
            yield None if _plain(kept) == _plain(value) else f"{name}: typed {value!r}, kept {kept!r}"


def _plain(text: str) -> str:
    """What a browser hands back of a typed text: no line ends, no spaces around."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def k32_the_summary_takes_the_focus_without_script(page: Snapshot) -> Said:
    for node in page.tree.css("#erreurs, [role=alert]"):
        wanted = "autofocus" in node.attributes and attribute(node, "tabindex") == "-1"
        yield None if wanted else f"{attribute(node, 'class')} does not take the focus"
    if page.tree.css("[autofocus]"):
        qty = len(page.tree.css("[autofocus]"))
        yield None if qty == 1 else f"{qty} elements want the focus"
