// SPDX-License-Identifier: LGPL-3.0-or-later
#include "model/atomic_write.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpcore/errors.h"

namespace dpcore {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(path + ": cannot write: " + reason);
}

std::string cause() { return std::strerror(errno); }

/// The file that a path stands for: symbolic links are followed, also one whose target is not there yet.
fs::path follow_links(const std::string& path) {
  fs::path target = path;
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(target, error)); ++links) {
    const fs::path next = fs::read_symlink(target, error);
    if (error || links == 40) fail(path, "the symbolic link leads nowhere");
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  return target;
}

/// A new file that is removed again unless it got its final name.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& path, const fs::path& folder) : path_(path) {
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < 1000 && file_ < 0; ++attempt) {
      const std::string name =
          ".dpcore-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
      name_ = (folder / name).string();
      file_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (file_ < 0 && errno != EEXIST) fail(path_, cause() + " (in the folder " + folder.string() + ")");
    }
    if (file_ < 0) fail(path_, "too many temporary files in the folder " + folder.string());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (file_ >= 0) ::close(file_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  void set_permissions(mode_t mode) {
    if (::fchmod(file_, mode & 0777U) != 0) fail(path_, cause());
  }

  void write(const std::string& bytes) {
    constexpr std::size_t kMost = std::size_t{1} << 30;  // some systems refuse more in one call
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::write(file_, bytes.data() + done, std::min(kMost, bytes.size() - done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(path_, cause());
      if (n == 0) fail(path_, "the system takes no more bytes");
      done += static_cast<std::size_t>(n);
    }
  }

  void move_to(const fs::path& target) {
    if (::fsync(file_) != 0 && errno != EINVAL) fail(path_, cause());
    const int file = file_;
    file_ = -1;
    if (::close(file) != 0) fail(path_, cause());
    if (::rename(name_.c_str(), target.c_str()) != 0) fail(path_, cause());
    name_.clear();
  }

 private:
  std::string path_, name_;
  int file_ = -1;
};

/// The new name reaches the disk as well; not all file systems can do this, and the file is whole without.
void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  (void)::fsync(file);
  ::close(file);
}

}  // namespace

void write_file_atomically(const std::string& path, const std::string& bytes) {
  if (path.empty()) fail("\"\"", "the name of the file is empty");
  const fs::path target = follow_links(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  struct stat old = {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail(path, "this is a folder; expected the name of a file");
  if (exists && !S_ISREG(old.st_mode)) {
    fail(path, "this is a device, a pipe or a socket; expected the name of a file");
  }
  if (exists && ::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0) {
    fail(path, "the file is write-protected");
  }
  if (!target.has_filename()) fail(path, "expected the name of a file");
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(path, "the folder " + folder.string() + " does not exist");

  TemporaryFile file(path, folder);
  if (exists) file.set_permissions(old.st_mode);
  file.write(bytes);
  file.move_to(target);
  sync_folder(folder);
}

}  // namespace dpcore
