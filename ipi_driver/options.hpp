// SPDX-License-Identifier: LGPL-3.0-or-later
// What the user wants: a JSON file with the keys of DeePMD-kit's dp_ipi, options of the command line, or
// both.
#pragma once

#include <map>
#include <string>

#include "socket.hpp"

namespace dpcore::ipi {

struct Options {
  std::string model;                     ///< key graph_file
  std::string precision;                 ///< key precision; as precision_from takes it
  std::string structure;                 ///< key coord_file
  Address address;                       ///< keys use_unix, host, port, sockets_prefix
  std::map<std::string, int> atom_type;  ///< types by name; the model's names hold besides
  double wait = 60;                      ///< s until a server must be there
  bool verbose = false;
  std::string text;  ///< of --help or --version, to be printed; nothing else is done then
};

/// Options of the command line stand over the keys of the file. Throws UsageError or Error.
Options read_options(int argc, char** argv);

/// The command line is wrong.
struct UsageError : Error {
  using Error::Error;
};

}  // namespace dpcore::ipi
