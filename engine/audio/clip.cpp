// Voice clips: audio files and samples as mono float, through libsndfile.
// Follows index-tts ee40fa7, indextts/infer_v2.py, IndexTTS2._load_and_cut_audio (librosa.load with
// mono=True).
#include "audio/clip.h"

#include <sndfile.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr double kLookaheadSeconds = 1.0;   // far more than the resampling filters reach
constexpr sf_count_t kBlockFrames = 16384;  // bounds memory for files with many channels
constexpr float kSilencePeak = 1e-4f;       // -80 dBFS: three steps of 16-bit sound
constexpr int kMinRateHz = 1000, kMaxRateHz = 1536000;

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

[[noreturn]] void fail_open(const std::string& path, int error) {
  const std::string reason = std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) {
    throw Error(
        ErrorCode::kVoiceNotFound,
        "voice clip: " + path + " does not exist; give the path of a WAV, FLAC, OGG or MP3 file",
        reason);
  }
  throw Error(ErrorCode::kVoiceInvalid,
              "voice clip: " + path + " cannot be read (" + reason + "); check its permissions",
              reason);
}

std::string shortened(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", seconds);
  return text;
}

// Appends the mean over channels of `frames` interleaved frames, summed in float as numpy does.
void append_mono(const std::vector<float>& block, sf_count_t frames, int channels,
                 std::vector<float>* out) {
  for (sf_count_t i = 0; i < frames; ++i) {
    const float* frame = block.data() + i * channels;
    float sum = frame[0];
    for (int c = 1; c < channels; ++c) sum += frame[c];
    out->push_back(sum / static_cast<float>(channels));
  }
}

}  // namespace

MonoClip read_clip(const std::string& path, double max_seconds) {
  // libsndfile hides why a file cannot be opened; the C library tells.
  std::FILE* probe = std::fopen(path.c_str(), "rb");
  if (!probe) fail_open(path, errno);
  std::fclose(probe);

  SF_INFO info{};
  const std::unique_ptr<SNDFILE, CloseFile> file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file) {
    throw Error(ErrorCode::kVoiceInvalid,
                "voice clip: " + path + " is not an audio file that can be decoded (" +
                    sf_strerror(nullptr) + "); expected WAV, FLAC, OGG or MP3",
                sf_strerror(nullptr));
  }
  MonoClip clip;
  clip.name = path;
  clip.sample_rate_hz = info.samplerate;
  const double seconds = max_seconds + kLookaheadSeconds;
  sf_count_t left = static_cast<sf_count_t>(std::ceil(seconds * info.samplerate));
  std::vector<float> block(static_cast<size_t>(kBlockFrames) * info.channels);
  while (left > 0) {
    const sf_count_t got = sf_readf_float(file.get(), block.data(), std::min(left, kBlockFrames));
    if (got <= 0) break;  // end, or damage: what came before is used
    append_mono(block, got, info.channels, &clip.samples);
    left -= got;
  }
  return clip;
}

void check_clip(const MonoClip& clip, double min_seconds) {
  const auto fail = [&](const std::string& reason) {
    throw Error(ErrorCode::kVoiceInvalid, "voice clip: " + clip.name + " " + reason);
  };
  if (clip.sample_rate_hz < kMinRateHz || clip.sample_rate_hz > kMaxRateHz) {
    fail("has a sample rate of " + std::to_string(clip.sample_rate_hz) + " Hz; expected " +
         std::to_string(kMinRateHz) + " to " + std::to_string(kMaxRateHz));
  }
  if (clip.seconds() < min_seconds) {
    fail("is too short: " + shortened(clip.seconds()) + " s, need at least " +
         shortened(min_seconds) + " s (3 to 15 s of speech are best)");
  }
  float peak = 0;
  for (const float sample : clip.samples) {
    if (!std::isfinite(sample)) fail("holds samples that are not finite numbers; export it again");
    peak = std::max(peak, std::fabs(sample));
  }
  if (peak < kSilencePeak) fail("is silent; give a clip with speech");
}

}  // namespace indextts2
