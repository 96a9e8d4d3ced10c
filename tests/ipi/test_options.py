# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command line and the JSON file of dp_ipi, names of atoms, and what is said where they are wrong."""

import json
import subprocess
import sys

import pytest
from dpcore import __version__
from ipi_tools import script
from make_model import write_model

KEYS = {
    "verbose": False,
    "use_unix": True,
    "port": 31415,
    "host": "nobody",
    "graph_file": "water.dp",
    "coord_file": "conf.xyz",
    "atom_type": {"OW": 0, "HW": 1},
    "wait": 0,
}
FLAGS = ("-m", "water.dp", "-c", "conf.xyz", "-u", "-a", "nobody", "-w", "0")
REACHED = "no server at unix socket"  # all was read; wait 0 tries once


def run(processes, *arguments):
    return processes.finish(processes.client(*arguments))


def test_help_and_version(processes):
    code, text = run(processes, "--help")
    assert code == 0 and "--sockets_prefix" in text and "atom_type" in text
    assert all(len(line) <= 90 for line in text.splitlines())
    assert run(processes, "-V") == (0, f"dp_ipi of dpcore {__version__}\n")


@pytest.mark.parametrize("command", [("dp_ipi",), ("dp", "ipi")])
def test_commands_start_the_program(processes, command):
    code, text = processes.finish(processes.start(script(command[0]), *command[1:], "--version"))
    assert (code, text) == (0, f"dp_ipi of dpcore {__version__}\n")


def test_dp_help_has_it(processes):
    assert "ipi" in processes.finish(processes.start(script("dp"), "--help"))[1]


def test_without_the_program_there_is_a_message(monkeypatch, capsys):
    import dpcore.ipi

    monkeypatch.setattr(dpcore.ipi, "program", lambda: None)
    assert dpcore.ipi.main([]) == 1
    assert "DPCORE_BUILD_IPI" in capsys.readouterr().err


def test_the_path_of_the_potential_is_printed():
    done = subprocess.run([sys.executable, "-m", "dpcore.ipi"], capture_output=True, text=True, check=True)
    assert "__DRIVER_CLASS__" in open(done.stdout.strip()).read()


def test_keys_of_the_manual(folder, processes):
    """The file as it stands in DeePMD-kit's manual, with names that are not the model's."""
    (folder / "water.json").write_text(json.dumps(KEYS))
    text = (folder / "conf.xyz").read_text().replace("\nO ", "\nOW ").replace("\nH ", "\nHW ")
    (folder / "conf.xyz").write_text(text)
    code, output = run(processes, "water.json")
    assert code == 1 and f"{REACHED} /tmp/ipi_nobody (No such file" in output


@pytest.mark.parametrize("order", [("water.json", "-a", "other"), ("-a", "other", "water.json")])
def test_options_stand_over_keys(folder, processes, order):
    (folder / "water.json").write_text(json.dumps({**KEYS, "sockets_prefix": "p_"}))
    code, output = run(processes, *order)
    assert code == 1 and f"{REACHED} p_other (" in output


def test_precision(folder, processes):
    (folder / "water.json").write_text(json.dumps({**KEYS, "atom_type": {}, "precision": "low"}))
    assert REACHED in run(processes, "water.json")[1]
    assert REACHED in run(processes, *FLAGS, "-P", "mixed")[1]
    code, output = run(processes, "water.json", "--precision", "half")
    assert code == 1 and "precision: expected high, mixed or low, got 'half'" in output


def test_names_of_the_model_need_no_map(folder, processes):
    (folder / "water.json").write_text(json.dumps({k: v for k, v in KEYS.items() if k != "atom_type"}))
    assert REACHED in run(processes, "water.json")[1]
    assert REACHED in run(processes, *FLAGS)[1]


WRONG_KEYS = {
    "unknown": ({"grph_file": "x"}, ['unknown key "grph_file"', "the keys are verbose, use_unix, port"]),
    "port text": ({"port": "31415"}, ['port: expected an integer from 1 to 65535, got "31415"']),
    "port range": ({"port": 70000}, ["port: expected an integer from 1 to 65535, got 70000"]),
    "switch": ({"use_unix": 1}, ["use_unix: expected true or false, got 1"]),
    "host": ({"host": 5}, ["host: expected a text, got 5"]),
    "empty": ({"graph_file": ""}, ["graph_file: expected the name of a file"]),
    "types": ({"atom_type": ["OW", "HW"]}, ["atom_type: expected types by name", '["OW","HW"]']),
    "type": ({"atom_type": {"OW": "0"}}, ["atom_type: expected types by name"]),
    "type range": ({"atom_type": {"OW": 0, "HW": 2}}, ["HW has type 2; the types of the model are 0 to 1"]),
    "precision": ({"precision": "half"}, ["precision: expected high, mixed or low, got 'half'"]),
    "wait": ({"wait": -1}, ["wait: expected seconds"]),
    "model": ({"graph_file": "absent.pb"}, ["absent.pb"]),
    "no model": ({"graph_file": "conf.xyz"}, ["conf.xyz", "text file"]),
    "structure": ({"coord_file": "absent.xyz"}, ["absent.xyz: cannot be read: No such file"]),
    "device": ({"coord_file": "/dev/zero"}, ["/dev/zero: this is a device; expected an xyz file"]),
    "conflict": (
        {"atom_type": {"O": 1, "H": 0}},
        ["warning: atom_type gives O the type 1, which is H", REACHED],
    ),
}


