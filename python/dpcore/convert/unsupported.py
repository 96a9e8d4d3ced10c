# SPDX-License-Identifier: LGPL-3.0-or-later
"""Kinds of DeePMD-kit models that are recognised and refused by name.

Each check looks for the marks a kind leaves in the graph (nodes, operations) and
in the training script stored with it.  What no check knows is caught at the end:
an operation outside the known set makes the graph unknown.
"""

from __future__ import annotations

import re
from typing import Any

from dpcore.convert.graph import Graph, source_name
from dpcore.convert.networks import ACTIVATION_OPS
from dpcore.convert.script import section
from dpcore.convert.tables import OPERATIONS as TABLE_OPS
from dpcore.errors import InputError

# Operation of the environment matrix -> name of the descriptor.
DESCRIPTOR_OPS = {
    "ProdEnvMatA": "se_e2_a",
    "DescrptSeA": "se_e2_a",
    "DescrptNorot": "se_e2_a",
    "ProdEnvMatR": "se_e2_r",
    "DescrptSeR": "se_e2_r",
    "Descrpt": "loc_frame",
    "ProdEnvMatAMix": "se_atten",
    "ProdEnvMatAMixNvnmdQuantize": "se_atten (NVNMD)",
    "ProdEnvMatANvnmdQuantize": "se_e2_a (NVNMD)",
    "DescrptSeAMask": "se_a_mask",
    "DescrptSeAEf": "se_a_ef",
    "DescrptSeAEfPara": "se_a_ebd_ef",
    "DescrptSeAEfVert": "se_a_ef",
}
_THREE_BODY_NET = re.compile(r"filter_type_all(_\d+)?/matrix_\d+_\d+_\d+$")
_TABLES = re.compile(r"filter_type_all(_\d+)?/")
_AMPLIFIED_NET = re.compile(r"filter_type_all(_\d+)?_amplify/matrix$")
_STATISTICS = re.compile(r"descrpt_attr(_\d+)?/t_avg$")
# Of embedding nets: se_e2_r takes a mean there, se_e3 sums over two neighbours.
_SCOPE = re.compile(r"filter_type_[^/]+/")
_IN_SCOPE = ("Mean", "Einsum")
_OF_CHANNELS = re.compile(r"Mean(_\d+)?$")  # of se_a_tpe
_DESCRIPTORS = {
    **{"se_e2_a": "se_e2_a", "se_a": "se_e2_a", "se_e2_r": "se_e2_r", "se_r": "se_e2_r"},
    **dict.fromkeys(("se_e3", "se_at", "se_a_3be", "se_t"), "se_e3"),
    "loc_frame": "loc_frame",
    **dict.fromkeys(("se_a_tpe", "se_a_ebd"), "se_a_tpe"),
}
# absent in old scripts: the default is ener
_TYPES_OF_FITTING = {"ener", "dipole", "polar", "se_e2_a", "se_a"}

TENSOR_KINDS = ("dipole", "polar")
_OTHER_KINDS = {
    "global_polar": "a polarizability model (global_polar)",
    "wfc": "a Wannier-centre model (wfc)",
    "dos": "a density-of-states model (dos)",
    "property": "a property model",
}

