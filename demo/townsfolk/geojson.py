"""Answers in the national geocoder's format (Base Adresse Nationale): a GeoJSON FeatureCollection.

Left out: x and y, the Lambert 93 coordinates, which say the same place a second time.
"""

from __future__ import annotations

from demo.townsfolk.gazetteer import Answer

CONTEXT = "16, Charente, Nouvelle-Aquitaine"
#: How known a place is, 0 to 1: between equal scores the national geocoder puts towns before streets.
IMPORTANCE = {"municipality": 0.6, "street": 0.5, "housenumber": 0.5}


def collection(answers: list[Answer], **asked: object) -> dict[str, object]:
    """The whole answer; `asked` repeats the question, as the national geocoder does."""
    return {
        "type": "FeatureCollection",
        "version": "draft",
        "features": [_feature(answer) for answer in answers],
        "attribution": "demo",
        "licence": "AGPL-3.0-or-later",
        **asked,
    }


def _feature(answer: Answer) -> dict[str, object]:
    place = answer.place
    name = place.city if not place.street else f"{answer.number or ''} {place.street}".strip()
    properties: dict[str, object] = {
        "label": f"{name} {place.postcode} {place.city}" if place.street else place.city,
        "score": round(answer.score, 6),
        "id": _id(answer),
        "type": answer.precision,
        "name": name,
        "postcode": place.postcode,
        "citycode": place.citycode,
        "city": place.city,
        "context": CONTEXT,
        "importance": IMPORTANCE[answer.precision],
    }
    if answer.number is not None:
        properties |= {"housenumber": answer.number, "street": place.street}
    if answer.distance_m is not None:
        properties["distance"] = answer.distance_m
    point = [round(answer.lon, 6), round(answer.lat, 6)]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": point}, "properties": properties}


def _id(answer: Answer) -> str:
    """Commune, street and house, joined as the national geocoder joins them."""
    place = answer.place
    if not place.street:
        return place.citycode
    street = f"{place.citycode}_{place.row:04d}"
    return street if answer.number is None else f"{street}_{answer.number.zfill(5)}"
