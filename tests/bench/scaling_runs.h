// Runs of bench_scaling: a closed set of one-segment texts through an engine on some of the
// devices.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench_arguments.h"

namespace indextts2 {

struct ScalingArguments {
  BenchArguments bench;  // flight: segments decoded together on a device
  int replicas = 1;      // of a single device, in place of several devices
  int segments = 64;     // of a device (weak), in all (strong)
  int soak = 0;          // times that the weak workload of all devices is run again
};

// False, with a line on stderr, if the command line is not understood. Takes its own options out
// and leaves the others to parse_bench_arguments.
bool parse_scaling_arguments(int argc, char** argv, ScalingArguments* arguments);

// The devices of a run, by growing number.
class Places {
 public:
  explicit Places(const ScalingArguments& arguments) : arguments_(arguments) {}
  int count() const;  // devices named, or replicas
  // Options for an engine on the first `count` of them.
  EngineOptions options(int count, int max_batch) const;

 private:
  const ScalingArguments& arguments_;
};

// What a run is made of. Text i has `codes[i]` codes and seed + i.
struct Workload {
  std::string text;
  std::vector<int> codes;
  SpeakOptions speak;
};

struct ScalingRun {
  double wall_seconds = 0, audio_seconds = 0;
  double host_seconds = 0;           // processor time of all threads of this process
  double first_seconds = 0;          // from the first push to the first segment
  std::vector<uint64_t> prints;      // of each segment's samples, in order
  std::vector<std::string> devices;  // that made each segment
};

// Speaks the workload, at most `window` segments on their way (0: the engine's choice). Throws
// Error when a segment fails, is missing, or is not as long as asked for.
ScalingRun run_workload(Engine& engine, const std::shared_ptr<const Voice>& voice,
                        const Workload& work, int window);

}  // namespace indextts2
