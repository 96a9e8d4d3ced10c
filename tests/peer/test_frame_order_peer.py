# SPDX-License-Identifier: LGPL-3.0-or-later
"""The batches that DeePMD-kit draws in each start mode are the recorded ones, which tests/python hold against ours."""

import json

import frame_order
import pytest
from peer import make_cases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        make_cases.peer_command() is None,
        reason=f"DeePMD-kit is not installed in {make_cases.peer_environment()} (set DPCORE_PEER)",
    ),
]

# the count of neighbours draws batches without energies, before the generator is seeded
TRACED = """
import json, sys
from deepmd.utils.data_system import DeepmdDataSystem
collections, drawn, get_batch = [], [], DeepmdDataSystem.get_batch
def traced(self, sys_idx=None):
    batch = get_batch(self, sys_idx)
    if "energy" in batch:
        if self not in collections:
            collections.append(self)
        drawn.append([collections.index(self), batch["energy"].ravel().tolist()])
    return batch
DeepmdDataSystem.get_batch = traced
from deepmd.main import main
main(["--tf", "train", "input.json", *sys.argv[1:]])
open("drawn.json", "w").write(json.dumps(drawn))
"""


def drawn_by_the_peer(folder, *words):
    python = make_cases.peer_environment() / "bin" / "python"
    make_cases.run([str(python), "-c", TRACED, *words], folder)
    where, out = frame_order.frames_by_energy(folder), []
    for part, energies in json.loads((folder / "drawn.json").read_text()):
        systems, sets, frames = zip(*(where[energy] for energy in energies))
        assert len({*systems}) == len({*sets}) == 1
        out.append(frame_order.token(list(frame_order.SYSTEMS)[part], systems[0], sets[0], frames))
    return out


def test_batches_of_the_peer(tmp_path):
    frame_order.make_order_case(tmp_path)
    fresh = drawn_by_the_peer(tmp_path)
    assert fresh == (frame_order.STATISTICS + frame_order.FRESH).split()
    make_cases.run([str(make_cases.peer_command()), "--tf", "freeze", "-o", "start.pb"], tmp_path)
    started = frame_order.STARTED.split()
    assert drawn_by_the_peer(tmp_path, "--init-frz-model", "start.pb") == started
    checkpoint = f"model.ckpt-{frame_order.STEPS}"
    assert drawn_by_the_peer(tmp_path, "--init-model", checkpoint) == started
    # its order of frames begins anew here; ours goes on
    half = f"model.ckpt-{frame_order.STEPS // 2}"
    assert drawn_by_the_peer(tmp_path, "--restart", half) == started[: 1 + 1 + 2 + 6 + 2 * 2]