# What computes the energy of a model with two-body descriptors in DeePMD-kit 0.12 to 3.x.
_KNOWN_OPS = {
    *(op for op, name in DESCRIPTOR_OPS.items() if name in _DESCRIPTORS),
    *ACTIVATION_OPS,
    *TABLE_OPS,
    *("Const", "Identity", "Placeholder", "PlaceholderWithDefault", "NoOp"),
    *("Reshape", "Slice", "StridedSlice", "Pack", "ConcatV2", "Concat", "Split", "SplitV"),
    *("ExpandDims", "Squeeze", "Tile", "Transpose", "Shape", "Rank", "Size", "Range"),
    *("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "BiasAdd", "Cast"),
    *("Add", "AddV2", "AddN", "Sub", "Mul", "RealDiv", "Pow", "Sum", "Fill", "ZerosLike"),
    *("Gather", "GatherV2", "Minimum", "Maximum", "GreaterEqual", "Select", "SelectV2", "OneHot"),
    *("FloorDiv", "FloorMod", "OnesLike"),
    *("PairTab", "SoftMinSwitch"),  # use_srtab
    "MapAparam",  # numb_aparam of se_a_tpe
    # dipole and polar
    *("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "BroadcastTo", "Less", "Where", "Max", "Prod"),
}


def refuse_unsupported(graph: Graph, script: dict[str, Any]) -> None:
    """Raise ``InputError`` that names the kind when dpcore cannot represent it.

    ``script`` is the training script stored in the graph ({} in old graphs).
    """
    for check in (_model_version, _compressed, _spin, _model_kind):
        check(graph, script)
    for check in (_model_options, _descriptor, _type_embedding, _fitting):
        check(graph, script)


def refuse_unknown_operations(graph: Graph) -> None:
    """Raise ``InputError`` when the energy needs an operation not known here.

    Call after ``graph.trace_forward``.
    """
    known = [_SCOPE]
    if any(map(_AMPLIFIED_NET.match, graph.nodes)):
        known.append(_OF_CHANNELS)
    unknown = {
        node.op
        for node in graph.forward_nodes()
        if not (node.op in _IN_SCOPE and any(pattern.match(node.name) for pattern in known))
    } - _KNOWN_OPS
    if unknown:
        raise _refusal(
            graph,
            f"a model that uses operations dpcore does not know ({', '.join(sorted(unknown))})",
            "it is of a kind or version that this converter was not written for; please report it",
        )


def _refusal(graph: Graph, kind: str, advice: str) -> InputError:
    return graph.error(f"cannot convert {kind}: {advice}")


def _has_prefix(graph: Graph, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in graph.nodes)


def _model_version(graph: Graph, script: dict[str, Any]) -> None:
    if "model_attr/model_version" not in graph:
        return  # DeePMD-kit 1.x and older
    version = graph.string("model_attr/model_version")
    if version not in ("0.0", "1.0", "1.1"):
        raise _refusal(
            graph,
            f"a model of format version {version!r}",
            "dpcore knows 1.0 and 1.1 (DeePMD-kit 1.3 to 3.x); update dpcore",
        )


def _compressed(graph: Graph, script: dict[str, Any]) -> None:
    """Tables are read of the descriptors in `TABLE_OPS`."""
    said = graph.is_const("model_type") and graph.string("model_type") == "compressed_model"
    found = {node.op for node in graph if node.op.startswith("TabulateFusion") and "Grad" not in node.op}
    if found - set(TABLE_OPS):
        raise _refusal(
            graph,
            f"a compressed model with the operation {min(found - set(TABLE_OPS))}",
            "dpcore reads tables of se_e2_a, se_e2_r and se_e3; give the uncompressed model, the one that "
            "`dp compress` of DeePMD-kit took as its input",
        )
    if said and not found:
        raise graph.error("the graph says that it is compressed but has no tables; the file is corrupt")


def _spin(graph: Graph, script: dict[str, Any]) -> None:
    if _has_prefix(graph, "spin_attr") or section(script, "model", "spin"):
        raise _refusal(graph, "a spin model (DeepSpin)", "dpcore has no magnetic moments yet")


def model_kind(graph: Graph) -> str:
    """What the model predicts: ener, dipole, polar, or a kind that `refuse_unsupported` refuses."""
    name = "model_attr/model_type"
    if graph.is_const(name):
        return graph.string(name) or "ener"
    return next((kind for kind in ("wfc", *TENSOR_KINDS) if f"o_{kind}" in graph), "ener")


def _model_kind(graph: Graph, script: dict[str, Any]) -> None:
    kind = model_kind(graph)
    if kind not in ("ener", *TENSOR_KINDS):
        raise _refusal(
            graph,
            _OTHER_KINDS.get(kind, f"a model of type {kind!r}"),
            "dpcore converts the kinds ener, dipole and polar",
        )
    several = section(script, "model").get("model_dict")
    if several or (_has_prefix(graph, "model_attr_") and not graph.is_const("model_attr/tmap")):
        raise _refusal(
            graph,
            "a multi-task model",
            "freeze the branch you need on its own (`dp freeze --head NAME`) and convert that",
        )
    composition = section(script, "model").get("type", "standard")
    if composition not in ("standard", "ener", None):
        raise _refusal(
            graph,
            f"a model of type {composition!r}",
            "dpcore converts the standard model (one descriptor and one fitting net)",
        )


def _model_options(graph: Graph, script: dict[str, Any]) -> None:
    for descriptor in _described(script):
        protection = descriptor.get("env_protection") or 0.0
        if protection:
            raise _refusal(
                graph,
                f"a model with env_protection = {protection}",
                "dpcore has the environment matrix without it (0.0, the default)",
            )


def _type_embedding(graph: Graph, script: dict[str, Any]) -> None:
    embedded = _has_prefix(graph, "type_embed_net/")
    if bool(section(script, "model").get("type_embedding")) != embedded and script:
        raise graph.error(
            f"the graph has {'a' if embedded else 'no'} type embedding, and the training script says otherwise; "
            "the file is corrupt"
        )


def descriptor_kind(graph: Graph, operation: Any) -> str:
    """The descriptor that an operation of the environment matrix belongs to.

    se_e3 and se_a_tpe share the operation of se_e2_a; the names of their nets tell, and tables of se_e3 have an
    operation of their own.
    """
    kind = DESCRIPTOR_OPS[operation.op]
    sources = (graph.resolve(source_name(reference)) for reference in operation.input)
    suffixes = {match[1] for match in map(_STATISTICS.match, sources) if match}
    if kind != "se_e2_a":
        return kind
    nets = {match[1] for match in map(_THREE_BODY_NET.match, graph.nodes) if match}
    tables = (_TABLES.match(node.name) for node in graph if TABLE_OPS.get(node.op) == "se_e3")
    if suffixes & (nets | {match[1] for match in tables if match}):
        return "se_e3"
    amplified = {match[1] for match in map(_AMPLIFIED_NET.match, graph.nodes) if match}
    return "se_a_tpe" if suffixes & amplified else kind


def is_hybrid(graph: Graph, script: dict[str, Any]) -> bool:
    """Whether the model has several descriptors; ``script`` is the section of the descriptor."""
    return script.get("type") == "hybrid" or _has_prefix(graph, "descrpt_attr_")


def _described(script: dict[str, Any]) -> list[dict[str, Any]]:
    """The sections of the training script that describe descriptors: one, or those of a hybrid one."""
    descriptor = section(script, "model", "descriptor")
    parts = descriptor.get("list") if descriptor.get("type") == "hybrid" else [descriptor]
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _descriptor(graph: Graph, script: dict[str, Any]) -> None:
    described = section(script, "model", "descriptor")
    found = [descriptor_kind(graph, node) for node in graph if node.op in DESCRIPTOR_OPS]
    kinds = [str(part.get("type", "se_e2_a")) for part in _described(script)]
    hybrid = is_hybrid(graph, described)
    name = next((kind for kind in [*found, *kinds] if kind not in _DESCRIPTORS), "")
    if name:
        raise _refusal(
            graph,
            f"a model with the descriptor {'hybrid, one of which is ' if hybrid else ''}{name}",
            f"dpcore has {', '.join(sorted(set(_DESCRIPTORS.values())))} and hybrid of these only so far",
        )
    if not found:
        raise graph.error(
            f"not a DeePMD-kit model: the graph has no environment-matrix "
            f"operation (expected one of {', '.join(sorted(DESCRIPTOR_OPS))}); give the file "
            "that `dp freeze` of DeePMD-kit wrote"
        )
    named = [_DESCRIPTORS[kind] for kind in kinds]
    if (len(found) > 1 and not hybrid) or (described and sorted(named) != sorted(found)):
        raise graph.error(
            f"the graph computes the descriptors {', '.join(found)} while the training script says "
            f"{', '.join(named) or 'nothing'}; the file is corrupt"
        )


def _fitting(graph: Graph, script: dict[str, Any]) -> None:
    fitting = section(script, "model", "fitting_net")
    kind = fitting.get("type", "ener")
    if kind not in _TYPES_OF_FITTING:
        raise _refusal(graph, f"a model with the fitting net {kind!r}", "dpcore has ener, dipole and polar")
    kind = model_kind(graph)
    hybrid = is_hybrid(graph, section(script, "model", "descriptor"))
    name = "hybrid" if hybrid else next(descriptor_kind(graph, n) for n in graph if n.op in DESCRIPTOR_OPS)
    if kind in TENSOR_KINDS and name not in ("se_e2_a", "se_a_tpe"):
        raise _refusal(
            graph,
            f"a {kind} model with the descriptor {name}",
            "dpcore has tensors with se_e2_a only, whose rotation matrix they need",
        )
    unsupported = {
        "use_aparam_as_mask": "dpcore has aparam as input of the fitting net, not as a mask",
        "dim_case_embd": "dpcore has no case embedding; freeze a single-task model",
        "layer_name": "dpcore has no shared layers; train without fitting_net/layer_name",
    }
    for key, advice in unsupported.items():
        if fitting.get(key):
            raise _refusal(graph, f"a model with fitting_net/{key} = {fitting[key]}", advice)
