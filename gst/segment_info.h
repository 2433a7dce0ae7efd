// What one spoken segment is, for metas, messages and captions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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
  uint64_t samples = 0;  // length
};

using SharedInfo = std::shared_ptr<const SegmentInfo>;

// `id`: of the text in the element.
SharedInfo segment_info(const Wave& wave, uint64_t id, const Utterance& utterance);

}  // namespace indextts2
