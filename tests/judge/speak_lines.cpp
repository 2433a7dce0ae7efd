// Speaks the lines of a text file into FOLDER/1.wav, 2.wav, ...: what compare.sh lets a recogniser
// judge, made where the devices are. The engine alone; needs no GStreamer.
#include <sndfile.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {
namespace {

constexpr char kUsage[] =
    "usage: speak_lines MODEL_DIR TEXT_FILE FOLDER [DEVICE [fp32|tf32|fp16|bf16]]\n"
    "  Line N is spoken with seed N. FOLDER must exist.\n";

void write_wav(const std::string& path, const std::vector<float>& samples) {
  SF_INFO info{};
  info.samplerate = kSampleRateHz;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  const auto frames = static_cast<sf_count_t>(samples.size());
  const bool written = file && sf_writef_float(file, samples.data(), frames) == frames;
  if (file) sf_close(file);
  if (!written) throw Error(ErrorCode::kSettings, path + ": " + sf_strerror(nullptr));
}

// One text at a time, so that every run speaks it in a batch of its own.
std::vector<float> speak(Session& session, const std::shared_ptr<const Voice>& voice,
                         const std::string& text, int64_t seed) {
  SpeakOptions options;
  options.seed = seed;
  session.push(text, voice, options);
  std::vector<float> samples;
  Wave wave;
  while (session.next(&wave, true) != Next::kTextEnd)
    samples.insert(samples.end(), wave.samples.begin(), wave.samples.end());
  return samples;
}

void speak_lines(const EngineOptions& options, const std::string& texts,
                 const std::string& folder) {
  std::ifstream lines(texts);
  if (!lines) throw Error(ErrorCode::kSettings, texts + ": cannot be read");
  const std::shared_ptr<Engine> engine = indextts2_engine_factory(kEngineAbi)->open_engine(options);
  const std::shared_ptr<const Voice> voice = engine->load_voice({});
  const std::unique_ptr<Session> session = engine->open_session({});
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number)
    write_wav(folder + "/" + std::to_string(number) + ".wav", speak(*session, voice, line, number));
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  using indextts2::Precision;
  const std::map<std::string, Precision> precisions = {{"fp32", Precision::kFp32},
                                                       {"tf32", Precision::kTf32},
                                                       {"fp16", Precision::kFp16},
                                                       {"bf16", Precision::kBf16}};
  if (argc < 4 || argc > 6 || (argc > 5 && !precisions.count(argv[5]))) {
    std::fputs(indextts2::kUsage, stderr);
    return 2;
  }
  indextts2::EngineOptions options;
  options.model_dir = argv[1];
  if (argc > 4) options.devices = {argv[4]};
  if (argc > 5) options.precision = precisions.at(argv[5]);
  try {
    indextts2::speak_lines(options, argv[2], argv[3]);
    return 0;
  } catch (const indextts2::Error& error) {
    std::fprintf(stderr, "speak_lines: %s\n%s\n", error.what(), error.detail.c_str());
    return 1;
  }
}
