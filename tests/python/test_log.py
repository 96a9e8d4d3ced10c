# SPDX-License-Identifier: LGPL-3.0-or-later
"""Log lines on the console and in a file, progress, and how light importing the package is."""

import logging
import subprocess
import sys

import pytest
from dpcore.errors import InputError, show
from dpcore.log import parse_level, progress, set_log


@pytest.fixture
def log():
    return logging.getLogger("dpcore.something")


def test_the_console_has_level_and_message(log, capsys):
    set_log("INFO")
    log.info("batch %d", 7)
    log.debug("unseen")
    log.warning("careful")
    captured = capsys.readouterr()
    assert captured.err == "DPCORE INFO    batch 7\nDPCORE WARNING careful\n"
    assert captured.out == ""


def test_setting_up_again_replaces_what_was_there(log, capsys):
    set_log("INFO")
    set_log("ERROR")
    log.warning("unseen")
    log.error("seen")
    assert capsys.readouterr().err == "DPCORE ERROR   seen\n"


def test_the_file_has_time_and_module_and_is_appended_to(log, tmp_path, capsys):
    path = tmp_path / "new" / "run.log"
    for word in ("first", "second"):
        set_log("DEBUG", path)
        log.debug(word)
    lines = path.read_text().splitlines()
    assert len(lines) == 2 and lines[0].startswith("[") and lines[1].endswith("second")
    assert "DPCORE DEBUG   dpcore.something" in lines[0]


def test_lines_do_not_tear_a_progress_bar(log, capsys):
    pytest.importorskip("tqdm")
    set_log("INFO")
    log.info("line")
    assert capsys.readouterr().err == "DPCORE INFO    line\n"
    assert list(progress([1, 2], "title")) == [1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("level", "number"),
    [("DEBUG", 10), ("3", 10), ("info", 20), (2, 20), ("WARNING", 30), ("1", 30), ("ERROR", 40), (0, 40)],
)
def test_levels_have_words_and_digits(level, number):
    assert parse_level(level) == number


def test_bad_levels_and_files_are_refused(log, tmp_path):
    with pytest.raises(InputError, match="--log-level: got loud"):
        set_log("loud")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        set_log("INFO", tmp_path / "file" / "run.log")


def test_errors_have_a_place_and_a_message():
    error = InputError("is wrong", "model/x")
    assert (str(error), error.where, error.message) == ("model/x: is wrong", "model/x", "is wrong")
    assert isinstance(error, ValueError)
    assert str(InputError("is wrong")) == "is wrong"
    assert show([1, None, "a"]) == '[1, null, "a"]'
    assert len(show("x" * 200)) == 80 and show({1}) == "{1}"


def test_importing_the_package_is_light():
    code = (
        "import sys, dpcore; "
        "heavy = {'numpy', 'dargs', 'yaml', 'tqdm', 'dpcore._core'} & set(sys.modules); "
        "assert not heavy, heavy; assert dpcore.__version__; assert 'DeepPot' in dir(dpcore); "
        "assert dpcore.InputError.__name__ == 'InputError'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_attribute_of_the_package_is_an_error():
    import dpcore

    with pytest.raises(AttributeError, match="no attribute 'DeepPots'"):
        dpcore.DeepPots  # noqa: B018
