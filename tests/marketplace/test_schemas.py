from __future__ import annotations

import pytest
from marshmallow import ValidationError

from marketplace.schemas import Boundary, CountField, EmailField, FormErrors, TextField, load_form

RIGHT = {
    "jeanne.martin@example.org": "jeanne.martin@example.org",
    " Jeanne.Martin @ Example.ORG ": "Jeanne.Martin@example.org",
    "o'brien+halles@sous-domaine.example.co.uk": "o'brien+halles@sous-domaine.example.co.uk",
    "josé_1@exemple.fr.": "josé_1@exemple.fr",
    "a@château.example": "a@xn--chteau-xta.example",
    "a@example．org": "a@example.org",  # noqa: RUF001  # the full stop of a Japanese keyboard
}

#: Each would have put a second reader, or a line of its own, into the head of a letter.
OTHER_READERS = (
    "a@evil.example，b@example.org",  # noqa: RUF001  # the look-alike is what is tried
    "a@evil.example，b＠example.org",  # noqa: RUF001  # as above
    "a@evil.example；c",  # noqa: RUF001  # as above
    "a@evil.example＞",  # noqa: RUF001  # as above
    "a@evil.example, b@example.org",
    "=?utf-8?q?a=2Cb=40example.org=2C?=@evil.example",
    "a@evil.example\r\nBcc: b@example.org",
    "a:b@example.org",
    "(b)a@example.org",
)

WRONG = ("a", "a@b", "@example.org", "a@", "a@.org", "a.@example.org", ".a@example.org", "a..b@example.org", "a@-b.org")


@pytest.mark.parametrize("typed", RIGHT)
def test_a_mail_address_is_taken_as_people_write_it(typed: str) -> None:
    assert EmailField(required=True).deserialize(typed) == RIGHT[typed]


@pytest.mark.parametrize("typed", [*OTHER_READERS, *WRONG])
def test_what_a_letter_could_not_be_sent_to_alone_is_no_address(typed: str) -> None:
    with pytest.raises(ValidationError):
        EmailField(required=True).deserialize(typed)


def test_a_line_has_no_second_line() -> None:
    assert TextField().deserialize("Jeanne\u2028Martin\u2029Bcc") == "Jeanne Martin Bcc"
    assert EmailField().deserialize("jeanne\u2028@example.org") == "jeanne@example.org"
    assert TextField(multiline=True).deserialize("2e étage\u2028porte  gauche") == "2e étage\nporte gauche"


def test_no_name_turns_what_stands_beside_it() -> None:
    assert TextField().deserialize("Jeanne\u202e Martin\u2066") == "Jeanne Martin"


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\ufeff", "\u202e", " \u00a0\u3000"])
def test_what_nobody_can_see_is_no_answer(unseen: str) -> None:
    assert TextField().deserialize(unseen) == ""
    with pytest.raises(ValidationError, match="required"):
        TextField(required=True).deserialize(unseen)


class _Form(Boundary):
    name = TextField(required=True)
    qty = CountField(required=True, low=1, high=9)


def test_thousands_of_unknown_fields_are_not_listed_one_by_one() -> None:
    """Their page weighed three megabytes and took three seconds to make."""
    with pytest.raises(FormErrors) as refused:
        load_form(_Form(), {f"x{n}": "" for n in range(40_000)} | {"qty": "0"})
    assert len(refused.value.errors) == 100
    assert (refused.value.errors["name"], refused.value.errors["qty"]) == (["required"], ["out_of_range"])
