"""A value as Ansible gives it -> the declared type, as Ansible's argument spec would convert it, with one difference.

Roles see the value as it was written, not the converted one. So a conversion that would make kprov and a role
disagree is refused: a text that means false is true for Jinja, and a list written as a text is a text for a loop.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from kprov.spec.declarations import Declaration, Type

# ansible.module_utils.parsing.convert_bool, ansible-core 2.19
TRUE_TEXTS = frozenset({"y", "yes", "on", "1", "true", "t"})
FALSE_TEXTS = frozenset({"n", "no", "off", "0", "false", "f"})

WORDS: dict[Type, str] = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary",
    "raw": "any value",
}


class WrongValue(ValueError):
    """A value that does not fit its declaration. The text completes "NAME: ..."; hint says how to write it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Unreadable(WrongValue):
    """A value that kprov cannot look at: a template, or encrypted without a key. The text never holds the value."""


def coerce(declaration: Declaration, value: Any) -> Any:
    """The value in the declared type. Raises WrongValue for a wrong type or a value that is not among the choices."""
    if value is None:
        raise WrongValue("has no value", "give it a value, or delete the line to get the default")
    _refuse_boolean_choice(declaration, value)
    result = _to(declaration.type, value)
    if declaration.type == "list" and declaration.elements:
        result = [_to(declaration.elements, item) for item in result]
    if declaration.choices and result not in declaration.choices:
        raise WrongValue(f"{result!r} is not one of {_listed(declaration.choices)}")
    return result


def type_name(declaration: Declaration) -> str:
    """The type in words: "a list of texts"."""
    if declaration.type == "list" and declaration.elements == "str":
        return "a list of texts"
    return WORDS[declaration.type]


def _refuse_boolean_choice(declaration: Declaration, value: Any) -> None:
    """YAML reads off, no and yes without quotes as booleans; say which of the choices was meant."""
    if isinstance(value, bool) and declaration.type == "str":
        texts = TRUE_TEXTS if value else FALSE_TEXTS
        meant = next((c for c in declaration.choices if str(c).lower() in texts), None)
        hint = f'write "{meant}" in quotes: YAML reads {meant} without quotes as a boolean' if meant else None
        raise WrongValue(f"must be {type_name(declaration)}, not the boolean {str(value).lower()}", hint)


def _to(kind: Type, value: Any) -> Any:
    if kind == "raw":
        return value
    if kind in ("str", "path"):
        return _text(kind, value)
    if kind == "bool":
        return _boolean(value)
    if kind in ("int", "float"):
        return _number(kind, value)
    wanted = list if kind == "list" else dict
    if isinstance(value, wanted):
        return value
    example = "[a, b]" if kind == "list" else "{key: value}"
    raise WrongValue(f"must be {WORDS[kind]}, not {_kind_of(value)}", f"write it as {example}")


def _text(kind: Type, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise WrongValue(f"must be {WORDS[kind]}, not {_kind_of(value)}")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in TRUE_TEXTS:
        return True
    if isinstance(value, str) and value.lower() in FALSE_TEXTS:
        raise WrongValue(
            f"the text {value!r} counts as true inside a role",
            "write false (in an INI inventory: False, with a capital F) without quotes",
        )
    raise WrongValue(f"must be true or false, not {_shown(value)}")


def _number(kind: Type, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise WrongValue(f"must be {WORDS[kind]}, not {_shown(value)}")
    try:
        number = Decimal(str(value).strip())
        if kind == "int":
            if number != int(number):
                raise WrongValue(f"must be {WORDS[kind]}, not {_shown(value)}")
            return int(number)
        return float(number)
    except (InvalidOperation, OverflowError, ValueError) as error:
        if isinstance(error, WrongValue):
            raise
        raise WrongValue(f"must be {WORDS[kind]}, not {_shown(value)}") from None


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, (str, int, float)) else _kind_of(value)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    kinds = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a dictionary"}
    return kinds.get(type(value), type(value).__name__)


def _listed(choices: tuple[Any, ...]) -> str:
    return ", ".join(str(choice) for choice in choices)
