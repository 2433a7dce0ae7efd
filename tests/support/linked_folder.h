// A copy of a folder made of links, for tests that add to it or take from it.
#pragma once

#include <filesystem>

namespace indextts2 {

inline void link_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
  namespace fs = std::filesystem;
  fs::create_directories(to);
  for (const auto& item : fs::recursive_directory_iterator(from)) {
    const fs::path copy = to / fs::relative(item.path(), from);
    if (item.is_directory()) {
      fs::create_directories(copy);
    } else {
      fs::create_symlink(fs::absolute(item.path()), copy);
    }
  }
}

}  // namespace indextts2
