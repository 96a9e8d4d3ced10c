// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_e2_r.hpp"

#include <algorithm>

namespace dpcore {

template <class S>
SeE2R<S>::SeE2R(const nlohmann::json& config, int ntypes)
    : TwoBody<S>(config, ntypes, 1), scale_(static_cast<S>(1.0 / (5.0 * spec_.n_slots()))) {}

template <class S>
template <class F>
void SeE2R<S>::for_empty_slots(int type, const F& f) const {
  const RadialNorm n = this->norm(type, 0);
  for (int b = 0; b < spec_.ntypes; ++b) {
    if (this->radial(type, b) == nullptr || spec_.sel[static_cast<std::size_t>(b)] == 0) continue;
    f(b, spec_.is_excluded(type, b) ? S(0) : static_cast<S>(-n.avg * n.inverse_std));
  }
}

namespace {

template <class S>
Matrix<S> zeros(const Exec& exec, std::size_t n, int m, Workspace& ws) {
  const Matrix<S> a = ws.matrix<S>(n, static_cast<std::size_t>(m));
  for_each_element(
      exec, "dpcore::zeros", static_cast<int>(n), m,
      KOKKOS_LAMBDA(const int i, const int k) { a(i, k) = S(0); });
  return a;
}

/// di[m] += scale sum over the pairs [begin, end) of g[p][m] weight[p], m0 <= m < m1; without weights: 1.
template <class S>
KOKKOS_FORCEINLINE_FUNCTION void sum_columns(const S* g, const S* weight, const int n_radial, const int begin,
                                             const int end, const S scale, const int m0, const int m1,
                                             S* di) {
  for (int p = begin; p < end; ++p) {
    const S w = weight != nullptr ? scale * weight[p] : scale;
    const S* gp = g + static_cast<std::ptrdiff_t>(p) * n_radial;
#pragma omp simd
    for (int m = m0; m < m1; ++m) di[m] += w * gp[m];
  }
}

/// d[i][m] += scale sum over the pairs p of neighbour type b and row i of g[p][m] weight[p]; without
/// weights: 1.
template <class S>
void add_sums(const Exec& exec, const TilePairs& pairs, int b, const Matrix<S>& g, const Vector<S>& weight,
              S scale, const Matrix<S>& d) {
  const int n = pairs.n_rows, n_radial = static_cast<int>(d.extent(1)), cell0 = b * n;
  const Vector<int> offset = pairs.offset;
  const S *g_data = g.data(), *weights = weight.data();
  const int columns = kExecOnHost ? n_radial : 1;  // of one thread
  for_each_element(
      exec, "dpcore::add_sums", n, n_radial / columns, KOKKOS_LAMBDA(const int i, const int k) {
        sum_columns(g_data, weights, n_radial, offset(cell0 + i), offset(cell0 + i + 1), scale, k * columns,
                    (k + 1) * columns, &d(i, 0));
      });
}

/// d[i][m] += scale (sel - n_i) g[m], n_i the number of pairs of neighbour type b
template <class S>
void add_empty_slots(const Exec& exec, const TilePairs& pairs, int b, int sel, const Matrix<S>& g, S scale,
                     const Matrix<S>& d) {
  const int n = pairs.n_rows;
  const Vector<int> offset = pairs.offset;
  for_each_element(
      exec, "dpcore::add_empty_slots", n, static_cast<int>(d.extent(1)),
      KOKKOS_LAMBDA(const int i, const int m) {
        const int empty = sel - (offset(b * n + i + 1) - offset(b * n + i));
        d(i, m) += scale * static_cast<S>(empty) * g(0, m);
      });
}

/// g_bar[m] = scale sum_i (sel - n_i) d_bar[i][m]
template <class S>
void empty_slots_backward(const Exec& exec, const TilePairs& pairs, int b, int sel, const Matrix<S>& d_bar,
                          S scale, const Matrix<S>& g_bar) {
  const int n = pairs.n_rows;
  const Vector<int> offset = pairs.offset;
  for_each(
      exec, "dpcore::empty_slots_backward", static_cast<int>(d_bar.extent(1)), KOKKOS_LAMBDA(const int m) {
        S sum = S(0);
        for (int i = 0; i < n; ++i) {
          const int empty = sel - (offset(b * n + i + 1) - offset(b * n + i));
          sum += static_cast<S>(empty) * d_bar(i, m);
        }
        g_bar(0, m) = scale * sum;
      });
}

/// d_value[p] = scale sum_m d_bar[row(p)][m] g_prime[p][m]
template <class S>
void sums_backward_inputs(const Exec& exec, const TilePairs& pairs, const Matrix<S>& d_bar,
                          const Matrix<S>& g_prime, S scale, const Vector<S>& d_value) {
  const int n_radial = static_cast<int>(d_bar.extent(1));
  const Vector<int> row = pairs.row;
  for_each(
      exec, "dpcore::sums_backward_inputs", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const S* bar = &d_bar(row(p), 0);
        const S* h = &g_prime(p, 0);
        S sum = S(0);
#pragma omp simd reduction(+ : sum)
        for (int m = 0; m < n_radial; ++m) sum += bar[m] * h[m];
        d_value(p) = scale * sum;
      });
}

/// Adjoints of G and G' of the pairs [first, last) for <D_bar, D> + <D_dot_bar, D_dot>, D_dot = scale sum_j
/// G'_j s_dot_j: g_bar = scale D_bar, g_prime_bar = scale s_dot D_dot_bar; their rows start at `first`
template <class S>
void sums_backward_params(const Exec& exec, const TilePairs& pairs, int first, int last,
                          const Matrix<S>& d_bar, const Matrix<S>& d_dot_bar, const Vector<S>& s_dot, S scale,
                          const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar) {
  const Vector<int> row = pairs.row;
  for_each_element(
      exec, "dpcore::sums_backward_params", last - first, static_cast<int>(d_bar.extent(1)),
      KOKKOS_LAMBDA(const int q, const int m) {
        const int i = row(q + first);
        g_bar(q, m) = scale * d_bar(i, m);
        g_prime_bar(q, m) = scale * s_dot(q + first) * d_dot_bar(i, m);
      });
}

}  // namespace

