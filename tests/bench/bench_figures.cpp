// Figures of bench_speak's runs, as text and as JSON.
#include "bench_figures.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace indextts2 {
namespace {

constexpr char kBesideDecoding[] = "voice, late";  // the stage that no sound waits for

using Figure = double (*)(const BenchRun&);

double real_time_factor(const BenchRun& run) { return run.wall_seconds / run.audio_seconds; }
double first_milliseconds(const BenchRun& run) { return 1000 * run.first_seconds; }
double audio_per_wall(const BenchRun& run) { return run.audio_seconds / run.wall_seconds; }
double host_cores(const BenchRun& run) { return run.host_seconds / run.wall_seconds; }
double host_per_audio(const BenchRun& run) { return run.host_seconds / run.audio_seconds; }

std::vector<double> sorted(const std::vector<BenchRun>& runs, Figure figure) {
  std::vector<double> values;
  for (const BenchRun& run : runs) values.push_back(figure(run));
  std::sort(values.begin(), values.end());
  return values;
}

double median(const std::vector<BenchRun>& runs, Figure figure) {
  return sorted(runs, figure)[runs.size() / 2];
}

void print_spread(const char* name, const std::vector<BenchRun>& runs, Figure figure) {
  const std::vector<double> values = sorted(runs, figure);
  std::printf("%s %.3f [%.3f-%.3f]\n", name, values[values.size() / 2], values.front(),
              values.back());
}

// Milliseconds per second of speech.
std::map<std::string, double> stage_costs(const BenchFigures& figures) {
  const double audio = figures.after.audio_seconds - figures.before.audio_seconds;
  std::map<std::string, double> costs = stages_between(figures.before, figures.after);
  for (auto& [stage, cost] : costs) cost *= 1000 / audio;
  return costs;
}

// Medians in milliseconds of each stage of a first sound, and of the time that is none's.
std::map<std::string, double> first_stages(const std::vector<BenchRun>& runs) {
  std::map<std::string, std::vector<double>> all;
  for (const BenchRun& run : runs) {
    double rest = run.first_seconds;
    for (const auto& [stage, seconds] : run.stage_seconds) {
      all[stage].push_back(1000 * seconds);
      if (stage != kBesideDecoding) rest -= seconds;
    }
    all["in between"].push_back(1000 * rest);
  }
  std::map<std::string, double> medians;
  for (auto& [stage, values] : all) {
    std::sort(values.begin(), values.end());
    medians[stage] = values[values.size() / 2];
  }
  return medians;
}

// What took the memory of the devices.
void print_memory(const Stats& stats) {
  for (const auto& [device, parts] : stats.memory_parts) {
    double sum = 0;
    for (const auto& [part, bytes] : parts) {
      const double mib = static_cast<double>(bytes) / (1 << 20);
      std::printf("memory %-7s %-16s %8.1f MiB\n", device.c_str(), part.c_str(), mib);
      sum += mib;
    }
    std::printf("memory %-7s %-16s %8.1f MiB\n", device.c_str(), "in all", sum);
  }
  for (const DeviceStats& device : stats.devices) {
    if (device.memory_idle_bytes == 0) continue;
    std::printf("memory %-7s of these, kept by LibTorch for later %.1f MiB\n",
                device.device.c_str(), static_cast<double>(device.memory_idle_bytes) / (1 << 20));
  }
}

}  // namespace

std::map<std::string, double> stages_between(const Stats& before, const Stats& after) {
  std::map<std::string, double> spent;
  for (const auto& [stage, seconds] : after.stage_seconds) {
    const auto earlier = before.stage_seconds.find(stage);
    const double more = seconds - (earlier == before.stage_seconds.end() ? 0 : earlier->second);
    if (more > 0) spent[stage] = more;
  }
  return spent;
}

void print_figures(const BenchFigures& figures) {
  std::printf("load            %.2f s\n", figures.load_seconds);
  std::printf("voice           %.2f s for a prompt of %.1f s\n", figures.voice_seconds,
              figures.prompt_seconds);
  std::printf("runs            %zu, the last of %.2f s of speech\n", figures.runs.size(),
              figures.runs.back().audio_seconds);
  print_spread("real-time factor", figures.runs, real_time_factor);
  print_spread("first sound, ms", figures.runs, first_milliseconds);
  print_spread("speech s per s", figures.runs, audio_per_wall);
  print_spread("host CPU s per s", figures.runs, host_per_audio);
  print_spread("host cores busy", figures.runs, host_cores);
  if (figures.gpu_memory_known) std::printf("peak GPU memory %.0f MiB\n", figures.gpu_peak_mib);
  print_memory(figures.after);
  for (const auto& [stage, cost] : stage_costs(figures))
    std::printf("stage %-10s %8.1f ms per second of speech\n", stage.c_str(), cost);
  for (const DeviceStats& device : figures.after.devices) {
    std::printf("device %-9s %llu segments, busy %.2f s, real-time factor %.3f\n",
                device.device.c_str(), static_cast<unsigned long long>(device.segments),
                device.busy_seconds, device.rtf);
  }
}

void print_first_sounds(const BenchFigures& figures) {
  std::printf("prompt          %.1f s\n", figures.prompt_seconds);
  print_spread("first sound, ms", figures.runs, first_milliseconds);
  for (const auto& [stage, ms] : first_stages(figures.runs))
    std::printf("stage %-12s %7.2f ms\n", stage.c_str(), ms);
  if (figures.gpu_memory_known) std::printf("peak GPU memory %.0f MiB\n", figures.gpu_peak_mib);
  print_memory(figures.after);
}

void append_json(const BenchArguments& arguments, const BenchFigures& figures) {
  nlohmann::json line = {{"program", "bench_speak"},
                         {"model", arguments.engine.model_dir},
                         {"devices", arguments.engine.devices},
                         {"precision", arguments.precision},
                         {"kernels", arguments.kernels},
                         {"flight", arguments.flight},
                         {"segments", arguments.segments},
                         {"first_codes", arguments.first_codes},
                         {"beside", arguments.beside},
                         {"cold", arguments.cold},
                         {"codes", arguments.codes},
                         {"prompt_s", figures.prompt_seconds},
                         {"load_s", figures.load_seconds},
                         {"voice_s", figures.voice_seconds},
                         {"n", figures.runs.size()},
                         {"rtf", median(figures.runs, real_time_factor)},
                         {"speech_s_per_s", median(figures.runs, audio_per_wall)},
                         {"host_cores", median(figures.runs, host_cores)},
                         {"first_ms", median(figures.runs, first_milliseconds)},
                         {"host_s_per_s", median(figures.runs, host_per_audio)},
                         {"stages_ms_per_s", stage_costs(figures)},
                         {"first_stages_ms", first_stages(figures.runs)}};
  if (figures.gpu_memory_known) line["gpu_peak_mib"] = figures.gpu_peak_mib;
  for (const auto& [device, parts] : figures.after.memory_parts) {
    for (const auto& [part, bytes] : parts)
      line["memory_mib"][device][part] = static_cast<double>(bytes) / (1 << 20);
  }
  for (const BenchRun& run : figures.runs) {
    line["runs"].push_back({{"wall_s", run.wall_seconds},
                            {"first_s", run.first_seconds},
                            {"audio_s", run.audio_seconds},
                            {"host_s", run.host_seconds}});
  }
  std::ofstream file(arguments.json, std::ios::app);
  file << line.dump() << "\n";
  if (!file.flush()) throw Error(ErrorCode::kSettings, "--json: cannot write " + arguments.json);
}

}  // namespace indextts2
