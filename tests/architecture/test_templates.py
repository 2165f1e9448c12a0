"""Every template that another one extends, imports or includes is there, with the macros that are asked of it.

Nothing else would say so before somebody opens the page, or a letter is to be written.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, nodes

TEMPLATES = Path(__file__).parents[2] / "templates"


def _trees() -> dict[str, nodes.Template]:
    environment = Environment(extensions=["jinja2.ext.i18n"], loader=FileSystemLoader(TEMPLATES), autoescape=True)
    files = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    return {str(path.relative_to(TEMPLATES)): environment.parse(path.read_text(encoding="utf-8")) for path in files}


def _lent(tree: nodes.Template) -> set[str]:
    """What whoever imports a template can use of it: what it makes itself, not what it imports."""
    made = {macro.name for macro in tree.find_all(nodes.Macro)}
    return made | {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}


def test_every_template_finds_what_it_is_made_of() -> None:
    trees = _trees()
    missing = set()
    for path, tree in trees.items():
        for node in tree.find_all((nodes.Extends, nodes.Import, nodes.FromImport, nodes.Include)):
            if not isinstance(node.template, nodes.Const):
                continue
            wanted = str(node.template.value)
            if wanted not in trees:
                missing.add(f"{path}: {wanted}")
            elif isinstance(node, nodes.FromImport):
                names = {name if isinstance(name, str) else name[0] for name in node.names}
                missing |= {f"{path}: {name} of {wanted}" for name in names - _lent(trees[wanted])}
            elif isinstance(node, nodes.Import):
                used = {
                    one.attr
                    for one in tree.find_all(nodes.Getattr)
                    if isinstance(one.node, nodes.Name) and one.node.name == node.target
                }
                missing |= {f"{path}: {name} of {wanted}" for name in used - _lent(trees[wanted])}
    assert missing == set()
    assert len(trees) > 100
