# SPDX-License-Identifier: LGPL-3.0-or-later
"""The command line: help, versions, errors."""

import json
import os
import subprocess
import sys

import pytest
from dpcore import __version__
from dpcore.cli import LATER, VERBS, main
from make_input import MINIMAL, changed
from training_case import make_case


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_every_verb(words, capsys):
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(verb in out and VERBS[verb].summary in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_has_an_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"  dp {verb}" in out and "--log-level" in out and "--log-path" in out


@pytest.mark.parametrize(
    "words", [["--tf"], ["--pt"], ["-b", "tensorflow"], ["--backend=jax"], ["--backend", "dp"]]
)
def test_backends_before_the_verb_have_no_effect(words, capsys, tmp_path):
    assert main([*words, "show", str(tmp_path / "none.dp")]) == 1
    err = capsys.readouterr().err
    assert f"{' '.join(words)} has no effect: dpcore has one engine" in err and "no such model file" in err
    assert main([*words, "show", "--help"]) == 0 and "usage: dp show" in capsys.readouterr().out
    assert main([*words, "shwo"]) == 2 and 'Did you mean "show"?' in capsys.readouterr().err
    assert main(words) == 0 and "usage: dp " in capsys.readouterr().out


def test_an_unknown_backend_is_refused(capsys):
    assert main(["-b", "torch", "show", "a.dp"]) == 2
    assert "invalid choice: 'torch'" in capsys.readouterr().err
    assert main(["--torch", "show", "a.dp"]) == 2


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dpcore v{__version__}\n"


def test_a_misspelt_verb_is_met_with_a_suggestion(capsys):
    assert main(["trian", "input.json"]) == 2
    assert 'there is no verb "trian". Did you mean "train"?' in capsys.readouterr().err
    assert main(["xyzzy"]) == 2
    assert "There are: train, freeze" in capsys.readouterr().err


@pytest.mark.parametrize("verb", LATER)
def test_verbs_of_the_manual_that_come_later(verb, capsys):
    assert main([verb]) == 2
    assert f"dp: {verb} is not in this version of dpcore" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["train"], ["train", "a", "b"], ["freeze", "--ouput", "x"], ["test", "-v", "LOUD"]]
)
def test_wrong_options(words, capsys):
    assert main(words) == 2
    assert "usage: dp" in capsys.readouterr().err


def test_an_error_is_one_line_without_a_trace(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "none.json"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == ("", "DPCORE ERROR   none.json: no such input file")
    assert "Traceback" not in err


def test_with_debug_the_trace_is_there_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "none.json", "-v", "debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_the_core_and_of_the_system_are_told_alike(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("dpcore._core")
    (tmp_path / "junk.pb").write_bytes(b"\x00" * 64)
    assert main(["test", "-m", "junk.pb"]) == 1
    make_case(tmp_path)
    assert main(["train", "input.json", "-o", "no/where.json"]) == 1
    err = capsys.readouterr().err
    assert "junk.pb" in err and "no/where.json: cannot be written: No such file" in err
    assert "Traceback" not in err and "mistake in dpcore" not in err


def test_a_mistake_of_ours_says_so(monkeypatch, capsys):
    def broken(args):
        raise RuntimeError("oops")

    monkeypatch.setattr("dpcore.doc_train_input.run", broken)
    assert main(["doc-train-input"]) == 1
    err = capsys.readouterr().err
    assert "this is a mistake in dpcore" in err and "RuntimeError: oops" in err


def test_a_misspelt_key_is_met_with_a_suggestion(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = changed({"training/numb_step_s": 1}, MINIMAL)
    (tmp_path / "input.json").write_text(json.dumps(config))
    assert main(["train", "input.json"]) == 1
    assert 'training/numb_step_s: unknown key. Did you mean "numb_steps"?' in capsys.readouterr().err


def test_the_log_can_go_to_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "none.json", "-l", "run.log", "-v", "3"]) == 1
    assert "no such input file" in (tmp_path / "run.log").read_text()


@pytest.mark.parametrize("out_type", ["rst", "json", "json_schema"])
def test_description_of_the_input(out_type, capsys):
    assert main(["doc-train-input", "--out-type", out_type]) == 0
    out = capsys.readouterr().out
    assert "rcut_smth" in out
    if out_type != "rst":
        json.loads(out)


def test_help_does_not_load_what_it_does_not_need():
    code = (
        "import sys; from dpcore.cli import main; main(['train', '-h']); "
        "assert not {'numpy', 'dargs', 'yaml', 'dpcore._core'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_reader_that_goes_away_is_no_error():
    code = "import sys; from dpcore.cli import main; sys.exit(main(['doc-train-input']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141
