// How speed grows with the number of devices: weak and strong scaling, one segment in flight per
// device, the same bits, first sound, memory. With one device, --replicas rehearses it there.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "scaling_runs.h"

namespace indextts2 {
namespace {

constexpr char kUsage[] =
    "usage: bench_scaling MODEL_DIR --devices LIST [--replicas N] [--segments N] [--soak N]\n"
    "  and the options of bench_speak, --codes among them; --flight is the number of segments\n"
    "  decoded together on a device. Runs on 1, 2, 4, ... of the devices; --replicas N stands for "
    "N\n"
    "  devices on one. --segments N: per device (weak scaling), in all (strong). --soak N: the "
    "weak\n"
    "  workload on all devices N times more, with the free memory of each.\n";

constexpr int kFirstSoundCodes = 100;  // 2 s
constexpr int kFirstSoundRuns = 7;

std::vector<int> growing(int most) {
  std::vector<int> counts;
  for (int n = 1; n < most; n *= 2) counts.push_back(n);
  counts.push_back(most);
  return counts;
}

double speed(const ScalingRun& run) { return run.audio_seconds / run.wall_seconds; }

class ScalingBench {
 public:
  explicit ScalingBench(const ScalingArguments& arguments)
      : arguments_(arguments),
        places_(arguments_),
        factory_(*indextts2_engine_factory(kEngineAbi)),
        // Kept open, so that the engines on fewer devices find the weights there.
        all_(factory_.open_engine(places_.options(places_.count(), batch()))),
        voice_(all_->load_voice(arguments_.bench.voice)) {}

  void run() {
    for (const int count : growing(places_.count())) measure(count);
    for (int i = 1; i <= arguments_.soak; ++i) soak(i);
    if (arguments_.bench.engine.devices.size() > 1) {  // they take devices from all engines' pools
      lost();
      unloaded();
    }
    if (!arguments_.bench.json.empty()) write_json();
  }

 private:
  int batch() const { return std::max(1, arguments_.bench.flight); }

  // The drawn lengths, each `copies` times in a row: dealt round-robin, every device gets the same.
  Workload workload(int segments, int copies) const {
    const std::vector<int>& codes = arguments_.bench.codes;
    Workload work{arguments_.bench.text, {}, arguments_.bench.speak};
    for (int i = 0; i < segments * copies; ++i)
      work.codes.push_back(codes[static_cast<size_t>(i / copies) % codes.size()]);
    return work;
  }

  void measure(int count) {
    const std::shared_ptr<Engine> engine = factory_.open_engine(places_.options(count, batch()));
    run_workload(*engine, voice_, workload(batch(), count), 0);  // warm-up
    report("weak", count, run_workload(*engine, voice_, workload(arguments_.segments, count), 0));
    const ScalingRun strong = run_workload(*engine, voice_, workload(arguments_.segments, 1), 0);
    report("strong", count, strong);
    compare_bits(count, strong);
    first_sound(*engine, count);
    one_each(count);
  }

  // The multi-GPU plan's own case: one segment at a time on each device, dealt in turn.
  void one_each(int count) {
    const std::shared_ptr<Engine> engine = factory_.open_engine(places_.options(count, 1));
    const int segments = std::max(2, arguments_.segments / 8);
    run_workload(*engine, voice_, workload(1, count), count);  // warm-up
    report("one each", count, run_workload(*engine, voice_, workload(segments, count), count));
  }

  // The last device goes once some segments have been heard; nothing of the others is missing.
  void unloaded() {
    const std::shared_ptr<Engine> engine =
        factory_.open_engine(places_.options(places_.count(), batch()));
    const std::string last = arguments_.bench.engine.devices.back();
    std::thread unloading([&] {
      while (engine->stats().segments < static_cast<uint64_t>(arguments_.segments) / 8)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      engine->unload_device(last);
    });
    const ScalingRun run = run_workload(*engine, voice_, workload(arguments_.segments, 1), 0);
    unloading.join();
    report("unloaded", places_.count(), run);
    compare_bits(places_.count(), run);
  }

