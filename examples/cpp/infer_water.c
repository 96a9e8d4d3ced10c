/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The energy of one water molecule with a model made by `dp freeze`, from C. */
#include <stdio.h>

#include "dpcore/c_api.h"

/* Print what went wrong with this model, if anything did; return whether. */
static int failed(DP_DeepPot* dp) {
  const char* message = DP_DeepPotCheckOK(dp);
  const int bad = message == NULL || message[0] != '\0';
  if (bad) fprintf(stderr, "%s\n", message == NULL ? "out of memory" : message);
  DP_DeleteChar(message);
  return bad;
}

int main(int argc, char** argv) {
  const double coord[9] = {0.0, 0.0, 0.0, 0.96, 0.0, 0.0, -0.24, 0.93, 0.0}; /* A */
  const double cell[9] = {10.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 10.0};
  const int atype[3] = {0, 1, 1}; /* O H H */
  double energy, force[9], virial[9];
  DP_DeepPot* dp;
  const char* names;
  int i;

  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL\n", argv[0]);
    return 2;
  }
  dp = DP_NewDeepPot(argv[1]);
  if (failed(dp)) {
    DP_DeleteDeepPot(dp);
    return 1;
  }
  names = DP_DeepPotGetTypeMap(dp);
  printf("types %s, cutoff %g A\n", names, DP_DeepPotGetCutoff(dp));
  DP_DeleteChar(names);

  DP_DeepPotCompute(dp, 3, coord, atype, cell, &energy, force, virial, NULL, NULL);
  if (failed(dp)) {
    DP_DeleteDeepPot(dp);
    return 1;
  }
  printf("energy %.12f eV\n", energy);
  for (i = 0; i < 3; ++i) {
    printf("force %16.12f %16.12f %16.12f eV/A\n", force[3 * i], force[3 * i + 1], force[3 * i + 2]);
  }
  DP_DeleteDeepPot(dp);
  return 0;
}
