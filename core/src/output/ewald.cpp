// SPDX-License-Identifier: LGPL-3.0-or-later
#include "output/ewald.hpp"

#include <cmath>

#include "base/runtime.hpp"
#include "dpcore/errors.h"

namespace dpcore {

namespace {

constexpr double kCoulomb = 14.39964535475696995031;  // eV A/e^2
constexpr double kPi = 3.14159265358979323846;
constexpr int kChunk = 64;     // sites worked on together
constexpr double kMost = 5e7;  // waves: 2 GB of memory
constexpr int kRowSums = 7;    // energy, xx xy xz yy yz zz of a row of waves

/// The waves of half of the reciprocal space: rows (m_1, m_2) with m_1 = 0..half[0], m_2 = -half[1]..half[1];
/// along a row m_3 = 0..half[2] with its negative.
struct Waves {
  int half[3];
  double b[3][3];  // reciprocal vectors, 1/A

  int n_rows() const { return (half[0] + 1) * (2 * half[1] + 1); }
  int width() const { return half[2] + 1; }
  KOKKOS_INLINE_FUNCTION void row(const int r, int& m1, int& m2) const {
    m1 = r / (2 * half[1] + 1);
    m2 = r % (2 * half[1] + 1) - half[1];
  }
  KOKKOS_INLINE_FUNCTION void vector(const int m1, const int m2, const int m3, double* k) const {
    for (int a = 0; a < 3; ++a) k[a] = m1 * b[0][a] + m2 * b[1][a] + m3 * b[2][a];
  }
};

/// e^(2 pi i m s) of the sites: cos and sin [m = 0..half of each direction][n], one direction after the other
struct Phases {
  double* data;
  int n;
  int first[3];  // number of m before those of a direction
  KOKKOS_INLINE_FUNCTION const double* cos(const int d, const int m) const {
    return data + 2 * static_cast<std::ptrdiff_t>(first[d] + m) * n;
  }
  KOKKOS_INLINE_FUNCTION const double* sin(const int d, const int m) const { return cos(d, m) + n; }
};

int half_of(double length, double h) {
  auto steps = static_cast<long>(std::floor(length / h));
  if (static_cast<double>(steps) * h < length) ++steps;
  if (steps % 2 == 1) ++steps;
  return static_cast<int>(steps / 2);
}

double cross_dot(const double* a, const double* b, const double* c, double* product) {
  product[0] = b[1] * c[2] - b[2] * c[1];
  product[1] = b[2] * c[0] - b[0] * c[2];
  product[2] = b[0] * c[1] - b[1] * c[0];
  return a[0] * product[0] + a[1] * product[1] + a[2] * product[2];
}

/// Throws Error.
Waves waves_of(const double* cell, double h, double& volume) {
  Waves w;
  double count = 1;
  for (int d = 0; d < 3; ++d) {
    const double *a = cell + 3 * d, *b = cell + 3 * ((d + 1) % 3), *c = cell + 3 * ((d + 2) % 3);
    const double length = std::sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    double product[3];
    const double triple = cross_dot(a, b, c, product);
    if (!std::isfinite(triple) || triple == 0) throw Error("Ewald sum: the cell has no volume");
    volume = std::abs(triple);
    for (int i = 0; i < 3; ++i) w.b[d][i] = product[i] / triple;
    count *= length / h + 2;
    if (!(count <= kMost)) {
      throw Error("Ewald sum: a cell vector of " + std::to_string(length) + " A in steps of ewald_h = " +
                  std::to_string(h) + " A leads to more than " + std::to_string(static_cast<long>(kMost)) +
                  " waves; take a larger ewald_h or a smaller cell");
    }
    w.half[d] = half_of(length, h);
  }
  return w;
}

/// Phases of sites [begin, end); site [n, 4]: fractional coordinates and charge
void make_phases(const Exec& exec, const double* site, const Waves& waves, const Phases& phases, int begin,
                 int end) {
  const int n = phases.n;
  for (int d = 0; d < 3; ++d) {
    const int most = waves.half[d];
    double* const out = phases.data + 2 * static_cast<std::ptrdiff_t>(phases.first[d]) * n;
    for_each(
        exec, "dpcore::ewald_phases", end - begin, KOKKOS_LAMBDA(const int at) {
          const int i = begin + at;
          const double s = site[4 * i + d];
          for (int m = 0; m <= most; ++m) {
            const double x = m * s, angle = 2.0 * kPi * (x - Kokkos::round(x));
            double* const one = out + 2 * static_cast<std::ptrdiff_t>(m) * n;
            one[i] = Kokkos::cos(angle);
            one[n + i] = Kokkos::sin(angle);
          }
        });
  }
}

/// Rows [begin, end): wave [rows, width, 4] becomes the real and imaginary parts of g(+m_3) + g(-m_3) and of
/// g(+m_3) - g(-m_3) with g = weight e^(-pi^2 k^2/beta^2)/k^2 S; row_sum [rows, kRowSums] of energy and
/// virial. weight 2 stands for the other half.
void structure_factors(const Exec& exec, const double* site, const Waves& waves, const Phases& phases,
                       double beta, double* wave, double* row_sum, int begin, int end) {
  const int n = phases.n, width = waves.width();
  const double damping = kPi * kPi / (beta * beta);
  for_each(
      exec, "dpcore::ewald_structure_factors", end - begin, KOKKOS_LAMBDA(const int at) {
        const int r = begin + at;
        int m1, m2;
        waves.row(r, m1, m2);
        double* const out = wave + 4 * static_cast<std::ptrdiff_t>(r) * width;
        for (int k = 0; k < 4 * width; ++k) out[k] = 0.0;
        const double* const ac = phases.cos(0, m1);
        const double* const as = phases.sin(0, m1);
        const double* const bc = phases.cos(1, m2 < 0 ? -m2 : m2);
        const double* const bs = phases.sin(1, m2 < 0 ? -m2 : m2);
        const double sign = m2 < 0 ? -1.0 : 1.0;
        for (int i0 = 0; i0 < n; i0 += kChunk) {
          const int size = n - i0 < kChunk ? n - i0 : kChunk;
          double tr[kChunk], ti[kChunk];  // q e^(2 pi i (m_1 s_1 + m_2 s_2))
          for (int k = 0; k < size; ++k) {
            const int i = i0 + k;
            const double q = site[4 * i + 3], s = sign * bs[i];
            tr[k] = q * (ac[i] * bc[i] - as[i] * s);
            ti[k] = q * (ac[i] * s + as[i] * bc[i]);
          }
          for (int m3 = 0; m3 < width; ++m3) {
            const double* const c = phases.cos(2, m3) + i0;
            const double* const s = phases.sin(2, m3) + i0;
            double rc = 0.0, is = 0.0, rs = 0.0, ic = 0.0;
#pragma omp simd reduction(+ : rc, is, rs, ic)
            for (int k = 0; k < size; ++k) {
              rc += tr[k] * c[k];
              is += ti[k] * s[k];
              rs += tr[k] * s[k];
              ic += ti[k] * c[k];
            }
            out[4 * m3] += rc;
            out[4 * m3 + 1] += is;
            out[4 * m3 + 2] += rs;
            out[4 * m3 + 3] += ic;
          }
        }
        double sums[kRowSums] = {};
        for (int m3 = 0; m3 < width; ++m3) {
          double* const o = out + 4 * m3;
          double g[2][2] = {{0.0, 0.0}, {0.0, 0.0}};
          for (int half = 0; half < (m3 == 0 ? 1 : 2); ++half) {
            if (m1 == 0 && m2 == 0 && m3 == 0) continue;
            // S(+m_3) = rc - is + i (rs + ic), S(-m_3) = rc + is + i (ic - rs)
            const double re = half == 0 ? o[0] - o[1] : o[0] + o[1];
            const double im = half == 0 ? o[3] + o[2] : o[3] - o[2];
            double k[3];
            waves.vector(m1, m2, half == 0 ? m3 : -m3, k);
            const double k2 = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
            const double f = (m1 == 0 ? 1.0 : 2.0) * Kokkos::exp(-damping * k2) / k2;
            const double e = f * (re * re + im * im), along = -2.0 * (1.0 + damping * k2) / k2;
            g[half][0] = f * re;
            g[half][1] = f * im;
            sums[0] += e;
            int at_pair = 1;
            for (int a = 0; a < 3; ++a) {
              for (int b = a; b < 3; ++b) sums[at_pair++] += e * ((a == b ? 1.0 : 0.0) + along * k[a] * k[b]);
            }
          }
          o[0] = g[0][0] + g[1][0];
          o[1] = g[0][1] + g[1][1];
          o[2] = g[0][0] - g[1][0];
          o[3] = g[0][1] - g[1][1];
        }
        for (int k = 0; k < kRowSums; ++k) row_sum[kRowSums * r + k] = sums[k];
      });
}

/// Chunks [begin, end) of sites: force [n, 3] = q sum_m g-weighted k (sin(2 pi k.r) Re S - cos(2 pi k.r) Im
/// S)
///                                            = -q sum_d b_d Im sum_m m_d g e^(-2 pi i m.s)
void wave_forces(const Exec& exec, const double* site, const Waves& waves, const Phases& phases,
                 const double* wave, double* force, int begin, int end) {
  const int n = phases.n, width = waves.width(), n_rows = waves.n_rows();
  for_each(
      exec, "dpcore::ewald_forces", end - begin, KOKKOS_LAMBDA(const int at) {
        const int i0 = (begin + at) * kChunk;
        const int size = n - i0 < kChunk ? n - i0 : kChunk;
        double along[3][kChunk] = {};
        for (int r = 0; r < n_rows; ++r) {
          int m1, m2;
          waves.row(r, m1, m2);
          const double* const g = wave + 4 * static_cast<std::ptrdiff_t>(r) * width;
          double ar[kChunk], ai[kChunk], br[kChunk], bi[kChunk];  // sums along m_3, plain and times m_3
          for (int k = 0; k < size; ++k) {
            // m_3 = 0 has no partner: its sum and difference are the same
            ar[k] = g[0];
            ai[k] = g[1];
            br[k] = bi[k] = 0.0;
          }
          for (int m3 = 1; m3 < width; ++m3) {
            const double* const c = phases.cos(2, m3) + i0;
            const double* const s = phases.sin(2, m3) + i0;
            const double pr = g[4 * m3], pi = g[4 * m3 + 1], nr = g[4 * m3 + 2], ni = g[4 * m3 + 3];
            const double xr = m3 * nr, xi = m3 * ni, yr = m3 * pr, yi = m3 * pi;
#pragma omp simd
            for (int k = 0; k < size; ++k) {
              ar[k] += pr * c[k] + ni * s[k];
              ai[k] += pi * c[k] - nr * s[k];
              br[k] += xr * c[k] + yi * s[k];
              bi[k] += xi * c[k] - yr * s[k];
            }
          }
          const double* const ac = phases.cos(0, m1) + i0;
          const double* const as = phases.sin(0, m1) + i0;
          const double* const bc = phases.cos(1, m2 < 0 ? -m2 : m2) + i0;
          const double* const bs = phases.sin(1, m2 < 0 ? -m2 : m2) + i0;
          const double sign = m2 < 0 ? -1.0 : 1.0;
#pragma omp simd
          for (int k = 0; k < size; ++k) {
            // Im of e^(-2 pi i (m_1 s_1 + m_2 s_2)) times the sums
            const double s = sign * bs[k];
            const double ur = ac[k] * bc[k] - as[k] * s, ui = -(ac[k] * s + as[k] * bc[k]);
            const double plain = ur * ai[k] + ui * ar[k];
            along[0][k] += m1 * plain;
            along[1][k] += m2 * plain;
            along[2][k] += ur * bi[k] + ui * br[k];
          }
        }
        for (int k = 0; k < size; ++k) {
          const double q = site[4 * (i0 + k) + 3];
          for (int a = 0; a < 3; ++a) {
            double f = 0.0;
            for (int d = 0; d < 3; ++d) f -= along[d][k] * waves.b[d][a];
            force[3 * (i0 + k) + a] = q * f;
          }
        }
      });
}

void at_least(DeviceArray<double>& array, std::size_t n) {
  if (array.extent(0) < n)
    array = DeviceArray<double>(Kokkos::view_alloc(Kokkos::WithoutInitializing, "dpcore::Ewald"), n);
}

}  // namespace

Ewald::Ewald(double h, double beta) {
  volatile float h32 = static_cast<float>(h), beta32 = static_cast<float>(beta);  // see env/switch.hpp
  h_ = static_cast<double>(h32);
  beta_ = static_cast<double>(beta32);
  if (!(h_ > 0 && std::isfinite(h_))) throw Error("ewald_h: expected a distance > 0 A");
  if (!(beta_ > 0 && std::isfinite(beta_))) throw Error("ewald_beta: expected a number > 0 1/A");
}

void Ewald::compute(const std::vector<double>& position, const std::vector<double>& charge,
                    const double* cell, bool derivatives, EwaldResult& out) {
  const int n = static_cast<int>(charge.size());
  double volume = 0;
  const Waves waves = waves_of(cell, h_, volume);
  out.energy = 0;
  out.force.assign(3 * charge.size(), 0.0);
  for (double& v : out.virial) v = 0;
  if (n == 0) return;

  std::vector<double> site(4 * charge.size());
  for (std::size_t i = 0; i < charge.size(); ++i) {
    for (std::size_t d = 0; d < 3; ++d) {
      double s = 0;
      for (std::size_t a = 0; a < 3; ++a) s += position[3 * i + a] * waves.b[d][a];
      site[4 * i + d] = s - std::floor(s);
    }
    site[4 * i + 3] = charge[i];
  }
  Phases phases{nullptr, n, {0, waves.half[0] + 1, waves.half[0] + waves.half[1] + 2}};
  const auto n_rows = static_cast<std::size_t>(waves.n_rows());
  at_least(site_, site.size());
  at_least(phase_, 2 * charge.size() * static_cast<std::size_t>(phases.first[2] + waves.half[2] + 1));
  at_least(wave_, 4 * n_rows * static_cast<std::size_t>(waves.width()));
  at_least(row_sum_, kRowSums * n_rows);
  at_least(force_, 3 * charge.size());
  using Host = Kokkos::View<double*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  const auto part = [](const DeviceArray<double>& all, std::size_t size) {
    return Vector<double>(all.data(), size);
  };
  Kokkos::deep_copy(part(site_, site.size()), Host(site.data(), site.size()));
  phases.data = phase_.data();

  // every number is made by one worker, and sums over rows by this thread: the order never changes
  const int workers = n_workers(), n_chunks = (n + kChunk - 1) / kChunk, rows = waves.n_rows();
  const auto share = [&](int total, const auto& work) {
    run_workers(workers, [&](int w) {
      const Exec exec;
      const auto cut = [&](int k) {
        return static_cast<int>(static_cast<std::int64_t>(total) * k / workers);
      };
      work(exec, cut(w), cut(w + 1));
    });
  };
  share(n, [&](const Exec& exec, int begin, int end) {
    make_phases(exec, site_.data(), waves, phases, begin, end);
  });
  share(rows, [&](const Exec& exec, int begin, int end) {
    structure_factors(exec, site_.data(), waves, phases, beta_, wave_.data(), row_sum_.data(), begin, end);
  });
  if (derivatives) {
    share(n_chunks, [&](const Exec& exec, int begin, int end) {
      wave_forces(exec, site_.data(), waves, phases, wave_.data(), force_.data(), begin, end);
    });
    Kokkos::deep_copy(Host(out.force.data(), out.force.size()), part(force_, out.force.size()));
  }
  std::vector<double> row_sum(kRowSums * n_rows);
  Kokkos::deep_copy(Host(row_sum.data(), row_sum.size()), part(row_sum_, row_sum.size()));

  double sums[kRowSums] = {};
  for (std::size_t r = 0; r < n_rows; ++r) {
    for (int k = 0; k < kRowSums; ++k) sums[k] += row_sum[kRowSums * r + static_cast<std::size_t>(k)];
  }
  const double factor = kCoulomb / (2 * kPi * volume);
  out.energy = factor * sums[0];
  int at = 1;
  for (int a = 0; a < 3; ++a) {
    for (int b = a; b < 3; ++b) out.virial[3 * a + b] = out.virial[3 * b + a] = factor * sums[at++];
  }
  for (double& f : out.force) f *= 4 * kPi * factor;
}

}  // namespace dpcore
