# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modifier ``dipole_charge`` (DPLR) on its own: what training subtracts from labels and predictions contain."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpcore import _core
from dpcore.errors import InputError, show
from dpcore.infer.deep_eval import numbers
from dpcore.modelfile import read_model

__all__ = ["PREFIX", "DipoleChargeModifier", "EwaldRecp", "modifier_of", "read_modifier"]

PREFIX = "modifier/"  # of its tensors in a model file


def read_modifier(
    section: dict[str, Any], type_map: Sequence[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the dipole model that a ``model/modifier`` section names.

    Parameters
    ----------
    section
        The normalised section: model_name, model_charge_map, sys_charge_map, ewald_beta, ewald_h.
    type_map
        Names of the types of the energy model.

    Returns
    -------
    config, tensors
        The section as a model file has it, with the dipole model as ``model``, and its tensors as they stand there
        (``modifier/...``).

    Raises
    ------
    InputError
        Naming the file or the key: no model of dipoles, other types, a wrong number of charges.
    """
    file = read_model(section["model_name"])
    if file.kind != "dipole":
        raise InputError(
            f'holds a model of kind "{file.kind}"; model/modifier/model_name wants a model of dipoles',
            file.path,
        )
    config = {**section, "model": file.config}
    file.model()  # refuses what could not be used
    selected = _order_of(file.input_section("model", "fitting_net"), file.config["fitting_net"]["sel_type"])
    charges = section["model_charge_map"]
    if len(charges) == len(selected):
        config["model_charge_map"] = [charges[i] for i in np.argsort(selected)]
    tensors = file.model_tensors()
    try:
        _core.Modifier(json.dumps(config), list(type_map), tensors)
    except _core.Error as error:
        raise InputError(str(error), file.path) from None
    return config, {PREFIX + name: value for name, value in tensors.items()}


def _order_of(fitting: dict[str, Any], selected: list[int]) -> list[int]:
    """The selected types in the order of the dipole model's own input, whose section is given; it need not rise."""
    given = fitting.get("sel_type", fitting.get("dipole_type"))
    return given if isinstance(given, list) and sorted(given) == list(selected) else list(selected)


def modifier_of(
    config: dict[str, Any], type_map: Sequence[str], tensors: dict[str, np.ndarray]
) -> _core.Modifier:
    """The modifier of a model file's ``config`` and tensors."""
    own = {name[len(PREFIX) :]: value for name, value in tensors.items() if name.startswith(PREFIX)}
    return _core.Modifier(json.dumps(config), list(type_map), own)


class DipoleChargeModifier:
    """The long-range energy of charges on atoms and on the sites that a dipole model places beside them.

    Parameters
    ----------
    model_name
        The model of dipoles.
    model_charge_map
        Charge in e of the sites of each type that it selects, in the order of its sel_type.
    sys_charge_map
        Charge in e of the atoms of each type.
    ewald_h
        Spacing in A of the grid whose waves are summed.
    ewald_beta
        Splitting parameter of the Ewald sum in 1/A.

    Raises
    ------
    InputError
        A ValueError; if the file is no model of dipoles, or the number of charges is wrong.
    """

    def __init__(
        self,
        model_name: str | os.PathLike[str],
        model_charge_map: Sequence[float],
        sys_charge_map: Sequence[float],
        ewald_h: float = 1,
        ewald_beta: float = 1,
    ) -> None:
        section = {
            "type": "dipole_charge",
            "model_name": os.fspath(model_name),
            "model_charge_map": _finite(model_charge_map, "model_charge_map"),
            "sys_charge_map": _finite(sys_charge_map, "sys_charge_map"),
            "ewald_h": _number(ewald_h, "ewald_h"),
            "ewald_beta": _number(ewald_beta, "ewald_beta"),
        }
        type_map = read_model(model_name).config["type_map"]
        self._modifier = modifier_of(*_with_types(read_modifier(section, type_map), type_map))

    def eval(
        self, coord: Any, box: Any, atype: Any, eval_fv: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Evaluate frames: coord [nframes, natoms*3] A, box [nframes, 9] A, atype [natoms].

        Returns
        -------
        tot_e : ndarray [nframes]
            eV.
        tot_f : ndarray [nframes, natoms, 3]
            eV/A; None without `eval_fv`.
        tot_v : ndarray [nframes, 9]
            eV, minus the derivative of the energy by the strain; None without `eval_fv`.
        """
        types = numbers(atype, "atype").reshape(-1)
        if box is None:
            raise InputError("expected cells: the sum is over periodic images", "box")
        cells = _rows(box, "box", 9)
        positions = _rows(coord, "coord", 3 * len(types), len(cells))
        try:
            found = self._modifier.evaluate(positions, cells, types, bool(eval_fv))
        except _core.Error as error:
            raise InputError(str(error)) from None
        return found["energy"], found.get("force"), found.get("virial")

    def modify_data(self, data: dict[str, Any]) -> None:
        """Subtract energy, force and virial from the labels of frames, in place, where ``find_...`` is 1.

        ``data`` has coord, box, type ([natoms] or [nframes, natoms], all rows alike), and labels.
        """
        for name in ("coord", "box", "type"):
            if name not in data:
                raise InputError("is missing among the data of the frames", name)
        types = np.asarray(data["type"])
        if types.ndim > 1 and not (types == types[:1]).all():
            raise InputError("the frames have different atoms; give those of one kind at a time", "type")
        found = dict(
            zip(
                ("energy", "force", "virial"),
                self.eval(data["coord"], data["box"], types if types.ndim == 1 else types[0]),
            )
        )
        for name, value in found.items():
            if data.get(f"find_{name}") == 1.0:
                data[name] = data[name] - value.reshape(np.shape(data[name]))


def _with_types(
    read: tuple[dict[str, Any], dict[str, np.ndarray]], type_map: Sequence[str]
) -> tuple[dict[str, Any], Sequence[str], dict[str, np.ndarray]]:
    return read[0], type_map, read[1]


class EwaldRecp:
    """The reciprocal part of the Ewald sum of point charges, without self and neutralising terms.

    Parameters
    ----------
    hh
        Spacing in A of the grid whose waves are summed.
    beta
        Splitting parameter in 1/A.
    """

    def __init__(self, hh: float, beta: float) -> None:
        self._h, self._beta = _number(hh, "hh"), _number(beta, "beta")

    def eval(self, coord: Any, charge: Any, box: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy [nframes], force [nframes, n*3] and virial [nframes, 9] of charges [nframes, n] at coord
        [nframes, n*3] in cells [nframes, 9]; A, e, eV.
        """
        cells = _rows(box, "box", 9)
        charges = numbers(charge, "charge")
        if len(cells) == 0 or charges.size % len(cells):
            raise InputError(
                f"expected [n_frames, n] for the {len(cells)} frame(s) of box, got {list(charges.shape)}",
                "charge",
            )
        charges = charges.reshape(len(cells), -1)
        positions = _rows(coord, "coord", 3 * charges.shape[1], len(cells))
        try:
            found = _core.ewald_recp(positions, charges, cells, self._h, self._beta)
        except _core.Error as error:
            raise InputError(str(error)) from None
        return found["energy"], found["force"].reshape(len(cells), -1), found["virial"]


def _rows(values: Any, name: str, width: int, n_frames: int | None = None) -> np.ndarray:
    """Numbers as [n_frames, width]; the frames are counted if their number is not given."""
    array = numbers(values, name)
    count = array.size // max(1, width) if n_frames is None else n_frames
    if array.size != count * width:
        raise InputError(
            f"expected shape [{'n_frames' if n_frames is None else n_frames}, {width}], got {list(array.shape)}",
            name,
        )
    return array.reshape(count, width)


def _finite(values: Any, name: str) -> list[float]:
    """Charges as the section of an input has them."""
    array = numbers(values, name).reshape(-1)
    if not np.isfinite(array).all():
        raise InputError(f"expected finite charges in units of e, got {show(array.tolist())}", name)
    return array.tolist()


def _number(value: Any, name: str) -> float:
    array = numbers(value, name)
    if array.size != 1 or not np.isfinite(array).all():
        raise InputError(f"expected one finite number, got {show(array.tolist())}", name)
    return float(array.reshape(-1)[0])
