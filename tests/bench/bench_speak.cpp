// Speaks a text and prints what it cost: loading, voice, first sound, real-time factor, processor
// time, GPU memory, seconds per stage and device. Options: kBenchUsage in bench_arguments.cpp.
#include <cstdio>
#include <string>

#include "bench_arguments.h"
#include "bench_figures.h"
#include "bench_first.h"
#include "core/clock.h"
#include "gpu_memory.h"
#include "process_time.h"

namespace indextts2 {
namespace {

// A model that ends a segment by itself would be timed on other lengths than asked for.
void check_length(const BenchArguments& arguments, const Wave& wave) {
  if (arguments.codes.empty() || wave.capped) return;
  throw Error(ErrorCode::kSettings,
              "--codes: the model ended a segment by itself after " +
                  std::to_string(wave.samples.size()) +
                  " samples; leave --codes out or use a model whose stop token is suppressed");
}

BenchRun speak(Engine& engine, const std::shared_ptr<const Voice>& voice,
               const BenchArguments& arguments, size_t* next_length) {
  SessionOptions options;
  if (arguments.segments > 1) options.window = arguments.flight;
  const std::unique_ptr<Session> session = engine.open_session(options);
  const double start = now_seconds(), host = process_seconds();
  BenchRun run;
  for (int i = 0; i < arguments.segments; ++i) {
    SpeakOptions speak = arguments.speak;
    if (!arguments.codes.empty())
      speak.generation.max_mel_tokens = arguments.codes[(*next_length)++ % arguments.codes.size()];
    session->push(arguments.text, voice, speak);
  }
  session->finish();
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    check_length(arguments, wave);
    if (run.first_seconds == 0) run.first_seconds = now_seconds() - start;
    run.audio_seconds += static_cast<double>(wave.samples.size()) / kSampleRateHz;
  }
  run.wall_seconds = now_seconds() - start;
  run.host_seconds = process_seconds() - host;
  return run;
}

int bench(const BenchArguments& arguments) {
  const EngineFactory* factory = indextts2_engine_factory(kEngineAbi);
  const GpuMemory memory;
  BenchFigures figures;
  double start = now_seconds();
  const std::shared_ptr<Engine> engine = factory->open_engine(arguments.engine);
  figures.load_seconds = now_seconds() - start;
  start = now_seconds();
  const std::shared_ptr<const Voice> voice = engine->load_voice(arguments.voice);
  figures.voice_seconds = now_seconds() - start;
  figures.prompt_seconds = voice->prompt_seconds();
  if (arguments.first_codes > 0) {
    figures.runs = time_first_sounds(*engine, voice, arguments);
    figures.after = engine->stats();
    figures.gpu_memory_known = memory.known();
    figures.gpu_peak_mib = memory.peak_mib();
    print_first_sounds(figures);
    if (!arguments.json.empty()) append_json(arguments, figures);
    return 0;
  }
  // Warm-ups take lengths of their own from the list, the timed runs start at its beginning.
  size_t next_length = 0;
  for (int i = 0; i < arguments.warmup; ++i) speak(*engine, voice, arguments, &next_length);
  next_length = 0;
  figures.before = engine->stats();
  for (int i = 0; i < arguments.repeat; ++i)
    figures.runs.push_back(speak(*engine, voice, arguments, &next_length));
  figures.after = engine->stats();
  figures.gpu_memory_known = memory.known();
  figures.gpu_peak_mib = memory.peak_mib();
  print_figures(figures);
  if (!arguments.json.empty()) append_json(arguments, figures);
  return 0;
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
    return indextts2::bench(arguments);
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "bench_speak: %s\n%s\n", error.what(), error.detail.c_str());
    return 1;
  }
}