template <class S>
AnyMatrix SeE2R<S>::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                            Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const int a = tile.type;
  select_pairs(exec, structure, tile, cutoff_.rcut, spec_.sel, this->wanted(a), state.pairs, state.overflow,
               ws);
  radial_env_forward(exec, state.pairs, cutoff_, this->norm(a, 0), state.env, ws);

  const auto n_pairs = static_cast<std::size_t>(state.pairs.n_pairs), m = static_cast<std::size_t>(dim_out());
  state.g = ws.matrix<S>(n_pairs, m);
  state.g_prime = ws.matrix<S>(n_pairs, m);
  const Matrix<S> d = zeros<S>(exec, static_cast<std::size_t>(tile.size()), dim_out(), ws);
  this->for_segments(state.pairs, [&](int b, int first, int last) {
    const Vector<S> s(state.env.value.data() + first, static_cast<std::size_t>(last - first));
    this->evaluate_radial(exec, a, b, first, last, s, rows(state.g, first, last),
                          rows(state.g_prime, first, last), state, ws);
    add_sums<S>(exec, state.pairs, b, state.g, Vector<S>(), scale_, d);
  });
  Workspace::Scope scope(ws);
  const Matrix<S> g = ws.matrix<S>(1, m), g_prime = ws.matrix<S>(1, m);
  for_empty_slots(a, [&](int b, S value) {
    const Radial<S>* const net = this->net(a, b);
    (net != nullptr ? net : this->radial(a, b))->forward(exec, single(exec, value, ws), g, g_prime, ws);
    add_empty_slots<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], g, scale_, d);
  });
  return d;
}

template <class S>
void SeE2R<S>::backward_inputs(const Exec& exec, const Tile& tile, const AnyMatrix& d_descriptor,
                               Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const Vector<S> d_value = ws.vector<S>(static_cast<std::size_t>(state.pairs.n_pairs));
  sums_backward_inputs<S>(exec, state.pairs, as<S>(exec, d_descriptor, ws), state.g_prime, scale_, d_value);
  radial_env_backward<S>(exec, state.pairs, this->norm(tile.type, 0), state.env, d_value);
}

// D_dot = scale sum_j G'_j s_dot_j; empty slots do not move
template <class S>
AnyMatrix SeE2R<S>::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base,
                            Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  radial_env_tangent<S>(exec, state.pairs, this->norm(tile.type, 0), state.env, ws);
  const Matrix<S> d_dot = zeros<S>(exec, static_cast<std::size_t>(tile.size()), dim_out(), ws);
  this->for_segments(state.pairs, [&](int b, int, int) {
    add_sums<S>(exec, state.pairs, b, state.g_prime, state.env.value_dot, scale_, d_dot);
  });
  return d_dot;
}

template <class S>
void SeE2R<S>::backward_params(const Exec& exec, const Tile& tile, const AnyMatrix& d_bar,
                               const AnyMatrix& d_dot_bar, Descriptor::State& base, int slot,
                               Workspace& ws) const {
  if (!this->has_gradients()) return;
  auto& state = static_cast<State&>(base);
  Workspace::Scope scope(ws);
  const int a = tile.type;
  const auto m = static_cast<std::size_t>(dim_out());
  const Matrix<S> bar = as<S>(exec, d_bar, ws), dot_bar = as<S>(exec, d_dot_bar, ws);
  this->backward_radial(exec, state.pairs, a, state.env.value, slot, ws,
                        [&](int first, int last, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar) {
                          sums_backward_params<S>(exec, state.pairs, first, last, bar, dot_bar,
                                                  state.env.value_dot, scale_, g_bar, g_prime_bar);
                        });
  const Matrix<S> g_bar = ws.matrix<S>(1, m), g_prime_bar = zeros<S>(exec, 1, dim_out(), ws);
  for_empty_slots(a, [&](int b, S value) {
    empty_slots_backward<S>(exec, state.pairs, b, spec_.sel[static_cast<std::size_t>(b)], bar, scale_, g_bar);
    this->net(a, b)->backward_params(exec, single(exec, value, ws), g_bar, g_prime_bar, slot, ws);
  });
}

template class SeE2R<double>;
template class SeE2R<float>;

}  // namespace dpcore
