"""Words by which people ask for a kind of goods or for a trade, found with each product under it.

The cheapest synonyms there are: "fromagerie" finds a tomme, "cycles" a dynamo lamp. Only words that are true of
everything under the key, or "chaussure" would find each shirt: a key that holds all sorts has none.
"""

from __future__ import annotations

#: Keys of merchants/kinds.csv.
KIND_WORDS = {
    "livre-neuf": "livre",
    "livre-occasion": "livre d'occasion",
    "presse": "presse",
    "viande": "viande",
    "charcuterie": "charcuterie",
    "plat-prepare": "plat préparé, traiteur",
    "fromage": "fromage",
    "confiserie": "confiserie",
    "chocolat": "chocolat",
    "alcool": "alcool",
    "bouquet": "bouquet, fleurs",
    "composition-florale": "composition, fleurs",
    "plante": "plante",
    "sur-mesure": "sur mesure",
    "jouet": "jouet",
    "bijou": "bijou",
    "bon-achat": "bon d'achat, carte cadeau",
    "prestation": "atelier",
}

#: Keys of shop.trade.
TRADE_WORDS = {
    "bakery": "boulangerie, pâtisserie",
    "beauty": "beauté",
    "bike": "cycles",
    "books": "librairie",
    "butcher": "boucherie",
    "cheese": "fromagerie, crèmerie",
    "chocolate": "chocolaterie",
    "clothes": "mode, prêt-à-porter",
    "comics": "bande dessinée",
    "deco": "décoration",
    "florist": "fleuriste",
    "grocery": "épicerie",
    "jeweller": "bijouterie",
    "kitchen": "cuisine",
    "leather": "maroquinerie",
    "optician": "opticien",
    "pets": "animalerie",
    "press": "presse",
    "records": "disquaire",
    "shoes": "magasin de chaussures",
    "stationery": "papeterie",
    "toys": "jouets",
    "wine": "caviste, cave",
    "wool": "mercerie",
}
