// SPDX-License-Identifier: LGPL-3.0-or-later
// Numbers that stand for the types of atoms (model/type_embedding): te [ntypes, n_out], row t the output of
// an embedding net for the unit vector t. Its parameters are the model's; descriptor and fitting take te and
// give its adjoint (docs/theory/type_embedding.md).
#pragma once

#include <memory>

#include "nn/initialize.hpp"

namespace dpcore {

class TypeEmbedding {
 public:
  virtual ~TypeEmbedding() = default;
  virtual int n_out() const = 0;
  virtual ParameterBlock& parameters() = 0;
  /// Draw the net from the config's seed.
  virtual void initialize() = 0;
  /// te, row-major
  virtual std::vector<double> table() const = 0;
  /// Gradients of <te_bar, te> into slot 0 (=).
  virtual void backward(const std::vector<double>& te_bar) = 0;
};

/// `config` is the normalised model/type_embedding section. Throws Error naming the key that is missing or
/// wrong.
std::unique_ptr<TypeEmbedding> make_type_embedding(const nlohmann::json& config, int ntypes);

}  // namespace dpcore
