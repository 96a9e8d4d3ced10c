# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python -m dpcore.ipi`` prints the path of the potential for i-PI."""

from dpcore.ipi import pes_path

print(pes_path())
