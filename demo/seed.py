"""`flask seed`: the demo town, made with the same use cases as a real one. Safe to run again: what stands stays."""

from __future__ import annotations

import csv
import json
import re
import secrets
import zlib
from collections.abc import Container, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.accounts.people import grant_role, open_account
from marketplace.clock import local_day, local_instant
from marketplace.delivery import rounds
from marketplace.delivery.models import Round, Vehicle, Zone
from marketplace.delivery.rules import Load
from marketplace.hall import Hall, the_hall
from marketplace.money import Money
from marketplace.payments.models import MerchantAccount
from marketplace.web.filters import slug as folded
from merchants.imports.apply import apply_import, lock_shelf
from merchants.imports.formats import parse_catalogue
from merchants.imports.plan import compare
from merchants.models import CommissionRate, Member, Merchant, Product, Shop

TOWN = Path(__file__).parent / "town"
ACTOR = "seed"

#: The association's little warehouse, where bikes start and end (invented).
HUB = ("Le local de la halle", 45.6486, 0.1562)
ZONE_RADIUS_M = 6_500
DELIVERY_FEE = Money(450)
COMMISSION_PERMILLE = 80
POSTCODES = ("16000", "16160", "16340", "16400", "16470", "16600", "16710", "16730", "16800")

#: Rounds of domain T4: (collect from, collect until, back by, cut-off, slots).
ROUNDS = (
    (time(11, 0), time(12, 30), time(15, 0), time(10, 0), ((time(12, 30), time(14, 30)),)),
    (time(16, 0), time(19, 0), time(20, 30), time(15, 30), ((time(17, 0), time(19, 0)), (time(18, 0), time(20, 0)))),
)
SLOT_STOPS = 20
#: What the two demo bikes carry, once through the town.
CAPACITY = Load(grams=160_000, ml=650_000, cold_ml=120_000)
DAYS_AHEAD = 14
#: Its owner has not opened an account yet: what it sells is reserved, and paid in the shop.
NOT_PAID_ONLINE = frozenset({"la-pelote-vagabonde"})


def seed_town(
    hall: Hall,
    *,
    catalogues: bool = True,
    shops: Container[str] | None = None,
    not_paid_online: Container[str] = (),
    log: bool = True,
) -> None:
    """People, shops, shelves, zone and the rounds of the next two weeks are there; nothing is made twice.

    With `shops`, a smaller town: only these (by their slugs), and their people. Those `not_paid_online` have no
    account yet.
    """
    now = hall.clock.now()
    with hall.database.transaction() as session:
        has_town = session.scalar(select(func.count()).select_from(Shop)) != 0
        if not has_town:
            _make_shops(session, hall, now, shops, not_paid_online)
            _make_people(session, hall, now, shops)
            _make_zone(session)
    _write_organizations(hall)
    if catalogues:
        _fill_shelves(hall, now, shops, log)
    with hall.database.transaction() as session:
        open_rounds(session, now=now, days=DAYS_AHEAD)


def demo_password(hall: Hall) -> str:
    """The demo people's password on this machine: made once, printed at the start, never in the source (S38)."""
    path = hall.settings.instance_dir / "demo_password"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        words = ("panier", "marche", "tomate", "ardoise", "auvent", "velo", "fromage", "basilic")
        path.write_text("-".join(secrets.choice(words) for _ in range(3)) + f"-{secrets.randbelow(90) + 10}")
        path.chmod(0o600)
    return path.read_text().strip()


def organization_id(key: str) -> str:
    """The merchant's organisation at the sandbox, derived from its key so that both sides agree."""
    return "org_" + re.sub(r"[^A-Za-z0-9]", "", key)[:32].ljust(4, "0")


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (TOWN / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter=";")


def _is_among(slug: str, shops: Container[str] | None) -> bool:
    return shops is None or not slug or slug in shops


def _make_shops(
    session: Session, hall: Hall, now: datetime, shops: Container[str] | None, not_paid_online: Container[str]
) -> None:
    for row in _rows("shops.csv"):
        if not _is_among(row["slug"], shops):
            continue
        merchant = Merchant(
            key=row["slug"],
            legal_name=row["legal_name"],
            registration=f"SIREN {row['siren']} (démonstration)",
            street=row["street"],
            postcode="16000",
            city="Angoulême",
            phone=row["phone"],
            email=row["email"],
            created_at=now,
        )
        session.add(merchant)
        session.flush()
        session.add(
            CommissionRate(
                merchant_id=merchant.id,
                permille=COMMISSION_PERMILLE,
                valid_from=date(2026, 1, 1),
                set_at=now,
                actor=ACTOR,
            )
        )
        session.add(
            Shop(
                merchant_id=merchant.id,
                slug=row["slug"],
                name=row["name"],
                sort_name=folded(row["name"]),
                trade=row["trade"],
                tagline=row["tagline"],
                description=row["description"],
                street=row["street"],
                postcode="16000",
                city="Angoulême",
                lat=float(row["lat"]),
                lon=float(row["lon"]),
                opening_hours=row["opening_hours"],
                phone=row["phone"],
                preparation_minutes=int(row["preparation_minutes"]),
                sells_books=row["trade"] in ("books", "comics"),
                awning=zlib.crc32(row["slug"].encode()) % 24,
                state="open",
            )
        )
        if row["slug"] in not_paid_online:
            continue
        session.add(
            MerchantAccount(
                party=f"merchant:{row['slug']}",
                provider_env=hall.settings.mollie_env,
                organization_id=organization_id(row["slug"]),
                organization_name=row["name"],
                can_receive_payments=True,
                checked_at=now,
            )
        )
    session.flush()


