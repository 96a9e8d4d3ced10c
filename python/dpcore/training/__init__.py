# SPDX-License-Identifier: LGPL-3.0-or-later
"""Training: what it starts from, its loop, its learning curve, and how it is stopped."""
