// Predicts what several GPUs give: the pool's own schedule on a virtual clock, fed with stage
// times.
//
//   simulate_scaling [KEY=VALUE...]     one JSON object a line, for plot_scaling.py
//
// step_ms       one code of one segment (default 5.5)
// row_ms        what each further segment in the batch adds to a step (0.4)
// prefill_ms    before a segment's first code (15)
// render_ms     mel and vocoder, for a code (1.7)
// slots         segments decoded together by one replica (1)
// window        segments in flight, for each slot of the pool (4; the session adds 2)
// sigma         of the lognormal lengths (0.5)
// codes         mean length of a segment (220, some 4.5 s of speech)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "pool_simulation.h"

namespace indextts2 {
namespace {

constexpr double kSecondsPerCode = 0.0204;  // of speech: 1.72 mel frames of 256 samples a code
constexpr int kDraws = 10;                  // of lengths; figures are means

using Values = std::map<std::string, double>;

SimulatedReplica replica_of(const Values& v) {
  SimulatedReplica replica;
  replica.slots = static_cast<int>(v.at("slots"));
  replica.step_seconds = v.at("step_ms") * 1e-3;
  replica.row_seconds = v.at("row_ms") * 1e-3;
  replica.prefill_seconds = v.at("prefill_ms") * 1e-3;
  replica.render_seconds = v.at("render_ms") * 1e-3;
  return replica;
}

SimulatedText text_of(const Values& v, size_t segments, Dispatch dispatch, int gpus,
                      uint64_t seed) {
  SimulatedText text;
  text.codes = lognormal_lengths(segments, v.at("codes"), v.at("sigma"), seed);
  text.estimates = lognormal_lengths(segments, 1, 0.25, seed + 1);
  for (size_t i = 0; i < segments; ++i) text.estimates[i] *= text.codes[i];
  text.dispatch = dispatch;
  text.window = static_cast<int>(gpus * v.at("slots") * v.at("window")) + 2;
  return text;
}

// announcement: 4 segments. chapter: 240 segments (18 minutes). news: 40 stories of 6 segments, one
// every 3 s, each a session of its own.
std::vector<SimulatedText> texts_of(const std::string& shape, const Values& v, Dispatch dispatch,
                                    int gpus, int weak, uint64_t seed) {
  std::vector<SimulatedText> texts;
  if (shape != "news") {
    const size_t segments = (shape == "announcement" ? 4 : 240) * static_cast<size_t>(weak);
    texts.push_back(text_of(v, segments, dispatch, gpus, seed));
    return texts;
  }
  for (int story = 0; story < 40 * weak; ++story) {
    texts.push_back(text_of(v, 6, dispatch, gpus, seed + 10 * static_cast<uint64_t>(story)));
    texts.back().arrival = 3.0 * story / weak;
  }
  return texts;
}

struct Figures {
  double seconds = 0, audio = 0, first_mean = 0, first_worst = 0;
};

Figures run(const std::string& shape, const Values& v, Dispatch dispatch, int gpus, int weak) {
  Figures mean;
  for (int draw = 0; draw < kDraws; ++draw) {
    const auto texts =
        texts_of(shape, v, dispatch, gpus, weak, 100000 * static_cast<uint64_t>(draw + 1));
    const std::vector<SimulatedReplica> replicas(static_cast<size_t>(gpus), replica_of(v));
    const SimulatedRun result = simulate(replicas, texts);
    mean.seconds += result.seconds / kDraws;
    double worst = 0;
    for (const double first : result.first_sound) {
      mean.first_mean += first / static_cast<double>(texts.size()) / kDraws;
      worst = std::max(worst, first);
    }
    mean.first_worst += worst / kDraws;
    for (const SimulatedText& text : texts) {
      for (const double codes : text.codes) mean.audio += codes * kSecondsPerCode / kDraws;
    }
  }
  return mean;
}

void scale(const std::string& shape, const Values& v, Dispatch dispatch, bool weak) {
  double alone = 0;
  for (int gpus = 1; gpus <= 64; gpus *= 2) {
    const Figures figures = run(shape, v, dispatch, gpus, weak ? gpus : 1);
    const double pace = figures.audio / figures.seconds;  // seconds of speech a second
    if (gpus == 1) alone = pace;
    std::printf(
        "{\"shape\": \"%s\", \"scaling\": \"%s\", \"schedule\": \"%s\", \"gpus\": %d, "
        "\"speed_up\": %.2f, \"pace\": %.1f, \"seconds\": %.2f, \"first_sound_mean\": %.3f, "
        "\"first_sound_worst\": %.3f}\n",
        shape.c_str(), weak ? "weak" : "strong",
        dispatch == Dispatch::kLeastWork ? "least-work" : "round-robin", gpus, pace / alone, pace,
        figures.seconds, figures.first_mean, figures.first_worst);
  }
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  indextts2::Values values = {{"step_ms", 5.5},   {"row_ms", 0.4}, {"prefill_ms", 15},
                              {"render_ms", 1.7}, {"slots", 1},    {"window", 4},
                              {"sigma", 0.5},     {"codes", 220}};
  for (int i = 1; i < argc; ++i) {
    const char* equals = std::strchr(argv[i], '=');
    const std::string key =
        equals ? std::string(argv[i], static_cast<size_t>(equals - argv[i])) : "";
    if (values.count(key) == 0) {
      std::fprintf(stderr, "simulate_scaling: expected KEY=VALUE, got \"%s\"; keys:", argv[i]);
      for (const auto& [name, value] : values) std::fprintf(stderr, " %s", name.c_str());
      std::fprintf(stderr, "\n");
      return 2;
    }
    values[key] = std::atof(equals + 1);
  }
  for (const char* shape : {"announcement", "chapter", "news"}) {
    for (const bool weak : {false, true}) {
      for (const auto dispatch :
           {indextts2::Dispatch::kRoundRobin, indextts2::Dispatch::kLeastWork}) {
        indextts2::scale(shape, values, dispatch, weak);
      }
    }
  }
  return 0;
}
