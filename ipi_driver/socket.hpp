// SPDX-License-Identifier: LGPL-3.0-or-later
// Connections to a server: unix and Internet sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "protocol.hpp"

namespace dpcore::ipi {

struct Address {
  bool use_unix = false;
  std::string host = "localhost";    ///< host, or the name that follows `prefix`
  int port = 0;                      ///< of an Internet socket
  std::string prefix = "/tmp/ipi_";  ///< of a unix socket

  std::string path() const { return prefix + host; }  ///< of a unix socket
  std::string text() const;                           ///< for messages
};

/// Connect; where no server answers yet, try again for `wait` seconds and tell `log` the time that is left.
/// Throws Error: no server in that time, a host that is not known, a path that is too long, no permission.
std::unique_ptr<Stream> connect_to(const Address& address, double wait, const Log& log);

}  // namespace dpcore::ipi
