// Ends in one of several ways while an emotion reader lives. Exit status 0: it was not freed after
// what it uses, and no thread of it was left.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "core/error.h"
#include "text_emotions.h"

namespace indextts2 {
namespace {

std::atomic<bool> g_library_gone{false}, g_working{false};

// Stands for the statics of a library below: registered before the first load, so it runs after the
// reaper's handler.
void end_of_library() {
  g_library_gone = true;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

void use_library() {
  if (g_library_gone) _exit(3);
}

struct Weights {
  ~Weights() { use_library(); }
};

void work_until(const StopToken& stop) {
  g_working = true;
  for (;;) {
    stop.check();
    use_library();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

TextEmotions::Load loader(const std::string& mode) {
  return [mode](const StopToken& load_stop) {
    if (mode == "loading") work_until(load_stop);
    auto reader = std::make_shared<EmotionReader>();
    reader->read = [mode, weights = std::make_shared<Weights>()](const std::string&,
                                                                 const StopToken& stop) {
      use_library();
      if (mode == "reading") work_until(stop);
      return EmotionScores{};
    };
    return reader;
  };
}

int fork_and_wait() {
  const pid_t child = fork();
  if (child == 0) std::exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

std::shared_ptr<TextEmotions> g_emotions;  // goes after all exit handlers of main()

int run(const std::string& mode) {
  std::atexit(end_of_library);
  g_emotions = std::make_shared<TextEmotions>();
  if (mode == "kept" || mode == "fork") {
    g_emotions->read("a", loader(mode), {});
    return mode == "fork" ? fork_and_wait() : 0;
  }
  std::thread([mode, emotions = g_emotions] {
    try {
      emotions->read("a", loader(mode), {});
    } catch (const Error&) {
    }
    for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
  }).detach();
  while (!g_working) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return 0;
}

}  // namespace
}  // namespace indextts2

int main(int, char** argv) { return indextts2::run(argv[1]); }
