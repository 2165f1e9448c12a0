"""What the machine must not decide or cannot do: one list, for people.

Jobs that gave up, letters that nobody takes, money that fits no order, shares that the provider refuses or that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import BigInteger, ColumnElement, exists, func, select, text, type_coerce
from sqlalchemy.orm import Session

from marketplace.accounts.models import User
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.jobs import publish
from marketplace.mail_models import SentLetter
from marketplace.money import ZERO, Money
from marketplace.payments.models import Chargeback, MerchantAccount, Payment, PaymentWord, Refund, RefundPart, Share
from marketplace.payments.refunds import NothingLeftToBear, RefundTooLarge, request_again
from marketplace.payments.strange import STRANGE, mark_settled, reopen
from marketplace.schemas import Boundary, FormErrors, TextField, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from marketplace.web.site import add_staff_area

blueprint = Blueprint("attention", __name__)

#: More than this at once is one trouble with one cause: who mends it sees the next ones afterwards.
MOST = 100

#: Strange money that was seen to: what is older is found with its order.
SETTLED_SHOWN = 20

#: A share that waits longer is seen by a person: after 90 days it can no longer be routed (mollie.md 2.1). Goods are
#: handed over within days; what is still here was missing, or its merchant has lost the way to its money.
SHARE_WAITS = timedelta(days=14)
#: A month before it is too late it is said how late it is (I12).
SHARE_LATE = timedelta(days=60)
#: Ten days before, its lines can be given back to the resident: afterwards the provider gives them to the association.
SHARE_GIVEN_BACK = timedelta(days=80)


#: While nobody has asked the provider for its route, or the provider has refused it.
GIVEN_BACK_FROM = ("planned", "due", "refused")


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` job | letter | payment | share; `why` is the machine's own word; `amount` if money.

    `what` names it: an order's number with the shop's name behind it, a letter's address, a job.

    `payment_id` where a person can have what failed of its refunds asked for again, or say that they have seen to its
    strange money; `is_disputed` if the payer's bank has taken that money: nobody gives it back once more.

    `share_id` where a person can give a share's lines back to the resident.
    """

    kind: str
    what: str
    why: str
    at: datetime | None
    amount: Money | None = None
    payment_id: int | None = None
    share_id: int | None = None
    is_disputed: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """Strange money that somebody has seen to: who (a name, or the books' word), when, and how in their own words."""

    payment_id: int
    reference: str
    amount: Money
    at: datetime
    who: str
    how: str


class SettledHow(Boundary):
    reason = TextField(required=True, max_length=300)


#: What the packages above know of: each is asked for its own, and shows it under the kinds that it names.
Source = Callable[[Session, datetime], Sequence[Trouble]]
SOURCES = "trouble_sources"


def add_troubles(app: Flask, source: Source) -> None:
    """The list also shows what `source` finds."""
    app.extensions.setdefault(SOURCES, []).append(source)


def troubles(session: Session, now: datetime, sources: Sequence[Source] = ()) -> Sequence[Trouble]:
    """Everything that waits for a person, money first."""
    found = [*_taken_by_banks(session), *_won_after_all(session)]
    found += [
        Trouble(
            "payment",
            payment.reference,
            payment.trouble or "",
            payment.paid_at,
            payment.amount,
            payment.id if payment.trouble in ("refund_failed", *STRANGE) else None,
            is_disputed=is_disputed,
        )
        for payment, is_disputed in session.execute(
            select(Payment, exists().where(Chargeback.payment_id == Payment.id, Chargeback.is_open))
            .where(
                Payment.trouble.is_not(None),
                Payment.trouble != "charged_back",
                Payment.trouble_settled_at.is_(None),
                ~_is_given_back(),
            )
            .order_by(Payment.id.desc())
            .limit(MOST)
        )
    ]
    shares = session.execute(
        select(Share, Payment.reference, Payment.paid_at, MerchantAccount.organization_name)
        .join(Payment, Share.payment_id == Payment.id)
        .outerjoin(
            MerchantAccount,
            (MerchantAccount.party == Share.party) & (MerchantAccount.provider_env == Payment.provider_env),
        )
        .where(
            (Share.state == "refused")
            | (Share.state.in_(("planned", "due", "sending")) & (Payment.paid_at < now - SHARE_WAITS)),
            # The payment itself stands on the list; nobody gives back what a bank has.
            ~exists().where(Chargeback.payment_id == Share.payment_id, Chargeback.is_open),
        )
        .order_by(Share.id)
        .limit(MOST)
    )
    found += [_waiting_share(*row, now) for row in shares]
    found += [
        Trouble("account", account.organization_name or account.party, "account_shut", account.refused_at)
        for account in session.scalars(
            select(MerchantAccount)
            .where(MerchantAccount.refused_at.is_not(None), MerchantAccount.standing != "ended")
            .order_by(MerchantAccount.refused_at)
            .limit(MOST)
        )
    ]
    for source in sources:
        found += source(session, now)
    found += [
        Trouble("letter", letter.to, letter.failed_reason or "", letter.asked_at)
        for letter in session.scalars(
            select(SentLetter).where(SentLetter.failed_reason.is_not(None)).order_by(SentLetter.id.desc()).limit(MOST)
        )
    ]
    jobs = session.execute(
        text(
            "SELECT task_name, args::text, max(e.at) AS at FROM procrastinate_jobs j"
            " LEFT JOIN procrastinate_events e ON e.job_id = j.id WHERE j.status = 'failed'"
            " GROUP BY j.id ORDER BY j.id DESC LIMIT :most"
        ),
        {"most": MOST},
    )
    found += [Trouble("job", job.task_name.rpartition(".")[2], job.args, job.at) for job in jobs]
    return found


