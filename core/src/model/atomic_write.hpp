// SPDX-License-Identifier: LGPL-3.0-or-later
// Writing a file so that no reader ever sees half of it.
#pragma once

#include <string>

namespace dpcore {

/// Write `bytes` under `path`: into a temporary file of the same folder, to the disk, then under the name in
/// one step. On failure the path is as it was and the temporary file is gone.
/// A file that is replaced hands on its permissions; a symbolic link keeps pointing to the same place.
/// Throws Error (path and cause): folder missing, path a folder or a device, file write-protected, disk full.
void write_file_atomically(const std::string& path, const std::string& bytes);

}  // namespace dpcore
