// Tests of the question about a text: the templates that are known, as text and as token ids.
#include "text/emotion_prompt.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "support/temp_folder.h"
#include "text/byte_bpe.h"

namespace indextts2 {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kTokenizer = GOLDEN_DIR "/reference/byte_bpe/tokenizer.json";
constexpr char kJinja[] = "chat_template.jinja", kConfig[] = "tokenizer_config.json";
constexpr char kOfficial[] =
    "{% if system_message is defined %}{{ 'System: ' + system_message + '<|endoftext|>' + '\\n' "
    "}}{% endif %}{% for message in loop_messages %}{% if message['role'] == 'user' %}{{ 'Human: ' "
    "+ content + '<|endoftext|>' + '\\nAssistant:' }}{% endif %}{% endfor %}";
constexpr char kChatMl[] =
    "{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{{- "
    "'<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false "
    "%}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}";

// The message of the Error{code} that making the prompt gives.
std::string refusal(const TempFolder& folder, ErrorCode code) {
  try {
    EmotionPrompt prompt(folder.path().string());
  } catch (const Error& error) {
    EXPECT_EQ(error.code, code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return "";
}

// As the package tokenizers reads the official prompt.
TEST(EmotionPrompt, HasTheRecordedTokensOfTheOfficialForm) {
  TempFolder folder;
  fs::copy_file(kTokenizer, folder.path() / "tokenizer.json");
  folder.write(kConfig, json{{"chat_template", kOfficial}}.dump());
  const EmotionPrompt prompt(folder.path().string());
  const std::string asked = prompt.ask("我很难过!");
  EXPECT_EQ(asked, "System: 文本情感分类<|endoftext|>\nHuman: 我很难过!<|endoftext|>\nAssistant:");
  std::ifstream cases(kTokenizer.parent_path() / "cases.jsonl");
  bool recorded = false;
  for (std::string line; std::getline(cases, line);) {
    const json entry = json::parse(line);
    if (entry.value("text", "") != asked) continue;
    recorded = true;
    const std::vector<int32_t> ids = entry.at("ids");
    EXPECT_EQ(ByteBpe(folder.path().string()).encode(asked), ids);
  }
  EXPECT_TRUE(recorded);
}

TEST(EmotionPrompt, KnowsChatMlWithAndWithoutThinking) {
  TempFolder folder;
  folder.write(kJinja, kChatMl);
  const std::string plain =
      "<|im_start|>system\n文本情感分类<|im_end|>\n<|im_start|>user\nhm<|im_end|>\n"
      "<|im_start|>assistant\n";
  EXPECT_EQ(EmotionPrompt(folder.path().string()).ask("hm"), plain + "<think>\n\n</think>\n\n");
  folder.write(kJinja, "{{ '<|im_start|>' + message.role }}");
  EXPECT_EQ(EmotionPrompt(folder.path().string()).ask("hm"), plain);
}

TEST(EmotionPrompt, TheFileOfItsOwnGoesBeforeTheConfiguration) {
  TempFolder folder;
  folder.write(kConfig, json{{"chat_template", kChatMl}, {"eos_token", "</s>"}}.dump());
  folder.write(kJinja,
               "{{ 'System: ' + s + eos_token + 'Human: ' + u + eos_token + 'Assistant:' }}");
  EXPECT_EQ(EmotionPrompt(folder.path().string()).ask("hm"),
            "System: 文本情感分类</s>\nHuman: hm</s>\nAssistant:");
}

TEST(EmotionPrompt, TakesTheDefaultOfSeveralAndAnEosThatIsAnObject) {
  TempFolder folder;
  json config;
  config["chat_template"] = {{{"name", "tools"}, {"template", kChatMl}},
                             {{"name", "default"}, {"template", "System: Human: Assistant:"}}};
  config["eos_token"] = {{"content", "</s>"}};
  folder.write(kConfig, config.dump());
  EXPECT_EQ(EmotionPrompt(folder.path().string()).ask("hm"),
            "System: 文本情感分类</s>\nHuman: hm</s>\nAssistant:");
}

TEST(EmotionPrompt, RefusesOtherTemplatesAndDamagedFiles) {
  TempFolder folder;
  EXPECT_NE(refusal(folder, ErrorCode::kNotFound).find(kConfig), std::string::npos);
  folder.write(kConfig, "{}");
  const std::string none = refusal(folder, ErrorCode::kModel);
  EXPECT_NE(none.find("got none"), std::string::npos) << none;
  folder.write(kConfig, json{{"chat_template", "[INST] {{ content }} [/INST]"}}.dump());
  const std::string other = refusal(folder, ErrorCode::kModel);
  for (const char* part : {kConfig, "[INST]", "ChatML", "copy the folder"}) {
    EXPECT_NE(other.find(part), std::string::npos) << other;
  }
  folder.write(kConfig, json{{"chat_template", "System: Human: Assistant:"}}.dump());
  EXPECT_NE(refusal(folder, ErrorCode::kModel).find("eos_token"), std::string::npos);
  folder.write(kConfig, "[1]");
  refusal(folder, ErrorCode::kOpenRead);
  folder.write(kConfig, "{");
  refusal(folder, ErrorCode::kOpenRead);
}

TEST(EmotionPrompt, CutsLongTextsBetweenCharacters) {
  TempFolder folder;
  folder.write(kJinja, kOfficial);
  const EmotionPrompt prompt(folder.path().string());
  const size_t around = prompt.ask("").size();
  std::string text;
  while (text.size() <= EmotionPrompt::kMaxTextBytes) text += "好";  // three bytes each
  EXPECT_EQ(prompt.ask(text).size(), around + EmotionPrompt::kMaxTextBytes / 3 * 3);
  EXPECT_EQ(prompt.ask(text.substr(0, 300)).size(), around + 300);
  EXPECT_THROW(prompt.ask("\xff"), Error);
}

}  // namespace
}  // namespace indextts2
