// Golden cases of kind audio: decoding, resampling and the 15 s cut.
#include <sndfile.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "audio/clip.h"
#include "audio/resample.h"
#include "golden.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

constexpr double kMaxSeconds = 15;
constexpr int64_t kSampleStep = 1009;  // the recorded part of long clips
constexpr int kSpeakerHz = 22050, kEmotionHz = 16000;

std::vector<float> loaded(const std::string& path, int rate_hz) {
  const MonoClip clip = read_clip(path, kMaxSeconds);
  std::vector<float> samples = resample_soxr(clip.samples, clip.sample_rate_hz, rate_hz);
  samples.resize(std::min(samples.size(), static_cast<size_t>(kMaxSeconds * rate_hz)));
  return samples;
}

at::Tensor row(const std::vector<float>& samples) {
  return host_tensor(samples, {1, static_cast<int64_t>(samples.size())});
}

void expect_thinned(GoldenCase& golden, const std::string& key, const std::vector<float>& samples) {
  golden.expect(key + ".count",
                host_tensor(std::vector<int64_t>{static_cast<int64_t>(samples.size())}, {}));
  std::vector<float> thinned;
  for (size_t i = 0; i < samples.size(); i += kSampleStep) thinned.push_back(samples[i]);
  golden.expect(key, host_tensor(thinned, {static_cast<int64_t>(thinned.size())}));
}

void check_clips(GoldenCase& golden) {
  const std::string voice = golden.file(golden.params()["voice"]);
  const std::string emotion = golden.file(golden.params()["emotion"]);
  const std::vector<float> voice_22k = loaded(voice, kSpeakerHz);
  golden.expect("voice_22k", row(voice_22k));
  golden.expect("voice_16k_direct", row(loaded(voice, kEmotionHz)));
  golden.expect("voice_16k", row(resample_sinc_hann(voice_22k, kSpeakerHz, kEmotionHz)));
  golden.expect("emotion_16k", row(loaded(emotion, kEmotionHz)));

  const SincKernel kernel = sinc_hann_kernel(kSpeakerHz, kEmotionHz);
  std::vector<float> rows;
  for (const int phase : {0, 1, 160, 319}) {
    const auto start = kernel.taps.begin() + static_cast<std::ptrdiff_t>(phase) * kernel.length();
    rows.insert(rows.end(), start, start + kernel.length());
  }
  golden.expect("kernel_rows", host_tensor(rows, {4, kernel.length()}));
}

// Sample n of the case's clip is (n * 7919) % 4001 - 2000 at n % 9 < 5, else 0.
void check_cut(GoldenCase& golden) {
  std::vector<short> samples(125600);
  for (size_t n = 0; n < samples.size(); ++n) {
    samples[n] =
        n % 9 < 5 ? static_cast<short>(static_cast<int>((n * 7919) % 4001) - 2000) : short{0};
  }
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("audio_cut." + std::to_string(std::rand()) + ".wav"))
                               .string();
  SF_INFO info{};
  info.samplerate = 8000;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  sf_writef_short(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  for (const int rate : {kSpeakerHz, kEmotionHz})
    expect_thinned(golden, std::to_string(rate), loaded(path, rate));
  std::filesystem::remove(path);
}

// The official clips are not part of the tree; INDEXTTS2_VOICES_DIR names a folder that holds them.
void check_voices(GoldenCase& golden) {
  std::vector<std::string> names = {"emo_hate", "emo_sad"};
  for (int i = 1; i <= 12; ++i)
    names.push_back((i < 10 ? "voice_0" : "voice_") + std::to_string(i));
  const char* folder = std::getenv("INDEXTTS2_VOICES_DIR");
  for (const std::string& name : names) {
    const std::string path = std::string(folder ? folder : "") + "/" + name + ".wav";
    const bool here = folder && std::filesystem::exists(path);
    for (const int rate : {kSpeakerHz, kEmotionHz}) {
      const std::string key = name + "." + std::to_string(rate);
      if (here) {
        expect_thinned(golden, key, loaded(path, rate));
        continue;
      }
      golden.leave_out(
          key, "the official clips are not here; INDEXTTS2_VOICES_DIR may name their folder");
      golden.leave_out(key + ".count", "as above");
    }
  }
}

const RunGolden kAudio("audio", [](GoldenCase& golden) {
  if (golden.name() == "audio_cut") return check_cut(golden);
  if (golden.name() == "audio_voices") return check_voices(golden);
  check_clips(golden);
});

}  // namespace
}  // namespace indextts2
