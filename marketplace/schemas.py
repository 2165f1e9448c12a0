"""The one boundary: what comes from a form, from JSON or from a file is checked for shape and range here.

Messages are codes; templates/marketplace/sentences.html words them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from itertools import islice
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields

from marketplace.money import Money

#: Not a letter of ours: fields that a form carries and no schema names.
FORM_OVERHEAD = frozenset({"csrf_token"})

#: More than any operation of ours has fields. Somebody who sends forty thousand others need not be told of each.
MOST_FAULTS = 100


class Boundary(Schema):
    """Base of every operation's schema: unknown keys are errors."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "unknown_field", "type": "not_an_object"}  # noqa: RUF012  # marshmallow's own attribute


class QueryBoundary(Schema):
    """For addresses that people may have shortened, bookmarked or decorated: unknown keys are passed over."""

    class Meta:
        unknown = EXCLUDE


#: Signs that turn the direction of what follows: on a slip they would make a name read as another one. They come
#: unseen with numbers copied from a telephone, so they are dropped rather than refused.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


class TextField(fields.Field[str]):
    """One line of text as people type it: NFC, trimmed, single spaces; no control or direction signs.

    Unicode's own line ends count as spaces, unless `multiline`; what cannot be seen is nothing.
    Codes: required, not_text, too_long, bad_characters.
    """

    default_error_messages = {"required": "required", "null": "required", "invalid": "not_text"}  # noqa: RUF012  # as above

    def __init__(self, *, max_length: int = 200, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_length, self.multiline = max_length, multiline

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValidationError("bad_characters") from None
        text = _TURNING.sub("", unicodedata.normalize("NFC", value))
        allowed = "\n\r\t" if self.multiline else "\t"
        if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") and c not in allowed for c in set(text)):
            raise ValidationError("bad_characters")
        if self.multiline:
            text = "\n".join(" ".join(line.split()) for line in text.splitlines()).strip()
        else:
            text = " ".join(text.split())
        if len(text) > self.max_length:
            raise ValidationError("too_long")
        if not any(unicodedata.category(c)[0] in "LNPS" for c in text):
            text = ""
        if self.required and not text:
            raise ValidationError("required")
        return self.checked(text) if text else text

    def checked(self, text: str) -> str:
        return text


#: What may stand before and behind the "@" (RFC 5321, with the letters of RFC 6531). A comma, a bracket or an "=?" in
#: the head of a letter would name other readers than the one who typed it.
_MAILBOX = re.compile(r"(?!.*=\?)[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class EmailField(TextField):
    """An address that a mail server could take. Code: not_an_email."""

    def checked(self, text: str) -> str:
        local, at, domain = text.replace(" ", "").rpartition("@")
        try:
            # The encoding also turns look-alikes of full width ("，", "＠") into the plain signs: look at its result.
            domain = domain.strip(".").encode("idna").decode().lower()
        except UnicodeError:
            raise ValidationError("not_an_email") from None
        if not (at and len(local) <= 64 and _MAILBOX.fullmatch(local) and _DOMAIN.fullmatch(domain)):
            raise ValidationError("not_an_email")
        return f"{local}@{domain}"


class PhoneField(TextField):
    """A telephone number in any usual spelling, kept as +33…, as people read it back. Code: not_a_phone."""

    def checked(self, text: str) -> str:
        digits = unicodedata.normalize("NFKC", text)
        digits = "".join(c for c in digits if c not in " .-/()\u00a0\u202f\u2011")
        if digits.startswith("00"):
            digits = f"+{digits[2:]}"
        if digits.startswith("0") and len(digits) == 10:
            digits = f"+33{digits[1:]}"
        if digits.startswith("+330"):
            digits = f"+33{digits[4:]}"
        rest = digits[1:]
        if not (digits.startswith("+") and rest.isascii() and rest.isdigit() and 8 <= len(rest) <= 15):
            raise ValidationError("not_a_phone")
        return digits


class PostcodeField(TextField):
    """Five digits, however they are spaced. Code: not_a_postcode."""

    def checked(self, text: str) -> str:
        digits = "".join(unicodedata.normalize("NFKC", text).split())
        if not (len(digits) == 5 and digits.isascii() and digits.isdigit()):
            raise ValidationError("not_a_postcode")
        return digits


class CountField(fields.Field[int]):
    """A whole number in a range, from a JSON number or, unless `from_text` is off, from plain digits.

    Codes: not_a_count, out_of_range.
    """

    default_error_messages = {"required": "required", "null": "required"}  # noqa: RUF012  # as above

    def __init__(self, *, low: int, high: int, from_text: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high, self.from_text = low, high, from_text

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and self.from_text:
            text = value.strip()
            if not text:
                raise ValidationError("required")
            sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
            # isdigit alone would let '１' and '²' through.
            if not (digits.isascii() and digits.isdigit()):
                raise ValidationError("not_a_count")
            value = sign * int(digits[:20])
        if type(value) is not int:
            raise ValidationError("not_a_count")
        if not self.low <= value <= self.high:
            raise ValidationError("out_of_range")
        return value


#: "8", "8,5 %": at most one digit behind the comma.
_PERCENT = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]))?\s?%?")


