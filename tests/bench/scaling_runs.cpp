// Runs of bench_scaling.
#include "scaling_runs.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "core/clock.h"
#include "process_time.h"

namespace indextts2 {
namespace {

// FNV-1a over the bits of the samples: equal only if every bit is.
uint64_t print_of(const std::vector<float>& samples) {
  uint64_t hash = 14695981039346656037ull;
  for (const float sample : samples) {
    uint32_t bits;
    std::memcpy(&bits, &sample, sizeof bits);
    hash = (hash ^ bits) * 1099511628211ull;
  }
  return hash;
}

}  // namespace

bool parse_scaling_arguments(int argc, char** argv, ScalingArguments* arguments) {
  const std::map<std::string, int*> own = {{"--replicas", &arguments->replicas},
                                           {"--segments", &arguments->segments},
                                           {"--soak", &arguments->soak}};
  std::vector<char*> others;
  for (int i = 0; i < argc; ++i) {
    const auto option = own.find(argv[i]);
    if (option == own.end() || i + 1 == argc) {
      others.push_back(argv[i]);
    } else {
      *option->second = std::atoi(argv[++i]);
    }
  }
  if (!parse_bench_arguments(static_cast<int>(others.size()), others.data(), &arguments->bench))
    return false;
  const bool fits = arguments->replicas >= 1 && arguments->segments >= 1 && arguments->soak >= 0;
  if (!fits || arguments->bench.codes.empty()) {
    std::fprintf(stderr, "bench_scaling: --codes is needed, counts are 1 or more\n");
    return false;
  }
  return true;
}

int Places::count() const {
  const auto named = static_cast<int>(arguments_.bench.engine.devices.size());
  return named > 1 ? named : arguments_.replicas;
}

EngineOptions Places::options(int count, int max_batch) const {
  EngineOptions options = arguments_.bench.engine;
  if (options.devices.size() > 1) {
    options.devices.resize(static_cast<size_t>(count));
  } else {
    options.replicas_per_device = count;
  }
  options.max_batch = max_batch;
  return options;
}

ScalingRun run_workload(Engine& engine, const std::shared_ptr<const Voice>& voice,
                        const Workload& work, int window) {
  SessionOptions options;
  options.window = window;
  const std::unique_ptr<Session> session = engine.open_session(options);
  const double start = now_seconds(), host = process_seconds();
  SpeakOptions speak = work.speak;
  for (const int codes : work.codes) {
    speak.generation.max_mel_tokens = codes;
    session->push(work.text, voice, speak);
    ++speak.seed;
  }
  session->finish();
  ScalingRun run;
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    if (!wave.capped) {
      throw Error(
          ErrorCode::kSettings,
          "the model ended a segment by itself; use a model whose stop token is suppressed, "
          "or shorter --codes");
    }
    if (run.prints.empty()) run.first_seconds = now_seconds() - start;
    run.audio_seconds += static_cast<double>(wave.samples.size()) / kSampleRateHz;
    run.prints.push_back(print_of(wave.samples));
    run.devices.push_back(wave.device);
  }
  run.wall_seconds = now_seconds() - start;
  run.host_seconds = process_seconds() - host;
  if (run.prints.size() != work.codes.size()) {
    throw Error(ErrorCode::kInternal, "expected " + std::to_string(work.codes.size()) +
                                          " segments, got " + std::to_string(run.prints.size()) +
                                          "; the text must make one segment");
  }
  return run;
}

}  // namespace indextts2
