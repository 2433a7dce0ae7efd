// Names the threads of a test that hangs.
#include "watchdog.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace player {
namespace {

constexpr int kMaxFrames = 40;
constexpr std::chrono::milliseconds kForOneStack{100};  // so that stacks do not mix

// Functions without exported names appear as addresses for addr2line.
void print_stack(int) {
  void* frames[kMaxFrames];
  backtrace_symbols_fd(frames, backtrace(frames, kMaxFrames), STDERR_FILENO);
}

void name_threads() {
  void* frame[1];
  backtrace(frame, 1);  // loads what it needs, which a signal handler must not
  signal(SIGUSR2, print_stack);
  DIR* const tasks = opendir("/proc/self/task");
  while (const dirent* entry = tasks ? readdir(tasks) : nullptr) {
    const long id = std::atol(entry->d_name);
    if (id <= 0 || id == syscall(SYS_gettid)) continue;
    std::ifstream file("/proc/self/task/" + std::string(entry->d_name) + "/comm");
    std::string name;
    std::getline(file, name);
    std::fprintf(stderr, "watchdog: thread %ld (%s) stands at\n", id, name.c_str());
    syscall(SYS_tgkill, getpid(), id, SIGUSR2);
    std::this_thread::sleep_for(kForOneStack);
  }
  if (tasks) closedir(tasks);
}

}  // namespace

Watchdog::Watchdog(int seconds) : thread_([this, seconds] { watch(seconds); }) {}

Watchdog::~Watchdog() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::watch(int seconds) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (changed_.wait_for(lock, std::chrono::seconds(seconds), [&] { return over_; })) return;
  std::fprintf(stderr, "watchdog: the test hangs: not over after %d s\n", seconds);
  name_threads();
  std::abort();
}

}  // namespace player
