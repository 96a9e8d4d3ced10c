# SPDX-License-Identifier: LGPL-3.0-or-later
"""Check an input against the schema and fill in its defaults.

`dargs` holds the schema, resolves aliases and fills defaults; its traversal is used for the checks,
so that every message names the key path, the value found, what was expected and the nearest known key.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from dargs import Argument
from dargs.dargs import ArgumentError

from dpcore.config import compat, later, learning_rate, loss, model, schema, training
from dpcore.config.read import read_input
from dpcore.errors import InputError, show, suggest

__all__ = ["load_input", "normalize"]


def load_input(path: str | Path) -> dict[str, Any]:
    """Read an input file, convert old formats, check it and fill in all defaults.

    Parameters
    ----------
    path
        A ``.json``, ``.yaml`` or ``.yml`` file.

    Returns
    -------
    dict
        The sections ``model``, ``learning_rate``, ``loss`` and ``training`` with every key present.

    Raises
    ------
    InputError
        Naming the file, or the key path and the file, and what was expected.
    """
    raw = read_input(path)
    try:
        return normalize(raw)
    except InputError as error:
        raise InputError(f"{error.message} (in {path})", error.where) from None


def normalize(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a checked copy of `raw` with canonical key names and all defaults; `raw` stays as it is.

    Keys that begin with ``_`` are comments and left out.  The result normalises to itself.
    """
    if not isinstance(raw, dict):
        raise InputError(f"expected a dictionary of sections, got {show(raw)}")
    config = _without_comments(copy.deepcopy(raw))
    config.pop("$schema", None)
    config = compat.convert_old_format(config)
    root = schema.root()
    _refuse_other_models(root, config)
    later.drop_or_refuse(config)
    _refuse_two_final_rates(config)
    root.traverse_value(config, sub_hook=_check_keys, key_hook=_check_present)
    try:
        config = root.normalize_value(config, inplace=True)
    except ArgumentError as error:  # what the checks above let through
        raise InputError(str(error.message), error.path or None) from None
    root.traverse_value(config, value_hook=_check_value)
    training.check(config["training"])
    model.check(config["model"])
    learning_rate.check(config["learning_rate"], config["training"]["numb_steps"])
    loss.check(config["loss"], config["model"]["fitting_net"]["type"])
    return {section: config[section] for section in ("model", "learning_rate", "loss", "training")}


def _without_comments(value: Any) -> Any:
    """Drop, at every depth, the keys that begin with an underscore."""
    if isinstance(value, dict):
        return {
            key: _without_comments(item)
            for key, item in value.items()
            if not (isinstance(key, str) and key.startswith("_"))
        }
    if isinstance(value, list):
        return [_without_comments(item) for item in value]
    return value


def _refuse_other_models(root: Argument, config: dict[str, Any]) -> None:
    """Say first of all that a model, loss or schedule is of a kind this version has not."""
    for where, names in schema.not_supported().items():
        section: Any = config
        argument = root
        for part in where.split("/"):
            section = section.get(part) if isinstance(section, dict) else None
            argument = argument.sub_fields.get(part)
        if argument is not None and isinstance(section, dict) and section.get("type") in names:
            for variant in argument.sub_variants.values():
                _check_type(variant, section, where)


def _refuse_two_final_rates(config: dict[str, Any]) -> None:
    section = config.get("learning_rate")
    if isinstance(section, dict) and section.get("decay_rate") is not None and "stop_lr" in section:
        raise InputError(
            "stands beside stop_lr, which it would set; keep one of the two", "learning_rate/decay_rate"
        )


def _check_keys(argument: Argument, section: dict[str, Any], path: list[str]) -> None:
    """Refuse an unknown ``type``, unknown keys, and a key given under two names."""
    where = "/".join(path)
    for variant in argument.sub_variants.values():
        _check_type(variant, section, where)
    known: dict[str, str] = {}  # every accepted spelling -> canonical name
    for name, sub in argument.flatten_sub(section, path).items():
        for spelling in (name, *sub.alias):
            known[spelling] = name
    given: dict[str, str] = {}
    for key in section:
        if key not in known:
            raise InputError(
                f"unknown key.{_where_else(key, known, where)}", f"{where}/{key}" if where else str(key)
            )
        if known[key] in given:
            raise InputError(
                f'is given twice: as "{given[known[key]]}" and as "{key}"; keep one', f"{where}/{known[key]}"
            )
        given[known[key]] = key
    for name, sub in argument.flatten_sub(section, path).items():
        if sub.repeat and name in section:
            _check_list(section[name], f"{where}/{name}")


