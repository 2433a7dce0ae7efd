// The text front end: pieces of the text become tokens, tokens become segments, both on demand.
#include "text/front_end.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "text/alignment.h"
#include "text/normalizer.h"
#include "text/piece_reader.h"
#include "text/segmenter.h"
#include "text/utf8.h"

namespace indextts2 {
namespace {

// A text of one character is encoded as it is, as in the reference.
bool is_single_character(std::string_view text) {
  const std::string_view stripped = strip(text);
  size_t at = 0;
  return !stripped.empty() && (next_character(stripped, &at), at == stripped.size());
}

// The part of `normalized` before its last, perhaps unfinished word.
std::string_view finished_words(std::string_view normalized) {
  size_t at = normalized.size();
  while (at > 0) {
    const char32_t character = previous_character(normalized, at);
    if (is_space(character) || is_cjk(character)) break;
    at = character_start(normalized, at - 1);
  }
  return normalized.substr(0, at);
}

constexpr size_t kLongestWord = 200;  // bytes; a longer one is cut where a piece ends

class Reader : public SegmentReader {
 public:
  Reader(std::string text, const FrontOptions& options, std::shared_ptr<const Tokenizer> tokenizer,
         std::shared_ptr<const Grammars> grammars)
      : as_it_is_(is_single_character(text)),
        text_(std::move(text)),
        unknown_(options.unknown),
        glossary_(options.glossary ? options.glossary : std::make_shared<const Glossary>()),
        tokenizer_(std::move(tokenizer)),
        grammars_(std::move(grammars)),
        segmenter_({options.max_segment_tokens, options.first_segment_tokens,
                    /*whole_words=*/tokenizer_->letters_only()}) {}

  bool next(Segment* segment, const StopToken& stop) override {
    Tokens tokens;
    while (!segmenter_.pop(&tokens)) {
      stop.check();
      if (finished_) return false;
      read_piece();
    }
    fill(tokens, segment);
    return true;
  }

 private:
  // Hands the tokens of one more piece to the segmenter, and the end of the text with the last one.
  void read_piece() {
    const std::string& text = text_.text();
    if (as_it_is_) {
      push(tokenizer_->encode(text_.restore(text)), Alignment(text, text), 0);
      finished_ = true;
    } else if (!text.empty()) {
      if (!pieces_) pieces_.emplace(text_, *glossary_, grammars_->get(text_.language()));
      const std::string normalized = unfinished_ + pieces_->next();
      finished_ = pieces_->at_end();
      std::string_view words = finished_ ? normalized : finished_words(normalized);
      if (normalized.size() - words.size() > kLongestWord) words = normalized;
      encode(normalized, words);
    } else {
      finished_ = true;
    }
    if (finished_) segmenter_.finish();
  }

  // Encodes `words`, the start of what is spoken for the text from unfinished_begin_ to the end of
  // the piece; keeps the rest for the next piece.
  void encode(const std::string& normalized, std::string_view words) {
    const std::string_view source =
        std::string_view(text_.text())
            .substr(unfinished_begin_, pieces_->end() - unfinished_begin_);
    const std::string spoken = separate_characters(normalized);
    const Alignment alignment(source, spoken);
    const std::string spoken_words = separate_characters(words);
    push(tokenizer_->encode(spoken_words), alignment, unfinished_begin_);
    unfinished_ = normalized.substr(words.size());
    unfinished_begin_ +=
        unfinished_.empty() ? source.size() : alignment.source_offset(spoken_words.size());
  }

  void push(std::vector<TextToken> tokens, const Alignment& alignment, size_t begin) {
    std::vector<std::string> unknown;
    for (TextToken& token : tokens) {
      token.begin = text_.source_offset(begin + alignment.source_offset(token.begin));
      token.end = text_.source_offset(begin + alignment.source_offset(token.end));
      if (token.id == tokenizer_->unknown_id()) unknown.push_back(token.piece);
      segmenter_.push(std::move(token));
    }
    if (unknown_ && !unknown.empty()) unknown_(unknown);
  }

  void fill(const Tokens& tokens, Segment* segment) {
    segment->index = index_++;
    segment->ids.clear();
    for (const TextToken& token : tokens) segment->ids.push_back(token.id);
    const TextToken* following = segmenter_.following();
    segment->last = following == nullptr;
    segment->begin = spoken_until_;
    segment->end = following ? std::max(spoken_until_, following->begin) : text_.source_size();
    spoken_until_ = segment->end;
  }

  const bool as_it_is_;
  const ProtectedText text_;
  const std::function<void(const std::vector<std::string>&)> unknown_;
  const std::shared_ptr<const Glossary> glossary_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const std::shared_ptr<const Grammars> grammars_;
  Segmenter segmenter_;
  std::optional<PieceReader> pieces_;  // once the grammar was needed
  std::string unfinished_;  // last word of what is spoken so far: the next piece may go on with it
  size_t unfinished_begin_ = 0;  // where it starts, in text_.text()
  bool finished_ = false;        // the segmenter has all tokens
  size_t spoken_until_ = 0;      // source offset
  int index_ = 0;
};

}  // namespace

FrontEnd::FrontEnd(const std::string& tokenizer_path, const std::string& grammar_folder)
    : tokenizer_(std::make_shared<const Tokenizer>(tokenizer_path)),
      grammars_(std::make_shared<const Grammars>(grammar_folder)) {}

std::unique_ptr<SegmentReader> FrontEnd::open(std::string text, const FrontOptions& options) const {
  check_utf8(text);
  return std::make_unique<Reader>(std::move(text), options, tokenizer_, grammars_);
}

}  // namespace indextts2
