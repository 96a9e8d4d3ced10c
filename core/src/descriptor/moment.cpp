// SPDX-License-Identifier: LGPL-3.0-or-later
#include "descriptor/moment.hpp"

#include <algorithm>
#include <cstring>

#include "base/lanes.hpp"

namespace dpcore {

namespace {

/// Columns [m0, m0 + W) of T[4][.] of one centre; W is a constant so that the sums stay in vector registers.
template <int W, class S>
KOKKOS_FORCEINLINE_FUNCTION void moment_block(const S* r, const S* g, const int n_radial, const int begin,
                                              const int end, const int g_shift, const S scale, const int m0,
                                              S* t) {
  S sum[4][W] = {};
  for (int p = begin; p < end; ++p) {
    const S* rp = r + 4 * static_cast<std::ptrdiff_t>(p);
    const S* gp = g + static_cast<std::ptrdiff_t>(p - g_shift) * n_radial + m0;
    for (int c = 0; c < 4; ++c) {
      for (int w = 0; w < W; ++w) sum[c][w] += rp[c] * gp[w];
    }
  }
  for (int c = 0; c < 4; ++c) {
    for (int w = 0; w < W; ++w) t[c * n_radial + m0 + w] += scale * sum[c][w];
  }
}

}  // namespace

template <class S>
void add_moment(const Exec& exec, const TilePairs& pairs, int neighbor_type, const Matrix<S>& r,
                const Matrix<S>& g, S scale, const Tensor3<S>& moment) {
  const int n_radial = static_cast<int>(moment.extent(2)), n = pairs.n_rows;
  const int shift = pairs.segment[static_cast<std::size_t>(neighbor_type)];
  const Vector<int> offset = pairs.offset;
  const int cell0 = neighbor_type * n;
  if constexpr (kExecOnHost) {
    for_each(
        exec, "dpcore::add_moment", n, KOKKOS_LAMBDA(const int i) {
          const int begin = offset(cell0 + i), end = offset(cell0 + i + 1);
          S* t = &moment(i, 0, 0);
          int m = 0;
          for (; m + 32 <= n_radial; m += 32) {
            moment_block<32>(r.data(), g.data(), n_radial, begin, end, shift, scale, m, t);
          }
          for (; m + 8 <= n_radial; m += 8) {
            moment_block<8>(r.data(), g.data(), n_radial, begin, end, shift, scale, m, t);
          }
          for (; m + 4 <= n_radial; m += 4) {
            moment_block<4>(r.data(), g.data(), n_radial, begin, end, shift, scale, m, t);
          }
          for (; m < n_radial; ++m) {
            moment_block<1>(r.data(), g.data(), n_radial, begin, end, shift, scale, m, t);
          }
        });
  } else {
    for_each_element(
        exec, "dpcore::add_moment", n, n_radial, KOKKOS_LAMBDA(const int i, const int m) {
          moment_block<1>(r.data(), g.data(), n_radial, offset(cell0 + i), offset(cell0 + i + 1), shift,
                          scale, m, &moment(i, 0, 0));
        });
  }
}

template <class S>
void moment_backward_inputs(const Exec& exec, const TilePairs& pairs, int neighbor_type,
                            const Tensor3<S>& moment_bar, const Matrix<S>& r, const Matrix<S>& g,
                            const Matrix<S>& g_prime, S scale, const Matrix<S>& d_r) {
  const int n_radial = static_cast<int>(moment_bar.extent(2));
  const int shift = pairs.segment[static_cast<std::size_t>(neighbor_type)];
  const int n = pairs.segment[static_cast<std::size_t>(neighbor_type) + 1] - shift;
  const Vector<int> row = pairs.row;
  if constexpr (kExecOnHost) {
    for_each(
        exec, "dpcore::moment_backward_inputs", n, KOKKOS_LAMBDA(const int q) {
          const int p = q + shift;
          const S* t = &moment_bar(row(p), 0, 0);
          const S* gp = &g(q, 0);
          const S* hp = &g_prime(q, 0);
          const S r0 = r(p, 0), r1 = r(p, 1), r2 = r(p, 2), r3 = r(p, 3);
          S d0 = S(0), d1 = S(0), d2 = S(0), d3 = S(0), radial = S(0);
#pragma omp simd reduction(+ : d0, d1, d2, d3, radial)
          for (int m = 0; m < n_radial; ++m) {
            const S t0 = t[m], t1 = t[n_radial + m], t2 = t[2 * n_radial + m], t3 = t[3 * n_radial + m];
            d0 += t0 * gp[m];
            d1 += t1 * gp[m];
            d2 += t2 * gp[m];
            d3 += t3 * gp[m];
            radial += (t0 * r0 + t1 * r1 + t2 * r2 + t3 * r3) * hp[m];
          }
          d_r(p, 0) = scale * (d0 + radial);
          d_r(p, 1) = scale * d1;
          d_r(p, 2) = scale * d2;
          d_r(p, 3) = scale * d3;
        });
  } else {
    for_each_sum<S, 5>(
        exec, "dpcore::moment_backward_inputs", n, n_radial,
        KOKKOS_LAMBDA(const int q, const int m, Sums<S, 5>& d) {
          const int p = q + shift, i = row(p);
          S along = S(0);
          for (int c = 0; c < 4; ++c) {
            const S t = moment_bar(i, c, m);
            d.at[c] += t * g(q, m);
            along += t * r(p, c);
          }
          d.at[4] += along * g_prime(q, m);
        },
        KOKKOS_LAMBDA(const int q, const Sums<S, 5>& d) {
          for (int c = 0; c < 4; ++c) d_r(q + shift, c) = scale * (c == 0 ? d.at[0] + d.at[4] : d.at[c]);
        });
  }
}

namespace {

/// What the columns of a pair share: T_bar, T_dot_bar of its centre, the rows of G_bar and G'_bar, R, R_dot.
template <class S>
struct BackwardRow {
  const S *t, *u;
  S *value, *tangent;
  S r[4], d[4], s_dot;
};

}  // namespace

template <class S>
void moment_backward_params(const Exec& exec, const TilePairs& pairs, int first, int last,
                            const Tensor3<S>& moment_bar, const Tensor3<S>& moment_dot_bar,
                            const Matrix<S>& r, const Matrix<S>& r_dot, S scale, const Matrix<S>& g_bar,
                            const Matrix<S>& g_prime_bar) {
  const int m = static_cast<int>(moment_bar.extent(2));
  const Vector<int> row = pairs.row;
  for_each_in_row(
      exec, "dpcore::moment_backward_params", last - first, m,
      KOKKOS_LAMBDA(const int q) {
        const int p = q + first;
        return BackwardRow<S>{
            &moment_bar(row(p), 0, 0),
            &moment_dot_bar(row(p), 0, 0),
            &g_bar(q, 0),
            &g_prime_bar(q, 0),
            {scale * r(p, 0), scale * r(p, 1), scale * r(p, 2), scale * r(p, 3)},
            {scale * r_dot(p, 0), scale * r_dot(p, 1), scale * r_dot(p, 2), scale * r_dot(p, 3)},
            r_dot(p, 0)};
      },
      KOKKOS_LAMBDA(const BackwardRow<S>& x, const int c) {
        const S u0 = x.u[c], u1 = x.u[m + c], u2 = x.u[2 * m + c], u3 = x.u[3 * m + c];
        x.value[c] =
            (x.t[c] * x.r[0] + x.t[m + c] * x.r[1] + x.t[2 * m + c] * x.r[2] + x.t[3 * m + c] * x.r[3]) +
            (u0 * x.d[0] + u1 * x.d[1] + u2 * x.d[2] + u3 * x.d[3]);
        x.tangent[c] = (u0 * x.r[0] + u1 * x.r[1] + u2 * x.r[2] + u3 * x.r[3]) * x.s_dot;
      });
}

namespace {

/// Column of element (m, l) of D, for m < n_axis that of the lower triangle; `d_row(m)[l]` in all of them.
KOKKOS_FORCEINLINE_FUNCTION int d_row(const int m, const int n_axis) {
  return m < n_axis ? m * (m + 1) / 2 : n_axis * (n_axis + 1) / 2 + (m - n_axis) * n_axis;
}
KOKKOS_FORCEINLINE_FUNCTION int d_length(const int m, const int n_axis) {
  return m < n_axis ? m + 1 : n_axis;
}

// Both contractions for axes [l0, l0 + lanes) of one centre; moments [4, n_radial], d the columns of D.

/// d[m][l] = sum_c a[c][m] b[c][l], with `symmetrise` + b[c][m] a[c][l]
template <class S>
void contract_lanes(const S* a, const S* b, const bool symmetrise, const int n_radial, const int n_axis,
                    const int l0, S* d) {
  constexpr int L = kLanes<S>;
  Vec<S> al[4], bl[4];
  for (int c = 0; c < 4; ++c) {
    al[c] = load(a + c * n_radial + l0);
    bl[c] = load(b + c * n_radial + l0);
  }
  const auto element = [&](int m) {
    Vec<S> sum = a[m] * bl[0];
    for (int c = 1; c < 4; ++c) sum += a[c * n_radial + m] * bl[c];
    if (symmetrise) {
      for (int c = 0; c < 4; ++c) sum += b[c * n_radial + m] * al[c];
    }
    return sum;
  };
  for (int m = l0; m < n_axis; ++m) {
    const Vec<S> sum = element(m);
    std::memcpy(d + d_row(m, n_axis) + l0, &sum,
                sizeof(S) * static_cast<std::size_t>(std::min(L, m + 1 - l0)));
  }
  d += d_row(n_axis, n_axis) + l0;
  for (int m = n_axis; m < n_radial; ++m, d += n_axis) {
    const Vec<S> sum = element(m);
    std::memcpy(d, &sum, sizeof(sum));
  }
}

/// bar[c][m] += sum_l d[m][l] t[c][l], over these axes, and across[c] += sum_m d[m][.] t[c][m], for n rows of
/// d from m0 on. Whole: as many as lanes, none of them of the triangle; constants keep them in registers.
template <bool Whole, class S>
inline void contract_rows_backward(const S* d, const S* t, const int n_radial, const int n_axis, const int l0,
                                   const int m0, const int n_rows, Vec<S> (&across)[4], S* bar) {
  constexpr int L = kLanes<S>;
  const int n = Whole ? L : n_rows;
  Vec<S> row[L] = {};
  for (int m = 0; m < n; ++m) {
    const S* from = d + d_row(m0 + m, n_axis) + l0;
    S part[L] = {};
    if constexpr (!Whole) {
      const int length = d_length(m0 + m, n_axis) - l0;
      if (length < L) from = std::copy_n(from, length, part) - length;
    }
    row[m] = load(from);
    for (int c = 0; c < 4; ++c) across[c] += t[c * n_radial + m0 + m] * row[m];
  }
  transpose<S>(row);  // now lane m of vector l is d[m][l]
  for (int c = 0; c < 4; ++c) {
    const S* const of_axes = t + c * n_radial + l0;
    Vec<S> along = of_axes[0] * row[0];
    for (int l = 1; l < L; ++l) along += of_axes[l] * row[l];
    S* out = bar + c * n_radial + m0;
    if (n == L) {
      along += load(out);
      std::memcpy(out, &along, sizeof(along));
    } else {
      for (int m = 0; m < n; ++m) out[m] += along[m];
    }
  }
}

/// bar[c][m] += sum_l d[m][l] t[c][l], over these axes; bar[c][l] += sum_m d[m][l] t[c][m]
template <class S>
void contract_lanes_backward(const S* d, const S* t, const int n_radial, const int n_axis, const int l0,
                             S* bar) {
  constexpr int L = kLanes<S>;
  Vec<S> across[4] = {};
  for (int m0 = l0; m0 < n_radial; m0 += L) {
    const int n = std::min(L, n_radial - m0);
    if (m0 >= n_axis && n == L) {
      contract_rows_backward<true>(d, t, n_radial, n_axis, l0, m0, n, across, bar);
    } else {
      contract_rows_backward<false>(d, t, n_radial, n_axis, l0, m0, n, across, bar);
    }
  }
  for (int c = 0; c < 4; ++c) {
    for (int l = 0; l < L; ++l) bar[c * n_radial + l0 + l] += across[c][l];
  }
}

}  // namespace

template <class S>
void contract_axes(const Exec& exec, const Tensor3<S>& a, const Tensor3<S>& b, bool symmetrise, int n_axis,
                   const Matrix<S>& descriptor) {
  const int n_radial = static_cast<int>(a.extent(2)), n = static_cast<int>(a.extent(0));
  if constexpr (kExecOnHost) {
    (void)exec;
    for (int i = 0; i < n; ++i) {
      if (n_axis % kLanes<S> == 0) {
        for (int l0 = 0; l0 < n_axis; l0 += kLanes<S>) {
          contract_lanes<S>(&a(i, 0, 0), &b(i, 0, 0), symmetrise, n_radial, n_axis, l0, &descriptor(i, 0));
        }
        continue;
      }
      for (int m = 0; m < n_radial; ++m) {
        S* d = &descriptor(i, d_row(m, n_axis));
        const int length = d_length(m, n_axis);
        for (int c = 0; c < 4; ++c) {
          const S am = a(i, c, m), bm = symmetrise ? b(i, c, m) : S(0);
          const S* al = &a(i, c, 0);
          const S* bl = &b(i, c, 0);
          if (c == 0) {
#pragma omp simd
            for (int l = 0; l < length; ++l) d[l] = am * bl[l] + bm * al[l];
          } else {
#pragma omp simd
            for (int l = 0; l < length; ++l) d[l] += am * bl[l] + bm * al[l];
          }
        }
      }
    }
  } else {
    for_each_element(
        exec, "dpcore::contract_axes", n, n_radial * n_axis, KOKKOS_LAMBDA(const int i, const int k) {
          const int m = k / n_axis, l = k % n_axis;
          if (l >= d_length(m, n_axis)) return;
          S sum = S(0);
          for (int c = 0; c < 4; ++c) {
            sum += a(i, c, m) * b(i, c, l);
            if (symmetrise) sum += b(i, c, m) * a(i, c, l);
          }
          descriptor(i, d_row(m, n_axis) + l) = sum;
        });
  }
}

template <class S>
void contract_axes_backward(const Exec& exec, const Matrix<S>& d_bar, const Tensor3<S>& moment, int n_axis,
                            bool add, const Tensor3<S>& moment_bar) {
  const int n_radial = static_cast<int>(moment.extent(2)), n = static_cast<int>(moment.extent(0));
  if constexpr (kExecOnHost) {
    (void)exec;
    for (int i = 0; i < n; ++i) {
      S* bar = &moment_bar(i, 0, 0);
      if (!add) std::fill_n(bar, 4 * n_radial, S(0));
      if (n_axis % kLanes<S> == 0) {
        for (int l0 = 0; l0 < n_axis; l0 += kLanes<S>) {
          contract_lanes_backward<S>(&d_bar(i, 0), &moment(i, 0, 0), n_radial, n_axis, l0, bar);
        }
        continue;
      }
      for (int m = 0; m < n_radial; ++m) {
        const S* d = &d_bar(i, d_row(m, n_axis));
        const int length = d_length(m, n_axis);
        for (int c = 0; c < 4; ++c) {
          const S* t = &moment(i, c, 0);
          S* out = bar + c * n_radial;
          const S tm = t[m];
          S sum = S(0);
#pragma omp simd reduction(+ : sum)
          for (int l = 0; l < length; ++l) sum += d[l] * t[l];
          out[m] += sum;
#pragma omp simd
          for (int l = 0; l < length; ++l) out[l] += d[l] * tm;
        }
      }
    }
  } else {
    // the element (m, l) of D belongs to column m and, as one of an axis, to column l
    for_each_element(
        exec, "dpcore::contract_axes_backward", n, n_radial, KOKKOS_LAMBDA(const int i, const int m) {
          const S* d = &d_bar(i, 0);
          const S* t = &moment(i, 0, 0);
          S sum[4] = {S(0), S(0), S(0), S(0)};
          for (int l = 0; l < d_length(m, n_axis); ++l) {
            const S x = d[d_row(m, n_axis) + l];
            for (int c = 0; c < 4; ++c) sum[c] += x * t[c * n_radial + l];
          }
          for (int k = m; m < n_axis && k < n_radial; ++k) {
            const S x = d[d_row(k, n_axis) + m];
            for (int c = 0; c < 4; ++c) sum[c] += x * t[c * n_radial + k];
          }
          for (int c = 0; c < 4; ++c) moment_bar(i, c, m) = add ? moment_bar(i, c, m) + sum[c] : sum[c];
        });
  }
}

#define DPCORE_INSTANTIATE(S)                                                                            \
  template void add_moment<S>(const Exec&, const TilePairs&, int, const Matrix<S>&, const Matrix<S>&, S, \
                              const Tensor3<S>&);                                                        \
  template void moment_backward_inputs<S>(const Exec&, const TilePairs&, int, const Tensor3<S>&,         \
                                          const Matrix<S>&, const Matrix<S>&, const Matrix<S>&, S,       \
                                          const Matrix<S>&);                                             \
  template void moment_backward_params<S>(const Exec&, const TilePairs&, int, int, const Tensor3<S>&,    \
                                          const Tensor3<S>&, const Matrix<S>&, const Matrix<S>&, S,      \
                                          const Matrix<S>&, const Matrix<S>&);                           \
  template void contract_axes<S>(const Exec&, const Tensor3<S>&, const Tensor3<S>&, bool, int,           \
                                 const Matrix<S>&);                                                      \
  template void contract_axes_backward<S>(const Exec&, const Matrix<S>&, const Tensor3<S>&, int, bool,   \
                                          const Tensor3<S>&);
DPCORE_INSTANTIATE(double)
DPCORE_INSTANTIATE(float)
#undef DPCORE_INSTANTIATE

}  // namespace dpcore