def _check_list(value: Any, where: str) -> None:
    """Refuse what is not a list of sections."""
    if not isinstance(value, list) or not value:
        raise InputError(f"expected a list of sections, at least one; got {show(value)}", where)
    for k, section in enumerate(value):
        if not isinstance(section, dict):
            raise InputError(
                f"expected a section (a dictionary of keys), got {show(section)}", f"{where}/{k}"
            )


def _check_type(variant: Any, section: dict[str, Any], where: str) -> None:
    flag, choices = variant.flag_name, [*variant.choice_dict, *variant.choice_alias]
    if flag not in section:
        if variant.optional:
            return
        raise InputError(f"is missing; expected one of {', '.join(choices)}", f"{where}/{flag}")
    tag = section[flag]
    if isinstance(tag, str) and tag in choices:
        return
    if tag in schema.not_supported().get(_without_indices(where), ()):
        raise InputError(
            f'"{tag}" is not supported by this version of dpcore, which has {", ".join(choices)}',
            f"{where}/{flag}",
        )
    raise InputError(
        f"got {show(tag)}; expected one of {', '.join(choices)}.{suggest(tag, choices)}", f"{where}/{flag}"
    )


def _without_indices(where: str) -> str:
    """The path of a section in the schema: that of ``list/0`` is ``list``."""
    return "/".join(part for part in where.split("/") if not part.isdigit())


def _check_present(argument: Argument, section: dict[str, Any], path: list[str]) -> None:
    if argument.optional or any(name in section for name in (argument.name, *argument.alias)):
        return
    raise InputError("this key is required and missing", "/".join([*path, argument.name]))


def _check_value(argument: Argument, value: Any, path: list[str]) -> None:
    where = "/".join([*path, argument.name])
    if argument.repeat:  # checked with the keys
        return
    if argument.sub_fields or argument.sub_variants:
        if not isinstance(value, dict) and not (value is None and _allows_null(argument)):
            raise InputError(f"expected a section (a dictionary of keys), got {show(value)}", where)
        return
    numeric = not isinstance(value, bool) or bool in argument.dtype
    try:
        if not numeric:
            raise ArgumentError(where, "a boolean is not a number")
        argument.check({argument.name: value})
    except ArgumentError:
        rule = argument.extra_check_errmsg or f"must be {_types(argument)}"
        hint = getattr(argument.extra_check, "hint", lambda _: "")(value)
        raise InputError(f"got {show(value)}; {rule}.{hint}", where) from None


def _allows_null(argument: Argument) -> bool:
    return any(kind in (None, type(None)) for kind in argument.dtype)


_NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "text in quotes",
    list: "a list",
    dict: "a section",
    None: "null",
    type(None): "null",
}


def _types(argument: Argument) -> str:
    return " or ".join(sorted(_NAMES.get(kind, "a list") for kind in argument.dtype))


@lru_cache(maxsize=1)
def _homes() -> dict[str, list[tuple[str, str]]]:
    """Every key of the schema -> the sections it belongs to, with their type where it is of one alone."""
    homes: dict[str, list[tuple[str, str]]] = {}

    def visit(argument: Argument, path: tuple[str, ...]) -> None:
        fields = [(field, "") for field in argument.sub_fields.values()]
        for variant in argument.sub_variants.values():
            for tag, choice in variant.choice_dict.items():
                fields += [(field, tag) for field in choice.sub_fields.values()]
        for field, tag in fields:
            for name in (field.name, *field.alias):
                homes.setdefault(name, []).append(("/".join(path) or "the top level", tag))
            visit(field, (*path, field.name))

    visit(schema.root(), ())
    return homes


def _where_else(key: Any, known: dict[str, str], where: str) -> str:
    """A hint for an unknown key: the types or the section it belongs to, or the closest key of this one."""
    homes = _homes().get(key, []) if isinstance(key, str) else []
    types = [tag for path, tag in homes if path == _without_indices(where)]
    close = suggest(key, known)
    if types:
        return f" It is one of {', '.join(types)}.{close}"
    if homes:
        return f" It belongs to {' or '.join(dict.fromkeys(path for path, _ in homes))}."
    return close or f" Known here: {', '.join(sorted(set(known.values())))}."
