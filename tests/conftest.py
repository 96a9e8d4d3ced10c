# SPDX-License-Identifier: LGPL-3.0-or-later
"""Shared by all tests."""

import logging

import pytest


@pytest.fixture(autouse=True)
def restored_log():
    """The command line sets up the log; put it back, so that tests do not see each other's."""
    yield
    logger = logging.getLogger("dpcore")
    for handler in list(logger.handlers):
        if getattr(handler, "_dpcore", False):
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture
def exact_nets(monkeypatch):
    """Embedding nets instead of tables of them: for comparisons that count the last digits."""
    monkeypatch.setenv("DP_EXACT_NETS", "1")
