"""The command shows in French what would change, applies it when told, and its exit codes can be trusted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings
from merchants.imports import sentences
from merchants.imports.apply import read_shelf
from merchants.imports.cli import import_catalogue_command
from merchants.imports.stand_ins import DRAWING_OF_KIND
from merchants.kinds import kind_keys
from merchants.models import Shop
from tests.merchants.imports.conftest import NOW

CATALOGUE = "reference;nom;genre;prix;stock\nbol;Bol;maison;12,50;4\nours;Ours;jouet;1299;2\n"


@pytest.fixture
def app(empty_database: Database) -> Flask:
    app = Flask("import-test")
    app.extensions["hall"] = Hall(
        settings=Settings.from_env({}),
        database=empty_database,
        clock=FixedClock(NOW),
        gateway=Gateway(endpoint="http://127.0.0.1:9", api_key="test_" + "x" * 30),
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender="market@example.org"),
    )
    app.cli.add_command(import_catalogue_command)
    return app


class Counter:
    """Somebody at the counter of the shop, with a file."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app, self.folder = app, folder

    def imports(self, content: str | bytes, *options: str, shop: str = "poterie-du-port") -> Result:
        file = self.folder / "produits.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.app.test_cli_runner().invoke(args=["import-catalogue", shop, str(file), *options])


@pytest.fixture
def counter(app: Flask, tmp_path: Path, pottery: int) -> Counter:
    return Counter(app, tmp_path)


def references(database: Database, shop_id: int) -> list[str]:
    with database.reading() as session:
        return [product.reference for product in read_shelf(session, shop_id=shop_id)]


def test_a_preview_shows_everything_and_changes_nothing(
    counter: Counter, empty_database: Database, pottery: int
) -> None:
    result = counter.imports(CATALOGUE)
    assert result.exit_code == 0
    assert result.output == (
        "Poterie du Port — produits.csv (format du marché)\n"
        "2 à ajouter, 0 à modifier, 0 inchangés, 0 absents du fichier, 0 problèmes\n"
        "\n"
        "À ajouter :\n"
        "  + bol  Bol — 12,50 €, stock 4\n"
        "  + ours  Ours — 1 299,00 €, stock 2\n"
        "\n"
        "À compléter :\n"
        "  ours  Ours : il manque l’âge\n"
        "\n"
        "Rien n’est encore enregistré. Ajoutez --apply pour le faire.\n"
    ).replace("1 299,00 €", "1\u202f299,00\u00a0€").replace("12,50 €", "12,50\u00a0€")
    assert references(empty_database, pottery) == []


def test_apply_does_what_the_preview_said_and_a_second_time_nothing(
    counter: Counter, empty_database: Database, pottery: int
) -> None:
    first = counter.imports(CATALOGUE, "--apply")
    assert (first.exit_code, first.output.splitlines()[-1]) == (0, "Tout est enregistré.")
    assert references(empty_database, pottery) == ["bol", "ours"]
    second = counter.imports(CATALOGUE, "--apply")
    assert (second.exit_code, second.output.splitlines()[-1]) == (0, "Rien à changer.")


def test_a_change_is_shown_with_old_and_new(counter: Counter) -> None:
    counter.imports(CATALOGUE, "--apply")
    result = counter.imports("reference;nom;genre;prix;stock\nbol;Bol bleu;maison;11;4\n")
    assert "    bol  nom : Bol → Bol bleu" in result.output
    assert "    bol  prix : 12,50\u00a0€ → 11,00\u00a0€" in result.output
    assert "Absents du fichier (ils restent comme ils sont) :\n  - ours  Ours" in result.output


def test_problems_are_named_by_line_and_column_and_nothing_is_done(
    counter: Counter, empty_database: Database, pottery: int
) -> None:
    result = counter.imports(CATALOGUE + "vase;Vase;maison;20 CHF;1\nbol;Bol;maison;8;1\npot;Pot\n", "--apply")
    assert result.exit_code == 1
    assert (
        "  ligne 4, colonne « prix » : le prix n’est pas en euros. Nous ne convertissons pas : écrivez le prix en "
        "euros. (« 20 CHF »)\n"
        "  ligne 5 : cette référence sert déjà à un autre article. Donnez-en une autre. (« bol »)\n"
        "  ligne 6 : la ligne n’a pas assez de cases (trouvées/attendues). Il manque un séparateur. (« 2/5 »)\n"
    ) in result.output
    assert references(empty_database, pottery) == []


