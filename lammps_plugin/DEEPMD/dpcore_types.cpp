// SPDX-License-Identifier: LGPL-3.0-or-later
#include "dpcore_types.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include <dpcore/errors.h>

namespace dpcore_lammps {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

std::size_t index_of(const std::string& name, const std::vector<std::string>& type_map) {
  return static_cast<std::size_t>(std::find(type_map.begin(), type_map.end(), name) - type_map.begin());
}

/// The line to write, as far as masses tell: the model's element with that mass, or a question mark.
std::string line_from_masses(const LammpsTypes& lammps, const std::vector<std::string>& type_map) {
  std::vector<std::string> words;
  for (const double mass : lammps.mass) {
    std::string word = "?";
    double closest = kMassTolerance;
    for (const auto& name : type_map) {
      const double difference = std::fabs(mass - mass_of_element(name));
      if (mass > 0 && mass_of_element(name) > 0 && difference < closest) {
        closest = difference;
        word = name;
      }
    }
    words.push_back(word);
  }
  return "pair_coeff * * " + joined(words);
}

}  // namespace

std::vector<int> types_from_names(const std::vector<std::string>& names, std::size_t n_types,
                                  const std::vector<std::string>& type_map) {
  if (names.size() != n_types) {
    throw dpcore::Error("pair_coeff: expected a name for each of the " + std::to_string(n_types) +
                        " atom types of LAMMPS, got " + std::to_string(names.size()) + " (" + joined(names) +
                        "); the model has " + joined(type_map) +
                        ", and NULL stands for a type that it shall not see");
  }
  std::vector<int> types;
  for (std::size_t t = 0; t < names.size(); ++t) {
    const std::size_t at = index_of(names[t], type_map);
    if (names[t] == "NULL") {
      types.push_back(kUnseen);
    } else if (at < type_map.size()) {
      types.push_back(static_cast<int>(at));
    } else {
      throw dpcore::Error("pair_coeff: the model has no type '" + names[t] + "' for atom type " +
                          std::to_string(t + 1) + "; it has " + joined(type_map) +
                          ", and NULL stands for a type that it shall not see");
    }
  }
  return types;
}

std::vector<int> types_from_order(const LammpsTypes& lammps, const std::vector<std::string>& type_map,
                                  bool more) {
  const std::size_t n_types = lammps.mass.size();
  if (lammps.labelled) {
    std::vector<int> types;
    for (std::size_t t = 0; t < n_types; ++t) {
      const std::size_t at = lammps.label[t].empty() ? type_map.size() : index_of(lammps.label[t], type_map);
      if (at == type_map.size()) {
        throw dpcore::Error("pair_coeff * *: the label of atom type " + std::to_string(t + 1) +
                            " is no type of the model, which has " + joined(type_map) + "; write " +
                            line_from_masses(lammps, type_map) +
                            " with one name, or NULL, for each atom type");
      }
      types.push_back(static_cast<int>(at));
    }
    return types;
  }
  const auto refuse = [&](const std::string& why) {
    return dpcore::Error(
        "pair_coeff * * without names takes LAMMPS type i for type i of the model (" + joined(type_map) +
        "), but " + why + "; write " + line_from_masses(lammps, type_map) +
        " with one name of the model, or NULL for a type that it shall not see, for each atom type");
  };
  if (n_types > type_map.size() && !more) {
    throw refuse("LAMMPS has " + std::to_string(n_types) + " atom types and the model " +
                 std::to_string(type_map.size()));
  }
  std::vector<int> types;
  bool checked = true;
  for (std::size_t t = 0; t < n_types; ++t) {
    if (t >= type_map.size()) {
      types.push_back(kUnseen);
      continue;
    }
    const double expected = mass_of_element(type_map[t]);
    if (expected == 0 || lammps.mass[t] == 0) {
      checked = false;
    } else if (std::fabs(lammps.mass[t] - expected) > kMassTolerance) {
      throw refuse("the mass of atom type " + std::to_string(t + 1) + " is " + number(lammps.mass[t]) +
                   " g/mol and that of " + type_map[t] + " is " + number(expected));
    }
    types.push_back(static_cast<int>(t));
  }
  if (!checked && n_types < type_map.size()) {
    throw refuse("LAMMPS has " + std::to_string(n_types) + " of the " + std::to_string(type_map.size()) +
                 " types of the model, and there are no masses of elements to tell which");
  }
  return types;
}

