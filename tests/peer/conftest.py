# SPDX-License-Identifier: LGPL-3.0-or-later
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a minute; leave out with -m 'not slow'")
