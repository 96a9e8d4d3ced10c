// SPDX-License-Identifier: LGPL-3.0-or-later
// Deviation between models: its statistics and the file it is written to.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace dpcore_lammps {

struct Spread {
  double max = 0, min = 0, mean = 0;
};

/// Per atom sqrt(<|f_m - <f>|^2>) over the models m; `relative` divides by |<f>| + epsilon.
/// force[m]: [n*3]. Y. Zhang et al., Comput. Phys. Commun. 253, 107206 (2020), equation 3.
std::vector<double> force_deviation(const std::vector<const double*>& force, std::size_t n, bool relative,
                                    double epsilon);

/// Of the nine standard deviations over the models of virial/atoms; the mean is the root of the mean square.
/// `relative` divides each by its |mean| + epsilon. virial[m]: [9], already divided by the number of atoms.
Spread virial_deviation(const std::vector<std::vector<double>>& virial, bool relative, double epsilon);

/// The file of `out_file`: a heading and one row for each step. A step that comes again (another run, a trial
/// move, a line search) replaces its row.
class DeviationFile {
 public:
  DeviationFile() = default;
  ~DeviationFile() { close(); }
  DeviationFile(const DeviationFile&) = delete;
  DeviationFile& operator=(const DeviationFile&) = delete;

  /// `append`: go on after what is there, as after read_restart. Throws dpcore::Error where it cannot be
  /// written, or is open elsewhere.
  void open(const std::string& path, bool append, bool atomic);
  void close();
  /// `atoms`: deviations of single atoms, added to the row. Throws dpcore::Error where it cannot be written.
  void row(long long step, const Spread& virial, const Spread& force, const std::vector<double>& atoms);

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
  long long last_step_ = -1;
  long last_row_ = 0;  // where the row of last_step_ begins
};

}  // namespace dpcore_lammps