def _taken_by_banks(session: Session) -> list[Trouble]:
    """Whatever else is said of a payment: while its payer's bank has some of it, somebody answers the bank."""
    taken = func.sum(type_coerce(Chargeback.amount, BigInteger)).label("taken")
    rows = session.execute(
        select(Payment.reference, taken, func.min(Chargeback.created_at).label("since_at"))
        .join(Payment, Chargeback.payment_id == Payment.id)
        .where(Chargeback.is_open)
        .group_by(Payment.id)
        .order_by(Payment.id.desc())
        .limit(MOST)
    )
    return [Trouble("payment", row.reference, "charged_back", row.since_at, Money(int(row.taken))) for row in rows]


def _won_after_all(session: Session) -> list[Trouble]:
    """A dispute that was called lost, and is won: what was counted of it may be owed, until something is given back."""
    later = exists().where(Refund.payment_id == Payment.id, Refund.requested_at > Chargeback.reversed_at)
    is_counted = exists().where(
        RefundPart.refund_id == Refund.id, Refund.payment_id == Payment.id, RefundPart.amount < ZERO
    )
    rows = session.execute(
        select(Payment.reference, Chargeback.reversed_at, Chargeback.amount)
        .join(Payment, Chargeback.payment_id == Payment.id)
        .where(Chargeback.lost_at.is_not(None), Chargeback.reversed_at.is_not(None), is_counted, ~later)
        .order_by(Chargeback.id.desc())
        .limit(MOST)
    )
    return [Trouble("payment", row.reference, "won_after_all", row.reversed_at, row.amount) for row in rows]


def settled(session: Session) -> Sequence[Settled]:
    """Strange money that somebody has seen to, the latest first."""
    last = (
        select(func.max(PaymentWord.id))
        .where(PaymentWord.payment_id == Payment.id)
        .correlate(Payment)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Payment, PaymentWord)
        .join(PaymentWord, PaymentWord.id == last)
        .where(Payment.trouble_settled_at.is_not(None))
        .order_by(PaymentWord.id.desc())
        .limit(SETTLED_SHOWN)
    ).all()
    people = {f"person:{user.id}": user.name for user in session.execute(select(User.id, User.name))} if rows else {}
    return [
        Settled(payment.id, payment.reference, payment.amount, word.at, people.get(word.actor, word.actor), word.text)
        for payment, word in rows
    ]


def _waiting_share(share: Share, reference: str, paid_at: datetime | None, name: str | None, now: datetime) -> Trouble:
    waits = now - (paid_at or now)
    is_over = waits >= SHARE_GIVEN_BACK
    why = "day_80" if is_over else "day_60" if waits >= SHARE_LATE else share.state
    what = f"{reference} {name or share.party.partition(':')[2]}"
    return Trouble("share", what, why, paid_at, share.amount, share_id=share.id if is_over else None)


