# SPDX-License-Identifier: LGPL-3.0-or-later
"""The documentation is true: commands and snippets run, links lead somewhere, the reference is up to date.

Fenced blocks are run page by page, in their order, in a folder with an input.json, data/ and a tiny model.
A comment `<!-- check only: why -->` above a block has its commands parsed and not run,
`<!-- not run: why -->` leaves it alone.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from dpcore import cli
from dpcore.config import normalize
from make_input import changed
from make_system import make_system

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
RUN = [
    "README.md",
    "docs/quickstart.md",
    "docs/python.md",
    "docs/ase.md",
    "docs/model-file.md",
    "docs/commands.md",
    "docs/compress.md",
    "docs/precision.md",
]
CHECK_ONLY, NOT_RUN = "check only", "not run"
SEPARATORS = {"&&", "||", "|", ";", ">", ">>", "2>&1", "<"}


class Block(NamedTuple):
    """A fenced block: its language, its text, where it is, and what the comment above it says."""

    language: str
    text: str
    where: str
    note: str


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path):
    """The fenced blocks of a page."""
    found, language, lines, note, begin = [], None, [], "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = re.match(r"\s*```\s*(\w*)", line)
        if language is None and fence:
            language, lines, begin = fence[1], [], number
        elif language is not None and line.strip() == "```":
            found.append(Block(language, "\n".join(lines) + "\n", f"{name_of(path)}:{begin}", note))
            language, note = None, ""
        elif language is not None:
            lines.append(line)
        elif line.strip():
            comment = re.match(r"<!--\s*(.*?)\s*-->$", line.strip())
            note = comment[1] if comment else ""
    assert language is None, f"{name_of(path)}: the block of line {begin} has no end"
    return found


def commands(text):
    """The `dp` commands of a shell block, each as a list of arguments, without pipes and redirections."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if word not in SEPARATORS and not re.fullmatch(r"[|&;<>]+", word):
                words.append(word)
                continue
            if words[:1] == ["dp"]:
                found.append(words[1:])
            words = [] if word in {"&&", "||", "|", ";"} else ["(file)"]
    return found


def dp_commands(path):
    """(where, note, arguments) of every dp command in the shell blocks of a page."""
    shell = [block for block in blocks(path) if block.language in ("sh", "bash", "shell", "console")]
    return [(b.where, b.note, argv) for b in shell for argv in commands(b.text.replace("$ dp", "dp"))]


def ids(values):
    return [name_of(value) if isinstance(value, Path) else str(value) for value in values]


# ---- what is written is there --------------------------------------------------------------------


def test_there_are_pages_with_commands_and_snippets():
    found = [block for page in PAGES for block in blocks(page)]
    assert len(PAGES) >= 20
    assert sum(block.language == "python" for block in found) >= 8
    assert sum(len(dp_commands(page)) for page in PAGES) >= 25


def test_the_reference_of_the_input_file_is_up_to_date():
    script = ROOT / "tools" / "make_config_reference.py"
    spec = importlib.util.spec_from_file_location("make_config_reference", script)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    text = (ROOT / "docs/config-reference.md").read_text(encoding="utf-8")
    assert text == maker.page(), "the schema has changed: run tools/make_config_reference.py"


