// Emotions of texts: prompt, greedy answer, scores.
#include "stages/text_emotion.h"

#include <algorithm>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/qwen_config.h"

namespace indextts2 {

TextEmotion::TextEmotion(const EmotionModelFiles& files, const WeightsOptions& options)
    : tokenizer_(files.folder),
      prompt_(files.folder),
      thought_end_(tokenizer_.added_id("</think>")),
      model_(Weights(open_checkpoint(files.weights), options),
             read_qwen_config(files.config, files.generation_config)) {}

EmotionScores TextEmotion::read(const std::string& text, const StopToken& stop) const {
  std::vector<int32_t> ids =
      model_.generate(tokenizer_.encode(prompt_.ask(text)), kMaxAnswerTokens, stop).ids;
  if (thought_end_) {
    ids.erase(ids.begin(), std::find(ids.rbegin(), ids.rend(), *thought_end_).base());
  }
  return read_emotion_answer(tokenizer_.decode(ids, /*skip_special=*/true), text);
}

}  // namespace indextts2
