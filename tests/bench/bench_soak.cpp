// Speaks thousands of segments that come and go at random and watches three things: that each
// sounds bit for bit as it does alone, and that the memory of devices and host stays flat. Fails if
// not.
//
// usage: bench_soak MODEL_DIR [options of bench_speak: --devices --precision --codes --voice --text
//   --segments N (default 2000) --flight N]
// Texts of one segment each, of 200 kinds (seed, length); --flight of them at a time, from sessions
// that are opened, read and sometimes dropped half read by as many threads.
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench_arguments.h"
#include "core/clock.h"

namespace indextts2 {
namespace {

constexpr int kKinds = 200, kReport = 100;
constexpr int kTextsOfASession = 4;
constexpr double kDropped = 0.1;  // share of the sessions that are not read to their end
// Growth of memory between the first tenth of the segments and the last.
constexpr double kMostDeviceGrowth = 0.01, kMostHostGrowth = 0.05;
constexpr double kSlackMib = 32;

// FNV-1a over the bytes of the samples.
uint64_t hash_of(const std::vector<float>& samples) {
  uint64_t hash = 0xcbf29ce484222325u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(samples.data());
  for (size_t i = 0; i < samples.size() * sizeof(float); ++i) {
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  }
  return hash;
}

double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

double host_mib() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return mib(resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
}

double device_mib(const Stats& stats) {
  double sum = 0;
  for (const auto& [device, parts] : stats.memory_parts) {
    if (device == "cpu") continue;
    for (const auto& [part, bytes] : parts) sum += static_cast<double>(bytes) / (1 << 20);
  }
  return sum;
}

class Soak {
 public:
  explicit Soak(const BenchArguments& arguments)
      : arguments_(arguments),
        engine_(indextts2_engine_factory(kEngineAbi)->open_engine(arguments.engine)),
        voice_(engine_->load_voice(arguments.voice)) {}

  // Each kind alone: what it has to sound like.
  void speak_alone() {
    for (int kind = 0; kind < kKinds && kind < arguments_.segments; ++kind) {
      const auto session = engine_->open_session({});
      push(*session, kind);
      session->finish();
      Wave wave;
      uint64_t hash = 0;
      for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
        if (next == Next::kWave) hash = hash * 31 + hash_of(wave.samples);
      }
      expected_.push_back(hash);
    }
    std::printf("%zu kinds of segments spoken alone\n", expected_.size());
  }

  // False: a bit differed, a segment failed, or memory grew.
  bool speak_together() {
    std::vector<std::thread> threads;
    for (int i = 0; i < arguments_.flight; ++i) {
      threads.emplace_back([this, i] { keep_speaking(static_cast<uint64_t>(i)); });
    }
    for (std::thread& thread : threads) thread.join();
    std::printf("%d segments, %d of them compared, %d different, %d failed, %d sessions dropped\n",
                spoken_.load(), compared_.load(), different_.load(), failed_.load(),
                dropped_.load());
    const bool flat = is_flat("device", first_device_, last_device_, kMostDeviceGrowth) &
                      is_flat("host", first_host_, last_host_, kMostHostGrowth);
    return different_ == 0 && failed_ == 0 && compared_ > 0 && flat;
  }

 private:
  uint64_t push(Session& session, int kind) const {
    SpeakOptions speak = arguments_.speak;
    speak.seed = 1 + kind;
    if (!arguments_.codes.empty()) {
      speak.generation.max_mel_tokens =
          arguments_.codes[static_cast<size_t>(kind) % arguments_.codes.size()];
    }
    return session.push(arguments_.text, voice_, speak);
  }

  void keep_speaking(uint64_t thread) {
    std::mt19937_64 random(1000 + thread);
    while (spoken_ < arguments_.segments) {
      try {
        one_session(&random);
      } catch (const Error& error) {
        ++failed_;
        ++spoken_;  // so that a broken engine comes to an end
        std::fprintf(stderr, "a session failed: %s %s\n", error.what(), error.detail.c_str());
      }
    }
  }

  void one_session(std::mt19937_64* random) {
    const auto session = engine_->open_session({});
    std::vector<int> kinds;
    const size_t texts = 1 + (*random)() % kTextsOfASession;
    for (size_t i = 0; i < texts; ++i) {
      kinds.push_back(static_cast<int>((*random)() % expected_.size()));
      push(*session, kinds.back());
    }
    session->finish();
    const bool drop = static_cast<double>((*random)() % 1000) < 1000 * kDropped;
    Wave wave;
    uint64_t hash = 0;
    for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
      if (next == Next::kWave) {
        hash = hash * 31 + hash_of(wave.samples);
        count();
        if (drop) break;
        continue;
      }
      if (next != Next::kTextEnd) continue;
      ++compared_;
      const int kind = kinds.at(wave.text_id - 1);
      if (hash != expected_.at(static_cast<size_t>(kind))) {
        ++different_;
        std::fprintf(stderr, "kind %d sounds different in company\n", kind);
      }
      hash = 0;
    }
    dropped_ += drop;
  }

  void count() {
    const int number = ++spoken_;
    if (number % kReport != 0 && number != arguments_.segments) return;
    const Stats stats = engine_->stats();
    std::lock_guard<std::mutex> lock(mutex_);
    last_device_ = device_mib(stats);
    last_host_ = host_mib();
    if (first_host_ == 0 && 10 * number >= arguments_.segments) {
      first_device_ = last_device_;
      first_host_ = last_host_;
    }
    double idle = 0;
    for (const DeviceStats& device : stats.devices) idle += mib(device.memory_idle_bytes);
    std::printf("%6d segments: devices %.1f MiB (%.1f kept for later), host %.1f MiB\n", number,
                last_device_, idle, last_host_);
    std::fflush(stdout);
  }

  static bool is_flat(const char* what, double first, double last, double most) {
    const bool flat = last <= first * (1 + most) + kSlackMib;
    std::printf("%s memory %.1f MiB after a tenth, %.1f MiB at the end: %s\n", what, first, last,
                flat ? "flat" : "GROWS");
    return flat;
  }

  const BenchArguments& arguments_;
  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<const Voice> voice_;
  std::vector<uint64_t> expected_;
  std::atomic<int> spoken_{0}, compared_{0}, different_{0}, failed_{0}, dropped_{0};
  std::mutex mutex_;  // guards all below
  double first_device_ = 0, last_device_ = 0, first_host_ = 0, last_host_ = 0;
};

int soak(BenchArguments arguments) {
  if (arguments.segments == arguments.flight) arguments.segments = 2000;
  const double start = now_seconds();
  Soak all(arguments);
  all.speak_alone();
  const bool good = all.speak_together();
  std::printf("%s in %.0f s\n", good ? "passed" : "FAILED", now_seconds() - start);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::BenchArguments arguments;
  if (!indextts2::parse_bench_arguments(argc, argv, &arguments)) {
    std::fputs(indextts2::kBenchUsage, stderr);
    return 2;
  }
  try {
    return indextts2::soak(std::move(arguments));
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "bench_soak: %s\n%s\n", error.what(), error.detail.c_str());
    return 1;
  }
}
