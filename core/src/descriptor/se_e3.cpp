// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/se_e3.hpp"

#include <algorithm>
#include <cmath>

#include "base/json_config.hpp"

namespace dpcore {

namespace {

/// Terms and lines of a chunk: on a CPU so many that N and N' stay in a core's cache.
constexpr int kTerms = kExecOnHost ? 256 : 1 << 18, kLines = kExecOnHost ? 256 : 1 << 16;

}  // namespace

/// The terms of lines [0, n_lines), line l those of pair first + l.
template <class S>
struct SeE3<S>::Chunk {
  int a, b;        // types of j and k, a <= b
  int first;       // pair j of line 0
  int n_lines, n;  // lines, terms
  Vector<int> at;  // [n_lines + 1] first term of each line
  S scale;         // 1/(sel_a sel_b)
};

template <class S>
SeE3<S>::SeE3(const nlohmann::json& config, int ntypes)
    : TwoBody<S>(config, ntypes, 4, 0, NetsFor::NeighborPairs) {
  const ConfigReader in(config, "model/descriptor");
  in.require(!spec_.type_one_side, "type_one_side", "se_e3 has no such key: its nets do not know the centre");
  const auto& excluded = spec_.excluded;
  in.require(std::find(excluded.begin(), excluded.end(), true) == excluded.end(), "exclude_types",
             "se_e3 has no such key");
}

template <class S>
void SeE3<S>::set_statistics(const std::vector<double>& davg, const std::vector<double>& dstd) {
  for (std::size_t k = 0; k < davg.size(); ++k) {
    if (k % 4 > 0 && davg[k] != 0) {
      throw Error("model: davg of se_e3 has " + std::to_string(davg[k]) +
                  " as the mean of x, y or z of type " + std::to_string(k / 4) +
                  "; expected 0, since empty slots are to add nothing");
    }
  }
  TwoBody<S>::set_statistics(davg, dstd);
}

template <class S>
template <class F>
void SeE3<S>::for_chunks(const Exec& exec, const State& state, Workspace& ws, const F& f) const {
  const auto& offset = state.offset;
  const int n_rows = state.pairs.n_rows, room = std::max(kTerms, state.longest);
  const Workspace::Scope scope(ws);
  Chunk chunk;
  chunk.at = ws.vector<int>(static_cast<std::size_t>(kLines) + 1);
  const auto at = Kokkos::create_mirror_view(chunk.at);
  at(0) = 0;
  const auto flush = [&] {
    if (chunk.n > 0) {
      mirror_copy(exec, chunk.at, at);
      f(chunk);
    }
    chunk.first += chunk.n_lines;
    chunk.n_lines = chunk.n = 0;
  };
  const auto pairs_of = [&](int type, int row) {
    const auto cell = static_cast<std::size_t>(type * n_rows + row);
    return offset[cell + 1] - offset[cell];
  };
  for (int a = 0; a < spec_.ntypes; ++a) {
    for (int b = a; b < spec_.ntypes; ++b) {
      const double slots = static_cast<double>(spec_.sel[static_cast<std::size_t>(a)]) *
                           static_cast<double>(spec_.sel[static_cast<std::size_t>(b)]);
      if (slots == 0) continue;
      chunk.a = a;
      chunk.b = b;
      chunk.scale = static_cast<S>(1.0 / slots);
      chunk.first = state.pairs.segment[static_cast<std::size_t>(a)];
      chunk.n_lines = chunk.n = 0;
      for (int i = 0; i < n_rows; ++i) {
        const int lines = pairs_of(a, i), others = pairs_of(b, i);
        for (int l = 0; l < lines; ++l) {
          const int length = a == b ? lines - l : others;
          if (chunk.n_lines == kLines || chunk.n + length > room) flush();
          chunk.n += length;
          at(++chunk.n_lines) = chunk.n;
        }
      }
      flush();
    }
  }
}

namespace {

/// Where line l of a chunk is: its pair j, its first pair k, its terms [begin, end).
struct Line {
  int j, k, begin, end;
};

/// What kernels need of a chunk; passed by value.
struct Lines {
  bool same;  // j and k of one type: k from j on, and all terms but the first count twice
  int first, cell;
  Vector<int> at, offset, row;
  KOKKOS_FORCEINLINE_FUNCTION Line operator()(const int l) const {
    const int j = first + l;
    return {j, same ? j : offset(cell + row(j)), at(l), at(l + 1)};
  }
};

template <class C>
Lines lines_of(const C& chunk, const TilePairs& pairs) {
  return {chunk.a == chunk.b, chunk.first, chunk.b * pairs.n_rows, chunk.at, pairs.offset, pairs.row};
}

/// theta of all terms; q [n_pairs, 4], column 0 not used
template <class S>
void make_theta(const Exec& exec, const Lines& lines, int n_lines, const Matrix<S>& q,
                const Vector<S>& theta) {
  for_each(
      exec, "dpcore::make_theta", n_lines, KOKKOS_LAMBDA(const int l) {
        const Line at = lines(l);
        const S x = q(at.j, 1), y = q(at.j, 2), z = q(at.j, 3);
        for (int e = at.begin; e < at.end; ++e) {
          const int k = at.k + e - at.begin;
          theta(e) = x * q(k, 1) + y * q(k, 2) + z * q(k, 3);
        }
      });
}

/// theta_dot = q_dot_j . q_k + q_j . q_dot_k
template <class S>
void make_theta_dot(const Exec& exec, const Lines& lines, int n_lines, const Matrix<S>& q,
                    const Matrix<S>& q_dot, const Vector<S>& theta_dot) {
  for_each(
      exec, "dpcore::make_theta_dot", n_lines, KOKKOS_LAMBDA(const int l) {
        const Line at = lines(l);
        for (int e = at.begin; e < at.end; ++e) {
          const int k = at.k + e - at.begin;
          S sum = S(0);
          for (int c = 1; c < 4; ++c) sum += q_dot(at.j, c) * q(k, c) + q(at.j, c) * q_dot(k, c);
          theta_dot(e) = sum;
        }
      });
}

/// d[row][m] += scale sum_e weight_e factor_e (g_e[m] + theta_e g'_e[m]), weight 1 or 2; without theta: only
/// g
template <class S>
void add_terms(const Exec& exec, const Lines& lines, int n_lines, const Vector<S>& factor,
               const Vector<S>& theta, const Matrix<S>& g, const Matrix<S>& g_prime, S scale,
               const Matrix<S>& d) {
  const int m = static_cast<int>(d.extent(1)), columns = kExecOnHost ? m : 1;  // of one thread
  const bool slopes = theta.data() != nullptr;
  for_each_element(
      exec, "dpcore::add_terms", n_lines, m / columns, KOKKOS_LAMBDA(const int l, const int part) {
        const Line at = lines(l);
        S* di = &d(lines.row(at.j), 0);
        const int c0 = part * columns, c1 = c0 + columns;
        S alone = S(0);  // of a thread with one column
        S* to = kExecOnHost ? di : &alone;
        const int base = kExecOnHost ? 0 : c0;
        for (int e = at.begin; e < at.end; ++e) {
          const S w = (lines.same && e > at.begin ? S(2) : S(1)) * scale * factor(e);
          const S wt = slopes ? w * theta(e) : S(0);
          const S* ge = &g(e, 0);
          const S* he = &g_prime(e, 0);
#pragma omp simd
          for (int c = c0; c < c1; ++c) to[c - base] += w * ge[c] + wt * he[c];
        }
        if constexpr (!kExecOnHost) add_to(di + c0, alone);
      });
}

/// d_q += of the terms: dE/dtheta = scale weight sum_m d_bar[row][m] (g[m] + theta g'[m]) goes to q_j and q_k
template <class S>
void terms_backward_inputs(const Exec& exec, const Lines& lines, int n_lines, const Matrix<S>& d_bar,
                           const Vector<S>& theta, const Matrix<S>& g, const Matrix<S>& g_prime, S scale,
                           const Matrix<S>& q, const Matrix<S>& d_q) {
  const int m = static_cast<int>(d_bar.extent(1));
  for_each(
      exec, "dpcore::terms_backward_inputs", n_lines, KOKKOS_LAMBDA(const int l) {
        const Line at = lines(l);
        const S* bar = &d_bar(lines.row(at.j), 0);
        S own[3] = {S(0), S(0), S(0)};
        for (int e = at.begin; e < at.end; ++e) {
          const int k = at.k + e - at.begin;
          const S th = theta(e);
          const S* ge = &g(e, 0);
          const S* he = &g_prime(e, 0);
          S sum = S(0);
#pragma omp simd reduction(+ : sum)
          for (int c = 0; c < m; ++c) sum += bar[c] * (ge[c] + th * he[c]);
          sum *= lines.same && e > at.begin ? S(2) * scale : scale;
          for (int c = 0; c < 3; ++c) {
            own[c] += sum * q(k, c + 1);
            add_to(&d_q(k, c + 1), sum * q(at.j, c + 1));
          }
        }
        for (int c = 0; c < 3; ++c) add_to(&d_q(at.j, c + 1), own[c]);
      });
}

/// Adjoints of N and N' for <D_bar, D> + <D_dot_bar, D_dot>:
///     g_bar = w (theta D_bar + theta_dot D_dot_bar),  g_prime_bar = w theta theta_dot D_dot_bar
template <class S>
void terms_backward_params(const Exec& exec, const Lines& lines, int n_lines, const Matrix<S>& d_bar,
                           const Matrix<S>& d_dot_bar, const Vector<S>& theta, const Vector<S>& theta_dot,
                           S scale, const Matrix<S>& g_bar, const Matrix<S>& g_prime_bar) {
  const int m = static_cast<int>(d_bar.extent(1)), columns = kExecOnHost ? m : 1;
  for_each_element(
      exec, "dpcore::terms_backward_params", n_lines, m / columns,
      KOKKOS_LAMBDA(const int l, const int part) {
        const Line at = lines(l);
        const S* bar = &d_bar(lines.row(at.j), 0);
        const S* dot_bar = &d_dot_bar(lines.row(at.j), 0);
        const int c0 = part * columns, c1 = c0 + columns;
        for (int e = at.begin; e < at.end; ++e) {
          const S w = lines.same && e > at.begin ? S(2) * scale : scale;
          const S wt = w * theta(e), wd = w * theta_dot(e), wtd = wt * theta_dot(e);
          S* ge = &g_bar(e, 0);
          S* he = &g_prime_bar(e, 0);
#pragma omp simd
          for (int c = c0; c < c1; ++c) {
            ge[c] = wt * bar[c] + wd * dot_bar[c];
            he[c] = wtd * dot_bar[c];
          }
        }
      });
}

template <class S>
Matrix<S> zeros(const Exec& exec, int n, int m, Workspace& ws) {
  const Matrix<S> a = ws.matrix<S>(static_cast<std::size_t>(n), static_cast<std::size_t>(m));
  for_each_element(exec, "dpcore::zeros", n, m, KOKKOS_LAMBDA(const int i, const int k) { a(i, k) = S(0); });
  return a;
}

template <class S>
Vector<S> head(const Vector<S>& v, int n) {
  return Vector<S>(v.data(), static_cast<std::size_t>(n));
}

}  // namespace

template <class S>
AnyMatrix SeE3<S>::forward(const Exec& exec, const DeviceStructure& structure, const Tile& tile,
                           Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  select_pairs(exec, structure, tile, cutoff_.rcut, spec_.sel, this->wanted(tile.type), state.pairs,
               state.overflow, ws);
  env_forward(exec, state.pairs, cutoff_, this->env_norm(tile.type), state.env, ws);
  const auto offset = Kokkos::create_mirror_view(state.pairs.offset);
  mirror_copy(exec, offset, state.pairs.offset);
  state.offset.assign(offset.data(), offset.data() + offset.extent(0));
  state.longest = 0;
  for (std::size_t c = 0; c + 1 < state.offset.size(); ++c)
    state.longest = std::max(state.longest, state.offset[c + 1] - state.offset[c]);
  if (spec_.compress) count_outside(exec, state);

  const Matrix<S> d = zeros<S>(exec, tile.size(), dim_out(), ws);
  const Workspace::Scope scope(ws);
  const auto room = static_cast<std::size_t>(std::max(kTerms, state.longest)),
             m = static_cast<std::size_t>(dim_out());
  const Vector<S> theta = ws.vector<S>(room);
  const Matrix<S> g = ws.matrix<S>(room, m), g_prime = ws.matrix<S>(room, m);
  for_chunks(exec, state, ws, [&](const Chunk& chunk) {
    const Lines lines = lines_of(chunk, state.pairs);
    make_theta<S>(exec, lines, chunk.n_lines, state.env.value, theta);
    this->radial(chunk.a, chunk.b)
        ->forward(exec, head(theta, chunk.n), rows(g, 0, chunk.n), rows(g_prime, 0, chunk.n), ws);
    add_terms<S>(exec, lines, chunk.n_lines, theta, Vector<S>(), g, g_prime, chunk.scale, d);
  });
  return d;
}

template <class S>
void SeE3<S>::backward_inputs(const Exec& exec, const Tile& tile, const AnyMatrix& d_descriptor,
                              Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  const Workspace::Scope scope(ws);
  const Matrix<S> bar = as<S>(exec, d_descriptor, ws);
  const Matrix<S> d_value = zeros<S>(exec, state.pairs.n_pairs, 4, ws);
  const auto room = static_cast<std::size_t>(std::max(kTerms, state.longest)),
             m = static_cast<std::size_t>(dim_out());
  const Vector<S> theta = ws.vector<S>(room);
  const Matrix<S> g = ws.matrix<S>(room, m), g_prime = ws.matrix<S>(room, m);
  for_chunks(exec, state, ws, [&](const Chunk& chunk) {
    const Lines lines = lines_of(chunk, state.pairs);
    make_theta<S>(exec, lines, chunk.n_lines, state.env.value, theta);
    this->radial(chunk.a, chunk.b)
        ->forward(exec, head(theta, chunk.n), rows(g, 0, chunk.n), rows(g_prime, 0, chunk.n), ws);
    terms_backward_inputs<S>(exec, lines, chunk.n_lines, bar, theta, g, g_prime, chunk.scale, state.env.value,
                             d_value);
  });
  env_backward<S>(exec, state.pairs, this->env_norm(tile.type), state.env, d_value);
}

// D_dot = sum scale weight (N + theta N') theta_dot
template <class S>
AnyMatrix SeE3<S>::tangent(const Exec& exec, const Tile& tile, Descriptor::State& base, Workspace& ws) const {
  auto& state = static_cast<State&>(base);
  env_tangent<S>(exec, state.pairs, this->env_norm(tile.type), state.env, ws);
  const Matrix<S> d_dot = zeros<S>(exec, tile.size(), dim_out(), ws);
  const Workspace::Scope scope(ws);
  const auto room = static_cast<std::size_t>(std::max(kTerms, state.longest)),
             m = static_cast<std::size_t>(dim_out());
  const Vector<S> theta = ws.vector<S>(room), theta_dot = ws.vector<S>(room);
  const Matrix<S> g = ws.matrix<S>(room, m), g_prime = ws.matrix<S>(room, m);
  for_chunks(exec, state, ws, [&](const Chunk& chunk) {
    const Lines lines = lines_of(chunk, state.pairs);
    make_theta<S>(exec, lines, chunk.n_lines, state.env.value, theta);
    make_theta_dot<S>(exec, lines, chunk.n_lines, state.env.value, state.env.value_dot, theta_dot);
    this->radial(chunk.a, chunk.b)
        ->forward(exec, head(theta, chunk.n), rows(g, 0, chunk.n), rows(g_prime, 0, chunk.n), ws);
    add_terms<S>(exec, lines, chunk.n_lines, theta_dot, theta, g, g_prime, chunk.scale, d_dot);
  });
  return d_dot;
}

template <class S>
void SeE3<S>::backward_params(const Exec& exec, const Tile&, const AnyMatrix& d_bar,
                              const AnyMatrix& d_dot_bar, Descriptor::State& base, int slot,
                              Workspace& ws) const {
  if (!spec_.embedding.trainable) return;
  auto& state = static_cast<State&>(base);
  const Workspace::Scope scope(ws);
  const Matrix<S> bar = as<S>(exec, d_bar, ws), dot_bar = as<S>(exec, d_dot_bar, ws);
  const auto room = static_cast<std::size_t>(std::max(kTerms, state.longest)),
             m = static_cast<std::size_t>(dim_out());
  const Vector<S> theta = ws.vector<S>(room), theta_dot = ws.vector<S>(room);
  const Matrix<S> g_bar = ws.matrix<S>(room, m), g_prime_bar = ws.matrix<S>(room, m);
  for_chunks(exec, state, ws, [&](const Chunk& chunk) {
    const Lines lines = lines_of(chunk, state.pairs);
    make_theta<S>(exec, lines, chunk.n_lines, state.env.value, theta);
    make_theta_dot<S>(exec, lines, chunk.n_lines, state.env.value, state.env.value_dot, theta_dot);
    terms_backward_params<S>(exec, lines, chunk.n_lines, bar, dot_bar, theta, theta_dot, chunk.scale, g_bar,
                             g_prime_bar);
    this->radial(chunk.a, chunk.b)
        ->backward_params(exec, head(theta, chunk.n), rows(g_bar, 0, chunk.n), rows(g_prime_bar, 0, chunk.n),
                          slot, ws);
  });
}

template class SeE3<double>;
template class SeE3<float>;

}  // namespace dpcore
