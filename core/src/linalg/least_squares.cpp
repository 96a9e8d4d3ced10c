// SPDX-License-Identifier: LGPL-3.0-or-later
#include "linalg/least_squares.hpp"

#include <cmath>
#include <string>

#include <Eigen/SVD>

#include "dpcore/errors.h"

namespace dpcore {

std::vector<double> least_squares(const std::vector<double>& a, const std::vector<double>& b, int n,
                                  double rcond) {
  const auto m = static_cast<int>(b.size());
  if (n < 0 || a.size() != b.size() * static_cast<std::size_t>(n)) {
    throw Error("least_squares: the matrix has " + std::to_string(a.size()) + " numbers, expected " +
                std::to_string(m) + " x " + std::to_string(n));
  }
  for (const auto* part : {&a, &b}) {
    for (const double x : *part) {
      if (!std::isfinite(x)) throw Error("least_squares: a number is not finite");
    }
  }
  if (m == 0 || n == 0) return std::vector<double>(static_cast<std::size_t>(n), 0.0);
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> matrix(a.data(), m, n);
  const Eigen::Map<const Eigen::VectorXd> right(b.data(), m);
  Eigen::JacobiSVD<Eigen::MatrixXd> svd(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
  svd.setThreshold(rcond);
  const Eigen::VectorXd x = svd.solve(right);
  return std::vector<double>(x.data(), x.data() + n);
}

}  // namespace dpcore
