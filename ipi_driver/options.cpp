// SPDX-License-Identifier: LGPL-3.0-or-later
#include "options.hpp"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <getopt.h>

#include <nlohmann/json.hpp>

#include <dpcore/version.h>

namespace dpcore::ipi {
namespace {

using Json = nlohmann::json;

constexpr const char* kHelp =
    R"(usage: dp_ipi [FILE.json] [options]

Energies, forces and virials for i-PI with a Deep Potential model. Start i-PI first
(i-pi input.xml), then one or more of these.

  -m, --model FILE            model file, as dp freeze or dp convert-from writes it
  -c, --coord FILE            xyz file of the same atoms in the same order as i-PI has
                              them; only the names are used
  -t, --type-map NAMES        names in the xyz file of type 0, 1, ... of the model, with
                              commas between; the model's own names are known without
  -P, --precision WORD        evaluate in high, mixed or low precision (default: as
                              DP_INTERFACE_PREC says, else as the model file has it)
  -u, --unix                  use a unix socket
  -a, --address NAME          host on which i-PI runs, or name of the unix socket
                              (default: localhost)
  -p, --port NUMBER           port of the Internet socket
  -S, --sockets_prefix TEXT   begin of the path of the unix socket (default: /tmp/ipi_)
  -w, --wait SECONDS          how long to try if the server is not there (default: 60)
  -v, --verbose               tell every message and every energy
  -h, --help                  show this and exit
  -V, --version               show the version and exit

FILE.json has the same under the keys of DeePMD-kit's manual; options stand over keys:

  {"verbose": false, "use_unix": true, "port": 31415, "host": "localhost",
   "graph_file": "water.dp", "coord_file": "conf.xyz", "atom_type": {"OW": 0, "HW": 1}}

and "sockets_prefix", "wait", "precision" if needed. OMP_NUM_THREADS is the number of
threads: with several clients on one machine, its cores divided by the number of clients.

  dp_ipi -m water.dp -c conf.xyz -u -a water
  dp_ipi -m water.dp -c conf.xyz -a node17 -p 31415
)";

/// Keys of the file: text for messages, whether a value has that form, and where it goes.
struct Key {
  const char* name;
  const char* expected;
  bool (*fits)(const Json&);
  void (*assign)(const Json&, Options&);
};

bool is_text(const Json& v) { return v.is_string() && !v.get_ref<const std::string&>().empty(); }
bool is_switch(const Json& v) { return v.is_boolean(); }
bool is_port(const Json& v) { return v.is_number_integer() && v >= 1 && v <= 65535; }
bool is_time(const Json& v) { return v.is_number() && v >= 0 && v <= 1e6; }
bool is_types(const Json& v) {
  if (!v.is_object()) return false;
  for (const auto& type : v) {
    if (!type.is_number_integer() || type < 0 || type > 100000) return false;
  }
  return true;
}

const Key kKeys[] = {
    {"verbose", "true or false", is_switch, [](const Json& v, Options& o) { o.verbose = v; }},
    {"use_unix", "true or false", is_switch, [](const Json& v, Options& o) { o.address.use_unix = v; }},
    {"port", "an integer from 1 to 65535", is_port, [](const Json& v, Options& o) { o.address.port = v; }},
    {"host", "a text", is_text, [](const Json& v, Options& o) { o.address.host = v; }},
    {"graph_file", "the name of a file", is_text, [](const Json& v, Options& o) { o.model = v; }},
    {"coord_file", "the name of a file", is_text, [](const Json& v, Options& o) { o.structure = v; }},
    {"atom_type", "types by name, such as {\"OW\": 0, \"HW\": 1}", is_types,
     [](const Json& v, Options& o) { o.atom_type = v.get<std::map<std::string, int>>(); }},
    {"precision", "high, mixed or low", is_text, [](const Json& v, Options& o) { o.precision = v; }},
    {"sockets_prefix", "a text", is_text, [](const Json& v, Options& o) { o.address.prefix = v; }},
    {"wait", "seconds, 0 to 1e6", is_time, [](const Json& v, Options& o) { o.wait = v; }},
};

void read_file(const std::string& path, Options& options) {
  std::ifstream file(path);
  if (!file) throw Error(path + ": cannot be read: " + std::strerror(errno));
  Json input;
  try {
    input = Json::parse(file);
  } catch (const Json::parse_error& error) {
    throw Error(path + ": not JSON: " + error.what());
  } catch (const std::ios_base::failure&) {
    throw Error(path + ": cannot be read: " + std::strerror(errno));
  }
  if (!input.is_object())
    throw Error(path + ": expected an object {...} with keys, got " + input.dump().substr(0, 60));
  for (const auto& [name, value] : input.items()) {
    const Key* found = nullptr;
    std::string names;
    for (const Key& key : kKeys) {
      if (name == key.name) found = &key;
      names += (names.empty() ? "" : ", ") + std::string(key.name);
    }
    if (found == nullptr) throw Error(path + ": unknown key \"" + name + "\"; the keys are " + names);
    if (!found->fits(value)) {
      throw Error(path + ": " + name + ": expected " + found->expected + ", got " +
                  value.dump().substr(0, 60));
    }
    found->assign(value, options);
  }
}

std::string quoted(const char* text) { return std::string("\"") + text + "\""; }

int port_of(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < 1 || value > 65535) {
    throw UsageError("-p: expected an integer from 1 to 65535, got " + quoted(text));
  }
  return static_cast<int>(value);
}

