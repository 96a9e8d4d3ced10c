# SPDX-License-Identifier: LGPL-3.0-or-later
"""Dependencies run one way: every #include and every import is on the lists below.

A new folder of core/src needs a line here, and the line says what it may use.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE, PACKAGE = ROOT / "core", ROOT / "python" / "dpcore"
LONGEST = 400  # lines of one file

# folder of core/src: the folders it may include besides itself
FOLDERS = {
    "base": "",
    "linalg": "base",
    "nn": "base linalg",
    "neighbors": "base linalg",
    "env": "base neighbors",
    "radial": "base linalg nn",
    "descriptor": "base linalg nn neighbors env radial",
    "fitting": "base linalg nn",
    "output": "base env",
    "model": "base linalg nn neighbors env radial descriptor fitting output",
    "modifier": "base linalg nn neighbors env radial descriptor fitting output model",
    "loss": "base output",
    "optim": "base",
    "train": "base linalg nn neighbors env radial descriptor fitting output model loss optim",
    "api": "base linalg nn neighbors env radial descriptor fitting output model modifier loss optim train",
}
# public header: the folders that may include it; the others are implemented by api alone
HEADERS = {
    "dpcore/errors.h": set(FOLDERS),
    "dpcore/export.h": set(FOLDERS),
    "dpcore/model_file.h": {"model", "modifier", "train", "api"},
    "dpcore/precision.h": {"model", "api"},
    "dpcore/table_info.h": {"descriptor", "model", "api"},
}
# library: the folders that may include its headers
LIBRARIES = {"Kokkos": set(FOLDERS), "nlohmann": set(FOLDERS), "Eigen": {"linalg"}, "cublas": {"linalg"}}
STANDARD = re.compile(r"[a-z_0-9]+$|(sys/)?[a-z_]+\.h$")  # <vector>, <unistd.h>

INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")', re.MULTILINE)


def includes(path):
    return [(found[0], found[1:-1]) for found in INCLUDE.findall(path.read_text(encoding="utf-8"))]


def sources(folder, *endings):
    return sorted(p for p in folder.rglob("*") if p.suffix in endings)


def core_edge_allowed(folder, bracket, header):
    """Whether a file in core/src/`folder` may include this header."""
    head = header.split("/")[0]
    if head == "dpcore":
        return folder in HEADERS.get(header, {"api"})
    if bracket == '"':
        return head == folder or head in FOLDERS[folder].split()
    for library, users in LIBRARIES.items():
        if header.startswith(library):
            return folder in users
    return bool(STANDARD.match(header))


def test_there_are_sources():
    assert len(sources(CORE / "src", ".cpp")) > 20 and len(sources(PACKAGE, ".py")) > 20


def test_folders_of_the_core_are_known():
    found = {p.name for p in (CORE / "src").iterdir() if p.is_dir()}
    assert found <= set(FOLDERS), f"no line in FOLDERS for {sorted(found - set(FOLDERS))}"
    assert not [
        p.name for p in (CORE / "src").iterdir() if p.is_file() and p.suffix in (".cpp", ".hpp", ".h")
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_includes_of_the_core(folder):
    wrong = [
        f"{path.relative_to(ROOT)}: {bracket}{header}"
        for path in sources(CORE / "src" / folder, ".cpp", ".hpp", ".h")
        for bracket, header in includes(path)
        if not core_edge_allowed(folder, bracket, header)
    ]
    assert not wrong, "\n".join(["includes that the table does not allow:", *wrong])


def test_the_table_itself_runs_one_way():
    done = set()
    while len(done) < len(FOLDERS):
        ready = {f for f, uses in FOLDERS.items() if f not in done and set(uses.split()) <= done}
        assert ready, f"a cycle among {sorted(set(FOLDERS) - done)}"
        done |= ready


@pytest.mark.parametrize(
    "folder, header",
    [
        ("nn", '"neighbors/cell.hpp'),
        ("fitting", '"descriptor/descriptor.hpp'),
        ("base", '"linalg/gemm.hpp'),
        ("train", '"api/frames.hpp'),
        ("model", '"dpcore/model.h'),
        ("nn", "<Eigen/Dense"),
        ("loss", '"../model/potential.hpp'),
    ],
)
def test_wrong_includes_are_noticed(folder, header):
    assert not core_edge_allowed(folder, header[0], header[1:])


def test_public_headers_are_plain():
    """No Kokkos, no Eigen, no JSON: only the standard library and each other."""
    for path in sources(CORE / "include", ".h"):
        for bracket, header in includes(path):
            own = bracket == '"' and header.startswith("dpcore/")
            assert own or (bracket == "<" and STANDARD.match(header)), f"{path.name}: {header}"


# headers of LAMMPS, which its own style includes with quotes
LAMMPS = {
    f"{name}.h"
    for name in (
        "atom comm compute domain error fix fix_ttm force input kspace lammps lmptype memory modify neigh_list "
        "neigh_request neighbor pair pointers update utils variable"
    ).split()
}


@pytest.mark.parametrize("client", ["bindings", "lammps_plugin", "ipi_driver"])
def test_clients_use_the_public_headers_only(client):
    own = {path.name for path in sources(ROOT / client, ".cpp", ".hpp", ".h")}
    for path in sources(ROOT / client, ".cpp", ".hpp", ".h"):
        for bracket, header in includes(path):
            if bracket == '"' and header in LAMMPS and client == "lammps_plugin":
                continue
            if bracket == '"':
                assert header in own, f"{path.relative_to(ROOT)}: {header}"
            else:
                inner = ("Kokkos", "Eigen") if client == "ipi_driver" else ("Kokkos", "Eigen", "nlohmann")
                assert not header.startswith(inner), f"{path}: {header}"
                assert not (CORE / "src" / header).exists(), f"{path.relative_to(ROOT)}: {header}"


# ---- the Python package -----------------------------------------------------------------

# modules of python/dpcore that stand below the others: they import nothing of dpcore but errors
FOUNDATION = {"errors", "atomic_write", "grammar", "learning_rate", "log", "plot", "text_file"}
# parts of the library: what they may import besides the foundation; "_core" is the engine
PARTS = {
    "config": "",
    "data": "",
    "convert": "",
    "modelfile": "convert _core",
    "infer": "modelfile _core",
    "checkpoint": "modelfile _core",
    "stat": "data _core",
}
FORBIDDEN = {"deepmd", "tensorflow", "torch", "jax", "paddle"}


def unit_of(path):
    """The module or folder of python/dpcore a file belongs to; __init__ for the package itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """(top level, unit of dpcore or None) of every import of a file, those inside of functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(a.name.split(".")[0], ([*a.name.split("."), None])[1]) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            parts = (node.module or "").split(".")
            if parts == ["dpcore"]:
                found += [("dpcore", None if a.name.startswith("__") else a.name) for a in node.names]
            else:
                found.append((parts[0], ([*parts, None])[1]))
    return found


def verbs():
    tree = ast.parse((PACKAGE / "cli.py").read_text(encoding="utf-8"))
    names = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {n.split(".")[1] for n in names if re.fullmatch(r"dpcore\.[a-z][a-z_]*", n)}


def allowed_imports(unit, commands, library):
    """What a module or folder may import of dpcore; verbs are the modules that cli names."""
    if unit in FOUNDATION:
        return {unit, "errors"}
    if unit in PARTS:
        return {unit, *FOUNDATION, *PARTS[unit].split()}
    if unit == "__main__":
        return {"cli"}
    if unit in ("cli", "__init__"):
        return {"errors", "log", *(commands if unit == "cli" else ())}
    # a verb, or a part of one such as training/: the library, but no other verb and never cli
    return {unit, *library}


def test_imports_of_the_package():
    commands = verbs()
    assert {"train", "freeze", "test", "convert_from"} <= commands and not commands & (
        FOUNDATION | set(PARTS)
    )
    everything = {unit_of(p) for p in sources(PACKAGE, ".py")} | {"_core"}
    library = everything - commands - {"cli", "__main__", "__init__"}
    wrong = []
    for path in sources(PACKAGE, ".py"):
        allowed = allowed_imports(unit_of(path), commands, library)
        for top, name in imports(path):
            if top in FORBIDDEN or (top == "dpcore" and name is not None and name not in allowed):
                wrong.append(f"{path.relative_to(ROOT)}: {top}.{name}")
    assert not wrong, "\n".join(["imports that the table does not allow:", *wrong])


@pytest.mark.parametrize(
    "unit, name",
    [
        ("data", "train"),
        ("config", "data"),
        ("infer", "cli"),
        ("freeze", "test"),
        ("log", "data"),
        ("cli", "_core"),
    ],
)
def test_wrong_imports_are_noticed(unit, name):
    assert name not in allowed_imports(
        unit, {"train", "freeze", "test"}, {"data", "infer", "_core", *FOUNDATION}
    )


# ---- all files ------------------------------------------------------------------------------


def own_files():
    folders = (
        "core",
        "bindings",
        "python",
        "tests",
        "benchmarks",
        "examples",
        "tools",
        "lammps_plugin",
        "ipi_driver",
    )
    for folder in folders:
        yield from sources(ROOT / folder, ".cpp", ".hpp", ".h", ".py", ".sh")


def test_files_are_short():
    long = [
        f"{p.relative_to(ROOT)}: {n}"
        for p in own_files()
        if (n := len(p.read_bytes().splitlines())) > LONGEST
    ]
    assert not long, "\n".join([f"files of more than {LONGEST} lines:", *long])


def test_files_name_their_licence():
    line = "SPDX-License-Identifier: LGPL-3.0-or-later"
    without = [
        str(p.relative_to(ROOT))
        for p in own_files()
        if line not in "".join(p.open(encoding="utf-8").readlines()[:3])
    ]
    assert not without, "\n".join(["files without a licence line on top:", *without])
