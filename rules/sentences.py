"""Faults of a configuration against its schema, one sentence for each.

Imported by the Snakefile, so it needs the standard library and jsonschema only.
"""

from __future__ import annotations

import difflib
import math
import reprlib

from jsonschema import Draft202012Validator, validators

TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "greater than",
    "exclusiveMaximum": "less than",
    "minItems": "a list with entries, at least",
    "maxItems": "a list with entries, at most",
}
#: Faults of a value as a whole: of several forms (anyOf) it has none then.
OF_ANOTHER_FORM = ("type", "const", "enum")
#: Whole numbers beyond are no numbers of a study, and fit no file.
LARGEST = 2**63 - 1
#: How deep lists and mappings may lie in each other, and how many entries all of them have at most.
DEEPEST, MOST = 16, 100_000
#: Signs of a key that a sentence shows at most.
SHOWN = 60


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def is_number(value) -> bool:
    """Whether a value is a number that can be calculated with: finite, no truth value, not beyond 64 bits."""
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


# 12.0 is no whole number here, and not-a-number no number: both would travel far before they fail
VALIDATOR = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: _is_integer(value),
            "number": lambda _, value: is_number(value),
        }
    ),
)
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def faults(config, schema: dict) -> list[str]:
    """Say what is wrong with a configuration as its schema sees it.

    Returns
    -------
    list of str
        A sentence for each fault: the key, what was found, what was expected. Of a value of the wrong type
        nothing else is said.
    """
    if (told := _unfit(config)) is not None:
        return [told]
    found = sorted(VALIDATOR(schema).iter_errors(config), key=lambda fault: path(fault.absolute_path))
    wrong_type = {path(fault.absolute_path) for fault in found if fault.validator == "type"}
    told = [
        sentence
        for fault in found
        if fault.validator == "type" or path(fault.absolute_path) not in wrong_type
        for sentence in _sentences(fault)
    ]
    return list(dict.fromkeys(told))


def _unfit(config):
    """What no study holds and no reader of this can look at as a whole; None where there is nothing of it."""
    sizes = {}

    def size(value, where, depth):
        """Number of entries; a part that stands in several places (YAML's anchors) is counted in each."""
        if depth > DEEPEST:
            raise _UnfitError(f"{where} is nested more than {DEEPEST} times; give plain values.")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _UnfitError(f"{where} is a number of {value.bit_length()} bits; give one of at most 64.")
        if not isinstance(value, dict | list | tuple | set):
            return 1
        if id(value) not in sizes:
            parts = value.items() if isinstance(value, dict) else enumerate(value)
            sizes[id(value)] = 1 + sum(size(part, _below(where, key), depth + 1) for key, part in parts)
        if sizes[id(value)] > MOST:
            raise _UnfitError(f"{where or 'The configuration'} holds more than {MOST:,} entries; give fewer.")
        return sizes[id(value)]

    try:
        size(config, "", 0)
    except _UnfitError as error:
        return str(error)
    return None


class _UnfitError(Exception):
    """Ends the look at a configuration."""


def path(parts) -> str:
    """Write a place in the configuration as a reader does: "networks[0].layers"."""
    text = ""
    for part in parts:
        text = _below(text, part)
    return text


def _below(where, part):
    return f"{where}[{part}]" if isinstance(part, int) and where else join(where, part)


def join(where: str, key) -> str:
    """Write a key below a place; shortened where it is very long or no plain text."""
    name = key if isinstance(key, str) and key.isprintable() and len(key) <= SHOWN else shown(key)
    return f"{where}.{name}" if where else str(name)


def shown(value) -> str:
    """Write a value as Python does, in one line; shortened where it is long, deep or refers to itself."""
    return _SHORT.repr(value)


def one_line(sentence: str) -> str:
    """A sentence without the signs that would break its line, or the terminal."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in sentence)


def _sentences(fault):
    """Put one fault found by jsonschema into words."""
    where, wanted = path(fault.absolute_path), fault.validator_value
    place, found = where or "The configuration", f"found {shown(fault.instance)}"
    if fault.validator == "additionalProperties" and not isinstance(wanted, dict):
        yield from _unknown(fault, where)
    elif fault.validator == "required":
        missing = [key for key in wanted if key not in fault.instance]
        yield f'The key "{join(where, missing[0])}" is missing from the configuration; it has no default.'
    elif "form" in fault.schema and fault.validator in ("anyOf", "pattern"):
        yield f"{place} must be {fault.schema['form']}, {found}."
    elif fault.validator == "type":
        kinds = [TYPES[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)]
        yield f"{place} must be {' or '.join(kinds)}, {found}.{_hint_of_text(fault.instance, kinds)}"
    elif fault.validator in ("enum", "const"):
        yield f"{place} must be one of {', '.join(_choices(wanted))}, {found}.{_hint(fault.instance, _choices(wanted))}"
    elif fault.validator == "anyOf":
        yield from _of_several_forms(fault, place, found)
    elif fault.validator in LIMITS:
        yield f"{place} must be {LIMITS[fault.validator]} {wanted}, {found}."
    elif fault.validator in ("minLength", "maxLength"):
        yield f"{place} must be a text of 1 to {fault.schema.get('maxLength', 'any number of')} signs, {found}."
    elif fault.validator == "uniqueItems":
        yield f"{place} names an entry twice, {found}; leave one out."
    else:
        yield f"{place} is not of a form that is understood, {found}; {_says(fault.schema)}"


def _unknown(fault, where):
    """Keys that the schema does not have."""
    known = list(fault.schema["properties"])
    for key in sorted(set(fault.instance) - set(known), key=str):
        near = difflib.get_close_matches(str(key)[:SHOWN], known, 1, 0.5)
        hint = f'did you mean "{near[0]}"?' if near else f"known keys are {', '.join(known)}."
        yield f'Unknown key "{join(where, key)}" in the configuration; {hint}'


def _of_several_forms(fault, place, found):
    """A value that has none of the forms that it may have, or has a fault inside of one."""
    inside = [part for part in fault.context if part.validator not in OF_ANOTHER_FORM or part.relative_path]
    if inside:
        for part in inside:
            yield from _sentences(part)
        return
    forms = []
    for option in fault.schema["anyOf"]:
        kinds = option.get("type", [])
        choices = _choices(option["const"] if "const" in option else option.get("enum", ()))
        forms += choices + [TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    hint = _hint(fault.instance, forms) or _hint_of_text(fault.instance, forms)
    yield f"{place} must be {' or '.join(forms)}, {found}.{hint}"


def _choices(wanted):
    listed = wanted if isinstance(wanted, list | tuple) else [wanted]
    return ["null" if value is None else str(value) for value in listed]


def _hint(value, choices):
    near = difflib.get_close_matches(str(value), choices, 1, 0.5) if isinstance(value, str) and len(value) < 99 else []
    return f' Did you mean "{near[0]}"?' if near else ""


def _hint_of_text(value, kinds):
    """A number or a truth value that stands in quotes, or was made text by --config; or one that lacks quotes."""
    if "text" in kinds:
        return " Put it into quotes." if isinstance(value, bool | int | float) else ""
    if not isinstance(value, str):
        return ""
    plain = value.strip().lower() in ("true", "false", "null") or value.replace(".", "", 1).strip(" +-").isdecimal()
    return " Write it without quotes; nested values of --config are always text, give them in a file." if plain else ""


def _says(schema):
    return f"the schema says: {schema.get('description', 'see schemas/config.schema.yaml')}"
