// Facts of a segment from its sound and its text.
#include "segment_info.h"

#include <algorithm>
#include <utility>

namespace indextts2 {
namespace {

constexpr char kBlanks[] = " \t\r\n\v\f";

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

}  // namespace

SharedInfo take_segment(Wave* taken, uint64_t id, const Utterance& utterance,
                        std::shared_ptr<Loudness>* loudness) {
  const Wave& wave = *taken;
  auto info = std::make_shared<SegmentInfo>();
  if (utterance.loudness_target < 0) {
    if (!*loudness) {
      *loudness = std::make_shared<Loudness>(utterance.loudness_target, utterance.max_true_peak);
    }
    info->gain = (*loudness)->gain_for(wave.samples);
    apply_gain(info->gain, &taken->samples);
  }
  info->id = id;
  info->index = wave.segment;
  info->end = std::min(wave.text_end, utterance.text.size());
  info->begin = std::min(wave.text_begin, info->end);
  info->text = trimmed(utterance.text.substr(info->begin, info->end - info->begin));
  info->last = wave.last;
  info->voice = utterance.voice.speaker.path;
  info->device = wave.device;
  info->seed = wave.seed;
  info->synthesis_seconds = wave.synthesis_seconds;
  info->samples = wave.samples.size();
  info->text_time = utterance.text_time;
  info->text_duration = utterance.text_duration;
  return info;
}

}  // namespace indextts2