double seconds_of(const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (*text == '\0' || *end != '\0' || !(value >= 0 && value <= 1e6)) {
    throw UsageError("-w: expected seconds, 0 to 1e6, got " + quoted(text));
  }
  return value;
}

std::map<std::string, int> types_of(const std::string& text) {
  std::map<std::string, int> types;
  int type = 0;
  for (std::size_t begin = 0; begin <= text.size(); ++type) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    if (name.empty() || name.find(' ') != std::string::npos || !types.emplace(name, type).second) {
      throw UsageError("-t: expected the names of type 0, 1, ... with commas between, each once, got " +
                       quoted(text.c_str()));
    }
    begin = end + 1;
  }
  return types;
}

}  // namespace

Options read_options(int argc, char** argv) {
  static const option kLong[] = {{"model", required_argument, nullptr, 'm'},
                                 {"coord", required_argument, nullptr, 'c'},
                                 {"type-map", required_argument, nullptr, 't'},
                                 {"precision", required_argument, nullptr, 'P'},
                                 {"unix", no_argument, nullptr, 'u'},
                                 {"address", required_argument, nullptr, 'a'},
                                 {"port", required_argument, nullptr, 'p'},
                                 {"sockets_prefix", required_argument, nullptr, 'S'},
                                 {"sockets-prefix", required_argument, nullptr, 'S'},
                                 {"wait", required_argument, nullptr, 'w'},
                                 {"verbose", no_argument, nullptr, 'v'},
                                 {"help", no_argument, nullptr, 'h'},
                                 {"version", no_argument, nullptr, 'V'},
                                 {nullptr, 0, nullptr, 0}};
  constexpr const char* kShort = "m:c:t:P:ua:p:S:w:vhV";
  Options options;

  // once for what ends the program and for the file, which stands below the options; getopt moves the file to
  // the end
  int letter;
  while ((letter = ::getopt_long(argc, argv, kShort, kLong, nullptr)) != -1) {
    if (letter == '?') throw UsageError("the command line is wrong; dp_ipi --help shows the options");
    if (letter == 'h') options.text = kHelp;
    if (letter == 'V') options.text = "dp_ipi of dpcore " DPCORE_VERSION "\n";
    if (!options.text.empty()) return options;
  }
  if (argc - optind > 1)
    throw UsageError("expected one JSON file at most, got " + quoted(argv[optind]) + " and " +
                     quoted(argv[optind + 1]));
  if (optind < argc) read_file(argv[optind], options);

  optind = 1;
  while ((letter = ::getopt_long(argc, argv, kShort, kLong, nullptr)) != -1) {
    switch (letter) {
      case 'm':
        options.model = optarg;
        break;
      case 'c':
        options.structure = optarg;
        break;
      case 't':
        options.atom_type = types_of(optarg);
        break;
      case 'P':
        options.precision = optarg;
        break;
      case 'u':
        options.address.use_unix = true;
        break;
      case 'a':
        options.address.host = optarg;
        break;
      case 'p':
        options.address.port = port_of(optarg);
        break;
      case 'S':
        options.address.prefix = optarg;
        break;
      case 'w':
        options.wait = seconds_of(optarg);
        break;
      case 'v':
        options.verbose = true;
        break;
      default:
        break;
    }
  }

  const std::string more = ". dp_ipi --help shows an example";
  if (options.model.empty())
    throw UsageError("no model: give -m FILE, or \"graph_file\" in the JSON file" + more);
  if (options.structure.empty())
    throw UsageError("no names of atoms: give -c FILE.xyz, or \"coord_file\" in the JSON file" + more);
  if (options.address.host.empty()) throw UsageError("-a: expected a name, got an empty text");
  if (!options.address.use_unix && options.address.port == 0) {
    throw UsageError("no socket: give -p PORT or \"port\", or -u or \"use_unix\": true for a unix socket" +
                     more);
  }
  return options;
}

}  // namespace dpcore::ipi
