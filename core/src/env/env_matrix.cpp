// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/env_matrix.hpp"

#include "env/kept_pairs.hpp"

namespace dpcore {

template <class S>
void env_forward(const Exec& exec, const TilePairs& pairs, const Cutoff& cutoff, const EnvNorm& norm,
                 EnvMatrix<S>& env, Workspace& ws) {
  Recipe recipe{4.0, sizeof(S), cutoff.rcut, cutoff.rcut_smth};
  for (int c = 0; c < 4; ++c) recipe.insert(recipe.end(), {norm.avg[c], norm.inverse_std[c]});
  const PairColumns columns(pairs, recipe, {4 * sizeof(S), sizeof(S), 4 * sizeof(double)}, ws);
  env.value = columns.matrix<S>(0);
  env.radial = columns.vector<S>(1);
  env.radial_part = columns.matrix<double>(2);
  env.value_dot = Matrix<S>();
  if (columns.known()) return;
  // plain pointers: widths that the compiler knows, so that it takes several pairs at a time
  S *const value = env.value.data(), *const radial = env.radial.data();
  double* const part = env.radial_part.data();
  const double* const r = pairs.r.data();
  for_each_element(
      exec, "dpcore::env_forward", 1, pairs.n_pairs, KOKKOS_LAMBDA(const int, const int p) {
        const double x = r[3 * p], y = r[3 * p + 1], z = r[3 * p + 2];
        const double r2 = x * x + y * y + z * z;
        const double length = Kokkos::sqrt(r2), inverse = 1.0 / length;
        double slope;
        const double w = cutoff.weight(length, slope);
        const double s = w * inverse;
        const double s_prime = (slope - s) * inverse;    // (w/r)' = w'/r - w/r^2
        const double q = s * inverse;                    // s/r
        const double q_prime = (s_prime - q) * inverse;  // (s/r)' = s'/r - s/r^2
        part[4 * p] = inverse;
        part[4 * p + 1] = s_prime;
        part[4 * p + 2] = q;
        part[4 * p + 3] = q_prime;
        const double e0 = (s - norm.avg[0]) * norm.inverse_std[0];
        value[4 * p] = static_cast<S>(e0);
        value[4 * p + 1] = static_cast<S>((q * x - norm.avg[1]) * norm.inverse_std[1]);
        value[4 * p + 2] = static_cast<S>((q * y - norm.avg[2]) * norm.inverse_std[2]);
        value[4 * p + 3] = static_cast<S>((q * z - norm.avg[3]) * norm.inverse_std[3]);
        radial[p] = static_cast<S>(e0);
      });
  columns.keep();
}

// R_0 = s(r), R_a = q(r) x_a:  R_0' = s' (x . x_dot)/r,  R_a' = q' (x . x_dot)/r x_a + q x_dot_a
template <class S>
void env_tangent(const Exec& exec, const TilePairs& pairs, const EnvNorm& norm, EnvMatrix<S>& env,
                 Workspace& ws) {
  env.value_dot = ws.matrix<S>(static_cast<std::size_t>(pairs.n_pairs), 4);
  const Matrix<S> value_dot = env.value_dot;
  const Matrix<double> part = env.radial_part, r = pairs.r, r_dot = pairs.r_dot;
  for_each(
      exec, "dpcore::env_tangent", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        double length_dot = 0.0;
        for (int a = 0; a < 3; ++a) length_dot += r(p, a) * r_dot(p, a);
        length_dot *= part(p, 0);
        value_dot(p, 0) = static_cast<S>(part(p, 1) * length_dot * norm.inverse_std[0]);
        for (int a = 0; a < 3; ++a) {
          value_dot(p, a + 1) = static_cast<S>(
              (part(p, 3) * length_dot * r(p, a) + part(p, 2) * r_dot(p, a)) * norm.inverse_std[a + 1]);
        }
      });
}

// the transpose of env_tangent: dE/dx_a = [ g_0 s' + (g . x) q' ] x_a/r + q g_a
template <class S>
void env_backward(const Exec& exec, const TilePairs& pairs, const EnvNorm& norm, const EnvMatrix<S>& env,
                  const Matrix<S>& d_value) {
  const double *const part = env.radial_part.data(), *const r = pairs.r.data();
  double* const d_r = pairs.d_r.data();
  const S* const d = d_value.data();
  for_each_element(
      exec, "dpcore::env_backward", 1, pairs.n_pairs, KOKKOS_LAMBDA(const int, const int p) {
        const double g0 = static_cast<double>(d[4 * p]) * norm.inverse_std[0];
        double g[3], dot = 0.0;
        for (int a = 0; a < 3; ++a) {
          g[a] = static_cast<double>(d[4 * p + a + 1]) * norm.inverse_std[a + 1];
          dot += g[a] * r[3 * p + a];
        }
        const double along = (g0 * part[4 * p + 1] + dot * part[4 * p + 3]) * part[4 * p];
        for (int a = 0; a < 3; ++a) d_r[3 * p + a] = along * r[3 * p + a] + part[4 * p + 2] * g[a];
      });
}

template void env_forward<double>(const Exec&, const TilePairs&, const Cutoff&, const EnvNorm&,
                                  EnvMatrix<double>&, Workspace&);
template void env_forward<float>(const Exec&, const TilePairs&, const Cutoff&, const EnvNorm&,
                                 EnvMatrix<float>&, Workspace&);
template void env_tangent<double>(const Exec&, const TilePairs&, const EnvNorm&, EnvMatrix<double>&,
                                  Workspace&);
template void env_tangent<float>(const Exec&, const TilePairs&, const EnvNorm&, EnvMatrix<float>&,
                                 Workspace&);
template void env_backward<double>(const Exec&, const TilePairs&, const EnvNorm&, const EnvMatrix<double>&,
                                   const Matrix<double>&);
template void env_backward<float>(const Exec&, const TilePairs&, const EnvNorm&, const EnvMatrix<float>&,
                                  const Matrix<float>&);

}  // namespace dpcore
