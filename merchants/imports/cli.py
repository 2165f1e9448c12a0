"""`flask --app marketplace.app import-catalogue SHOP FILE`: show what a file would change, then do it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import click
from babel.numbers import format_currency
from flask.cli import with_appcontext
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.hall import Hall, the_hall
from marketplace.money import Money
from merchants.aisles import KIND_OF_TRADE
from merchants.imports.apply import apply_import, lock_shelf, read_shelf
from merchants.imports.cells import shown
from merchants.imports.formats import parse_catalogue
from merchants.imports.parsed import NetContent, ParsedCatalogue, Problem
from merchants.imports.plan import FieldChange, ImportPlan, PlannedProduct, ShelfVariant, compare
from merchants.imports.reading import MAX_BYTES, UnreadableFile
from merchants.imports.sentences import FIELDS, FORMATS, NEEDS, NOTES, PROBLEMS, REFUSALS, unreadable_sentence
from merchants.kinds import kind_keys
from merchants.models import Shop

PROBLEMS_FOUND, UNREADABLE = 1, 2

#: So many line numbers name a pattern; more of them hide it.
LINES_SHOWN = 12


@click.command("import-catalogue")
@click.argument("shop", metavar="SHOP")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", "applies", is_flag=True, help="Enregistre les changements, tous ou aucun.")
@click.option("--kind", type=click.Choice(kind_keys()), help="Genre des articles dont le fichier ne le dit pas.")
@click.option("--withdraw-missing", is_flag=True, help="Retire de la vente ce qui n’est pas dans le fichier.")
@with_appcontext
def import_catalogue_command(shop: str, file: Path, applies: bool, kind: str | None, withdraw_missing: bool) -> None:
    """Lit le catalogue d’une boutique dans un fichier CSV et montre ce qui changerait.

    SHOP est le nom court de la boutique dans son adresse. FILE est au format du marché
    (docs/catalogue-format.md) ou un export de WooCommerce ou de Shopify.

    Code de sortie : 0 si tout va bien, 1 si le fichier a des problèmes, 2 s’il est illisible.
    """
    hall = the_hall()
    now = hall.clock.now()
    shop_id, shop_name, trade = _shop(hall, shop)
    parsed = _parsed(hall, file, kind, KIND_OF_TRADE.get(trade))
    if applies:
        with hall.database.transaction() as session:
            plan = compare(
                lock_shelf(session, shop_id=shop_id), parsed, on=local_day(now), withdraw_missing=withdraw_missing
            )
            if plan.is_applicable and not plan.changes_nothing:
                _apply(session, hall, shop_id, plan, file)
    else:
        with hall.database.reading() as session:
            plan = compare(
                read_shelf(session, shop_id=shop_id), parsed, on=local_day(now), withdraw_missing=withdraw_missing
            )
    # The report comes after the commit: a terminal that is slow to show it must not hold the shelf locked.
    click.echo(f"{shop_name} — {file.name} ({FORMATS[parsed.format]})")
    for line in report(plan):
        click.echo(line)
    click.echo(_verdict(plan, applies))
    if not plan.is_applicable:
        sys.exit(PROBLEMS_FOUND)


def _shop(hall: Hall, slug: str) -> tuple[int, str, str]:
    with hall.database.reading() as session:
        row = session.execute(select(Shop.id, Shop.name, Shop.trade).where(Shop.slug == slug)).one_or_none()
    if row is None:
        _give_up(f"Aucune boutique ne s’appelle « {shown(slug)} ».")
    return row.id, row.name, row.trade


def _parsed(hall: Hall, file: Path, kind: str | None, shop_kind: str | None) -> ParsedCatalogue:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        _give_up(f"Le fichier ne s’ouvre pas : {error.strerror}.")
    try:
        return parse_catalogue(content, on=local_day(hall.clock.now()), default_kind=kind, shop_kind=shop_kind)
    except UnreadableFile as error:
        _give_up(unreadable_sentence(error.code, error.details))


def _give_up(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(UNREADABLE)


def _apply(session: Session, hall: Hall, shop_id: int, plan: ImportPlan, file: Path) -> None:
    total_qty = len(plan.added) + len(plan.changed)
    with click.progressbar(length=total_qty, label="Enregistrement", file=sys.stderr) as bar:
        apply_import(
            session,
            shop_id=shop_id,
            plan=plan,
            actor=f"import-catalogue {file.name}"[:200],
            now=hall.clock.now(),
            progress=lambda done_qty, _: bar.update(done_qty - bar.pos),
        )


def report(plan: ImportPlan) -> Iterator[str]:
    """What the plan would do, line by line, in French: counts, products, remarks, problems."""
    yield (
        f"{len(plan.added)} à ajouter, {len(plan.changed)} à modifier, {plan.unchanged_qty} inchangés, "
        f"{len(plan.missing)} absents du fichier, {len(plan.problems)} problèmes"
    )
    yield from _section("À ajouter", [line for planned in plan.added for line in _added(planned)])
    yield from _section("À modifier", [line for planned in plan.changed for line in _changed(planned)])
    fate = "ils sont retirés de la vente" if plan.withdraws_missing else "ils restent comme ils sont"
    absent = [f"- {product.reference}  {product.name}" for product in plan.missing]
    absent += [f"- {variant.reference}  {variant.label}" for variant in plan.missing_variants]
    yield from _section(f"Absents du fichier ({fate})", absent)
    yield from _section("À compléter", _lacking([*plan.added, *plan.changed]))
    yield from _section("Remarques", _notes(plan.notes))
    yield from _section("Problèmes", [_problem(problem) for problem in plan.problems])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title} :"
        yield from (f"  {line}" for line in lines)


def _added(planned: PlannedProduct) -> Iterator[str]:
    product = planned.after
    if len(product.variants) == 1 and not product.variants[0].label:
        yield f"+ {product.reference}  {product.name} — {_offer(product.variants[0])}"
        return
    yield f"+ {product.reference}  {product.name}"
    yield from (f"    {variant.reference}  {variant.label} — {_offer(variant)}" for variant in product.variants)


def _offer(variant: ShelfVariant) -> str:
    return f"{_value(variant.price)}, stock {variant.on_hand_qty}"


def _changed(planned: PlannedProduct) -> Iterator[str]:
    yield f"~ {planned.after.reference}  {planned.after.name}"
    for change in planned.changes:
        yield f"    {change.reference}  {_change(change)}"


def _change(change: FieldChange) -> str:
    if isinstance(change.new, ShelfVariant):
        return f"{FIELDS[change.field]} : {change.new.label} — {_offer(change.new)}"
    return f"{FIELDS[change.field]} : {_value(change.old)} → {_value(change.new)}"


def _value(value: object) -> str:
    """A value as a shopkeeper writes it."""
    match value:
        case Money():
            return format_currency(Decimal(value.cents) / 100, "EUR", locale="fr_FR")
        case NetContent():
            return f"{value.amount} {value.unit}"
        case bool():
            return "oui" if value else "non"
        case tuple():
            return ", ".join(map(str, value)) or "aucun"
        case dict():
            return shown(", ".join(f"{name} = {sentence}" for name, sentence in sorted(value.items()))) or "(vide)"
        case None:
            return "(vide)"
    return shown(str(value)) or "(vide)"


def _lacking(products: Sequence[PlannedProduct]) -> list[str]:
    lines = []
    for planned in products:
        if planned.lacking:
            needs = ", ".join(NEEDS.get(need, need) for need in planned.lacking)
            fate = "" if planned.after.is_published else " — pas en vente d’ici là"
            lines.append(f"{planned.after.reference}  {planned.after.name} : il manque {needs}{fate}")
    return lines


def _notes(notes: Sequence[Problem]) -> list[str]:
    lines_of: dict[str, list[int]] = {}
    for note in notes:
        lines_of.setdefault(note.code, []).append(note.line)
    found = []
    for code, lines in lines_of.items():
        numbers = ", ".join(map(str, lines[:LINES_SHOWN])) + ("…" if len(lines) > LINES_SHOWN else "")
        word = "ligne" if len(lines) == 1 else "lignes"
        found.append(f"{len(lines)} {NOTES[code]} ({word} {numbers})")
    return found


def _problem(problem: Problem) -> str:
    column = f", colonne « {problem.column} »" if problem.column else ""
    value = f" (« {problem.value} »)" if problem.value else ""
    return f"ligne {problem.line}{column} : {PROBLEMS[problem.code]}{value}"


def _verdict(plan: ImportPlan, applies: bool) -> str:
    if plan.refusal:
        return f"\n{REFUSALS[plan.refusal]} Rien n’a été enregistré."
    if plan.problems:
        return "\nRien n’a été enregistré. Corrigez ces problèmes dans le fichier, puis recommencez."
    if plan.changes_nothing:
        return "\nRien à changer."
    return "\nTout est enregistré." if applies else "\nRien n’est encore enregistré. Ajoutez --apply pour le faire."
