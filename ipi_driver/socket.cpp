// SPDX-License-Identifier: LGPL-3.0-or-later
#include "socket.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace dpcore::ipi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kPause = 0.2;      // s between two tries
constexpr double kLongestTry = 10;  // s for one try; packets to a wrong address may just vanish
constexpr int kPatience = 100,
              kMostRests = 100000;  // ms to wait for more, pieces of 4 kB at the end of a connection
constexpr int kProbeAfter = 60, kProbeEvery = 15,
              kProbes = 4;  // s, s: a server whose machine is gone is noticed

std::string reason(int code) { return std::strerror(code); }

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Socket final : public Stream {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  /// Takes what was sent already: closing with unread data would reset the connection (see protocol.hpp).
  ~Socket() override {
    ::shutdown(descriptor_, SHUT_WR);
    char rest[4096];
    for (int n = 0; n < kMostRests && has_more(kPatience); ++n) {
      if (::recv(descriptor_, rest, sizeof(rest), 0) <= 0) break;
    }
    ::close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool has_more(int milliseconds) override {
    pollfd wanted = {descriptor_, POLLIN, 0};
    return ::poll(&wanted, 1, milliseconds) > 0;
  }

  void read(void* data, std::size_t n_bytes) override {
    auto* at = static_cast<char*>(data);
    while (n_bytes > 0) {
      const ssize_t n = ::recv(descriptor_, at, n_bytes, 0);
      if (n == 0) throw Closed("the server has closed the connection");
      if (n < 0)
        fail();
      else
        advance(at, n_bytes, n);
    }
  }

  void write(const void* data, std::size_t n_bytes) override {
    const auto* at = static_cast<const char*>(data);
    while (n_bytes > 0) {
      const ssize_t n = ::send(descriptor_, at, n_bytes, MSG_NOSIGNAL);
      if (n < 0)
        fail();
      else
        advance(at, n_bytes, n);
    }
  }

 private:
  template <class T>
  static void advance(T*& at, std::size_t& left, ssize_t n) {
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  /// Returns where the call is to be repeated.
  static void fail() {
    if (errno == EINTR) return;
    if (errno == ECONNRESET || errno == EPIPE) throw Closed("the server has gone (" + reason(errno) + ")");
    throw Error("the connection failed: " + reason(errno));
  }

  int descriptor_;
};

/// 0, or the error of connecting within `timeout` seconds.
int connect_within(int descriptor, const sockaddr* address, socklen_t length, double timeout) {
  const int flags = ::fcntl(descriptor, F_GETFL, 0);
  ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  if (::connect(descriptor, address, length) != 0) {
    if (errno != EINPROGRESS) return errno;
    pollfd wanted = {descriptor, POLLOUT, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::ceil(1e3 * timeout)));
    if (ready < 0) return errno;
    if (ready == 0) return ETIMEDOUT;
    int code = 0;
    socklen_t size = sizeof(code);
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0) return errno;
    if (code != 0) return code;
  }
  ::fcntl(descriptor, F_SETFL, flags);
  return 0;
}

/// A connected descriptor, or -1 and the error.
int open_one(int family, int protocol, const sockaddr* address, socklen_t length, double timeout,
             int& error) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol);
  if (descriptor < 0) {
    error = errno;
    return -1;
  }
  error = connect_within(descriptor, address, length, timeout);
  if (error == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

int open_unix(const Address& address, double timeout, int& error) {
  sockaddr_un where = {};
  where.sun_family = AF_UNIX;
  const std::string path = address.path();
  if (path.size() >= sizeof(where.sun_path)) {
    throw Error("the path of the unix socket has " + std::to_string(path.size()) + " characters, at most " +
                std::to_string(sizeof(where.sun_path) - 1) + " are possible: " + path +
                ". Give i-PI and dp_ipi a shorter prefix (-S) or address");
  }
  std::copy(path.begin(), path.end(), where.sun_path);
  return open_one(AF_UNIX, 0, reinterpret_cast<const sockaddr*>(&where), sizeof(where), timeout, error);
}

int open_inet(const Address& address, double timeout, int& error) {
  addrinfo wanted = {};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &wanted, &found);
  if (code != 0) {
    const std::string why = code == EAI_SYSTEM ? reason(errno) : ::gai_strerror(code);
    throw Error(
        "there is no host \"" + address.host + "\" (" + why +
        "); the address (-a, or \"host\" in the JSON file) is the "
        "name or number of the machine on which i-PI runs. For a unix socket say -u or \"use_unix\": true");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int descriptor = open_one(a->ai_family, a->ai_protocol, a->ai_addr, a->ai_addrlen, timeout, error);
    if (descriptor < 0) continue;
    const auto set = [&](int level, int name, int value) {
      ::setsockopt(descriptor, level, name, &value, sizeof(value));
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfter);
    set(IPPROTO_TCP, TCP_KEEPINTVL, kProbeEvery);
    set(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
    return descriptor;
  }
  return -1;
}

/// Errors that a server which is about to start makes go away.
bool may_pass(int error) {
  for (const int code :
       {ENOENT, ECONNREFUSED, EAGAIN, EINTR, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNRESET}) {
    if (error == code) return true;
  }
  return false;
}

std::string hint(const Address& address) {
  if (address.use_unix) {
    return "start i-PI first; its ffsocket must have mode='unix' and <address> " + address.host +
           " </address>, and the prefix (-S "
           "of i-pi and dp_ipi) must be the same";
  }
  return "start i-PI first; its ffsocket must have mode='inet', <port> " + std::to_string(address.port) +
         " </port> and an <address> that this machine can reach: localhost only if both run on the same one";
}

}  // namespace

std::string Address::text() const {
  return use_unix ? "unix socket " + path() : "port " + std::to_string(port) + " of " + host;
}

std::unique_ptr<Stream> connect_to(const Address& address, double wait, const Log& log) {
  const auto begin = Clock::now();
  const double every = std::min(10.0, std::max(1.0, wait / 6));  // s between two lines of the countdown
  double next = 0;
  for (;;) {
    const double left = wait - seconds_since(begin);
    const double timeout = std::min(kLongestTry, std::max(1.0, left));
    int error = 0;
    const int descriptor =
        address.use_unix ? open_unix(address, timeout, error) : open_inet(address, timeout, error);
    if (descriptor >= 0) return std::make_unique<Socket>(descriptor);
    if (!may_pass(error)) throw Error("cannot connect to " + address.text() + ": " + reason(error));
    const double now = seconds_since(begin);
    if (now >= wait) {
      throw Error("no server at " + address.text() + " (" + reason(error) + ")" +
                  (wait > 0 ? " within " + std::to_string(std::lround(wait)) + " s" : std::string()) + ": " +
                  hint(address) + ". --wait SECONDS waits longer");
    }
    if (now >= next) {
      log("no server at " + address.text() + " yet (" + reason(error) + "); trying for " +
          std::to_string(std::lround(std::ceil(wait - now))) + " s more" +
          (next > 0 ? "" : ". Hint: " + hint(address)));
      next = now + every;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(kPause, std::max(0.0, wait - now))));
  }
}

}  // namespace dpcore::ipi
