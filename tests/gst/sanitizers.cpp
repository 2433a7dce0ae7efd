// What cases need in builds with sanitizers.
#include <filesystem>
#include <set>
#include <string>
#include <utility>

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
  const auto threads = [] {
    std::set<std::string> all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      all.insert(task.path().filename());
    }
    return all;
  };
  std::set<std::string> before;
  for (int steady = 0; steady < 10 && before.size() != 1;) {
    g_thread_pool_stop_unused_threads();  // they would end some time
    g_usleep(10000);
    std::set<std::string> now = threads();
    steady = now == before ? steady + 1 : 0;
    before = std::move(now);
  }
#endif
}

}  // namespace player
