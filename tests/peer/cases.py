# SPDX-License-Identifier: LGPL-3.0-or-later
"""The training runs that make_cases.py makes."""

from __future__ import annotations


def section(**changes):
    """Changes of the base input, by section: model, descriptor, fitting, loss; of the data n_frames, one_atom."""
    return changes


LOCAL = {"type": "loc_frame", "sel_a": [6, 9], "rcut": 4.1}
# The radii are no float32 numbers; sel of "overflow" is smaller than the number of neighbours. The place in
# the list is the seed of the data: append new cases.
CASES = {
    "float32": section(descriptor={"precision": "float32"}, fitting={"precision": "float32"}),
    "fparam": section(fitting={"numb_fparam": 2, "numb_aparam": 1}, n_frames=3),
    "gelu": section(descriptor={"activation_function": "gelu"}, fitting={"activation_function": "gelu"}),
    "overflow": section(
        descriptor={"sel": [3, 9]}, fitting={"resnet_dt": False, "activation_function": "sigmoid"}
    ),
    "relative_f": section(loss={"relative_f": 0.3, "start_pref_pf": 2.0, "limit_pref_pf": 1.0}, n_frames=2),
    "resnet_dt": section(
        descriptor={"resnet_dt": True, "neuron": [2, 4, 4, 8]}, fitting={"neuron": [16, 16, 8]}
    ),
    "two_side_exclude": section(descriptor={"type_one_side": False, "exclude_types": [[0, 0]]}),
    "se_e2_r": section(descriptor={"type": "se_e2_r", "type_one_side": False, "exclude_types": [[0, 1]]}),
    # the peer gives an excluded neighbour the net's value at 0
    "se_e2_r_one_side": section(
        descriptor={
            "type": "se_e2_r",
            "exclude_types": [[1, 1]],
            "resnet_dt": True,
            "neuron": [2, 4, 4, 8],
            "sel": [3, 30],
        }
    ),
    "se_e2_r_float32": section(
        descriptor={"type": "se_e2_r", "precision": "float32", "set_davg_zero": True},
        fitting={"precision": "float32"},
    ),
    "hybrid": section(
        descriptor={
            "type": "hybrid",
            "list": [
                {"type": "se_e2_r", "neuron": [4, 8]},
                {"sel": [6, 9], "rcut": 3.3, "rcut_smth": 1.1, "exclude_types": [[0, 0]], "seed": 21},
                {"type": "se_e2_r", "sel": [8, 8], "rcut": 2.9, "type_one_side": True, "seed": 31},
            ],
        }
    ),
    "dipole": section(
        fitting={"type": "dipole", "sel_type": [0]}, loss={"type": "tensor", "pref": 0.7, "pref_atomic": 1.3}
    ),
    "polar": section(
        fitting={"type": "polar", "sel_type": [0], "scale": [1.2, 0.8]},
        loss={"type": "tensor", "pref": 2.0, "pref_atomic": 0.0},
        n_frames=2,
    ),
    "polar_matrix": section(
        descriptor={"type_one_side": False},
        fitting={"type": "polar", "sel_type": [0, 1], "fit_diag": False},
        loss={"type": "tensor", "pref": 0.5, "pref_atomic": 1.0},
        n_frames=2,
    ),
    # every atom is inside of the switch; the peer continues the table from 3 A to the cut-off
    "srtab": section(
        model={"use_srtab": "table.txt", "smin_alpha": 0.3, "sw_rmin": 1.1, "sw_rmax": 3.9},
        descriptor={"exclude_types": [[0, 0]]},
    ),
    "srtab_hybrid": section(
        model={
            "use_srtab": "table.txt",
            "smin_alpha": 0.25,
            "sw_rmin": 1.3,
            "sw_rmax": 3.1,
            "srtab_add_bias": False,
        },
        descriptor={
            "type": "hybrid",
            "list": [{"sel": [6, 9], "rcut": 3.3}, {"type": "se_e2_r", "neuron": [4, 8], "sel": [8, 12]}],
        },
        n_frames=2,
    ),
    # the path of the dipole model is filled in; the peer cuts other charges to integers when it evaluates
    "dipole_charge": section(
        model={
            "modifier": {
                "type": "dipole_charge",
                "model_charge_map": [-8],
                "sys_charge_map": [6, 1],
                "ewald_beta": 0.4,
                "ewald_h": 1.0,
            }
        },
        n_frames=2,
    ),
    # of the net on [s, te]: the first layer as wide as its input
    "type_embedding": section(
        descriptor={"neuron": [5, 10, 10], "resnet_dt": True},
        fitting={"numb_fparam": 2, "numb_aparam": 1},
        model={"type_embedding": {"neuron": [2, 4], "resnet_dt": True, "seed": 14, "use_tebd_bias": True}},
    ),
    "type_embedding_two_side": section(
        descriptor={"type_one_side": False, "exclude_types": [[0, 0]], "neuron": [6, 12]},
        fitting={"atom_ener": [-1.5, None]},
        model={"type_embedding": {"neuron": [3], "activation_function": "gelu", "seed": 14}},
        n_frames=2,
    ),
    "type_embedding_hybrid": section(
        descriptor={
            "type": "hybrid",
            "list": [
                {"type": "se_e2_r", "neuron": [4, 8]},
                {"sel": [6, 9], "rcut": 3.3, "rcut_smth": 1.1, "seed": 21},
            ],
        },
        model={"type_embedding": {"seed": 14}},
    ),
    # the peer's tensor models do not take the net of the types from a frozen model: it must keep its seed's
    "type_embedding_dipole": section(
        fitting={"type": "dipole", "sel_type": [0]},
        model={"type_embedding": {"neuron": [2, 4, 8], "seed": 14, "trainable": False}},
        loss={"type": "tensor", "pref": 0.7, "pref_atomic": 1.3},
    ),
    "se_e3": section(
        descriptor={"type": "se_e3", "resnet_dt": True, "neuron": [2, 4, 4, 8], "sel": [10, 30]}
    ),
    "se_e3_float32": section(
        descriptor={"type": "se_t", "precision": "float32", "neuron": [4, 8], "activation_function": "gelu"},
        fitting={"precision": "float32"},
        n_frames=2,
    ),
    # the fitting net alone has the types
    "type_embedding_se_e3": section(
        descriptor={"type": "se_e3", "neuron": [4, 8], "sel": [10, 30]},
        model={"type_embedding": {"neuron": [2, 4], "resnet_dt": True, "seed": 14}},
        n_frames=2,
    ),
    "hybrid_se_e3": section(
        descriptor={
            "type": "hybrid",
            "list": [{}, {"type": "se_e3", "neuron": [4, 8], "rcut": 3.3, "rcut_smth": 1.1, "seed": 21}],
        },
        fitting={"seed": 16},
        n_frames=2,
    ),
    # axes in sel_r or in slots of sel_a beyond its number, where the peer's forces are right (docs/theory/loc_frame.md)
    "loc_frame": section(descriptor={**LOCAL, "sel_r": [2, 3], "axis_rule": [0, 1, 0, 0, 1, 1] * 2}),
    "loc_frame_axes": section(
        descriptor={
            **LOCAL,
            "sel_a": [3, 4],
            "sel_r": [1, 2],
            "axis_rule": [0, 1, 0, 1, 1, 0, 0, -1, 1, 0, 1, 0],
        },
        fitting={"numb_fparam": 2},
        n_frames=2,
    ),
    "hybrid_loc_frame": section(
        descriptor={
            "type": "hybrid",
            "list": [
                {**LOCAL, "sel_r": [2, 3], "axis_rule": [0, 1, 0, 0, 1, 1] * 2},
                {"sel": [6, 9], "rcut": 3.3, "rcut_smth": 1.1},
            ],
        }
    ),
    # The peer runs it with one atom only, whose neighbours are its images, and does not take the descriptor from a
    # frozen model: the first run leaves the seed's numbers.
    "se_a_tpe": section(
        descriptor={"type": "se_a_tpe", "type_nchanl": 3, "sel": [24, 30]}, n_frames=3, one_atom=True
    ),
    "se_a_tpe_two_side": section(
        descriptor={"type": "se_a_ebd", "type_one_side": False, "resnet_dt": True, "sel": [20, 26]},
        n_frames=3,
        one_atom=True,
    ),
    "se_a_tpe_float32": section(
        descriptor={"type": "se_a_tpe", "activation_function": "gelu", "precision": "float32"},
        fitting={"precision": "float32"},
        n_frames=3,
        one_atom=True,
    ),
    # as type_embedding_dipole
    "type_embedding_polar": section(
        fitting={"type": "polar", "sel_type": [0], "scale": [1.2, 0.8]},
        model={"type_embedding": {"neuron": [2, 4, 8], "seed": 14, "trainable": False}},
        loss={"type": "tensor", "pref": 0.7, "pref_atomic": 1.3},
    ),
    "type_embedding_polar_matrix": section(
        fitting={"type": "polar", "sel_type": [0, 1], "fit_diag": False, "shift_diag": False},
        model={"type_embedding": {"neuron": [4], "seed": 14, "trainable": False}},
        loss={"type": "tensor", "pref": 0.7, "pref_atomic": 1.3},
        n_frames=2,
    ),
    # as se_a_tpe; the peer reads three numbers of each atom, whatever numb_aparam is
    "se_a_tpe_aparam": section(
        descriptor={"type": "se_a_tpe", "type_nchanl": 3, "sel": [24, 30], "numb_aparam": 3},
        n_frames=3,
        one_atom=True,
    ),
}

DIPOLE = section(
    descriptor={"rcut": 3.7, "sel": [12, 20]},
    fitting={"type": "dipole", "sel_type": [0]},
    loss={"type": "tensor", "pref": 0.0, "pref_atomic": 1.0},
)
