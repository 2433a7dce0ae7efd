// Reading the files of a tokenizer's folder.
#include "text/tokenizer_files.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace indextts2 {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr uintmax_t kMaxFileBytes = 64 << 20;

}  // namespace

void refuse_tokenizer(ErrorCode code, const std::string& where, const std::string& expected,
                      const std::string& got) {
  throw Error(code, "tokenizer " + where + ": expected " + expected + ", got " + got +
                        (code == ErrorCode::kModel ? "; only tokenizers of Qwen2 and Qwen3 are read"
                                                   : "; copy the file anew"));
}

std::string shown_json(const json& value) {
  constexpr size_t kMost = 60;
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

std::string read_tokenizer_text(const std::string& path) {
  if (!fs::is_regular_file(path)) {
    throw Error(ErrorCode::kNotFound,
                "tokenizer " + path + " does not exist; is the model folder complete?");
  }
  const uintmax_t size = fs::file_size(path);
  if (size > kMaxFileBytes) {
    refuse_tokenizer(ErrorCode::kOpenRead, path, "at most 64 MiB", std::to_string(size) + " bytes");
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  if (!stream || text.size() != size) {
    refuse_tokenizer(ErrorCode::kOpenRead, path, std::to_string(size) + " bytes",
                     std::to_string(text.size()));
  }
  return text;
}

json read_tokenizer_object(const std::string& path) {
  try {
    json root = json::parse(read_tokenizer_text(path));
    if (root.is_object()) return root;
    refuse_tokenizer(ErrorCode::kOpenRead, path, "a JSON object", shown_json(root));
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kOpenRead,
                "tokenizer " + path + ": expected JSON, got something else; copy the file anew",
                error.what());
  }
}

}  // namespace indextts2
