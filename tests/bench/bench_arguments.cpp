// Command line of bench_speak.
#include "bench_arguments.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>

namespace indextts2 {

const char kBenchUsage[] =
    "usage: bench_speak MODEL_DIR [--devices LIST] [--voice FILE] [--text TEXT] [--seed N]\n"
    "  [--repeat N] [--warmup N] [--threads N] [--beams N] [--steps N]\n"
    "  [--precision fp32|tf32|fp16|bf16] [--flight N]  texts of one segment spoken at once\n"
    "  [--kernels auto|libtorch]  libtorch: without the device's own, to compare with\n"
    "  [--segments N]  texts of a run, at most --flight of them at once (default: --flight)\n"
    "  [--first CODES [--beside N] [--cold yes|shorter]]  times the first sound of one segment\n"
    "                  instead, with N others running meanwhile, with a voice (a WAV file) that "
    "is\n"
    "                  new each time; shorter: of a new length, too\n"
    "  [--codes N | MIN-MAX | A,B,C...]  codes of each segment (a range is drawn from the seed); "
    "only\n"
    "                                    for models that do not end a segment by themselves\n"
    "  [--json FILE]                     appends the figures as one line of JSON\n";

namespace {

constexpr char kText[] =
    "The ferry leaves the old harbour at seven in the morning. It crosses the bay in half an hour. "
    "On a clear day you can see the lighthouse from the upper deck. Please keep your ticket until "
    "the end of the trip.";

constexpr int kDrawnLengths = 64;

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  size_t begin = 0;
  for (size_t end; (end = list.find(',', begin)) != std::string::npos; begin = end + 1) {
    words.push_back(list.substr(begin, end - begin));
  }
  words.push_back(list.substr(begin));
  return words;
}

bool parse_precision(const std::string& name, BenchArguments* arguments) {
  const std::map<std::string, Precision> known = {{"fp32", Precision::kFp32},
                                                  {"tf32", Precision::kTf32},
                                                  {"fp16", Precision::kFp16},
                                                  {"bf16", Precision::kBf16}};
  if (!known.count(name)) return false;
  arguments->precision = name;
  arguments->engine.precision = known.at(name);
  return true;
}

bool parse_kernels(const std::string& name, BenchArguments* arguments) {
  if (name != "auto" && name != "libtorch") return false;
  arguments->kernels = name;
  arguments->engine.kernels = name == "auto" ? Kernels::kAuto : Kernels::kLibTorch;
  return true;
}

// "N", "MIN-MAX" or "A,B,C".
bool parse_codes(const std::string& value, uint64_t seed, std::vector<int>* codes) {
  int low = 0, high = 0, read = 0;
  codes->clear();
  if (std::sscanf(value.c_str(), "%d-%d%n", &low, &high, &read) == 2 &&
      value.size() == static_cast<size_t>(read)) {
    if (low < 1 || high < low) return false;
    std::mt19937_64 draw(seed);  // not a std distribution: those differ between libraries
    for (int i = 0; i < kDrawnLengths; ++i)
      codes->push_back(low + static_cast<int>(draw() % static_cast<uint64_t>(high - low + 1)));
    return true;
  }
  for (const std::string& word : split(value)) {
    codes->push_back(std::atoi(word.c_str()));
    if (codes->back() < 1) return false;
  }
  return true;
}

}  // namespace

bool parse_bench_arguments(int argc, char** argv, BenchArguments* arguments) {
  if (argc < 2 || argc % 2 != 0) {
    std::fprintf(stderr, "bench_speak: expected a model folder and pairs of option and value\n");
    return false;
  }
  BenchArguments& to = *arguments;
  GenerationOptions& generation = to.speak.generation;
  to.engine.model_dir = argv[1];
  to.speak.seed = 1;
  to.text = kText;
  std::string codes;
  const auto number = [](const std::string& value) { return std::atoi(value.c_str()); };
  using Setter = std::function<bool(const std::string&)>;
  const auto set = [](auto assign) -> Setter {
    return [assign](const std::string& value) { return assign(value), true; };
  };
  const std::map<std::string, Setter> options = {
      {"--devices", set([&](const std::string& v) { to.engine.devices = split(v); })},
      {"--voice", set([&](const std::string& v) { to.voice.speaker.path = v; })},
      {"--text", set([&](const std::string& v) { to.text = v; })},
      {"--seed", set([&](const std::string& v) { to.speak.seed = std::atoll(v.c_str()); })},
      {"--repeat", set([&](const std::string& v) { to.repeat = std::max(1, number(v)); })},
      {"--warmup", set([&](const std::string& v) { to.warmup = std::max(0, number(v)); })},
      {"--threads", set([&](const std::string& v) { to.engine.threads = number(v); })},
      {"--beams", set([&](const std::string& v) { generation.num_beams = number(v); })},
      {"--steps", set([&](const std::string& v) { generation.diffusion_steps = number(v); })},
      {"--flight", set([&](const std::string& v) { to.flight = std::max(1, number(v)); })},
      {"--segments", set([&](const std::string& v) { to.segments = number(v); })},
      {"--first", set([&](const std::string& v) { to.first_codes = number(v); })},
      {"--beside", set([&](const std::string& v) { to.beside = std::max(0, number(v)); })},
      {"--cold", set([&](const std::string& v) {
         to.shorter = v == "shorter";
         to.cold = to.shorter || v == "yes";
       })},
      {"--json", set([&](const std::string& v) { to.json = v; })},
      {"--codes", set([&](const std::string& v) { codes = v; })},
      {"--kernels", [&](const std::string& v) { return parse_kernels(v, arguments); }},
      {"--precision", [&](const std::string& v) { return parse_precision(v, arguments); }}};
  for (int i = 2; i + 1 < argc; i += 2) {
    const auto option = options.find(argv[i]);
    if (option == options.end() || !option->second(argv[i + 1])) {
      std::fprintf(stderr, "bench_speak: %s %s is not understood\n", argv[i], argv[i + 1]);
      return false;
    }
  }
  if (!codes.empty() && !parse_codes(codes, static_cast<uint64_t>(to.speak.seed), &to.codes)) {
    std::fprintf(stderr, "bench_speak: --codes: expected N, MIN-MAX or A,B,C..., got %s\n",
                 codes.c_str());
    return false;
  }
  if (to.segments == 0) to.segments = to.flight;
  to.engine.max_batch = std::max(to.flight, to.beside + 1);
  return true;
}

}  // namespace indextts2
