// What cases need in builds with sanitizers.
#include <filesystem>
#include <set>
#include <string>

#include "case.h"
#include "player.h"

namespace player {

bool in_time(double start, double seconds) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)start, (void)seconds;
  return true;
#else
  return seconds_now() - start < seconds;
#endif
}

void await_steady_threads() {
#ifdef __SANITIZE_ADDRESS__
  auto threads = [] {
    std::set<std::string> all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      all.insert(task.path().filename());
    }
    return all;
  };
  for (std::set<std::string> before; before != threads();) {
    before = threads();
    g_usleep(30000);
  }
#endif
}

}  // namespace player
