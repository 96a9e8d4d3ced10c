// SPDX-License-Identifier: LGPL-3.0-or-later
// dp_ipi: a client of i-PI that evaluates a model.
//
// Exit code 0: the server said EXIT or has gone; 1: it cannot go on, the message says why; 2: the command
// line is wrong; 128 + n: signal n.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include <signal.h>
#include <unistd.h>

#include <dpcore/model.h>
#include <dpcore/version.h>

#include "options.hpp"
#include "protocol.hpp"
#include "socket.hpp"
#include "structure.hpp"

namespace dpcore::ipi {
namespace {

void say(const std::string& text) { std::fprintf(stderr, "dp_ipi: %s\n", text.c_str()); }

/// Nothing needs to be saved, and the socket is the server's: end at once, also in a long evaluation.
void stop(int number) {
  const char* text = number == SIGINT ? "\ndp_ipi: stopped by Ctrl-C\n" : "dp_ipi: stopped by a signal\n";
  if (::write(STDERR_FILENO, text, std::strlen(text)) >= 0 || number > 0) ::_exit(128 + number);
}

void set_signals() {
  struct sigaction action = {};
  action.sa_handler = stop;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(number, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

/// GNU's OpenMP lets threads spin for milliseconds at the end of every parallel loop, unless it is told
/// otherwise before main() begins: hence a second start. Clients share the cores with i-PI and with each
/// other.
void calm_threads(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "2000", 1);
  ::execv("/proc/self/exe", argv);  // where that does not work, go on as it is
}

/// Whether the model needs what i-PI does not send.
void check_parameters(const Model& model, const std::string& path) {
  const auto refuse = [&](int n, const std::string& kind) {
    if (n > 0)
      throw Error(path + ": the model needs " + std::to_string(n) + " " + kind +
                  " parameter(s); i-PI has none to send");
  };
  refuse(model.dim_fparam(), "frame");
  refuse(model.dim_aparam(), "atomic");
}

int run(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  if (!options.text.empty()) {
    std::fputs(options.text.c_str(), stdout);
    return 0;
  }
  const Model model = Model::read(options.model, precision_from(options.precision));
  check_parameters(model, options.model);
  std::string conflict;
  const auto types =
      read_types(options.structure, known_names(options.atom_type, model.type_map(), conflict));
  if (!conflict.empty()) say("warning: " + conflict);

  const auto stream = connect_to(options.address, options.wait, say);
  say("connected to " + options.address.text() + "; " + std::to_string(types.size()) + " atoms, model " +
      options.model);

  bool warned = false;
  const auto evaluate = [&](const Structures& structures) {
    const auto begin = std::chrono::steady_clock::now();
    Frames frames;
    frames.n_frames = structures.n_frames;
    frames.n_atoms = static_cast<int>(types.size());
    frames.coord = structures.coord.data();
    frames.box = structures.box.data();
    frames.type = types.data();
    Prediction result = model.predict(frames);
    if (!result.notice.empty()) say("warning: " + result.notice);
    if (result.overflow_atoms > 0 && !warned) {
      warned = true;
      say("warning: " + std::to_string(result.overflow_atoms) +
          " atom(s) have more neighbours of a type than the model's sel, by up to " +
          std::to_string(result.overflow_worst) +
          ": the farthest are left out, and energies are not smooth there. A model with a "
          "larger sel avoids this; DP_STRICT_SEL=1 makes it an error. (Said once.)");
    }
    if (options.verbose) {
      const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
      char line[80];
      for (const double energy : result.energy) {
        std::snprintf(line, sizeof(line), "energy %.9f eV, %.1f ms", energy,
                      time.count() / structures.n_frames);
        say(line);
      }
    }
    return result;
  };

  Client client(*stream, static_cast<int>(types.size()), options.structure, evaluate,
                options.verbose ? Log(say) : Log());
  std::string end = "the server says EXIT";
  try {
    client.run();
  } catch (const Closed& closed) {
    end = closed.what();
  }
  say(end + "; " + std::to_string(client.n_structures()) + " structures evaluated");
  return 0;
}

}  // namespace
}  // namespace dpcore::ipi

int main(int argc, char** argv) {
  using namespace dpcore::ipi;
  calm_threads(argv);
  set_signals();
  try {
    return run(argc, argv);
  } catch (const UsageError& error) {
    say(error.what());
    return 2;
  } catch (const std::exception& error) {
    say(error.what());
    return 1;
  }
}
