# SPDX-License-Identifier: LGPL-3.0-or-later
"""The manual of the input file, written out from the schema."""

from __future__ import annotations

import json

from dpcore.config import schema
from dpcore.errors import InputError, suggest

__all__ = ["OUT_TYPES", "gen_doc"]

OUT_TYPES = ("rst", "json", "json_schema")


def gen_doc(out_type: str = "rst", make_anchor: bool = True, make_link: bool = True) -> str:
    """Describe every key of the input file.

    Parameters
    ----------
    out_type
        ``rst`` (text with cross references), ``json`` (the tree of arguments) or ``json_schema``
        (for editors).
    make_anchor, make_link
        Whether the reStructuredText has anchors, and links between them.
    """
    if out_type == "rst":
        sections = schema.gen_args()
        return "\n\n".join(s.gen_doc(make_anchor=make_anchor, make_link=make_link) for s in sections) + "\n"
    if out_type == "json":
        from dargs.dargs import ArgumentEncoder

        return json.dumps(schema.gen_args(), cls=ArgumentEncoder, indent=2)
    if out_type == "json_schema":
        from dargs.json_schema import generate_json_schema

        return json.dumps(generate_json_schema(schema.root()), indent=2)
    raise InputError(
        f'got "{out_type}"; expected one of {", ".join(OUT_TYPES)}.{suggest(out_type, OUT_TYPES)}', "out_type"
    )