def test_a_file_that_would_empty_the_shelf_is_refused(counter: Counter, empty_database: Database, pottery: int) -> None:
    counter.imports(CATALOGUE, "--apply")
    result = counter.imports(CATALOGUE.rsplit("ours", 1)[0], "--apply", "--withdraw-missing")
    assert result.exit_code == 1
    assert "Plus de 30 % des produits disparaîtraient." in result.output


def test_an_export_without_kinds_is_filed_under_what_the_shop_sells(
    counter: Counter, empty_database: Database, pottery: int
) -> None:
    with empty_database.transaction() as session:
        session.get_one(Shop, pottery).trade = "clothes"
    export = (
        "Handle,Title,Type,Variant Price\njupe,Jupe,Nouveautés,40\nours,Ours,Jouets,12\nlot,Lot,Jouets et vaisselle,9\n"
    )
    result = counter.imports(export)
    assert "  1 dont le fichier ne dit pas le genre, rangés sous celui de la boutique" in result.output
    assert "ligne 4, colonne « Type » : les catégories désignent plusieurs genres." in result.output
    assert counter.imports(export.rsplit("lot", 1)[0], "--apply").exit_code == 0
    with empty_database.reading() as session:
        kinds = {product.reference: product.kind for product in read_shelf(session, shop_id=pottery)}
    assert kinds == {"jupe": "vetement", "ours": "jouet"}


def test_an_export_without_kinds_needs_one(counter: Counter, empty_database: Database, pottery: int) -> None:
    export = "Type,SKU,Name,Regular price,Stock\nsimple,bol,Bol,12.5,\nexternal,x,Affiche,3,\n"
    without = counter.imports(export, "--apply")
    assert without.exit_code == 1
    assert "colonne « categories » : le genre de l’article n’est pas connu" in without.output
    result = counter.imports(export, "--apply", "--kind", "maison")
    assert result.exit_code == 0
    assert "  1 vendus sur un autre site, laissés de côté (ligne 3)\n" in result.output
    assert references(empty_database, pottery) == ["bol"]
    assert counter.imports(export, "--kind", "voiture").exit_code == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"%PDF-1.7", "Ce fichier n’est pas un tableau CSV : c’est un PDF."),
        (b"const a = 1;\nfunction b() {}\n", "c’est un programme JavaScript"),
        (b"id;couleur\n1;bleu\n", "Colonnes trouvées : id, couleur."),
        (b"reference;nom;prix\na;Bol;8\n", "Il manque une colonne obligatoire : genre."),
        (b'reference;nom;genre;prix\na;"Bol;maison;8\n', 'À la ligne 2, un guillemet " est ouvert'),
        (b"", "Le fichier est vide."),
        (b"x" * 10_000_001, "Le fichier dépasse 10 Mo."),
    ],
)
def test_a_file_that_is_no_catalogue_gets_one_sentence(counter: Counter, content: bytes, sentence: str) -> None:
    result = counter.imports(content, "--apply")
    assert result.exit_code == 2
    assert sentence in result.output
    assert result.output.count("\n") == 1


def test_an_unknown_shop_is_said(counter: Counter) -> None:
    result = counter.imports(CATALOGUE, shop="nowhere")
    assert (result.exit_code, result.output) == (2, "Aucune boutique ne s’appelle « nowhere ».\n")


def test_every_code_has_its_sentence() -> None:
    folder = Path(sentences.__file__).parent
    source = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "sentences.py")
    unreadable = set(re.findall(r'UnreadableFile\(\s*"(\w+)"', source)) | {"truncated", "lone_surrogate"}
    assert unreadable | {"cell_too_long", "quotes_broken"} == sentences.UNREADABLE.keys()
    raised = set(re.findall(r'(?:CellError\(|refuse\("\w+", )"(\w+)"', source))
    assert raised <= sentences.PROBLEMS.keys()
    noted = set(re.findall(r'Problem\([^()"]*(?:\([^()]*\))?[^()"]*"[^"]*", "(\w+)"', source))
    assert noted <= sentences.PROBLEMS.keys() | sentences.NOTES.keys()
    assert "stock_not_counted" in noted


def test_every_kind_has_its_stand_in_drawing() -> None:
    assert set(DRAWING_OF_KIND) == set(kind_keys())
