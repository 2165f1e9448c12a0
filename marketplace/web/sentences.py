"""Refusals in words: a code and its details become the sentence that templates/marketplace/sentences.html holds."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from flask import Flask, current_app

TEMPLATE = "marketplace/sentences.html"


def sentence(code: str, **details: object) -> str:
    """The sentence for a refusal's code, in the language of the page: plain text, which a page escapes.

    A code without a sentence is a bug that must not show as one: the general sentence stands in, and the test
    that walks all codes fails.
    """
    module = current_app.jinja_env.get_template(TEMPLATE).module
    macro = getattr(module, code if has_sentence(code) else "refused")
    wanted = {name: details[name] for name in macro.arguments if name in details}
    # Only the template's own line breaks go: French typesetting's fixed spaces stay.
    said = " ".join(re.split(r"[ \t\n]+", str(macro(**wanted)).strip()))
    # The macro's template has escaped a name such as "Fils & Cie"; the page would do it again, and JSON not at all.
    return html.unescape(said)


def worded(
    codes: Mapping[str, Sequence[str]], labels: Mapping[str, str], choices: Sequence[str] = ()
) -> dict[str, str]:
    """{field: [codes]} as {field: sentence}, in the order of the labels, which is that of the page's fields.

    Fields without a label come last: their sentence still tells what to do. Of `choices` nothing is written but
    chosen.
    """
    order = [field for field in labels if field in codes] + [field for field in codes if field not in labels]
    said = {field: codes[field][0] for field in order}
    said |= {field: "choice_missing" for field in choices if said.get(field) == "required"}
    return {field: sentence(code, label=labels.get(field, "")) for field, code in said.items()}


def worded_with(
    codes: Mapping[str, Sequence[str]], labels: Mapping[str, str], details: Mapping[str, object]
) -> dict[str, str]:
    """The same, for a refusal that brings details (what is left, until when)."""
    return {field: sentence(said[0], **{"label": labels.get(field, ""), **details}) for field, said in codes.items()}


def has_sentence(code: str) -> bool:
    return hasattr(current_app.jinja_env.get_template(TEMPLATE).module, code)


def init(app: Flask) -> None:
    app.add_template_global(sentence)
    app.add_template_global(worded)
    app.add_template_global(worded_with)
