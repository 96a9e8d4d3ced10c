// SPDX-License-Identifier: LGPL-3.0-or-later
#pragma once

#include <pybind11/pybind11.h>

#include <dpcore/model.h>

namespace dpcore_python {

void bind_model(pybind11::module_&);
void bind_model_file(pybind11::module_&);
void bind_modifier(pybind11::module_&);
void bind_statistics(pybind11::module_&);
void bind_trainer(pybind11::module_&);

/// The model inside a Python Model object.
dpcore::Model& model_of(const pybind11::object&);

}  // namespace dpcore_python
