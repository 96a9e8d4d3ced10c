/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Deep Potential for C programs (C99) and for languages that call C. Names, arguments and meaning are those
 * of DeePMD-kit's C interface, so that programs written for it compile and link against libdpcore.
 * DeepSpin is not there.
 *
 * Units A, eV. Everything is row-major:
 *   coord          [nframes, natoms, 3]
 *   atype          [natoms], the same for all frames; index into the type map
 *   cell           [nframes, 9], rows are cell vectors; NULL: not periodic
 *   fparam         [nframes, GetDimFParam]; may be NULL where that is 0
 *   aparam         [nframes, natoms - nghost, GetDimAParam], or with IsAParamNAll of all natoms atoms; may be
 *                  NULL where there are none
 *   energy         [nframes], always double
 *   force          [nframes, natoms, 3]
 *   virial         [nframes, 9] = -dE/d(strain)
 *   atomic_energy  [nframes, natoms], 0 on ghosts
 *   atomic_virial  [nframes, natoms, 9]
 * Any result may be NULL: it is not wanted. For a DP_DeepPotModelDevi every result has one more, first axis:
 * the models. Functions whose name has an f take and give float in place of double.
 *
 * With a neighbour list (NList) the natoms atoms are local ones followed by nghost ghosts; forces and atomic
 * virials of ghosts are theirs. Atoms whose type is no type of the model are not seen by it. The cell is not
 * needed. The list is copied if ago is 0; if ago > 0 that of the previous call is used again.
 *
 * Errors: a function that returns int gives 0 if all went well, else 1. DP_<X>CheckOK returns what went wrong
 * in this thread's last compute with this handle, or else in making it: a text to be freed by DP_DeleteChar,
 * empty if nothing did. A handle is returned even if the model could not be read; ask CheckOK, and delete it
 * all the same. A NULL handle or array is an error and no crash. No C++ exception leaves the library.
 *
 * Threads: any number may use one handle at the same time. Calls with a neighbour list then take turns, and
 * ago must be 0. Deleting needs that no other thread uses the handle.
 */
#pragma once

#ifndef __cplusplus
#include <stdbool.h>
#endif

#include "dpcore/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of DeePMD-kit's C interface whose functions are followed here. */
#define DP_C_API_VERSION 29

/* ---- neighbour list ---- */

typedef struct DP_Nlist DP_Nlist;

/* A full list in the layout of LAMMPS: inum centres ilist[inum] with numneigh[inum] neighbours
 * firstneigh[inum][...]. The arrays are not copied: they must live until the list was used with ago = 0. */
DPCORE_API DP_Nlist* DP_NewNlist(int inum, int* ilist, int* numneigh, int** firstneigh);
/* The arguments from nswap on are for models that exchange data between atoms of several processes: not used.
 */
DPCORE_API DP_Nlist* DP_NewNlist_comm(int inum, int* ilist, int* numneigh, int** firstneigh, int nswap,
                                      int* sendnum, int* recvnum, int* firstrecv, int** sendlist,
                                      int* sendproc, int* recvproc, void* world, int nprocs);
/* Bits of a neighbour that are its index (LAMMPS: NEIGHMASK); all by default. */
DPCORE_API int DP_NlistSetMask(DP_Nlist* nl, int mask);
/* Owners of the ghosts, for models that exchange data between atoms: not used. */
DPCORE_API int DP_NlistSetMapping(DP_Nlist* nl, int* mapping);
DPCORE_API void DP_DeleteNlist(DP_Nlist* nl);
DPCORE_API const char* DP_NlistCheckOK(DP_Nlist* nl);

/* ---- one model ---- */

/* What all kinds of models have; a DP_DeepPot* may be cast to it. */
typedef struct DP_DeepBaseModel DP_DeepBaseModel;
typedef struct DP_DeepPot DP_DeepPot;

DPCORE_API DP_DeepPot* DP_NewDeepPot(const char* c_model);
/* gpu_rank has no effect on a CPU. c_file_content must be NULL or empty, as it has no length: see WithParam2.
 */
DPCORE_API DP_DeepPot* DP_NewDeepPotWithParam(const char* c_model, const int gpu_rank,
                                              const char* c_file_content);
/* The bytes of a model file, if there are any, are used instead of the file. */
DPCORE_API DP_DeepPot* DP_NewDeepPotWithParam2(const char* c_model, const int gpu_rank,
                                               const char* c_file_content, const int size_file_content);
