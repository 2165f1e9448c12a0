"""What the shared macros promise to the pages that are built from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from selectolax.lexbor import LexborHTMLParser, LexborNode

from marketplace.money import Money

TEMPLATES = Path(__file__).parents[3] / "templates"


def in_euros(amount: Money) -> str:
    return f"{amount}".replace(".", ",") + "\u00a0€"


@pytest.fixture(scope="module")
def environment() -> Environment:
    """The macros ask for little: words, addresses of pages, a token and the `money` filter."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the i18n extension adds it
        lambda words: words, lambda one, many, n: one if n == 1 else many, newstyle=True
    )
    environment.globals["url_for"] = lambda endpoint, **values: f"/{endpoint}"
    environment.globals["static_url"] = lambda filename: f"/static/{filename}"
    environment.globals["sentence"] = lambda code, label: f"Écrivez : {label} ({code})."
    environment.globals["csrf_token"] = lambda: "token"
    environment.filters["money"] = in_euros
    return environment


def drawn(environment: Environment, text: str, **values: object) -> LexborHTMLParser:
    imports = "".join(
        f'{{% import "marketplace/_macros/{name}.html" as {name} %}}'
        for name in ("page", "forms", "shops", "money", "round")
    )
    return LexborHTMLParser(environment.from_string(imports + text).render(**values))


def one(tree: LexborHTMLParser, selector: str) -> LexborNode:
    found = tree.css(selector)
    assert len(found) == 1, f"{selector}: {len(found)} found"
    return found[0]


def words(node: LexborNode) -> str:
    return " ".join(node.text().split())


