# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Release archives of dependencies: fetched once, checked against a SHA-256, kept unpacked in
# DPCORE_CACHE_DIR and shared by every build of this user.

include_guard(GLOBAL)

set(DPCORE_PROBE_SECONDS 10)      # until a server that does not answer is given up
set(DPCORE_DOWNLOAD_SECONDS 600)  # for a whole archive on a slow line

# dpcore_cache_folder(<out>): the cache, or a folder of the build where it cannot be written.
function(dpcore_cache_folder out)
  set(folder "${DPCORE_CACHE_DIR}")
  execute_process(COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
                  RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(NOT failed)
    execute_process(COMMAND "${CMAKE_COMMAND}" -E touch "${folder}/.lock"
                    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  endif()
  if(failed)
    message(STATUS "dpcore: cannot write to ${folder}; sources are kept in the build folder")
    set(folder "${CMAKE_BINARY_DIR}/_cache")
    file(MAKE_DIRECTORY "${folder}")
  endif()
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

# dpcore_download(<url> <file> <out_error>): empty error on success.  A server that cannot be
# reached costs at most DPCORE_PROBE_SECONDS.
function(dpcore_download url file out_error)
  file(DOWNLOAD "${url}" "${file}.probe" RANGE_START 0 RANGE_END 0
       TIMEOUT ${DPCORE_PROBE_SECONDS} STATUS status)
  file(REMOVE "${file}.probe")
  list(GET status 0 code)
  if(code EQUAL 0)
    file(DOWNLOAD "${url}" "${file}" TIMEOUT ${DPCORE_DOWNLOAD_SECONDS} INACTIVITY_TIMEOUT 30
         STATUS status)
    list(GET status 0 code)
  endif()
  if(code EQUAL 0)
    set(${out_error} "" PARENT_SCOPE)
  else()
    file(REMOVE "${file}")
    list(GET status 1 text)
    set(${out_error} "${text}" PARENT_SCOPE)
  endif()
endfunction()

# dpcore_check_sha256(<file> <sha256> <out_error>): deletes a file whose hash differs and says so.
# (A proxy that answers with a page of its own looks like this; the next source may still do.)
function(dpcore_check_sha256 file sha256 out_error)
  file(SHA256 "${file}" found)
  if(found STREQUAL sha256)
    set(${out_error} "" PARENT_SCOPE)
  else()
    file(REMOVE "${file}")
    set(${out_error} "SHA-256 of the archive is ${found}, expected ${sha256}; it was deleted" PARENT_SCOPE)
  endif()
endfunction()

# dpcore_unpack(<archive> <inner folder> <target folder> <sha256>): unpacks to a temporary folder
# and renames, so that an interrupted build leaves nothing that looks complete.
function(dpcore_unpack archive inner target sha256)
  set(work "${target}.unpacking")
  file(REMOVE_RECURSE "${work}")
  file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${work}" PATTERNS "${inner}/*")
  if(NOT IS_DIRECTORY "${work}/${inner}")
    message(FATAL_ERROR "${archive}: expected a folder ${inner} inside, found none.")
  endif()
  file(WRITE "${work}/${inner}/.dpcore-origin" "${sha256}\n")
  file(REMOVE_RECURSE "${target}")
  file(RENAME "${work}/${inner}" "${target}")
  file(REMOVE_RECURSE "${work}")
endfunction()

# dpcore_archive(<out_dir> <out_error> NAME n URL u SHA256 h INNER folder): the unpacked release
# archive, from the cache or freshly fetched.  out_dir is empty where it cannot be reached.
function(dpcore_archive out_dir out_error)
  cmake_parse_arguments(arg "" "NAME;URL;SHA256;INNER" "" ${ARGN})
  dpcore_cache_folder(cache)
  set(target "${cache}/${arg_NAME}")
  set(error "")
  file(LOCK "${cache}/.lock" GUARD FUNCTION TIMEOUT 900)
  if(NOT EXISTS "${target}/.dpcore-origin")
    message(STATUS "dpcore: fetching ${arg_URL}")
    set(archive "${cache}/${arg_NAME}.archive")
    dpcore_download("${arg_URL}" "${archive}" error)
    if(error STREQUAL "")
      dpcore_check_sha256("${archive}" ${arg_SHA256} error)
    endif()
    if(error STREQUAL "")
      dpcore_unpack("${archive}" "${arg_INNER}" "${target}" ${arg_SHA256})
      file(REMOVE "${archive}")
    else()
      set(target "")
    endif()
  endif()
  set(${out_dir} "${target}" PARENT_SCOPE)
  set(${out_error} "${error}" PARENT_SCOPE)
endfunction()