def _is_given_back() -> ColumnElement[bool]:
    """The machine itself has given back what no order could use, and the resident has it: nobody need look."""
    refunded = select(Refund.id).where(Refund.payment_id == Payment.id, Refund.state == "refunded")
    return Payment.trouble.in_(("paid_twice", "paid_late", "unmatched")) & refunded.exists()


def _staff() -> bool:
    return role("coordinator")() or role("treasurer")()


@blueprint.get("/a-regarder")
@open_to(_staff)
def home() -> ResponseReturnValue:
    return _page({}, {})


def _page(typed: Mapping[str, str], codes: Mapping[str, Sequence[str]]) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        found = troubles(session, hall.clock.now(), current_app.extensions.get(SOURCES, ()))
        seen_to = settled(session)
    page = render_template(
        "marketplace/attention.html",
        troubles=found,
        settled=seen_to,
        may_settle=role("treasurer")(),
        typed=typed,
        errors=codes,
    )
    return page, 422 if codes else 200


@blueprint.post("/a-regarder/paiements/<int:payment_id>/rembourser")
@open_to(_staff, rate="30 per minute")
def refund_again(payment_id: int) -> ResponseReturnValue:
    """A refund that failed goes out once more; a second press finds nothing to do."""
    hall = the_hall()
    try:
        with hall.database.transaction() as session:
            if session.get(Payment, payment_id) is None:
                raise NotFound()
            asked = request_again(
                session, payment_id=payment_id, actor=f"person:{current_user.id}", now=hall.clock.now()
            )
    except (NothingLeftToBear, RefundTooLarge) as refused:
        flash(sentence(refused.code))
    else:
        flash(sentence("refund_asked_again" if asked else "refund_under_way"))
    return redirect(url_for("attention.home"), 303)


@blueprint.post("/a-regarder/paiements/<int:payment_id>/regle")
@open_to(role("treasurer"), rate="30 per minute")
def settle(payment_id: int) -> ResponseReturnValue:
    """Strange money has been seen to on the provider's own pages: the treasurer says so, and how, once."""
    hall = the_hall()
    field = f"reason-{payment_id}"
    try:
        form = load_form(SettledHow(), {"reason": request.form.get(field, "")})
    except FormErrors as refused:
        return _page({field: refused.typed["reason"]}, {field: refused.errors["reason"]})
    with hall.database.transaction() as session:
        if session.get(Payment, payment_id) is None:
            raise NotFound()
        is_noted = mark_settled(
            session,
            payment_id=payment_id,
            reason=form["reason"],
            actor=f"person:{current_user.id}",
            now=hall.clock.now(),
        )
    flash(sentence("trouble_settled" if is_noted else "not_possible_now"))
    return redirect(url_for("attention.home"), 303)


@blueprint.post("/a-regarder/paiements/<int:payment_id>/rouvrir")
@open_to(role("treasurer"), rate="30 per minute")
def open_again(payment_id: int) -> ResponseReturnValue:
    """It was not seen to after all: it is on the list again."""
    hall = the_hall()
    with hall.database.transaction() as session:
        if session.get(Payment, payment_id) is None:
            raise NotFound()
        is_open = reopen(session, payment_id=payment_id, actor=f"person:{current_user.id}", now=hall.clock.now())
    flash(sentence("trouble_reopened" if is_open else "not_possible_now"))
    return redirect(url_for("attention.home"), 303)


@blueprint.post("/a-regarder/parts/<int:share_id>/rendre")
@open_to(_staff, rate="30 per minute")
def give_back(share_id: int) -> ResponseReturnValue:
    """A share that cannot be routed in time: its lines go back to the resident. Those who sell know what they are."""
    hall = the_hall()
    with hall.database.transaction() as session:
        row = session.execute(
            select(Share.state, Payment.paid_at)
            .join(Payment, Share.payment_id == Payment.id)
            .where(Share.id == share_id, Share.kind == "goods")
        ).one_or_none()
        if row is None or row.paid_at is None:
            raise NotFound()
        is_possible = row.state in GIVEN_BACK_FROM and hall.clock.now() - row.paid_at >= SHARE_GIVEN_BACK
        if is_possible:
            publish(session, "share.given_up", share_id=share_id, actor=f"person:{current_user.id}")
    flash(sentence("share_given_up" if is_possible else "not_possible_now"))
    return redirect(url_for("attention.home"), 303)


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    add_staff_area(app, "attention.home", _staff)
