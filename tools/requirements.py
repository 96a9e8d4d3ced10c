# SPDX-License-Identifier: LGPL-3.0-or-later
"""Print the requirements that pyproject.toml names, one a line.

Usage: requirements.py GROUP [GROUP ...]; a group is `build` (the build system's requirements) or an
extra of the project. The run-time dependencies are always included.
"""

import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python < 3.11
    from pip._vendor import tomli as tomllib


def requirements(document, groups):
    """List of requirement strings of `document` (parsed pyproject.toml) for `groups`."""
    project = document["project"]
    found = list(project["dependencies"])
    for group in groups:
        if group == "build":
            found += document["build-system"]["requires"]
            continue
        for item in project["optional-dependencies"][group]:
            if item.startswith(project["name"] + "["):
                found += requirements(document, item[len(project["name"]) + 1 : -1].split(","))
            else:
                found.append(item)
    return sorted(set(found))


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    print("\n".join(requirements(document, sys.argv[1:])))