/* Not in DeePMD-kit: evaluate in "high", "mixed" or "low" precision; NULL or "": as the environment variable
 * DP_INTERFACE_PREC says, without it as the file has it. The other functions do the latter. */
DPCORE_API DP_DeepPot* DP_NewDeepPotWithPrecision(const char* c_model, const char* c_precision);
DPCORE_API void DP_DeleteDeepPot(DP_DeepPot* dp);
DPCORE_API const char* DP_DeepPotCheckOK(DP_DeepPot* dp);

/* Of a handle without a model: 0, false or an empty text. */
DPCORE_API double DP_DeepPotGetCutoff(DP_DeepPot* dp); /* A */
DPCORE_API int DP_DeepPotGetNumbTypes(DP_DeepPot* dp);
DPCORE_API int DP_DeepPotGetNumbTypesSpin(DP_DeepPot* dp); /* 0 */
DPCORE_API int DP_DeepPotGetDimFParam(DP_DeepPot* dp);
DPCORE_API int DP_DeepPotGetDimAParam(DP_DeepPot* dp);
DPCORE_API int DP_DeepPotGetDimChgSpin(DP_DeepPot* dp);     /* 0 */
DPCORE_API bool DP_DeepPotIsAParamNAll(DP_DeepPot* dp);     /* aparam is of ghosts too; else of local atoms */
DPCORE_API bool DP_DeepPotHasDefaultFParam(DP_DeepPot* dp); /* false */
DPCORE_API const char* DP_DeepPotGetTypeMap(DP_DeepPot* dp); /* names separated by spaces; DP_DeleteChar */