def test_a_field_is_tied_to_its_label_its_hint_and_its_error(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{{ forms.field({'phone': '05 45'}, {'phone': ['Écrivez dix chiffres.']}, 'phone', 'Téléphone',"
        " kind='tel', hint='Pour le livreur.', autocomplete='tel') }}",
    )
    box = one(tree, "input#phone")
    assert box.attributes["value"] == "05 45"
    assert box.attributes["aria-invalid"] == "true"
    assert box.attributes["aria-describedby"] == "phone-aide phone-erreur"
    assert words(one(tree, "#phone-erreur")) == "Erreur : Écrivez dix chiffres."
    assert words(one(tree, "label[for=phone]")) == "Téléphone (obligatoire)"
    assert "required" in box.attributes


def test_a_code_is_worded_with_the_label_and_alike_in_the_summary(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{{ page.error_summary(errors, {'phone': 'Téléphone'}) }}{{ forms.field({}, errors, 'phone', 'Téléphone') }}",
        errors={"phone": ["not_a_phone"]},
    )
    assert words(one(tree, ".summary a")) == "Écrivez : Téléphone (not_a_phone)."
    assert words(one(tree, "#phone-erreur")) == "Erreur : Écrivez : Téléphone (not_a_phone)."


def test_a_field_without_fault_claims_none(environment: Environment) -> None:
    tree = drawn(environment, "{{ forms.field({}, {}, 'note', 'Un mot', required=false, kind='textarea') }}")
    box = one(tree, "textarea#note")
    assert "aria-invalid" not in box.attributes
    assert "aria-describedby" not in box.attributes
    assert "required" not in box.attributes
    assert words(one(tree, "label")) == "Un mot (facultatif)"


def test_what_was_typed_comes_back_escaped_and_a_password_does_not(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{{ forms.field(typed, {}, 'name', 'Nom') }}{{ forms.field(typed, {}, 'key', 'Clé', kind='password') }}",
        typed={"name": '"><script>', "key": "secret"},
    )
    assert tree.css("script") == []
    assert one(tree, "#name").attributes["value"] == '"><script>'
    assert "value" not in one(tree, "#key").attributes


def test_a_zero_that_was_typed_comes_back(environment: Environment) -> None:
    tree = drawn(environment, "{{ forms.field({'floor': 0}, {}, 'floor', 'Étage') }}")
    assert one(tree, "#floor").attributes["value"] == "0"


CHOICES = (
    "{{ forms.radios(values, errors, 'slot', 'Quel jour ?', ["
    "{'value': 1, 'label': 'vendredi : complet', 'full': true},"
    "{'value': 2, 'label': 'samedi', 'aside': '4,50 €', 'hint': 'Avant vendredi.'},"
    "{'value': 3, 'label': 'mardi'}]) }}"
)


def test_nothing_is_chosen_for_the_person(environment: Environment) -> None:
    tree = drawn(environment, CHOICES, values={}, errors={})
    assert tree.css("input[checked]") == []
    assert [radio.attributes["value"] for radio in tree.css("input[type=radio]")] == ["2", "3"]
    assert "vendredi : complet" in words(one(tree, "fieldset"))


def test_the_summary_leads_to_the_first_choice_that_can_be_made(environment: Environment) -> None:
    tree = drawn(
        environment, "{{ page.error_summary(errors) }}" + CHOICES, values={}, errors={"slot": "Choisissez un jour."}
    )
    link = one(tree, ".summary a")
    assert link.attributes["href"] == "#slot"
    assert words(link) == "Choisissez un jour."
    assert one(tree, "input#slot").attributes["value"] == "2"
    assert "autofocus" in one(tree, ".summary").attributes
    assert one(tree, ".summary").attributes["tabindex"] == "-1"


def test_the_choice_made_is_kept_whatever_its_type(environment: Environment) -> None:
    tree = drawn(environment, CHOICES, values={"slot": "3"}, errors={})
    assert one(tree, "input[checked]").attributes["value"] == "3"


def test_enter_in_the_basket_s_quantity_takes_what_was_typed(environment: Environment) -> None:
    """Enter presses the first submit button of a form; it must not be the one that takes a piece away."""
    tree = drawn(environment, "<form>{{ forms.stepper('quantity', 2, 'Tomme', id='q7', submits=true) }}</form>")
    first = tree.css("button")[0]
    assert "name" not in first.attributes
    assert "hidden" in first.attributes
    assert one(tree, "#q7-less").attributes["aria-label"] == "Un de moins\u00a0: Tomme"
    assert one(tree, "#q7").attributes["inputmode"] == "numeric"
    assert words(one(tree, "label[for=q7]")) == "Quantité : Tomme"


def test_a_struck_price_is_said_in_words(environment: Environment) -> None:
    tree = drawn(environment, "{{ money.price_block(now, was=before) }}", now=Money(1050), before=Money(1200))
    assert words(one(tree, ".price")) == "Prix avant : 12,00 € Prix actuel : 10,50 €"


def test_a_weighed_price_names_its_ceiling_and_its_price_per_kilo(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{{ money.price_block(p, at_most=most, unit_price=kilo, per='kg') }}",
        p=Money(996),
        most=Money(1096),
        kilo=Money(2490),
    )
    assert words(one(tree, ".price")) == "environ 9,96 € jamais plus de 10,96 € 24,90 €/kg"


def test_a_receipt_is_a_table_whose_rows_have_heads(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{% call money.receipt('Ce que vous payez') %}{{ money.receipt_row('Librairie', a) }}"
        "{{ money.receipt_total('Total', a) }}{% endcall %}",
        a=Money(450),
    )
    assert words(one(tree, "caption")) == "Ce que vous payez"
    assert [words(head) for head in tree.css("th[scope=row]")] == ["Librairie", "Total"]
    assert [words(sum_) for sum_ in tree.css("td")] == ["4,50 €", "4,50 €"]


def test_a_shop_s_part_is_a_section_named_after_the_shop_under_its_own_awning(environment: Environment) -> None:
    shop = {"name": "Fromagerie <Guez>", "slug": "guez", "awning": 7}
    tree = drawn(environment, "{% call shops.shop_group(shop) %}<p>…</p>{% endcall %}", shop=shop)
    section = one(tree, "section#boutique-guez")
    assert section.attributes["aria-labelledby"] == "boutique-guez-nom"
    assert words(one(tree, "h2#boutique-guez-nom")) == "Fromagerie <Guez>"
    assert one(tree, ".awning-7").attributes["aria-hidden"] == "true"


def test_a_state_is_said_in_words_beside_its_shape(environment: Environment) -> None:
    tree = drawn(environment, "{{ page.state_badge('Remise', 'done') }}")
    assert words(one(tree, ".state")) == "Remise"
    assert one(tree, "use").attributes["href"] == "/static/icons.svg#state-done"


def test_buttons_of_one_page_can_be_told_apart_by_ear(environment: Environment) -> None:
    tree = drawn(environment, "{{ page.button('Enlever', about='Tomme') }}{{ page.button('Enlever', about='Comté') }}")
    assert [words(button) for button in tree.css("button")] == ["Enlever Tomme", "Enlever Comté"]


def test_a_stop_that_is_done_says_so_to_those_who_do_not_see_the_bead(environment: Environment) -> None:
    tree = drawn(
        environment,
        "{% call round.round_line('La tournée') %}{{ round.stop('shop', 'Librairie', awning=3, done=true) }}"
        "{{ round.stop('mine', 'Chez vous', time='17 h 40') }}{% endcall %}",
    )
    assert [words(stop) for stop in tree.css("ol > li .stop-text")] == ["Librairie (fait)", "Chez vous 17 h 40"]
