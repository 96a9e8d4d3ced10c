// SPDX-License-Identifier: LGPL-3.0-or-later
#include "env/radial_env.hpp"

#include "env/kept_pairs.hpp"

namespace dpcore {

template <class S>
void radial_env_forward(const Exec& exec, const TilePairs& pairs, const Cutoff& cutoff,
                        const RadialNorm& norm, RadialEnv<S>& env, Workspace& ws) {
  const Recipe recipe{1.0, sizeof(S), cutoff.rcut, cutoff.rcut_smth, norm.avg, norm.inverse_std};
  const PairColumns columns(pairs, recipe, {sizeof(S), 2 * sizeof(double)}, ws);
  env.value = columns.vector<S>(0);
  env.value_dot = Vector<S>();
  env.part = columns.matrix<double>(1);
  if (columns.known()) return;
  const Vector<S> value = env.value;
  const Matrix<double> part = env.part, r = pairs.r;
  for_each(
      exec, "dpcore::radial_env_forward", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const double x = r(p, 0), y = r(p, 1), z = r(p, 2);
        const double length = Kokkos::sqrt(x * x + y * y + z * z), inverse = 1.0 / length;
        double slope;
        const double s = cutoff.weight(length, slope) * inverse;
        part(p, 0) = inverse;
        part(p, 1) = (slope - s) * inverse;  // (w/r)' = w'/r - w/r^2
        value(p) = static_cast<S>((s - norm.avg) * norm.inverse_std);
      });
  columns.keep();
}

// s_dot = s' (x . x_dot)/r
template <class S>
void radial_env_tangent(const Exec& exec, const TilePairs& pairs, const RadialNorm& norm, RadialEnv<S>& env,
                        Workspace& ws) {
  env.value_dot = ws.vector<S>(static_cast<std::size_t>(pairs.n_pairs));
  const Vector<S> value_dot = env.value_dot;
  const Matrix<double> part = env.part, r = pairs.r, r_dot = pairs.r_dot;
  for_each(
      exec, "dpcore::radial_env_tangent", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        double along = 0.0;
        for (int a = 0; a < 3; ++a) along += r(p, a) * r_dot(p, a);
        value_dot(p) = static_cast<S>(part(p, 1) * along * part(p, 0) * norm.inverse_std);
      });
}

// the transpose: dE/dx_a = g s' x_a/r
template <class S>
void radial_env_backward(const Exec& exec, const TilePairs& pairs, const RadialNorm& norm,
                         const RadialEnv<S>& env, const Vector<S>& d_value) {
  const Matrix<double> part = env.part, r = pairs.r, d_r = pairs.d_r;
  for_each(
      exec, "dpcore::radial_env_backward", pairs.n_pairs, KOKKOS_LAMBDA(const int p) {
        const double along = static_cast<double>(d_value(p)) * norm.inverse_std * part(p, 1) * part(p, 0);
        for (int a = 0; a < 3; ++a) d_r(p, a) = along * r(p, a);
      });
}

template void radial_env_forward<double>(const Exec&, const TilePairs&, const Cutoff&, const RadialNorm&,
                                         RadialEnv<double>&, Workspace&);
template void radial_env_forward<float>(const Exec&, const TilePairs&, const Cutoff&, const RadialNorm&,
                                        RadialEnv<float>&, Workspace&);
template void radial_env_tangent<double>(const Exec&, const TilePairs&, const RadialNorm&, RadialEnv<double>&,
                                         Workspace&);
template void radial_env_tangent<float>(const Exec&, const TilePairs&, const RadialNorm&, RadialEnv<float>&,
                                        Workspace&);
template void radial_env_backward<double>(const Exec&, const TilePairs&, const RadialNorm&,
                                          const RadialEnv<double>&, const Vector<double>&);
template void radial_env_backward<float>(const Exec&, const TilePairs&, const RadialNorm&,
                                         const RadialEnv<float>&, const Vector<float>&);

}  // namespace dpcore
