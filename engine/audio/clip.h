// Voice clips: audio files and samples as mono float.
#pragma once

#include <string>
#include <vector>

namespace indextts2 {

inline constexpr double kMinSpeakerSeconds = 1.0;  // shorter clips do not show a voice
inline constexpr double kMinEmotionSeconds = 0.2;  // a cry may be short

// One channel of sound in [-1, 1]; files may exceed that a little.
struct MonoClip {
  std::string name;  // for messages: the path, or what else the user calls it
  std::vector<float> samples;
  int sample_rate_hz = 0;

  double seconds() const {
    return sample_rate_hz > 0 ? double(samples.size()) / sample_rate_hz : 0.0;
  }
};

// Decodes the first `max_seconds` (and one second more, which the resampler's filter looks into) of
// a WAV, FLAC, OGG, MP3 or other file that libsndfile knows; channels are averaged. Of a damaged
// file it takes what decodes. Throws Error{kVoiceNotFound, kVoiceInvalid} with path, reason and
// what to do.
MonoClip read_clip(const std::string& path, double max_seconds);

// Throws Error{kVoiceInvalid} if no voice can be taken from the clip: shorter than `min_seconds`,
// silent, not finite, odd sample rate.
void check_clip(const MonoClip& clip, double min_seconds);

}  // namespace indextts2
