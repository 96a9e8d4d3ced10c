// SPDX-License-Identifier: LGPL-3.0-or-later
// The client's side of i-PI's protocol, over any stream of bytes.
//
// A message is a name of 12 characters, filled with spaces, and data: native int32 and double, atomic units.
//
//   from the server                                          answer
//   STATUS                                                   NEEDINIT, READY or HAVEDATA
//   INIT      int32 bead, int32 n, char[n]                   none; "batch_size:N" in the text announces N
//   structures at once POSDATA   double h[9], hinv[9], int32 n_atoms,           none
//             double x[n_atoms, 3]
//     if N>1  int32 n_atoms, N times h, hinv, then N times x
//   GETFORCE                                                 FORCEREADY, double energy[N], int32 n_atoms,
//                                                            double force[N, n_atoms, 3], virial[N, 9],
//                                                            N times int32 n, char[n]: a JSON text, here {}
//   EXIT                                                     none; the end
//
// Columns of h are the cell vectors, and the virial is -dE/d(strain), transposed in the same way. i-PI always
// sends a cell, so the system is always periodic.
//
// Where the message after POSDATA comes together with it, as from i-PI, it is read before the evaluation. A
// client that is killed in an evaluation then leaves nothing unread, and the server sees a closed connection;
// i-PI 3.3 hands its work to another client after that, but may stop for ever at a connection that is reset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <dpcore/model.h>

namespace dpcore::ipi {

/// The server has gone.
struct Closed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Both directions of a connection. Whole pieces or an exception: Closed, or Error.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void read(void* data, std::size_t n_bytes) = 0;
  virtual void write(const void* data, std::size_t n_bytes) = 0;
  /// Whether there is something to read within so many milliseconds.
  virtual bool has_more(int milliseconds) = 0;
};

/// Structures of one message, ready for a model: A, rows are cell vectors.
struct Structures {
  int n_frames = 1;
  std::vector<double> box;    ///< [n_frames, 9]
  std::vector<double> coord;  ///< [n_frames, n_atoms, 3]
};

using Evaluate = std::function<Prediction(const Structures&)>;
using Log = std::function<void(const std::string&)>;

class Client {
 public:
  /// n_atoms: of every structure; `source` names the file that says so. `trace` is told of every message.
  Client(Stream& stream, int n_atoms, std::string source, Evaluate evaluate, Log trace);

  /// Answer until EXIT. Throws Closed where the connection ends without it, Error for what is not in the
  /// protocol, for another number of atoms, and what `evaluate` throws.
  void run();

  long n_structures() const { return n_structures_; }  ///< evaluated so far

 private:
  void send_status();
  void read_init();
  void read_structures();
  void evaluate();
  void send_results();
  template <class T>
  T read_value();
  void read_doubles(std::vector<double>& to, std::size_t n);
  [[noreturn]] void refuse_count(std::int32_t n) const;

  Stream& stream_;
  std::size_t n_atoms_;
  std::string source_;
  Evaluate evaluate_;
  Log trace_;
  bool initialized_ = false;
  enum class Data { none, structures, results } data_ = Data::none;
  std::size_t batch_ = 1;
  long n_structures_ = 0;
  std::vector<double> cells_;  ///< h and its inverse of all structures
  Structures structures_;
  Prediction result_;
  std::vector<char> reply_;
};

}  // namespace dpcore::ipi
