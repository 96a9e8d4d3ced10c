// SPDX-License-Identifier: LGPL-3.0-or-later
// A potential: descriptor and fitting put together, with its model file.
#pragma once

#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "descriptor/descriptor.hpp"
#include "fitting/fitting.hpp"
#include "model/model_file.hpp"
#include "nn/type_embedding.hpp"
#include "output/short_range.hpp"

namespace dpcore {

class Potential {
 public:
  /// From the normalised `model` section; statistics are zero and networks unset.
  explicit Potential(const nlohmann::json& config);

  /// Tensors as in the model file: statistics (descriptor/davg ...) and, unless `networks` is false, every
  /// network parameter. Throws Error naming a tensor that is missing, left over, of another shape or not
  /// finite.
  void load(const std::map<std::string, Tensor>& tensors, bool networks = true);
  std::map<std::string, Tensor> tensors() const;

  /// The parameters and the prefixes of their names in the model file; the fitting net's are last.
  std::vector<std::pair<std::string, ParameterBlock*>> blocks() const;

  /// Make what is derived from the parameters after each change of them, and tell descriptor and fitting the
  /// numbers of the types, which the type embedding's net makes.
  void refresh_derived();
  /// The net's gradients, from the adjoints that the descriptor and these states of the fitting have.
  void backward_types(const std::vector<Fitting::State*>&);

  /// Draw the networks from the seeds of the config.
  void initialize();

  const nlohmann::json& config() const { return config_; }
  const std::vector<std::string>& type_map() const { return type_map_; }
  /// What it predicts: the fitting's type
  std::string kind() const { return config_["fitting_net"].value("type", "ener"); }
  int ntypes() const { return static_cast<int>(type_map_.size()); }
  double rcut() const { return descriptor_->rcut(); }
  Descriptor& descriptor() const { return *descriptor_; }
  /// Numbers of the descriptor alone: without a rotation matrix behind them
  int dim_descriptor() const { return dim_descriptor_; }
  /// Atomic parameters, of the descriptor, the fitting, or both.
  int dim_aparam() const { return std::max(descriptor_->dim_aparam(), fitting_->dim_aparam()); }
  Fitting& fitting() const { return *fitting_; }
  /// The short-range table (use_srtab); null without one.
  const ShortRange* short_range() const { return short_range_.get(); }
  /// What it adds to its energies of this type
  double short_range_bias(int type) const;

  /// Whether a trainer holds the model: gradients and moments live in its parameter stores.
  bool in_training = false;

 private:
  nlohmann::json config_;
  std::vector<std::string> type_map_;
  std::unique_ptr<TypeEmbedding> types_;  // null without model/type_embedding
  std::unique_ptr<Descriptor> descriptor_;
  std::unique_ptr<Fitting> fitting_;
  int dim_descriptor_ = 0;
  std::unique_ptr<ShortRange> short_range_;
};

}  // namespace dpcore
