// Text tokens: the SentencePiece model and the preparation of a text for it.
#include "text/tokenizer.h"

#include <sentencepiece_processor.h>

#include <filesystem>

#include "core/error.h"
#include "text/upper.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

constexpr std::string_view kWordStart = "▁";

// Appends `word` in upper case, behind a space unless it is the first.
void append_word(std::string* out, std::string_view word) {
  word = strip(word);
  if (word.empty()) return;
  if (!out->empty()) *out += ' ';
  for (size_t at = 0; at < word.size();) append_upper(out, next_character(word, &at));
}

bool has_letters_only(const sentencepiece::SentencePieceProcessor& model) {
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    if (model.IsUnknown(id) || model.IsControl(id)) continue;
    std::string_view piece = model.IdToPiece(id);
    if (piece.substr(0, kWordStart.size()) == kWordStart) piece.remove_prefix(kWordStart.size());
    size_t at = 0;
    if (!piece.empty()) next_character(piece, &at);
    if (at < piece.size()) return false;
  }
  return true;
}

}  // namespace

struct Tokenizer::Model {
  sentencepiece::SentencePieceProcessor processor;
};

std::string separate_characters(std::string_view normalized) {
  const std::string_view text = strip(normalized);
  std::string out;
  size_t word = 0;  // start of what is not CJK
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (!is_cjk(next_character(text, &at))) continue;
    append_word(&out, text.substr(word, begin - word));
    append_word(&out, text.substr(begin, at - begin));
    word = at;
  }
  append_word(&out, text.substr(word));
  return out;
}

Tokenizer::Tokenizer(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(ErrorCode::kNotFound,
                "tokenizer: " + path + " does not exist; is the model folder complete?");
  }
  auto model = std::make_unique<Model>();
  const auto status = model->processor.Load(path);
  if (!status.ok()) {
    throw Error(
        ErrorCode::kOpenRead,
        "tokenizer: " + path + " cannot be read: expected a SentencePiece model; copy it anew",
        status.ToString());
  }
  unknown_id_ = model->processor.unk_id();
  letters_only_ = has_letters_only(model->processor);
  model_ = std::move(model);
}

Tokenizer::~Tokenizer() = default;

int Tokenizer::vocabulary_size() const { return model_->processor.GetPieceSize(); }

std::vector<TextToken> Tokenizer::encode(std::string_view text) const {
  std::vector<TextToken> tokens;
  const auto encoded = model_->processor.EncodeAsImmutableProto(text);
  for (const auto& piece : encoded.pieces()) {
    tokens.push_back({piece.piece(), static_cast<int32_t>(piece.id()), piece.begin(), piece.end()});
  }
  return tokens;
}

}  // namespace indextts2
