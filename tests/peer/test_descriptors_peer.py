# SPDX-License-Identifier: LGPL-3.0-or-later
"""eval_descriptor of the reference models against DeePMD-kit's."""

import pytest
from dpcore.infer import DeepPotential
from peer import make_cases
from peer.evaluate import evaluate
from reference.agreement import ENERGY_MODELS, reference_folder, reference_values, relative_error

pytestmark = pytest.mark.skipif(
    make_cases.peer_command() is None,
    reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ENERGY_MODELS, "dipole_atomic", "polar_global"])
def test_descriptors_are_the_peers(name, tmp_path):
    """Measured 1e-14 in double, 2e-6 in single precision."""
    graph, values = reference_folder(name) / "graph.pb", reference_values(name)
    frames = {key: values[key] for key in ("coord", "box", "type", "fparam", "aparam") if key in values}
    (peer,) = evaluate(tmp_path, frames, graph)
    found = DeepPotential(graph).eval_descriptor(frames["coord"], frames.get("box"), frames["type"])
    assert found.shape == peer["descriptor"].shape
    limit = 1e-5 if name.endswith("f32") else 1e-10
    assert relative_error(found, peer["descriptor"]) <= limit