std::vector<std::string> unlikely_masses(const LammpsTypes& lammps, const std::vector<int>& types,
                                         const std::vector<std::string>& type_map) {
  std::vector<std::string> sentences;
  for (std::size_t t = 0; t < types.size(); ++t) {
    if (types[t] == kUnseen || lammps.mass[t] == 0) continue;
    const std::string& name = type_map[static_cast<std::size_t>(types[t])];
    const double expected = mass_of_element(name);
    if (expected == 0 || std::fabs(lammps.mass[t] - expected) <= kMassTolerance) continue;
    sentences.push_back("atom type " + std::to_string(t + 1) + " is " + name + " for the model (" +
                        number(expected) + " g/mol), but its mass is " + number(lammps.mass[t]) +
                        " g/mol; check the order of the names");
  }
  return sentences;
}

std::string describe_types(const std::vector<int>& types, const std::vector<std::string>& type_map) {
  std::string out;
  for (std::size_t t = 0; t < types.size(); ++t) {
    const std::string name = types[t] == kUnseen ? "NULL" : type_map[static_cast<std::size_t>(types[t])];
    out += (out.empty() ? "" : ", ") + std::to_string(t + 1) + " -> " + name;
  }
  return out;
}

double mass_of_element(const std::string& symbol) {
  // Abridged standard atomic weights (IUPAC 2021); of elements without one, the longest-lived isotope.
  static const std::map<std::string, double> table = {
      {"H", 1.008},   {"He", 4.0026}, {"Li", 6.94},   {"Be", 9.0122}, {"B", 10.81},   {"C", 12.011},
      {"N", 14.007},  {"O", 15.999},  {"F", 18.998},  {"Ne", 20.180}, {"Na", 22.990}, {"Mg", 24.305},
      {"Al", 26.982}, {"Si", 28.085}, {"P", 30.974},  {"S", 32.06},   {"Cl", 35.45},  {"Ar", 39.95},
      {"K", 39.098},  {"Ca", 40.078}, {"Sc", 44.956}, {"Ti", 47.867}, {"V", 50.942},  {"Cr", 51.996},
      {"Mn", 54.938}, {"Fe", 55.845}, {"Co", 58.933}, {"Ni", 58.693}, {"Cu", 63.546}, {"Zn", 65.38},
      {"Ga", 69.723}, {"Ge", 72.630}, {"As", 74.922}, {"Se", 78.971}, {"Br", 79.904}, {"Kr", 83.798},
      {"Rb", 85.468}, {"Sr", 87.62},  {"Y", 88.906},  {"Zr", 91.224}, {"Nb", 92.906}, {"Mo", 95.95},
      {"Tc", 97},     {"Ru", 101.07}, {"Rh", 102.91}, {"Pd", 106.42}, {"Ag", 107.87}, {"Cd", 112.41},
      {"In", 114.82}, {"Sn", 118.71}, {"Sb", 121.76}, {"Te", 127.60}, {"I", 126.90},  {"Xe", 131.29},
      {"Cs", 132.91}, {"Ba", 137.33}, {"La", 138.91}, {"Ce", 140.12}, {"Pr", 140.91}, {"Nd", 144.24},
      {"Pm", 145},    {"Sm", 150.36}, {"Eu", 151.96}, {"Gd", 157.25}, {"Tb", 158.93}, {"Dy", 162.50},
      {"Ho", 164.93}, {"Er", 167.26}, {"Tm", 168.93}, {"Yb", 173.05}, {"Lu", 174.97}, {"Hf", 178.49},
      {"Ta", 180.95}, {"W", 183.84},  {"Re", 186.21}, {"Os", 190.23}, {"Ir", 192.22}, {"Pt", 195.08},
      {"Au", 196.97}, {"Hg", 200.59}, {"Tl", 204.38}, {"Pb", 207.2},  {"Bi", 208.98}, {"Po", 209},
      {"At", 210},    {"Rn", 222},    {"Fr", 223},    {"Ra", 226},    {"Ac", 227},    {"Th", 232.04},
      {"Pa", 231.04}, {"U", 238.03},  {"Np", 237},    {"Pu", 244},    {"Am", 243},    {"Cm", 247},
      {"Bk", 247},    {"Cf", 251},    {"Es", 252},    {"Fm", 257},    {"Md", 258},    {"No", 259},
      {"Lr", 262}};
  const auto found = table.find(symbol);
  return found == table.end() ? 0 : found->second;
}

}  // namespace dpcore_lammps
