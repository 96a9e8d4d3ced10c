// SPDX-License-Identifier: LGPL-3.0-or-later
// The embedding net as radial functions: R -> R^n_out, evaluated in chunks of rows that stay in cache.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/embedding_layers.hpp"
#include "radial/radial.hpp"

namespace dpcore {

/// Inputs of an embedding net behind s, the same for all pairs of a pair of types: rows of a table of numbers
/// for types, the derived part `table` [ntypes, width] of the store.
struct TypeInputs {
  std::size_t table = 0;   // offset
  int width = 0;           // 0: none
  std::vector<int> types;  // of the neighbour, and of the centre
  int size() const { return width * static_cast<int>(types.size()); }
};

template <class S>
class RadialNet final : public Radial<S> {
 public:
  /// `last`: a layer behind those of the spec.
  RadialNet(ParameterStore<S>& store, const std::string& prefix, const EmbeddingSpec& spec,
            TypeInputs types = {}, const std::optional<LayerSpec>& last = {})
      : store_(&store),
        types_(std::move(types)),
        stack_(store, prefix, layers(1 + types_.size(), spec, last),
               std::vector<bool>(spec.neuron.size() + 1, spec.trainable)) {}

  int n_out() const override { return stack_.n_out(); }
  void forward(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
               Workspace&) const override;
  void backward_params(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar,
                       int slot, Workspace&) const override;

  /// Values, first and second derivatives [n, n_out].
  void second_order(const Exec&, const Vector<S>& s, const Matrix<S>& g, const Matrix<S>& g_prime,
                    const Matrix<S>& g_second, Workspace&) const;

  /// The values alone, and the gradients of <g_bar, G(s)>.
  void values(const Exec&, const Vector<S>& s, const Matrix<S>& g, Workspace&) const;
  void backward_values(const Exec&, const Vector<S>& s, const Matrix<S>& g_bar, int slot, Workspace&) const;

 private:
  static std::vector<LayerSpec> layers(int n_in, const EmbeddingSpec& spec,
                                       const std::optional<LayerSpec>& last) {
    auto all = embedding_layers(n_in, spec);
    if (last) all.push_back(*last);
    return all;
  }
  /// Rows of inputs for s [n].
  Matrix<S> inputs(const Exec&, S* s, int n, Workspace&) const;
  /// Room for the adjoint of the inputs where it is needed, else empty.
  Matrix<S> input_room(int n, Workspace&) const;
  /// Add it to the gradient of the table.
  void add_type_gradients(const Exec&, const Matrix<S>& d_input, int slot) const;

  ParameterStore<S>* store_;
  TypeInputs types_;
  DenseStack<S> stack_;
};

}  // namespace dpcore
