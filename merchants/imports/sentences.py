"""What a shopkeeper reads about a file: each code's sentence says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping

#: The file as a whole cannot be used.
UNREADABLE = {
    "too_big": "Le fichier dépasse 10 Mo. Enlevez les images ou coupez le fichier en deux.",
    "empty": "Le fichier est vide.",
    "wrong_type": (
        "Ce fichier n’est pas un tableau CSV : {looks_like}. Enregistrez votre liste au format CSV, puis recommencez."
    ),
    "not_a_catalogue": "Ce fichier n’est pas un catalogue que nous connaissons : {looks_like}. {columns}",
    "no_rows": "Le fichier a des titres de colonnes, mais aucun article en dessous.",
    "column_missing": "Il manque une colonne obligatoire : {columns}. Ajoutez-la dans la première ligne.",
    "too_many_columns": "Le fichier a trop de colonnes ({columns_qty}). Gardez au plus {limit_qty} colonnes.",
    "too_many_rows": "Le fichier a plus de {limit_qty} lignes. Coupez-le en plusieurs fichiers.",
    "cell_too_long": (
        'À partir de la ligne {line}, une case est beaucoup trop longue. Cherchez un guillemet " ouvert '
        "et jamais fermé."
    ),
    "quotes_broken": (
        'À la ligne {line}, un guillemet " est ouvert ou fermé au mauvais endroit : la suite du fichier '
        "serait perdue. Corrigez cette ligne."
    ),
    "encoding_unknown": "Les lettres accentuées de ce fichier sont illisibles. Enregistrez-le en « CSV UTF-8 ».",
    "nul_character": (
        "La ligne {line} contient un signe invisible interdit. Enregistrez à nouveau le fichier en « CSV UTF-8 »."
    ),
    "lone_surrogate": "Une lettre du fichier est abîmée. Enregistrez-le à nouveau en « CSV UTF-8 ».",
    "truncated": "Le fichier est coupé au milieu d’une lettre. Exportez-le à nouveau en entier.",
}

LOOKS_LIKE = {
    "pdf": "c’est un PDF",
    "image": "c’est une image",
    "old_excel": "c’est un ancien classeur Excel (.xls)",
    "excel": "c’est un classeur Excel (.xlsx)",
    "opendocument": "c’est un classeur LibreOffice (.ods)",
    "word": "c’est un document de traitement de texte",
    "archive": "c’est une archive compressée",
    "program": "c’est un programme",
    "html": "c’est une page web",
    "xml": "c’est un fichier XML",
    "json": "c’est un fichier JSON",
    "javascript": "c’est un programme JavaScript",
    "no_header": "la première ligne devrait donner les titres des colonnes",
    "other_table": "ses colonnes ne sont ni celles du marché, ni celles de WooCommerce ou de Shopify",
    "plain_text": "c’est un simple texte",
}

#: One row or cell cannot be used; the article stays out.
PROBLEMS = {
    "too_few_cells": "la ligne n’a pas assez de cases (trouvées/attendues). Il manque un séparateur.",
    "too_many_cells": (
        "la ligne a trop de cases (trouvées/attendues). Mettez entre guillemets le texte qui contient le séparateur."
    ),
    "column_unknown": "cette colonne n’existe pas. Corrigez son titre ou enlevez-la.",
    "column_twice": "cette colonne est là deux fois. Gardez-en une.",
    "reference_missing": "il manque la référence. Donnez à chaque article un code qui ne change pas.",
    "reference_twice": "cette référence sert déjà à un autre article. Donnez-en une autre.",
    "variant_moved": "cette référence appartient déjà à un autre produit de la boutique. Donnez-en une autre.",
    "label_twice": "deux déclinaisons du même article portent ce nom. Distinguez-les.",
    "label_missing": "l’article a plusieurs lignes : dites ce qui les distingue (taille, couleur…).",
    "article_disagrees": (
        "les lignes de cet article ne disent pas la même chose. Écrivez-la une seule fois, ou partout pareil."
    ),
    "article_spelling": "ce code d’article est écrit de deux façons. Choisissez-en une.",
    "name_missing": "il manque le nom de l’article.",
    "kind_missing": (
        "le genre de l’article n’est pas connu, et la TVA en dépend. Écrivez-le, ou donnez-le pour tout "
        "le fichier avec --kind."
    ),
    "kind_ambiguous": (
        "les catégories désignent plusieurs genres. Donnez-le pour tout le fichier avec --kind, ou "
        "corrigez les catégories."
    ),
    "kind_unknown": "ce genre n’existe pas. La liste est dans docs/catalogue-format.md.",
    "price_missing": "il manque le prix.",
    "price_zero": "le prix est zéro. Écrivez le vrai prix ou enlevez la ligne.",
    "price_negative": "le prix est négatif.",
    "price_not_number": "ce n’est pas un prix. Écrivez par exemple 12,50.",
    "price_ambiguous": "on ne sait pas si c’est un millier ou des centimes. Écrivez 1299,00 ou 1,29.",
    "price_precision": "le prix a plus de deux chiffres après la virgule. Arrondissez-le.",
    "price_currency": "le prix n’est pas en euros. Nous ne convertissons pas : écrivez le prix en euros.",
    "price_too_high": "le prix dépasse 100 000 €. Il manque sans doute une virgule.",
    "stock_word": "écrivez combien de pièces sont en rayon, en chiffres.",
    "stock_not_number": "le stock n’est pas un nombre. Écrivez par exemple 14.",
    "stock_not_whole": "le stock n’est pas un nombre entier.",
    "stock_too_high": "le stock dépasse 100 000 pièces. Vérifiez ce nombre.",
    "ean_rounded": (
        "le tableur a arrondi le code-barres, ses chiffres sont perdus. Mettez la colonne au format "
        "texte et saisissez-le à nouveau."
    ),
    "ean_wrong": "ce code-barres est faux : son dernier chiffre ne correspond pas aux autres.",
    "ean_not_digits": "un code-barres n’a que des chiffres. Corrigez-le ou videz la case.",
    "weight_not_grams": "écrivez le poids en grammes, sans virgule ni unité : 420.",
    "weight_too_high": "le poids dépasse 100 kg.",
    "weight_unclear": "ce poids n’est pas un nombre, ou dépasse 100 kg.",
    "volume_not_ml": "écrivez le volume en millilitres, sans virgule ni unité : 600.",
    "volume_too_high": "le volume dépasse un mètre cube.",
    "size_unclear": "cette mesure n’est pas un nombre, ou dépasse 5 m.",
    "content_unclear": "écrivez la contenance avec son unité : 400 g, 75 cl, 6 pièces.",
    "allergen_unknown": "ce n’est pas un des 14 allergènes. Écrivez-les séparés par des virgules, ou « aucun ».",
    "drawing_unknown": "ce dessin n’existe pas. Videz la case : le dessin du genre sera montré.",
    "details_unclear": "écrivez les précisions ainsi : lait=brebis|affinage=6 mois.",
    "detail_twice": "une précision est donnée deux fois.",
    "control_character": "le texte contient un signe invisible interdit. Effacez la case et tapez-la à nouveau.",
    "damaged_character": "une lettre est abîmée (�). Tapez-la à nouveau.",
    "text_too_long": "le texte est trop long.",
    "date_unclear": "cette date n’est pas lisible. Écrivez par exemple 2026-11-30.",
    "no_variations": "le produit n’a aucune variation dans le fichier. Exportez aussi les variations.",
    "parent_missing": "le produit de cette variation n’est pas dans le fichier. Exportez-le aussi.",
}

#: Left out on purpose, or used with a remark; nothing to repair.
NOTES = {
    "grouped_product": "groupes de produits, laissés de côté (leurs produits viennent seuls)",
    "external_product": "vendus sur un autre site, laissés de côté",
    "download": "à télécharger, laissés de côté",
    "type_unknown": "d’un type propre à une extension, laissés de côté",
    "not_published": "brouillons ou non publiés, laissés de côté",
    "hidden_product": "cachés du catalogue, laissés de côté",
    "parent_left_out": "variations d’un produit laissé de côté",
    "gift_card": "cartes cadeaux de votre boutique en ligne, laissées de côté",
    "picture_only": "lignes qui ne portent qu’une image",
    "kind_of_shop": "dont le fichier ne dit pas le genre, rangés sous celui de la boutique : regardez s’il est juste, "
    "la TVA en dépend ; --kind en donne un autre",
    "stock_not_counted": "sans stock compté : le stock reste comme il est (0 pour un nouvel article)",
    "barcode_not_used": "avec un code maison à la place du code-barres, non repris",
    "allergens_not_used": "avec des allergènes que nous n’avons pas compris, à saisir à la main",
    "mojibake_repaired": "avec des accents abîmés (« Ã© »), remis en ordre",
}

REFUSALS = {
    "too_many_missing": "Plus de 30 % des produits disparaîtraient. C’est sans doute le mauvais fichier.",
}

#: What a kind asks for (kinds.csv).
NEEDS = {
    "allergenes": "les allergènes",
    "contenance": "la contenance",
    "ean": "le code-barres",
    "editeur": "l’éditeur",
    "parution": "la parution",
    "etat": "l’état",
    "origine": "l’origine",
    "lait": "le lait",
    "degre": "le degré",
    "composition": "la composition",
    "age": "l’âge",
}

FIELDS = {
    "name": "nom",
    "kind": "genre",
    "brand": "marque",
    "description": "description",
    "drawing": "image",
    "allergens": "allergènes",
    "details": "détails",
    "is_published": "en vente",
    "label": "déclinaison",
    "price": "prix",
    "ean": "code-barres",
    "on_hand_qty": "stock",
    "weight_grams": "poids (g)",
    "volume_ml": "volume (ml)",
    "net": "contenance",
    "is_offered": "en vente",
    "variant": "nouvelle déclinaison",
}

FORMATS = {"own": "format du marché", "woocommerce": "export WooCommerce", "shopify": "export Shopify"}


def unreadable_sentence(code: str, details: Mapping[str, object]) -> str:
    """The sentence for a file that cannot be used; `details` are the error's."""
    columns = details.get("columns")
    words: dict[str, object] = {"line": "?", "columns_qty": "?", "limit_qty": "?"} | dict(details)
    words["looks_like"] = LOOKS_LIKE.get(str(details.get("looks_like")), "")
    words["columns"] = ", ".join(map(str, columns)) if isinstance(columns, list) else ""
    if code == "not_a_catalogue" and words["columns"]:
        words["columns"] = f"Colonnes trouvées : {words['columns']}."
    return UNREADABLE[code].format_map(words).strip()
