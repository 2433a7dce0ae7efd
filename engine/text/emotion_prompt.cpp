// The question about a text: two chat templates, told apart by their marks.
#include "text/emotion_prompt.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "text/tokenizer_files.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr char kTask[] = "文本情感分类";
constexpr char kEndOfText[] = "<|endoftext|>";

struct Template {
  std::string source;  // the file, for messages
  std::string text;
  std::string eos;  // of tokenizer_config.json; empty: not said
};

// "eos_token": a text, or an object that holds it.
std::string eos_token(const json& config) {
  const auto found = config.find("eos_token");
  if (found == config.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  const json content = found->is_object() ? found->value("content", json()) : json();
  return content.is_string() ? content.get<std::string>() : std::string();
}

// A template, or a list of named ones.
std::string chat_template(const json& config) {
  const json value = config.value("chat_template", json());
  if (value.is_string()) return value.get<std::string>();
  for (const json& one : value.is_array() ? value : json::array()) {
    if (!one.is_object() || one.value("name", json()) != "default") continue;
    const json text = one.value("template", json());
    if (text.is_string()) return text.get<std::string>();
  }
  return {};
}

Template read_template(const fs::path& folder) {
  const fs::path config_path = folder / "tokenizer_config.json";
  const fs::path own_file = folder / "chat_template.jinja";
  Template found;
  if (fs::exists(own_file)) {
    found.source = own_file.string();
    found.text = read_tokenizer_text(found.source);
    if (fs::exists(config_path)) found.eos = eos_token(read_tokenizer_object(config_path.string()));
    return found;
  }
  found.source = config_path.string();
  const json config = read_tokenizer_object(found.source);
  found.text = chat_template(config);
  found.eos = eos_token(config);
  return found;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

EmotionPrompt::EmotionPrompt(const std::string& folder) {
  const Template chat = read_template(folder);
  if (contains(chat.text, "<|im_start|>")) {
    before_ = std::string("<|im_start|>system\n") + kTask + "<|im_end|>\n<|im_start|>user\n";
    after_ = "<|im_end|>\n<|im_start|>assistant\n";
    if (contains(chat.text, "enable_thinking")) after_ += "<think>\n\n</think>\n\n";
    return;
  }
  const std::string end = contains(chat.text, kEndOfText) ? kEndOfText : chat.eos;
  const bool official = contains(chat.text, "System: ") && contains(chat.text, "Human: ") &&
                        contains(chat.text, "Assistant:") && !end.empty();
  if (!official) {
    throw Error(ErrorCode::kModel,
                "chat template in " + chat.source +
                    ": expected that of the official emotion model (System: ... Human: ... "
                    "Assistant:, with an eos_token) or ChatML (<|im_start|>), got " +
                    (chat.text.empty() ? "none" : shown_json(chat.text)) +
                    "; copy the folder of the official release anew");
  }
  before_ = std::string("System: ") + kTask + end + "\nHuman: ";
  after_ = end + "\nAssistant:";
}

std::string EmotionPrompt::ask(std::string_view text) const {
  check_utf8(text);
  if (text.size() > kMaxTextBytes) text = text.substr(0, character_start(text, kMaxTextBytes));
  return before_ + std::string(text) + after_;
}

}  // namespace indextts2
