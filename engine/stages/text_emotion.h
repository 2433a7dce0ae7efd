// Emotions of texts, told by the language model that the release brings for it.
// Follows index-tts ee40fa7, indextts/infer_v2.py, QwenEmotion, with the likeliest token at each
// step, so that the same text has the same emotion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/stop_token.h"
#include "modules/qwen3.h"
#include "text/byte_bpe.h"
#include "text/emotion_answer.h"
#include "text/emotion_prompt.h"
#include "weights/model_files.h"
#include "weights/weights.h"

namespace indextts2 {

// Thread-safety: const.
class TextEmotion {
 public:
  // The official model needs about 80, and the reference lets it have 32768: an answer that does
  // not end goes round in circles.
  static constexpr int64_t kMaxAnswerTokens = 512;

  // Loads the weights as `options` say. Throws Error{kNotFound, kOpenRead, kModel, kCancelled} for
  // files that are missing, damaged or of another kind of model.
  TextEmotion(const EmotionModelFiles& files, const WeightsOptions& options);

  // The emotions of `text`, which is a description of them or the text that is spoken; of a long
  // one EmotionPrompt::kMaxTextBytes count. Costs one pass over the text and one a token of the
  // answer; `stop` is tested before each layer of one. Throws Error{kTextDecode} for a text that is
  // not UTF-8, {kSynthesis} for an answer that has no end within kMaxAnswerTokens (the detail is
  // what there is of it) and as read_emotion_answer(), {kCancelled}, and as Qwen3::generate().
  EmotionScores read(const std::string& text, const StopToken& stop) const;

 private:
  const ByteBpe tokenizer_;
  const EmotionPrompt prompt_;
  const std::optional<int32_t> thought_end_;  // the token behind what is no answer yet
  const Qwen3 model_;
};

}  // namespace indextts2
