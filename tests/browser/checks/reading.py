"""Reading a page as its visitors do: visible words, accessible names, one node from another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from tests.browser.crawl import Snapshot

#: What only says that there is a button to press or a hidden value to send is no field.
NO_FIELDS = ("hidden", "submit", "button", "image", "reset")


def words(node: LexborNode | None) -> str:
    """The text of a node, spaces joined as a browser joins them (narrow and fixed ones are kept)."""
    return re.sub(r"[ \t\n\r\f]+", " ", node.text()).strip() if node is not None else ""


def attribute(node: LexborNode, name: str) -> str:
    return node.attributes.get(name) or ""


def by_id(page: Snapshot, id_: str) -> LexborNode | None:
    return next((node for node in page.tree.css("[id]") if attribute(node, "id") == id_), None)


def fields(page: Snapshot, within: LexborNode | None = None) -> Iterator[LexborNode]:
    """Every field that a person fills."""
    root = within if within is not None else page.tree.body
    assert root is not None
    for node in root.css("input, select, textarea"):
        if node.tag != "input" or attribute(node, "type") not in NO_FIELDS:
            yield node


def label_of(page: Snapshot, field: LexborNode) -> LexborNode | None:
    id_ = attribute(field, "id")
    return next((label for label in page.tree.css("label[for]") if attribute(label, "for") == id_), None)


def ancestor(node: LexborNode, tag: str) -> LexborNode | None:
    found = node.parent
    while found is not None and found.tag != tag:
        found = found.parent
    return found


def name_of(page: Snapshot, node: LexborNode) -> str:
    """The accessible name of a link or a button, as far as this site needs it."""
    if label := attribute(node, "aria-label"):
        return label
    if ids := attribute(node, "aria-labelledby"):
        return " ".join(words(by_id(page, one)) for one in ids.split())
    pictures = " ".join(attribute(image, "alt") for image in node.css("img"))
    return f"{words(node)} {pictures}".strip()


def text_nodes(page: Snapshot) -> Iterator[tuple[str, str]]:
    """(language, text) of every piece of the body that a person may read: papers are French in English pages too."""
    assert page.tree.body is not None
    for node in page.tree.body.traverse(include_text=True):
        parent = node.parent
        if node.is_text_node and parent is not None and parent.tag not in ("script", "style", "template"):
            text = node.text(deep=False) or ""
            if text.strip():
                yield _language_of(parent), text


def _language_of(node: LexborNode | None) -> str:
    while node is not None and not attribute(node, "lang"):
        node = node.parent
    assert node is not None, "k02 looks that every page says its own"
    return attribute(node, "lang")


def heard(page: Snapshot) -> Iterator[str]:
    """What is said of a thing to those who do not see it."""
    assert page.tree.body is not None
    for node in page.tree.body.css("[aria-label], [alt], [title], [placeholder]"):
        for name in ("aria-label", "alt", "title", "placeholder"):
            if text := attribute(node, name):
                yield text