def _make_people(session: Session, hall: Hall, now: datetime, shops: Container[str] | None) -> None:
    password = demo_password(hall)
    for row in _rows("people.csv"):
        if not _is_among(row["shop_slug"], shops):
            continue
        user = open_account(session, email=row["email"], name=row["name"], password=password, now=now)
        if row["role"] == "merchant":
            merchant_id = session.scalars(select(Shop.merchant_id).where(Shop.slug == row["shop_slug"])).one()
            session.add(Member(user_id=user.id, merchant_id=merchant_id, role="owner"))
        else:
            grant_role(session, user_id=user.id, role=row["role"], actor=ACTOR, now=now)
        if row["vehicle"]:
            kind, kilograms, litres = re.match(r"(.+), (\d+) kg, (\d+) l", row["vehicle"]).groups()  # type: ignore[union-attr]  # our own file
            session.add(
                Vehicle(
                    courier_id=user.id,
                    kind=kind,
                    capacity_grams=int(kilograms) * 1000,
                    capacity_ml=int(litres) * 1000,
                    capacity_cold_ml=60_000,
                )
            )


def _make_zone(session: Session) -> None:
    name, lat, lon = HUB
    session.add(
        Zone(
            key="angouleme",
            name="Angoulême et alentours",
            postcodes=list(POSTCODES),
            hub_name=name,
            hub_lat=lat,
            hub_lon=lon,
            radius_m=ZONE_RADIUS_M,
            fee=DELIVERY_FEE,
        )
    )


def _write_organizations(hall: Hall) -> None:
    """What the payment sandbox reads at its start: the merchants who are connected."""
    rows = [
        {"id": organization_id(row["slug"]), "name": row["legal_name"], "canReceivePayments": True}
        for row in _rows("shops.csv")
    ]
    path = hall.settings.instance_dir / "sandbox_organizations.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


def _fill_shelves(hall: Hall, now: datetime, shops: Container[str] | None, log: bool) -> None:
    files = sorted(file for file in (TOWN / "catalogues").glob("*.csv") if _is_among(file.stem, shops))
    with click.progressbar(files, label="Rayons", hidden=not log) as bar:
        for file in bar:
            with hall.database.transaction() as session:
                shop_id = session.scalars(select(Shop.id).where(Shop.slug == file.stem)).one()
                if session.scalar(select(Product.id).where(Product.shop_id == shop_id).limit(1)) is not None:
                    continue
                parsed = parse_catalogue(file.read_bytes(), on=local_day(now))
                plan = compare(lock_shelf(session, shop_id=shop_id), parsed, on=local_day(now))
                apply_import(session, shop_id=shop_id, plan=plan, actor=ACTOR, now=now)


def open_rounds(session: Session, *, now: datetime, days: int) -> None:
    """Every round of the coming days from Tuesday to Saturday is open for orders; those that stand stay."""
    zone = session.scalars(select(Zone)).first()
    if zone is None:
        return
    known = set(session.scalars(select(Round.collect_from_at).where(Round.zone_id == zone.id)))
    for day in (local_day(now) + timedelta(days=n) for n in range(days)):
        if day.weekday() not in (1, 2, 3, 4, 5):
            continue
        for collect_from, collect_until, back_by, cut_off, slots in ROUNDS:
            starts_at = local_instant(day, collect_from)
            if starts_at in known or local_instant(day, cut_off) <= now:
                continue
            rounds.open_round(
                session,
                zone_id=zone.id,
                on_date=day,
                cut_off_at=local_instant(day, cut_off),
                collect_from_at=starts_at,
                collect_until_at=local_instant(day, collect_until),
                back_by_at=local_instant(day, back_by),
                slots=[
                    rounds.NewSlot(local_instant(day, start), local_instant(day, end), SLOT_STOPS)
                    for start, end in slots
                ],
                capacity=CAPACITY,
                actor=ACTOR,
                now=now,
            )
    session.flush()


@click.command("seed")
def seed_command() -> None:
    """Make the demo town, and open the rounds of the next two weeks. Nothing is made twice."""
    seed_town(the_hall(), not_paid_online=NOT_PAID_ONLINE)
    click.echo("la ville de démonstration est prête")
