// Traps 14 and 24 on the real engine: what many utterances leave behind, the CPU first and CUDA
// after it.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "case.h"
#include "player.h"
#include "tiny_model.h"

using namespace player;

namespace {

constexpr int kUtterances = 200, kWarmUp = 10;
constexpr double kTolerance = 1.02;  // of memory, from utterance 10 to 200

// AddressSanitizer keeps freed memory for a while: there is no flat line to be seen.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kMemoryIsTold = false;
#else
constexpr bool kMemoryIsTold = true;
#endif

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

int thread_count() {
  std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

// LibTorch's number of threads for one operation, as this thread sees it.
int torch_threads() {
  void* torch = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  fail_unless(torch != nullptr, "the engine has not loaded LibTorch");
  auto* function = reinterpret_cast<int (*)()>(dlsym(torch, "_ZN2at15get_num_threadsEv"));
  fail_unless(function != nullptr, "at::get_num_threads is missing");
  return function();
}

// The line of available-devices for `device`, empty if there is none.
std::string device_line(const std::string& device) {
  Player p(tiny_model({{"devices", "cpu"}}));
  fail_unless(p.go_to(GST_STATE_READY));
  gchar* text = nullptr;
  g_object_get(p.element(), "available-devices", &text, nullptr);
  const std::string lines = "\n" + std::string(text ? text : "");
  g_free(text);
  const size_t begin = lines.find("\n" + device + ",");
  return begin == std::string::npos
             ? ""
             : lines.substr(begin + 1, lines.find('\n', begin + 1) - begin - 1);
}

// MiB of a GPU's memory in use, by anyone.
double used_mib(const std::string& device) {
  const std::string line = device_line(device);
  const size_t free_end = line.rfind(" MiB free"), total_end = line.find(" MiB");
  auto number_before = [&](size_t end) {
    return std::stod(line.substr(line.rfind(' ', end - 1), std::string::npos));
  };
  return number_before(total_end) - number_before(free_end);
}

std::string left_out(const std::string& what) {
  return "left out: " + what + ": no CUDA device on this machine\n";
}

// Speaks the utterances one after another and looks at the process after each.
void speak_many(const std::string& device) {
  static const char* const texts[] = {"Hello.\n", "How are you today?\n", "Fine.\n",
                                      "It is a quarter past nine.\n",
                                      "Good night to all of you.\n"};
  Player p(tiny_model({{"devices", device}, {"buffer-duration", "0"}, {"max-text-bytes", "40"}}));
  p.keep_no_bytes();
  Feeder feeder(p);
  fail_unless(p.go_to(GST_STATE_READY));
  const int torch_before = torch_threads();
  p.go_to(GST_STATE_PLAYING, 0);
  double memory = 0, device_memory = 0;
  int threads = 0;
  for (int i = 0; i < kUtterances; ++i) {
    // Waits until at most 40 bytes are unspoken.
    fail_unless_equals_int(feeder.push(texts[i % 5]), GST_FLOW_OK);
    if (i < kWarmUp) continue;
    if (i == 2 * kWarmUp) {
      memory = resident_mib();
      threads = thread_count();
      if (device != "cpu") device_memory = used_mib(device);
    }
    // Threads that loaded the model may end later than this.
    if (i > 2 * kWarmUp) fail_unless(thread_count() <= threads, "%d threads", thread_count());
  }
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless_equals_int(static_cast<int>(p.pieces().size()), 2 * kUtterances - 1);  // with gaps
  const double after = resident_mib();
  g_print("%s: %.1f MiB after utterance %d, %.1f MiB after %d; %d threads\n", device.c_str(),
          memory, 2 * kWarmUp, after, kUtterances, threads);
  if (kMemoryIsTold)
    fail_unless(after <= memory * kTolerance, "%.1f MiB grew to %.1f MiB", memory, after);
  if (device != "cpu") fail_unless(used_mib(device) <= device_memory * kTolerance);
  fail_unless_equals_int(torch_threads(), torch_before);
}

}  // namespace

CASE(trap_14_many_utterances_leave_nothing) {
  if (!kMemoryIsTold)
    g_print("left out: trap 14, memory: AddressSanitizer holds freed memory back\n");
  speak_many("cpu");
}

CASE(trap_14_many_utterances_leave_nothing_on_cuda) {
  if (device_line("cuda:0").empty()) {
    g_print("%s", left_out("trap 14 on cuda:0").c_str());
    return;
  }
  speak_many("cuda:0");
}

// The first element uses LibTorch on the CPU to the end of its stream: CUDA must still be there for
// the second. Without a driver the second says why not, and the first goes on.
CASE(trap_24_cpu_first_cuda_later) {
  const bool has_cuda = !device_line("cuda:0").empty();
  Player first(tiny_model({{"devices", "cpu"}, {"text", "Hello."}}));
  fail_unless(first.go_to(GST_STATE_PLAYING));
  fail_unless(first.wait_end());
  const std::vector<char> heard = first.bytes();
  fail_unless(!heard.empty());

  Player second(tiny_model({{"devices", "cuda:0"}, {"text", "Hello."}}));
  if (has_cuda) {
    fail_unless(second.go_to(GST_STATE_PLAYING));
    fail_unless(second.wait_end());
    fail_unless(!second.bytes().empty());
    const std::string stats = second.stats();
    fail_unless(stats.find("cuda:0") != std::string::npos, "%s", stats.c_str());
  } else {
    g_print("%s", left_out("trap 24, the element on cuda:0").c_str());
    fail_if(second.go_to(GST_STATE_PAUSED));
    const auto errors = second.reports(GST_MESSAGE_ERROR);
    fail_unless_equals_int(static_cast<int>(errors.size()), 1);
    fail_unless(errors[0].domain == GST_LIBRARY_ERROR);
    fail_unless_equals_int(errors[0].code, GST_LIBRARY_ERROR_INIT);
    fail_unless(errors[0].text.find("cuda:0") != std::string::npos, "%s", errors[0].text.c_str());
  }

  fail_unless(first.seek(0));
  fail_unless(first.wait_end());
  fail_unless(first.bytes() == heard);
  fail_unless(first.go_to(GST_STATE_READY));
  first.forget();
  fail_unless(first.go_to(GST_STATE_PLAYING));
  fail_unless(first.wait_end());
  fail_unless(first.bytes() == heard);
}

RUN_CASES("traps_engine")
