"""The staff entrance: merchants, coordinators, treasurer and couriers sign in here. Residents need not."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_user, logout_user

from marketplace.accounts.schemas import SignInForm
from marketplace.accounts.signing import NOTED_EVERY, CurrentUser, find_current_user, note_visit, sign_in, sign_out
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to, signed_in
from marketplace.web.site import staff_areas

blueprint = Blueprint("accounts", __name__)

#: Longer than any address of ours; browsers and proxies give up on a Location far beyond.
LONGEST_ADDRESS = 2000


@blueprint.get("/connexion", endpoint="sign_in")
@open_to(everyone)
def sign_in_page() -> ResponseReturnValue:
    return render_template("marketplace/accounts/sign_in.html", typed={"next": request.args.get("next", "")}, errors={})


@blueprint.post("/connexion")
@open_to(everyone, rate="10 per minute")
def sign_in_submit() -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    try:
        form = load_form(SignInForm(), request.form)
        with hall.database.transaction() as db:
            token = sign_in(db, email=form["email"], password=form["password"], now=now)
            user = find_current_user(db, token=token, now=now)
    except FormErrors as refused:
        return _again(refused.typed, refused.errors)
    except FieldError as refused:
        return _again(request.form, {refused.field: [refused.code]})
    session.clear()  # whatever the browser brought along was somebody else's, or nobody's (S42)
    session.permanent = True
    login_user(user)
    return redirect(local_address(form["next"]) or url_for("accounts.home"), 303)


@blueprint.post("/deconnexion", endpoint="sign_out")
@open_to(signed_in)
def sign_out_submit() -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as db:
        sign_out(db, token=current_user.get_id(), now=hall.clock.now())
    logout_user()
    session.clear()
    return redirect(url_for("catalogue.home"), 303)


@blueprint.get("/espace")
@open_to(signed_in)
def home() -> ResponseReturnValue:
    """The way to each part that this person plays; with one part only, that part."""
    areas = staff_areas()
    if len(areas) == 1:
        return redirect(url_for(areas[0]), 303)
    return render_template("marketplace/accounts/home.html")


def local_address(target: str) -> str | None:
    """`target` if it stays on this site, else None: no link of ours leads a person elsewhere (S26)."""
    if len(target) > LONGEST_ADDRESS or not target.isprintable():
        return None
    try:
        parts = urlsplit(target)
    except ValueError:  # no address at all, as "//["
        return None
    stays = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return target if stays and "\\" not in target else None


def _again(typed: object, errors: dict[str, list[str]]) -> ResponseReturnValue:
    return render_template("marketplace/accounts/sign_in.html", typed=typed, errors=errors), 422


def init_accounts(app: Flask) -> None:
    manager = LoginManager(app)

    @manager.user_loader
    def load(token: str) -> CurrentUser | None:
        hall = the_hall()
        now = hall.clock.now()
        with hall.database.glance() as db:
            user = find_current_user(db, token=token, now=now)
        if user is not None and user.seen_at < now - NOTED_EVERY:
            with hall.database.transaction() as db:
                note_visit(db, token=token, now=now)
        return user

    app.register_blueprint(blueprint)