def anchors(path):
    """The anchors that GitHub gives the headings of a page."""
    found, fenced = set(), False
    for line in path.read_text(encoding="utf-8").splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = re.match(r"#{1,6}\s+(.*)", line)
        if fenced or not heading:
            continue
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        while anchor in found:  # GitHub numbers headings of equal text
            stem, _, number = anchor.rpartition("-")
            anchor = f"{stem}-{int(number) + 1}" if stem and number.isdigit() else f"{anchor}-1"
        found.add(anchor)
    return found


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$|`[^`\n]*`(?!\])", "", text, flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert not broken, f"{name_of(page)}: {broken}"


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_commands_have_verbs_and_options_that_exist(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for where, _, argv in dp_commands(page):
        verb = next((word for word in argv if not word.startswith("-")), None)
        if verb is not None:
            assert verb in cli.VERBS, f"{where}: dp {' '.join(argv)}"
            monkeypatch.setattr(import_module(cli.VERBS[verb].module), "run", lambda args: 0)
        assert cli.main(argv) == 0, f"{where}: dp {' '.join(argv)}: {capsys.readouterr().err}"
    monkeypatch.undo()


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_targets_of_make_exist(page):
    targets = set(
        re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    text = page.read_text(encoding="utf-8")
    used = set(re.findall(r"^make ([a-z][a-z-]*)", text, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z][a-z-]*)", text)
    )
    assert used <= targets, f"{name_of(page)}: no such target: {sorted(used - targets)}"


INPUTS = [block for page in PAGES for block in blocks(page) if block.language == "json"]


@pytest.mark.parametrize("block", INPUTS, ids=[block.where for block in INPUTS])
def test_inputs_are_valid(block):
    config = json.loads(block.text)
    assert normalize(config)["training"]["numb_steps"] == config["training"]["numb_steps"]


def test_options_of_the_build_exist():
    text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    sources = [p for p in (ROOT / "cmake").rglob("*") if p.is_file()]
    known = " ".join(p.read_text(encoding="utf-8") for p in [*sources, ROOT / "Makefile"])
    missing = {name for name in re.findall(r"DPCORE_[A-Z_]+", text) if name not in known}
    assert not missing, f"docs/install.md: {sorted(missing)}"


def test_files_named_in_the_theory_exist():
    path = re.compile(r"`((?:core|python|tests|tools|cmake|bindings)/[\w./-]*)`")
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"]:
        for name in path.findall(page.read_text(encoding="utf-8")):
            if "my_" not in name:
                assert (ROOT / name).exists(), f"{name_of(page)}: {name}"


# ---- what is written runs ------------------------------------------------------------------------


TYPES = (0, 1, 1) * 8
SMALL = {
    "model/descriptor": {"type": "se_e2_a", "rcut": 4.0, "neuron": [4, 8], "axis_neuron": 2, "seed": 1},
    "model/fitting_net": {"neuron": [8, 8], "seed": 1},
    "loss": {"start_pref_v": 0.1, "limit_pref_v": 1},
    "training/training_data": {"systems": ["data/train"], "batch_size": 1},
    "training/validation_data": {"systems": ["data/valid"], "batch_size": 1},
    "training/numb_steps": 6,
    "training/seed": 1,
    "training/disp_freq": 2,
    "training/save_freq": 3,
}  # fmt: skip


def fill(folder):
    """What the pages take for granted: an input in both forms, data, a list of systems, a finished model."""
    pytest.importorskip("dpcore._core", reason="the compiled core is not built")
    for seed, (name, n_frames) in enumerate([("train", 6), ("valid", 3), ("test", 4)]):
        keys = ("coord", "box", "energy", "force", "virial")
        make_system(folder / "data" / name, (n_frames,), TYPES, keys=keys, seed=seed)
    text = json.dumps(changed(SMALL))
    (folder / "input.json").write_text(text)
    (folder / "input.yaml").write_text(text)  # JSON is YAML
    (folder / "systems.txt").write_text("data/test\ndata/valid\n")
    for argv in (
        ["train", "input.json"],
        ["freeze", "-o", "water.dp"],
        ["freeze", "-o", "graph.pb"],
        ["test", "-m", "water.dp", "-s", "data/test", "-d", "detail"],
    ):
        assert cli.main([*argv, "-v", "ERROR"]) == 0


def alias_checkpoint(argv):
    """Checkpoints of other step numbers than the tiny run has: take the newest."""
    return [re.sub(r"^model\.ckpt-\d+$", "model.ckpt", word) for word in argv]


@pytest.mark.parametrize("page", RUN)
def test_pages_run(page, tmp_path, monkeypatch, capfd):
    if page != "docs/commands.md":
        pytest.importorskip("matplotlib")
    if page == "docs/ase.md":
        pytest.importorskip("ase")
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    np.random.seed(0)  # noqa: NPY002
    scope = {"__name__": "__main__"}
    ran = 0
    for block in blocks(ROOT / page):
        if block.note.startswith((CHECK_ONLY, NOT_RUN)):
            continue
        if block.language == "python":
            exec(compile(block.text, block.where, "exec"), scope)
            ran += 1
        elif block.language == "sh":
            for argv in commands(block.text):
                assert cli.main(alias_checkpoint(argv)) == 0, f"{block.where}: {capfd.readouterr().err}"
                ran += 1
    assert ran > 0


def test_what_the_pages_say_of_results(tmp_path, monkeypatch):
    """Shapes, sums and signs as docs/python.md states them."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    from dpcore.infer import DeepPot

    model = DeepPot("water.dp")
    coords, cells = np.load("data/test/set.000/coord.npy"), np.load("data/test/set.000/box.npy")
    energy, force, virial, atom_energy, atom_virial = model.eval(coords, cells, TYPES, atomic=True)
    n = len(TYPES)
    shapes = [(4, 1), (4, n, 3), (4, 9), (4, n, 1), (4, n, 9)]
    assert [a.shape for a in (energy, force, virial, atom_energy, atom_virial)] == shapes
    np.testing.assert_allclose(atom_energy.sum(axis=1), energy, rtol=1e-12)
    np.testing.assert_allclose(atom_virial.sum(axis=1), virial, rtol=1e-9, atol=1e-12)
    # dE = -sum V_ab eps_ab for r'_a = r_a + sum_b eps_ab r_b
    strain = np.array([[2.0, -1.0, 0.5], [-1.0, 1.5, 0.0], [0.5, 0.0, -1.0]])
    step = 1e-5
    energies = []
    for sign in (1, -1):
        stretch = np.eye(3) + sign * step * strain
        moved = coords.reshape(4, n, 3) @ stretch.T
        energies.append(model.eval(moved, cells.reshape(4, 3, 3) @ stretch.T, TYPES)[0])
    slope = (energies[0] - energies[1])[:, 0] / (2 * step)
    expected = -(virial.reshape(4, 3, 3) * strain).sum(axis=(1, 2))
    assert abs(expected).min() > 1e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-7)
    # an atom that the model does not see
    extended = np.concatenate([coords, np.ones((4, 3))], axis=1)
    np.testing.assert_array_equal(model.eval(extended, cells, [*TYPES, -1])[0], energy)
