// SPDX-License-Identifier: LGPL-3.0-or-later
#include "radial/atom_channels.hpp"

#include <algorithm>

namespace dpcore {

namespace {

/// Pairs worked on together.
constexpr int kChunk = kExecOnHost ? 128 : 1 << 14;

template <class S>
Vector<S> part_of(const Vector<S>& v, int begin, int end) {
  return Vector<S>(v.data() + begin, static_cast<std::size_t>(end - begin));
}

/// x[i] (=) [type, aparam of the i-th atom from `begin` on]/ntypes
template <class S>
void write_inputs(const Exec& exec, const NeighborAtoms& atoms, int begin, int ntypes, const Matrix<S>& x) {
  const int type = atoms.type, width = static_cast<int>(x.extent(1)) - 1;
  const Vector<const int> atom = atoms.atom;
  const Vector<const double> aparam = atoms.aparam;
  for_each(
      exec, "dpcore::write_inputs", static_cast<int>(x.extent(0)), KOKKOS_LAMBDA(const int i) {
        const S n = static_cast<S>(ntypes);
        x(i, 0) = static_cast<S>(type) / n;
        for (int k = 0; k < width; ++k) x(i, 1 + k) = static_cast<S>(aparam(atom(begin + i) * width + k)) / n;
      });
}

/// g[i][m] (=) 1/C sum_c q_c A_mc
template <class S>
void mean_over_channels(const Exec& exec, const Matrix<S>& q, const Matrix<S>& a, const Matrix<S>& g) {
  const int n_channels = static_cast<int>(q.extent(1));
  const S scale = S(1) / static_cast<S>(n_channels);
  for_each_element(
      exec, "dpcore::mean_over_channels", static_cast<int>(g.extent(0)), static_cast<int>(g.extent(1)),
      KOKKOS_LAMBDA(const int i, const int m) {
        S sum = S(0);
        for (int c = 0; c < n_channels; ++c) sum += q(i, c) * a(i, m * n_channels + c);
        g(i, m) = scale * sum;
      });
}

/// A_bar (=) q_c/C G_bar_m
template <class S>
void amplified_adjoint(const Exec& exec, const Matrix<S>& q, const Matrix<S>& g_bar, const Matrix<S>& a_bar) {
  const int n_channels = static_cast<int>(q.extent(1));
  const S scale = S(1) / static_cast<S>(n_channels);
  for_each_element(
      exec, "dpcore::amplified_adjoint", static_cast<int>(g_bar.extent(0)), static_cast<int>(g_bar.extent(1)),
      KOKKOS_LAMBDA(const int i, const int m) {
        for (int c = 0; c < n_channels; ++c) a_bar(i, m * n_channels + c) = scale * q(i, c) * g_bar(i, m);
      });
}

/// q_bar[i][c] (=) 1/C sum_m (G_bar_m A_mc + G'_bar_m A'_mc)
template <class S>
void channels_adjoint(const Exec& exec, const Matrix<S>& a, const Matrix<S>& a_prime, const Matrix<S>& g_bar,
                      const Matrix<S>& g_prime_bar, const Matrix<S>& q_bar) {
  const int n_channels = static_cast<int>(q_bar.extent(1)), width = static_cast<int>(g_bar.extent(1));
  const S scale = S(1) / static_cast<S>(n_channels);
  for_each_element(
      exec, "dpcore::channels_adjoint", static_cast<int>(q_bar.extent(0)), n_channels,
      KOKKOS_LAMBDA(const int i, const int c) {
        S sum = S(0);
        for (int m = 0; m < width; ++m) {
          sum += g_bar(i, m) * a(i, m * n_channels + c) + g_prime_bar(i, m) * a_prime(i, m * n_channels + c);
        }
        q_bar(i, c) = scale * sum;
      });
}

}  // namespace

template <class S>
Matrix<S> AtomChannels<S>::channels(const Exec& exec, const NeighborAtoms& atoms, int begin, int end,
                                    bool training, StackState<S>& state, Workspace& ws) const {
  const DenseStack<S>& net = channels_->net();
  net.prepare(end - begin, training, state, ws);
  const Matrix<S> x =
      ws.matrix<S>(static_cast<std::size_t>(end - begin), static_cast<std::size_t>(net.n_in()));
  write_inputs(exec, atoms, begin, channels_->spec().ntypes, x);
  net.forward(exec, x, state, training);
  return state.layers.back().x;
}

template <class S>
void AtomChannels<S>::forward(const Exec& exec, const NeighborAtoms& atoms, const Vector<S>& s,
                              const Matrix<S>& g, const Matrix<S>& g_prime, Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    const Matrix<S> q = channels(exec, atoms, begin, end, false, state, ws);
    const auto n = static_cast<std::size_t>(end - begin), m = static_cast<std::size_t>(amplified_.n_out());
    const Matrix<S> a = ws.matrix<S>(n, m), a_prime = ws.matrix<S>(n, m);
    amplified_.forward(exec, part_of(s, begin, end), a, a_prime, ws);
    mean_over_channels(exec, q, a, rows(g, begin, end));
    mean_over_channels(exec, q, a_prime, rows(g_prime, begin, end));
  });
}

template <class S>
void AtomChannels<S>::backward_params(const Exec& exec, const NeighborAtoms& atoms, const Vector<S>& s,
                                      const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar, int slot,
                                      Workspace& ws) const {
  StackState<S> state;
  for_chunks(static_cast<int>(s.extent(0)), kChunk, ws, [&](int begin, int end) {
    const Matrix<S> q = channels(exec, atoms, begin, end, true, state, ws);
    const auto n = static_cast<std::size_t>(end - begin), m = static_cast<std::size_t>(amplified_.n_out());
    const Matrix<S> a = ws.matrix<S>(n, m), a_prime = ws.matrix<S>(n, m);
    const Matrix<S> bar = rows(g_bar, begin, end), prime_bar = rows(g_prime_bar, begin, end);
    amplified_.forward(exec, part_of(s, begin, end), a, a_prime, ws);
    const Matrix<S> q_bar = ws.matrix<S>(n, q.extent(1));
    channels_adjoint(exec, a, a_prime, bar, prime_bar, q_bar);
    amplified_adjoint(exec, q, bar, a);  // in the place of A and A', which are used
    amplified_adjoint(exec, q, prime_bar, a_prime);
    amplified_.backward_params(exec, part_of(s, begin, end), a, a_prime, slot, ws);
    channels_->net().backward_values(exec, q_bar, state, nullptr, ws);
    channels_->net().accumulate_all(exec, state, slot, false);
  });
}

template class AtomChannels<double>;
template class AtomChannels<float>;

}  // namespace dpcore
