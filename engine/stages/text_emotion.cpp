// Emotions of texts: prompt, greedy answer, scores.
#include "stages/text_emotion.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
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
  auto [ids, ended] = model_.generate(tokenizer_.encode(prompt_.ask(text)), kMaxAnswerTokens, stop);
  // Scores are not searched in a part of an answer: those that it lacks would count as 0.
  if (!ended) {
    throw Error(ErrorCode::kSynthesis,
                "emotion of a text: the language model's answer has " + std::to_string(ids.size()) +
                    " tokens and no end, expected about 80; reword the text or give the emotions "
                    "as a vector, and if other texts fail, too, copy the model's folder anew",
                tokenizer_.decode(ids, /*skip_special=*/true));
  }
  if (thought_end_) {
    ids.erase(ids.begin(), std::find(ids.rbegin(), ids.rend(), *thought_end_).base());
  }
  return read_emotion_answer(tokenizer_.decode(ids, /*skip_special=*/true), text);
}

}  // namespace indextts2
