#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Write docs/config-reference.md from the schema of the input file.

Usage: make_config_reference.py           write the page
       make_config_reference.py --check   exit with 1 if the committed page differs
       make_config_reference.py -o FILE   write another file ("-": standard output)

The page holds every key of `dpcore.config.gen_args`: type, default, other names, rule and meaning, and
what the manual of the reference knows and this version has not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dpcore.config import gen_args, later, schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "config-reference.md"

INTRODUCTION = """\
<!-- Made by tools/make_config_reference.py from python/dpcore/config; do not edit it by hand. -->

# Keys of the input file

Every key that `dp train` reads, with its default. The file is JSON or YAML; a key that begins with `_` is a
comment, at any depth. A key that is not listed here is an error, and the message names the closest one.
[Training](training.md) explains the file as a whole; `dp doc-train-input --out-type json_schema` prints a
schema for editors.
"""

ORDER = ("null", "true or false", "integer", "number", "text", "list", "section")
NAMES = {
    bool: "true or false", int: "integer", float: "number", str: "text", list: "list", dict: "section",
    None: "null", type(None): "null",
}  # fmt: skip


def page():
    """The whole page as text."""
    parts = [INTRODUCTION, "## Sections\n", overview(gen_args())]
    for section in gen_args():
        parts += tables(section, "")
    parts += [not_supported()]
    return "\n".join(parts)


def overview(sections):
    """The sections of the top level as a list with links."""
    lines = []
    for section in sections:
        presence = "optional" if section.optional else "required"
        lines.append(f"- [`{section.name}`](#{anchor(section.name)}) ({presence}): {one_line(section.doc)}")
    return "\n".join(lines) + "\n"


def tables(argument, above):
    """Headings and tables of a section and of the sections inside it, as a list of texts."""
    path = f"{above}/{argument.name}".lstrip("/")
    level = "#" * (2 + path.count("/"))
    parts = [f"{level} `{path}`\n", one_line(argument.doc) + presence_of(argument) + "\n"]
    inside = list(argument.sub_fields.values())
    for variant in argument.sub_variants.values():
        parts.append(f"The key `{variant.flag_name}` chooses the kind. {one_line(variant.doc)}\n")
    if inside:
        parts.append(table(inside, path))
    for variant in argument.sub_variants.values():
        for choice in variant.choice_dict.values():
            others = f" (also `{'`, `'.join(choice.alias)}`)" if choice.alias else ""
            default = ", the default" if variant.default_tag == choice.name else ""
            title = f'{level}# `{path}` with `"{variant.flag_name}": "{choice.name}"`'
            parts += [f"{title}\n", f"`{choice.name}`{others}{default}: {one_line(choice.doc)}\n"]
            parts.append(table(choice.sub_fields.values(), path))
            parts += [
                text
                for field in choice.sub_fields.values()
                if is_section(field)
                for text in part_of(field, path)
            ]
    for field in inside:
        if is_section(field):
            parts += tables(field, path)
    return parts


def part_of(field, above):
    """What to say of a list of sections, whose keys stand elsewhere."""
    kinds = [f"`{name}`" for variant in field.sub_variants.values() for name in variant.choice_dict]
    title = f"{'#' * (3 + above.count('/'))}# `{above}/{field.name}`"
    return [
        f"{title}\n",
        f"{one_line(field.doc)} The `type` of each is one of {', '.join(kinds)}, with the keys above.\n",
    ]


def table(fields, path):
    """The keys of a section as a Markdown table."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        name = f"`{field.name}`"
        if is_section(field):
            name = f"[{name}](#{anchor(f'{path}/{field.name}')})"
        if field.alias:
            name += f"<br>also `{'`, `'.join(field.alias)}`"
        default = f"`{json.dumps(field.default)}`" if field.optional else "required"
        meaning = one_line(field.doc)
        if field.extra_check_errmsg:
            rule = one_line(field.extra_check_errmsg)
            meaning += f" {rule[0].upper()}{rule[1:]}."
        cells = (name, types(field), default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def is_section(argument):
    return bool(argument.sub_fields or argument.sub_variants)


def presence_of(argument):
    return "" if not argument.optional else f" Without it: `{json.dumps(argument.default)}`."


def types(argument):
    """The types of a key in words, in a fixed order (dargs keeps them as a set)."""
    words = {NAMES.get(kind) or "list of " + NAMES[kind.__args__[0]] + "s" for kind in argument.dtype}
    words = {"list of true or false" if word == "list of true or falses" else word for word in words}
    return " or ".join(sorted(words, key=lambda w: (ORDER.index("list" if w.startswith("list") else w), w)))


def anchor(path):
    """The anchor that GitHub makes of the heading of a section."""
    return "".join(c for c in path.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def one_line(text):
    return " ".join(text.split())


def not_supported():
    """What the manual of the reference has and this version has not."""
    lines = ["## Known, and not in this version\n", "These values of `type` are refused by name:\n"]
    for where, names in schema.not_supported().items():
        lines.append(f"- `{where}/type`: " + ", ".join(f"`{name}`" for name in names))
    lines.append(
        "\nThese keys of DeePMD-kit 2.x and 3.x are dropped where their value asks for nothing, and refused "
        "by name otherwise, so that a normalised input (`out.json`) of DeePMD-kit is read as far as dpcore "
        "has what it asks for.\n"
    )
    lines += ["| section | key (values that are dropped) |", "|---|---|"]
    for section, keys in later.LATER.items():
        cells = [f"`{key}` ({neutral(values)})" for key, values in keys.items()]
        lines.append(f"| {f'`{section}`' if section else 'top level'} | {', '.join(cells)} |")
    return "\n".join(lines) + "\n"


def neutral(values):
    """The values of a key that ask for nothing, in words."""
    if values is later.ANY:
        return "any"
    if values is later.CACHE:
        return "any, with a warning"
    return ", ".join(f"`{json.dumps(value)}`" for value in values) or "none"


def main():
    parser = argparse.ArgumentParser(description="Write docs/config-reference.md from the schema.")
    parser.add_argument("--check", action="store_true", help="only tell whether the page is up to date")
    parser.add_argument("-o", "--output", default=str(PAGE), help="file to write (default: the page)")
    options = parser.parse_args()
    text = page()
    if options.check:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE}: differs from the schema; run {Path(__file__).name}", file=sys.stderr)
        return 1
    if options.output == "-":
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