def test_folder_instead_of_keys(folder, processes):
    code, output = run(processes, str(folder))
    assert (code, output) == (1, f"dp_ipi: {folder}: cannot be read: Is a directory\n")


@pytest.mark.parametrize("case", WRONG_KEYS)
def test_wrong_keys_end_with_a_message(folder, processes, case):
    changes, words = WRONG_KEYS[case]
    (folder / "water.json").write_text(json.dumps({**KEYS, **changes}))
    code, output = run(processes, "water.json")
    assert code == 1 and all(word in output for word in words), output
    assert output.count("\n") == 1 + ("warning" in output)


@pytest.mark.parametrize("text, word", [("{", "not JSON"), ("[1]", "expected an object"), ("", "not JSON")])
def test_files_that_are_no_object(folder, processes, text, word):
    (folder / "water.json").write_text(text)
    code, output = run(processes, "water.json")
    assert code == 1 and "water.json: " in output and word in output


WRONG_LINES = {
    "nothing": ((), "no model: give -m"),
    "no structure": (("-m", "water.dp"), "no names of atoms: give -c"),
    "no socket": (("-m", "water.dp", "-c", "conf.xyz"), "no socket: give -p PORT"),
    "option": ((*FLAGS, "--addres2"), "dp_ipi --help"),
    "value": (("-m",), "dp_ipi --help"),
    "two files": (("a.json", "b.json"), 'got "a.json" and "b.json"'),
    "port": (("-p", "31415x"), '-p: expected an integer from 1 to 65535, got "31415x"'),
    "wait": (("-w", "nan"), '-w: expected seconds, 0 to 1e6, got "nan"'),
    "type map": (("-t", "O,,H"), "-t: expected the names"),
    "type twice": (("-t", "O,O"), "each once"),
    "address": (("-a", ""), "-a: expected a name"),
}


@pytest.mark.parametrize("case", WRONG_LINES)
def test_wrong_command_lines_exit_with_2(processes, case):
    arguments, word = WRONG_LINES[case]
    if case in ("port", "wait", "type map", "type twice", "address"):
        arguments = (*FLAGS, *arguments)
    code, output = run(processes, *arguments)
    assert code == 2 and word in output, output


def test_an_absent_file_is_named(processes):
    code, output = run(processes, "absent.json")
    assert code == 1 and "absent.json: cannot be read: No such file" in output


XYZ = {
    "no number": ("O 0 0 0\n", ["line 1: expected the number of atoms", '"O 0 0 0"']),
    "empty": ("", ["line 1: expected the number of atoms"]),
    "zero": ("0\n\n", ["line 1"]),
    "short": ("3\n\nO 0 0 0\nH 0 0 1\n", ["line 5: expected 3 atoms as line 1 says, got 2"]),
    "gap": ("2\n\nO 0 0 0\n\nH 0 0 1\n", ["line 4: expected the name of an atom"]),
    "name": (
        "2\n\nO 0 0 0\nHe 0 0 1\n",
        ['line 4: atom 1 (counted from 0) has the name "He"; known are H, O'],
    ),
    "known": ("1\n\n1 0 0 0\n", ['has the name "1"; known are H, O']),
}


@pytest.mark.parametrize("case", XYZ)
def test_wrong_structures_name_file_and_line(folder, processes, case):
    text, words = XYZ[case]
    (folder / "conf.xyz").write_text(text)
    code, output = run(processes, *FLAGS)
    assert code == 1 and "conf.xyz: " in output and all(word in output for word in words), output


@pytest.mark.parametrize("key, kind", [("numb_fparam", "frame"), ("numb_aparam", "atomic")])
def test_models_with_parameters_are_refused(folder, processes, key, kind):
    write_model(folder / "water.dp", **{key: 2})
    code, output = run(processes, *FLAGS)
    assert code == 1 and f"the model needs 2 {kind} parameter(s)" in output


def test_a_graph_names_the_command_that_converts_it(folder, processes):
    (folder / "water.dp").write_bytes(b"\x0a\x10\x0a\x04a/b\x63\x12\x08Identity" + bytes(50))
    code, output = run(processes, *FLAGS)
    assert code == 1 and "dp convert-from pb -i water.dp" in output
