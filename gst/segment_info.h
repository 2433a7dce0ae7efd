// What one spoken segment is, for metas, messages and captions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "loudness.h"
#include "settings.h"

namespace indextts2 {

struct SegmentInfo {
  uint64_t id = 0;            // of its text: 1, 2, ... in the order of acceptance
  int index = 0;              // within the text
  std::string text;           // as it was given, without what was cut off at its ends
  size_t begin = 0, end = 0;  // bytes of the text that are heard here
  bool last = false;          // last segment of its text
  std::string voice;          // clip; empty: the model's own
  std::string device;         // replica that spoke it
  uint64_t seed = 0;
  double synthesis_seconds = 0;
  float gain = 1;                    // that was applied for its loudness
  uint64_t samples = 0;              // length
  uint64_t fitting_samples = 0;      // length that its share of the cue's time allows; 0: no cue
  std::optional<guint64> text_time;  // timestamp of the text's buffer, and its duration
  guint64 text_duration = G_MAXUINT64;
};

using SharedInfo = std::shared_ptr<const SegmentInfo>;

// Brings the sound to the utterance's loudness and says what it is. `id`: of the text in the
// element; *loudness: of the utterance, made at its first segment.
SharedInfo take_segment(Wave* taken, uint64_t id, const Utterance& utterance,
                        std::shared_ptr<Loudness>* loudness);

}  // namespace indextts2