/* One frame, no parameters. */
DPCORE_API int DP_DeepPotCompute(DP_DeepPot* dp, const int natoms, const double* coord, const int* atype,
                                 const double* cell, double* energy, double* force, double* virial,
                                 double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotComputef(DP_DeepPot* dp, const int natoms, const float* coord, const int* atype,
                                  const float* cell, double* energy, float* force, float* virial,
                                  float* atomic_energy, float* atomic_virial);
DPCORE_API int DP_DeepPotComputeNList(DP_DeepPot* dp, const int natoms, const double* coord, const int* atype,
                                      const double* cell, const int nghost, const DP_Nlist* nlist,
                                      const int ago, double* energy, double* force, double* virial,
                                      double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotComputeNListf(DP_DeepPot* dp, const int natoms, const float* coord, const int* atype,
                                       const float* cell, const int nghost, const DP_Nlist* nlist,
                                       const int ago, double* energy, float* force, float* virial,
                                       float* atomic_energy, float* atomic_virial);
/* Several frames and parameters. */
DPCORE_API int DP_DeepPotCompute2(DP_DeepPot* dp, const int nframes, const int natoms, const double* coord,
                                  const int* atype, const double* cell, const double* fparam,
                                  const double* aparam, double* energy, double* force, double* virial,
                                  double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotComputef2(DP_DeepPot* dp, const int nframes, const int natoms, const float* coord,
                                   const int* atype, const float* cell, const float* fparam,
                                   const float* aparam, double* energy, float* force, float* virial,
                                   float* atomic_energy, float* atomic_virial);
DPCORE_API int DP_DeepPotComputeNList2(DP_DeepPot* dp, const int nframes, const int natoms,
                                       const double* coord, const int* atype, const double* cell,
                                       const int nghost, const DP_Nlist* nlist, const int ago,
                                       const double* fparam, const double* aparam, double* energy,
                                       double* force, double* virial, double* atomic_energy,
                                       double* atomic_virial);
DPCORE_API int DP_DeepPotComputeNListf2(DP_DeepPot* dp, const int nframes, const int natoms,
                                        const float* coord, const int* atype, const float* cell,
                                        const int nghost, const DP_Nlist* nlist, const int ago,
                                        const float* fparam, const float* aparam, double* energy,
                                        float* force, float* virial, float* atomic_energy,
                                        float* atomic_virial);
/* charge_spin is not used: GetDimChgSpin is 0. */
DPCORE_API int DP_DeepPotCompute3(DP_DeepPot* dp, const int nframes, const int natoms, const double* coord,
                                  const int* atype, const double* cell, const double* fparam,
                                  const double* aparam, const double* charge_spin, double* energy,
                                  double* force, double* virial, double* atomic_energy,
                                  double* atomic_virial);
DPCORE_API int DP_DeepPotComputef3(DP_DeepPot* dp, const int nframes, const int natoms, const float* coord,
                                   const int* atype, const float* cell, const float* fparam,
                                   const float* aparam, const float* charge_spin, double* energy,
                                   float* force, float* virial, float* atomic_energy, float* atomic_virial);
DPCORE_API int DP_DeepPotComputeNList3(DP_DeepPot* dp, const int nframes, const int natoms,
                                       const double* coord, const int* atype, const double* cell,
                                       const int nghost, const DP_Nlist* nlist, const int ago,
                                       const double* fparam, const double* aparam, const double* charge_spin,
                                       double* energy, double* force, double* virial, double* atomic_energy,
                                       double* atomic_virial);
DPCORE_API int DP_DeepPotComputeNListf3(DP_DeepPot* dp, const int nframes, const int natoms,
                                        const float* coord, const int* atype, const float* cell,
                                        const int nghost, const DP_Nlist* nlist, const int ago,
                                        const float* fparam, const float* aparam, const float* charge_spin,
                                        double* energy, float* force, float* virial, float* atomic_energy,
                                        float* atomic_virial);
/* Frames with atoms of different types: atype [nframes, natoms]. */
DPCORE_API int DP_DeepPotComputeMixedType(DP_DeepPot* dp, const int nframes, const int natoms,
                                          const double* coord, const int* atype, const double* cell,
                                          const double* fparam, const double* aparam, double* energy,
                                          double* force, double* virial, double* atomic_energy,
                                          double* atomic_virial);
DPCORE_API int DP_DeepPotComputeMixedTypef(DP_DeepPot* dp, const int nframes, const int natoms,
                                           const float* coord, const int* atype, const float* cell,
                                           const float* fparam, const float* aparam, double* energy,
                                           float* force, float* virial, float* atomic_energy,
                                           float* atomic_virial);

/* ---- several models ---- */

/* A DP_DeepPotModelDevi* may be cast to it. */
typedef struct DP_DeepBaseModelDevi DP_DeepBaseModelDevi;
typedef struct DP_DeepPotModelDevi DP_DeepPotModelDevi;

/* The models must have the same types, rcut and numbers of parameters; the message names two that do not. */
DPCORE_API DP_DeepPotModelDevi* DP_NewDeepPotModelDevi(const char** c_models, int n_models);
/* n_file_contents is 0 or n_models; contents as in DP_NewDeepPotWithParam2. */
DPCORE_API DP_DeepPotModelDevi* DP_NewDeepPotModelDeviWithParam(const char** c_models, const int n_models,
                                                                const int gpu_rank,
                                                                const char** c_file_contents,
                                                                const int n_file_contents,
                                                                const int* size_file_contents);
DPCORE_API void DP_DeleteDeepPotModelDevi(DP_DeepPotModelDevi* dp);
DPCORE_API const char* DP_DeepPotModelDeviCheckOK(DP_DeepPotModelDevi* dp);

DPCORE_API double DP_DeepPotModelDeviGetCutoff(DP_DeepPotModelDevi* dp);
DPCORE_API int DP_DeepPotModelDeviGetNumbTypes(DP_DeepPotModelDevi* dp);
DPCORE_API int DP_DeepPotModelDeviGetNumbTypesSpin(DP_DeepPotModelDevi* dp);
DPCORE_API int DP_DeepPotModelDeviGetDimFParam(DP_DeepPotModelDevi* dp);
DPCORE_API int DP_DeepPotModelDeviGetDimAParam(DP_DeepPotModelDevi* dp);
DPCORE_API int DP_DeepPotModelDeviGetDimChgSpin(DP_DeepPotModelDevi* dp);
DPCORE_API bool DP_DeepPotModelDeviIsAParamNAll(DP_DeepPotModelDevi* dp);
DPCORE_API bool DP_DeepPotModelDeviHasDefaultFParam(DP_DeepPotModelDevi* dp);

/* Results [n_models][...]. */
DPCORE_API int DP_DeepPotModelDeviCompute(DP_DeepPotModelDevi* dp, const int natoms, const double* coord,
                                          const int* atype, const double* cell, double* energy, double* force,
                                          double* virial, double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputef(DP_DeepPotModelDevi* dp, const int natoms, const float* coord,
                                           const int* atype, const float* cell, double* energy, float* force,
                                           float* virial, float* atomic_energy, float* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNList(DP_DeepPotModelDevi* dp, const int natoms, const double* coord,
                                               const int* atype, const double* cell, const int nghost,
                                               const DP_Nlist* nlist, const int ago, double* energy,
                                               double* force, double* virial, double* atomic_energy,
                                               double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNListf(DP_DeepPotModelDevi* dp, const int natoms, const float* coord,
                                                const int* atype, const float* cell, const int nghost,
                                                const DP_Nlist* nlist, const int ago, double* energy,
                                                float* force, float* virial, float* atomic_energy,
                                                float* atomic_virial);
/* Several frames and parameters. */
DPCORE_API int DP_DeepPotModelDeviCompute2(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                           const double* coord, const int* atype, const double* cell,
                                           const double* fparam, const double* aparam, double* energy,
                                           double* force, double* virial, double* atomic_energy,
                                           double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputef2(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                            const float* coord, const int* atype, const float* cell,
                                            const float* fparam, const float* aparam, double* energy,
                                            float* force, float* virial, float* atomic_energy,
                                            float* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNList2(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                                const double* coord, const int* atype, const double* cell,
                                                const int nghost, const DP_Nlist* nlist, const int ago,
                                                const double* fparam, const double* aparam, double* energy,
                                                double* force, double* virial, double* atomic_energy,
                                                double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNListf2(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                                 const float* coord, const int* atype, const float* cell,
                                                 const int nghost, const DP_Nlist* nlist, const int ago,
                                                 const float* fparam, const float* aparam, double* energy,
                                                 float* force, float* virial, float* atomic_energy,
                                                 float* atomic_virial);
/* charge_spin is not used: GetDimChgSpin is 0. */
DPCORE_API int DP_DeepPotModelDeviCompute3(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                           const double* coord, const int* atype, const double* cell,
                                           const double* fparam, const double* aparam,
                                           const double* charge_spin, double* energy, double* force,
                                           double* virial, double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputef3(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                            const float* coord, const int* atype, const float* cell,
                                            const float* fparam, const float* aparam,
                                            const float* charge_spin, double* energy, float* force,
                                            float* virial, float* atomic_energy, float* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNList3(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                                const double* coord, const int* atype, const double* cell,
                                                const int nghost, const DP_Nlist* nlist, const int ago,
                                                const double* fparam, const double* aparam,
                                                const double* charge_spin, double* energy, double* force,
                                                double* virial, double* atomic_energy, double* atomic_virial);
DPCORE_API int DP_DeepPotModelDeviComputeNListf3(DP_DeepPotModelDevi* dp, const int nframes, const int natoms,
                                                 const float* coord, const int* atype, const float* cell,
                                                 const int nghost, const DP_Nlist* nlist, const int ago,
                                                 const float* fparam, const float* aparam,
                                                 const float* charge_spin, double* energy, float* force,
                                                 float* virial, float* atomic_energy, float* atomic_virial);

/* ---- handles of any kind ---- */

DPCORE_API void DP_DeleteDeepBaseModel(DP_DeepBaseModel* dp);
DPCORE_API const char* DP_DeepBaseModelCheckOK(DP_DeepBaseModel* dp);
DPCORE_API double DP_DeepBaseModelGetCutoff(DP_DeepBaseModel* dp);
DPCORE_API int DP_DeepBaseModelGetNumbTypes(DP_DeepBaseModel* dp);
DPCORE_API int DP_DeepBaseModelGetNumbTypesSpin(DP_DeepBaseModel* dp);
DPCORE_API int DP_DeepBaseModelGetDimFParam(DP_DeepBaseModel* dp);
DPCORE_API int DP_DeepBaseModelGetDimAParam(DP_DeepBaseModel* dp);
DPCORE_API bool DP_DeepBaseModelIsAParamNAll(DP_DeepBaseModel* dp);
DPCORE_API bool DP_DeepBaseModelHasDefaultFParam(DP_DeepBaseModel* dp);
DPCORE_API const char* DP_DeepBaseModelGetTypeMap(DP_DeepBaseModel* dp);

DPCORE_API void DP_DeleteDeepBaseModelDevi(DP_DeepBaseModelDevi* dp);
DPCORE_API const char* DP_DeepBaseModelDeviCheckOK(DP_DeepBaseModelDevi* dp);
DPCORE_API double DP_DeepBaseModelDeviGetCutoff(DP_DeepBaseModelDevi* dp);
DPCORE_API int DP_DeepBaseModelDeviGetNumbTypes(DP_DeepBaseModelDevi* dp);
DPCORE_API int DP_DeepBaseModelDeviGetNumbTypesSpin(DP_DeepBaseModelDevi* dp);
DPCORE_API int DP_DeepBaseModelDeviGetDimFParam(DP_DeepBaseModelDevi* dp);
DPCORE_API int DP_DeepBaseModelDeviGetDimAParam(DP_DeepBaseModelDevi* dp);
DPCORE_API bool DP_DeepBaseModelDeviIsAParamNAll(DP_DeepBaseModelDevi* dp);
DPCORE_API bool DP_DeepBaseModelDeviHasDefaultFParam(DP_DeepBaseModelDevi* dp);

/* ---- dipoles and polarizabilities ---- */

/*
 * k = GetOutputDim components, in the unit of the labels in training: 3 of a dipole, 9 of a polarizability.
 *   tensor, atomic_tensor  [n, k] of the n local atoms whose type is one of GetSelTypes, in their order; the
 *                          array is made here, *size or *size_at is n*k. Free it with delete[] in C++, in C
 *                          with DP_DeleteChar((const char*)tensor)
 *   global_tensor          [k]
 *   force                  [k, natom, 3], virial [k, 9], atomic_virial [k, natom, 9]: minus the derivatives
 * of the components of the global tensor by positions and strain Any result may be NULL; atomic_tensor and
 * size_at go together. A neighbour list is read in every call.
 */
typedef struct DP_DeepTensor DP_DeepTensor;

DPCORE_API DP_DeepTensor* DP_NewDeepTensor(const char* c_model);
/* gpu_rank has no effect on a CPU; c_name_scope must be NULL or empty. */
DPCORE_API DP_DeepTensor* DP_NewDeepTensorWithParam(const char* c_model, const int gpu_rank,
                                                    const char* c_name_scope);
/* Not in DeePMD-kit: see DP_NewDeepPotWithPrecision. */
DPCORE_API DP_DeepTensor* DP_NewDeepTensorWithPrecision(const char* c_model, const char* c_precision);
DPCORE_API void DP_DeleteDeepTensor(DP_DeepTensor* dt);
DPCORE_API const char* DP_DeepTensorCheckOK(DP_DeepTensor* dt);

DPCORE_API double DP_DeepTensorGetCutoff(DP_DeepTensor* dt);
DPCORE_API int DP_DeepTensorGetNumbTypes(DP_DeepTensor* dt);
DPCORE_API int DP_DeepTensorGetOutputDim(DP_DeepTensor* dt);
/* [GetNumbSelTypes], ascending; belongs to the handle, do not free it. */
DPCORE_API int* DP_DeepTensorGetSelTypes(DP_DeepTensor* dt);
DPCORE_API int DP_DeepTensorGetNumbSelTypes(DP_DeepTensor* dt);
/* Names separated by spaces; DP_DeleteChar. */
DPCORE_API const char* DP_DeepTensorGetTypeMap(DP_DeepTensor* dt);

DPCORE_API int DP_DeepTensorComputeTensor(DP_DeepTensor* dt, const int natom, const double* coord,
                                          const int* atype, const double* cell, double** tensor, int* size);
DPCORE_API int DP_DeepTensorComputeTensorf(DP_DeepTensor* dt, const int natom, const float* coord,
                                           const int* atype, const float* cell, float** tensor, int* size);
DPCORE_API int DP_DeepTensorComputeTensorNList(DP_DeepTensor* dt, const int natom, const double* coord,
                                               const int* atype, const double* cell, const int nghost,
                                               const DP_Nlist* nlist, double** tensor, int* size);
DPCORE_API int DP_DeepTensorComputeTensorNListf(DP_DeepTensor* dt, const int natom, const float* coord,
                                                const int* atype, const float* cell, const int nghost,
                                                const DP_Nlist* nlist, float** tensor, int* size);
DPCORE_API int DP_DeepTensorCompute(DP_DeepTensor* dt, const int natom, const double* coord, const int* atype,
                                    const double* cell, double* global_tensor, double* force, double* virial,
                                    double** atomic_tensor, double* atomic_virial, int* size_at);
DPCORE_API int DP_DeepTensorComputef(DP_DeepTensor* dt, const int natom, const float* coord, const int* atype,
                                     const float* cell, float* global_tensor, float* force, float* virial,
                                     float** atomic_tensor, float* atomic_virial, int* size_at);
DPCORE_API int DP_DeepTensorComputeNList(DP_DeepTensor* dt, const int natom, const double* coord,
                                         const int* atype, const double* cell, const int nghost,
                                         const DP_Nlist* nlist, double* global_tensor, double* force,
                                         double* virial, double** atomic_tensor, double* atomic_virial,
                                         int* size_at);
DPCORE_API int DP_DeepTensorComputeNListf(DP_DeepTensor* dt, const int natom, const float* coord,
                                          const int* atype, const float* cell, const int nghost,
                                          const DP_Nlist* nlist, float* global_tensor, float* force,
                                          float* virial, float** atomic_tensor, float* atomic_virial,
                                          int* size_at);

/* ---- the chain rule of DPLR ---- */

/* From electric forces delef [natom - nghost, 3] on atoms and on the Wannier centroids beside them to forces
 * dfcorr [natom, 3] on atoms alone, 0 on centroids, and what the virial gets from the change of the dipoles
 * with strain, dvcorr [9]; either may be NULL. pairs [npairs, 2]: local indices of an atom and its centroid,
 * whose type is no type of the model: an energy model with the modifier dipole_charge, or its dipole model.
 */
typedef struct DP_DipoleChargeModifier DP_DipoleChargeModifier;

DPCORE_API DP_DipoleChargeModifier* DP_NewDipoleChargeModifier(const char* c_model);
/* gpu_rank and c_name_scope have no effect. */
DPCORE_API DP_DipoleChargeModifier* DP_NewDipoleChargeModifierWithParam(const char* c_model,
                                                                        const int gpu_rank,
                                                                        const char* c_name_scope);
DPCORE_API void DP_DeleteDipoleChargeModifier(DP_DipoleChargeModifier* dcm);
DPCORE_API const char* DP_DipoleChargeModifierCheckOK(DP_DipoleChargeModifier* dcm);

DPCORE_API double DP_DipoleChargeModifierGetCutoff(DP_DipoleChargeModifier* dcm);
DPCORE_API int DP_DipoleChargeModifierGetNumbTypes(DP_DipoleChargeModifier* dcm);
/* Types that have a centroid: [GetNumbSelTypes], ascending; belongs to the handle, do not free it. */
DPCORE_API int* DP_DipoleChargeModifierGetSelTypes(DP_DipoleChargeModifier* dcm);
DPCORE_API int DP_DipoleChargeModifierGetNumbSelTypes(DP_DipoleChargeModifier* dcm);

DPCORE_API int DP_DipoleChargeModifierComputeNList(DP_DipoleChargeModifier* dcm, const int natom,
                                                   const double* coord, const int* atype, const double* cell,
                                                   const int* pairs, const int npairs, const double* delef,
                                                   const int nghost, const DP_Nlist* nlist, double* dfcorr,
                                                   double* dvcorr);
DPCORE_API int DP_DipoleChargeModifierComputeNListf(DP_DipoleChargeModifier* dcm, const int natom,
                                                    const float* coord, const int* atype, const float* cell,
                                                    const int* pairs, const int npairs, const float* delef,
                                                    const int nghost, const DP_Nlist* nlist, float* dfcorr,
                                                    float* dvcorr);

/* ---- the rest ---- */

/* Version and backend on standard output, each line after c_pre. */
DPCORE_API int DP_PrintSummary(const char* c_pre);

/* The bytes of a file, *size of them and a final 0; DP_DeleteChar. If it cannot be read: a message, and *size
 * is minus its length. */
DPCORE_API const char* DP_ReadFileToChar2(const char* c_model, int* size);
/* The same without a size; NULL if it cannot be read. */
DPCORE_API const char* DP_ReadFileToChar(const char* c_model);

/* Atoms of the types sel_type [nsel_type], numbered anew in their order. natoms counts local atoms and nghost
 * ghosts. fwd_map [natoms]: the new index or -1; bkw_map [*nreal]: the old index; *nreal: how many, ghosts
 * included; *nghost_real: how many of them are ghosts. Any result may be NULL. */
DPCORE_API int DP_SelectByType(const int natoms, const int* atype, const int nghost, const int nsel_type,
                               const int* sel_type, int* fwd_map, int* nreal, int* bkw_map, int* nghost_real);
/* out [nall2, stride] of in [nall1, stride] by fwd_map [nall1]. */
DPCORE_API int DP_SelectMapInt(const int* in, const int* fwd_map, const int stride, const int nall1,
                               const int nall2, int* out);

/* Free a text that one of these functions returned; NULL is allowed. */
DPCORE_API void DP_DeleteChar(const char* c_str);

#ifdef __cplusplus
}
#endif
