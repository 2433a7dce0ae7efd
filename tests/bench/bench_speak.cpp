// Speaks a text and prints what it cost: loading, voice, first sound, real-time factor, seconds per
// stage and device.
//
//   bench_speak MODEL_DIR [--devices LIST] [--voice FILE] [--text TEXT] [--seed N] [--repeat N]
//   [--threads N]
//               [--beams N] [--steps N]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "indextts2/engine.h"

namespace indextts2 {
namespace {

constexpr char kText[] =
    "The ferry leaves the old harbour at seven in the morning. It crosses the bay in half an hour. "
    "On a clear day you can see the lighthouse from the upper deck. Please keep your ticket until "
    "the end of the trip.";

struct Arguments {
  EngineOptions engine;
  VoiceOptions voice;
  SpeakOptions speak;
  std::string text = kText;
  int repeat = 5;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  size_t begin = 0;
  for (size_t end; (end = list.find(',', begin)) != std::string::npos; begin = end + 1) {
    words.push_back(list.substr(begin, end - begin));
  }
  words.push_back(list.substr(begin));
  return words;
}

bool parse(int argc, char** argv, Arguments* arguments) {
  if (argc < 2 || argc % 2 != 0) return false;
  arguments->engine.model_dir = argv[1];
  arguments->speak.seed = 1;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--devices")
      arguments->engine.devices = split(value);
    else if (name == "--voice")
      arguments->voice.speaker.path = value;
    else if (name == "--text")
      arguments->text = value;
    else if (name == "--seed")
      arguments->speak.seed = std::atoll(value.c_str());
    else if (name == "--repeat")
      arguments->repeat = std::max(1, std::atoi(value.c_str()));
    else if (name == "--threads")
      arguments->engine.threads = std::atoi(value.c_str());
    else if (name == "--beams")
      arguments->speak.generation.num_beams = std::atoi(value.c_str());
    else if (name == "--steps")
      arguments->speak.generation.diffusion_steps = std::atoi(value.c_str());
    else
      return false;
  }
  return true;
}

struct Run {
  double wall_seconds = 0, first_seconds = 0, audio_seconds = 0;
};

Run speak(Engine& engine, const std::shared_ptr<const Voice>& voice, const Arguments& arguments) {
  const std::unique_ptr<Session> session = engine.open_session({});
  const double start = now_seconds();
  Run run;
  session->push(arguments.text, voice, arguments.speak);
  session->finish();
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    if (run.first_seconds == 0) run.first_seconds = now_seconds() - start;
    run.audio_seconds += static_cast<double>(wave.samples.size()) / kSampleRateHz;
  }
  run.wall_seconds = now_seconds() - start;
  return run;
}

// "median [min-max]" of one figure over the runs, times `scale`.
std::string spread(const std::vector<Run>& runs, double (*figure)(const Run&), double scale) {
  std::vector<double> values;
  for (const Run& run : runs) values.push_back(figure(run) * scale);
  std::sort(values.begin(), values.end());
  char text[80];
  std::snprintf(text, sizeof text, "%.3f [%.3f-%.3f]", values[values.size() / 2], values.front(),
                values.back());
  return text;
}

int bench(const Arguments& arguments) {
  const EngineFactory* factory = indextts2_engine_factory(kEngineAbi);
  double start = now_seconds();
  const std::shared_ptr<Engine> engine = factory->open_engine(arguments.engine);
  std::printf("load            %.2f s\n", now_seconds() - start);
  start = now_seconds();
  const std::shared_ptr<const Voice> voice = engine->load_voice(arguments.voice);
  std::printf("voice           %.2f s for a prompt of %.1f s\n", now_seconds() - start,
              voice->prompt_seconds());
  speak(*engine, voice, arguments);  // warm-up
  const Stats before = engine->stats();
  std::vector<Run> runs;
  for (int i = 0; i < arguments.repeat; ++i) runs.push_back(speak(*engine, voice, arguments));
  const Stats after = engine->stats();
  std::printf("runs            %d of %.2f s of speech\n", arguments.repeat,
              runs.back().audio_seconds);
  std::printf("real-time factor %s\n",
              spread(
                  runs, [](const Run& run) { return run.wall_seconds / run.audio_seconds; }, 1)
                  .c_str());
  std::printf("first sound, ms %s\n",
              spread(
                  runs, [](const Run& run) { return run.first_seconds; }, 1000)
                  .c_str());
  const double audio = after.audio_seconds - before.audio_seconds;
  for (const auto& [stage, seconds] : after.stage_seconds) {
    const auto earlier = before.stage_seconds.find(stage);
    const double spent = seconds - (earlier == before.stage_seconds.end() ? 0 : earlier->second);
    if (spent > 0)
      std::printf("stage %-10s %8.1f ms per second of speech\n", stage.c_str(),
                  1000 * spent / audio);
  }
  for (const DeviceStats& device : after.devices) {
    std::printf("device %-9s %llu segments, busy %.2f s, real-time factor %.3f\n",
                device.device.c_str(), static_cast<unsigned long long>(device.segments),
                device.busy_seconds, device.rtf);
  }
  return 0;
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::Arguments arguments;
  if (!indextts2::parse(argc, argv, &arguments)) {
    std::fprintf(
        stderr,
        "usage: bench_speak MODEL_DIR [--devices LIST] [--voice FILE] [--text TEXT] [--seed N] "
        "[--repeat N] [--threads N] [--beams N] [--steps N]\n");
    return 2;
  }
  try {
    return indextts2::bench(arguments);
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "bench_speak: %s\n%s\n", error.what(), error.detail.c_str());
    return 1;
  }
}
