// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_deviation.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <dpcore/errors.h>

namespace dpcore_lammps {

std::vector<double> force_deviation(const std::vector<const double*>& force, std::size_t n, bool relative,
                                    double epsilon) {
  const double share = 1.0 / static_cast<double>(force.size());
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    double mean[3] = {0, 0, 0}, square = 0;
    for (const double* f : force) {
      for (std::size_t d = 0; d < 3; ++d) mean[d] += share * f[3 * i + d];
    }
    for (const double* f : force) {
      for (std::size_t d = 0; d < 3; ++d)
        square += share * (f[3 * i + d] - mean[d]) * (f[3 * i + d] - mean[d]);
    }
    out[i] = std::sqrt(square);
    if (relative) out[i] /= std::sqrt(mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2]) + epsilon;
  }
  return out;
}

Spread virial_deviation(const std::vector<std::vector<double>>& virial, bool relative, double epsilon) {
  const double share = 1.0 / static_cast<double>(virial.size());
  Spread out;
  double sum = 0;
  for (std::size_t d = 0; d < 9; ++d) {
    double mean = 0, square = 0;
    for (const auto& v : virial) mean += share * v[d];
    for (const auto& v : virial) square += share * (v[d] - mean) * (v[d] - mean);
    const double deviation = std::sqrt(square) / (relative ? std::fabs(mean) + epsilon : 1.0);
    out.max = d == 0 ? deviation : std::max(out.max, deviation);
    out.min = d == 0 ? deviation : std::min(out.min, deviation);
    sum += deviation * deviation;
  }
  out.mean = std::sqrt(sum / 9);
  return out;
}

void DeviationFile::open(const std::string& path, bool append, bool atomic) {
  close();
  path_ = path;
  last_step_ = -1;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  file_ = descriptor < 0 ? nullptr : fdopen(descriptor, "r+");
  if (file_ == nullptr) {
    throw dpcore::Error("out_file " + path + ": cannot be opened for writing: " + std::strerror(errno));
  }
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {  // not every file system has locks
    throw dpcore::Error("out_file " + path +
                        ": another pair style, partition or run is writing it; give each its own file");
  }
  if (!append && ftruncate(descriptor, 0) != 0 && errno != EINVAL) {  // EINVAL: a device, a pipe
    throw dpcore::Error("out_file " + path + ": cannot be emptied: " + std::strerror(errno));
  }
  std::fseek(file_, 0, SEEK_END);
  if (std::ftell(file_) > 0) return;
  std::fprintf(file_, "#%11s", "step");
  for (const char* name :
       {"max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"}) {
    std::fprintf(file_, "%19s", name);
  }
  if (atomic) std::fprintf(file_, "%19s", "atm_devi_f(N)");
  std::fprintf(file_, "\n");
  std::fflush(file_);
}

void DeviationFile::close() {
  if (file_ != nullptr) std::fclose(file_);
  file_ = nullptr;
}

void DeviationFile::row(long long step, const Spread& virial, const Spread& force,
                        const std::vector<double>& atoms) {
  if (step == last_step_) {
    if (std::fseek(file_, last_row_, SEEK_SET) != 0 || ftruncate(fileno(file_), last_row_) != 0) {
      throw dpcore::Error("out_file " + path_ + ": " + std::strerror(errno));
    }
  }
  last_step_ = step;
  last_row_ = std::ftell(file_);
  std::fprintf(file_, "%12lld", step);
  for (const double x : {virial.max, virial.min, virial.mean, force.max, force.min, force.mean}) {
    std::fprintf(file_, " %18.6e", x);
  }
  for (const double x : atoms) std::fprintf(file_, " %18.6e", x);
  std::fprintf(file_, "\n");
  if (std::fflush(file_) != 0)
    throw dpcore::Error("out_file " + path_ + ": cannot be written: " + std::strerror(errno));
}

}  // namespace dpcore_lammps