  // The last device fails in the middle of its second segment.
  void lost() {
    EngineOptions options = places_.options(places_.count(), batch());
    options.inject_faults = arguments_.bench.engine.devices.back() + ":throw@2";
    const std::shared_ptr<Engine> engine = factory_.open_engine(options);
    const ScalingRun run = run_workload(*engine, voice_, workload(arguments_.segments, 1), 0);
    report("lost", places_.count(), run);
    compare_bits(places_.count(), run);
  }

  void compare_bits(int count, const ScalingRun& run) {
    if (prints_.empty()) prints_ = run.prints;
    size_t same = 0;
    for (size_t i = 0; i < prints_.size(); ++i) same += run.prints[i] == prints_[i] ? 1 : 0;
    std::printf("%-9s %d: %zu of %zu segments have the bits of the run on one\n", "bits", count,
                same, prints_.size());
    lines_.push_back(
        {{"case", "bits"}, {"devices", count}, {"equal", same}, {"segments", prints_.size()}});
  }

  void first_sound(Engine& engine, int count) {
    Workload work{arguments_.bench.text, {kFirstSoundCodes}, arguments_.bench.speak};
    std::vector<double> times;
    for (int i = 0; i < kFirstSoundRuns; ++i)
      times.push_back(1e3 * run_workload(engine, voice_, work, 0).first_seconds);
    std::sort(times.begin() + 2, times.end());  // two warm-ups
    const double median = times[2 + (times.size() - 2) / 2];
    std::printf("%-9s %d: first sound of %d codes after %.1f ms [%.1f-%.1f]\n", "first", count,
                kFirstSoundCodes, median, times[2], times.back());
    lines_.push_back({{"case", "first"}, {"devices", count}, {"first_ms", median}});
  }

  void soak(int round) {
    const ScalingRun run =
        run_workload(*all_, voice_, workload(arguments_.segments, places_.count()), 0);
    nlohmann::json memory;
    std::printf("%-9s %d: %.1f s of speech a second", "soak", round, speed(run));
    for (const DeviceInfo& device : factory_.list_devices()) {
      const double used = static_cast<double>(device.total_bytes - device.free_bytes) / (1 << 20);
      std::printf(", %s %.0f MiB in use", device.id.c_str(), used);
      memory[device.id] = used;
    }
    std::printf("\n");
    lines_.push_back({{"case", "soak"},
                      {"round", round},
                      {"segments", run.prints.size()},
                      {"used_mib", memory}});
  }

  void report(const char* name, int count, const ScalingRun& run) {
    base_.emplace(name, speed(run));
    const double gain = speed(run) / base_.at(name), host = run.host_seconds / run.wall_seconds;
    std::map<std::string, int> shares;
    for (const std::string& device : run.devices) ++shares[device];
    std::printf(
        "%-9s %d: %.2f s of speech a second, %.3f times one, %.2f host cores, %zu segments:", name,
        count, speed(run), gain, host, run.prints.size());
    for (const auto& [device, segments] : shares) std::printf(" %s %d", device.c_str(), segments);
    std::printf("\n");
    std::fflush(stdout);
    lines_.push_back({{"case", name},
                      {"devices", count},
                      {"audio_s", run.audio_seconds},
                      {"wall_s", run.wall_seconds},
                      {"gain", gain},
                      {"host_cores", host},
                      {"shares", shares}});
  }

  void write_json() const {
    std::ofstream file(arguments_.bench.json, std::ios::app);
    for (const nlohmann::json& line : lines_) file << line.dump() << "\n";
    if (!file.flush())
      throw Error(ErrorCode::kSettings, "--json: cannot write " + arguments_.bench.json);
  }

  const ScalingArguments& arguments_;
  const Places places_;
  const EngineFactory& factory_;
  const std::shared_ptr<Engine> all_;
  const std::shared_ptr<const Voice> voice_;
  std::map<std::string, double> base_;  // speed of each case on one device
  std::vector<uint64_t> prints_;        // of the strong workload on one device
  std::vector<nlohmann::json> lines_;
};

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::ScalingArguments arguments;
  if (!indextts2::parse_scaling_arguments(argc, argv, &arguments)) {
    std::fputs(indextts2::kUsage, stderr);
    return 2;
  }
  try {
    indextts2::ScalingBench(arguments).run();
    return 0;
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "bench_scaling: %s\n%s\n", error.what(), error.detail.c_str());
    return 1;
  }
}