class PermilleField(TextField):
    """A rate as people write it in per cent ("8", "8,5", "8.5 %"), kept as thousandths; at most `high` of them.

    Code: not_a_rate. Empty is None unless required.
    """

    def __init__(self, *, high: int = 500, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)
        self.high = high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            return None
        found = _PERCENT.fullmatch(text)
        permille = 10 * int(found[1]) + int(found[2] or 0) if found else self.high + 1
        if permille > self.high:
            raise ValidationError("not_a_rate")
        return permille


#: "4", "4,5", "4,50 €".
_SUM = re.compile(r"([0-9]{1,4})(?:[.,]([0-9]{1,2}))?\s?(?:€|EUR)?")


class SumField(TextField):
    """A sum in euros as people write it, from nothing to 9999,99. Code: not_euros. Empty is None unless required."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            return None
        found = _SUM.fullmatch(text)
        if found is None:
            raise ValidationError("not_euros")
        return Money(100 * int(found[1]) + int((found[2] or "0").ljust(2, "0")))


class IdField(fields.Field[int]):
    """A number that we gave out, as a JSON number. Code: not_an_id."""

    default_error_messages = {"required": "required", "null": "required"}  # noqa: RUF012  # as above
    #: Above every identity column's present value, below its type's end.
    HIGHEST = 2**62

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int or not 1 <= value <= self.HIGHEST:
            raise ValidationError("not_an_id")
        return value


class ChoiceField(TextField):
    """One of some words. Code: not_a_choice."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def checked(self, text: str) -> str:
        if text not in self.choices:
            raise ValidationError("not_a_choice")
        return text


class FlagField(fields.Field[bool]):
    """A JSON boolean or, unless `from_text` is off, a ticked box. Code: not_a_flag."""

    def __init__(self, *, from_text: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.from_text = from_text

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        if self.from_text and value in ("1", "on", "true"):
            return True
        if self.from_text and value in ("", "0", "false"):
            return False
        raise ValidationError("not_a_flag")


class CentsField(fields.Field[Money]):
    """Money as whole cents in JSON, under names that end in _cents."""

    def _serialize(self, value: Money | None, attr: str | None, obj: Any, **kwargs: Any) -> int | None:
        return None if value is None else value.cents


class FormErrors(Exception):
    """What was typed cannot be used: `errors` are {field: [codes]}, `typed` is what to show again."""

    def __init__(self, errors: dict[str, list[str]], typed: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors, self.typed = errors, typed


def load_form(schema: Schema, form: Mapping[str, str]) -> dict[str, Any]:
    """The checked values of a form; FormErrors with what was typed otherwise."""
    typed = {name: value for name, value in form.items() if name not in FORM_OVERHEAD}
    try:
        return dict(schema.load(typed))
    except ValidationError as refused:
        raise FormErrors(flat(refused.normalized_messages()), typed) from None


def flat(messages: Mapping[str, Any], prefix: str = "") -> dict[str, list[str]]:
    """Nested messages as {"lines.0.qty": [codes]}; the first of them, those of fields that we know before others."""
    errors: dict[str, list[str]] = {}
    for name, value in messages.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            errors |= flat(value, f"{key}.")
        else:
            errors[key] = [str(code) for code in value]
    return dict(islice(errors.items(), MOST_FAULTS))


__all__ = [
    "Boundary",
    "CentsField",
    "ChoiceField",
    "CountField",
    "EmailField",
    "FlagField",
    "FormErrors",
    "IdField",
    "PermilleField",
    "PhoneField",
    "PostcodeField",
    "QueryBoundary",
    "SumField",
    "TextField",
    "flat",
    "load_form",
]
