// The question that the emotion model is asked about a text, in the words that it was trained with.
// Follows index-tts ee40fa7, indextts/infer_v2.py, QwenEmotion.inference().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace indextts2 {

// Immutable. Thread-safety: safe.
class EmotionPrompt {
 public:
  static constexpr size_t kMaxTextBytes = 8192;  // bounds memory: docs/models.md has the figures

  // Tells by the chat template of `folder`, in chat_template.jinja or else tokenizer_config.json,
  // which of two forms it is of; templates are not run. Known are the official one, "System: ...
  // Human: ... Assistant:", and ChatML as of Qwen3, without thinking. Throws Error{kNotFound,
  // kOpenRead}, and Error{kModel} for another template or none.
  explicit EmotionPrompt(const std::string& folder);

  // What the model continues. Of a longer `text` the first kMaxTextBytes count, in whole
  // characters. Throws Error{kTextDecode} if it is not UTF-8.
  std::string ask(std::string_view text) const;

 private:
  std::string before_, after_;
};

}  // namespace indextts2
