// The text front end: pieces of the text become tokens, tokens become segments, both on demand.
#include "text/front_end.h"

#include <algorithm>
#include <utility>

#include "text/alignment.h"
#include "text/normalizer.h"
#include "text/piece_cutter.h"
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
      if (at_ < text_.text().size()) {
        const size_t end =
            as_it_is_ ? text_.text().size() : piece_end(text_.text(), at_, *glossary_);
        read_piece(at_, end);
        at_ = end;
      } else if (!std::exchange(ended_, true)) {
        segmenter_.finish();
      } else {
        return false;
      }
    }
    fill(tokens, segment);
    return true;
  }

 private:
  void read_piece(size_t begin, size_t end) {
    const std::string_view source = std::string_view(text_.text()).substr(begin, end - begin);
    const std::string spoken = as_it_is_ ? text_.restore(source) : speak(source);
    const Alignment alignment(source, spoken);
    std::vector<std::string> unknown;
    for (TextToken& token : tokenizer_->encode(spoken)) {
      token.begin = text_.source_offset(begin + alignment.source_offset(token.begin));
      token.end = text_.source_offset(begin + alignment.source_offset(token.end));
      if (token.id == tokenizer_->unknown_id()) unknown.push_back(token.piece);
      segmenter_.push(std::move(token));
    }
    if (unknown_ && !unknown.empty()) unknown_(unknown);
  }

  std::string speak(std::string_view source) const {
    const bool whole = source.size() == text_.text().size();
    if (!whole) source = strip(source);
    if (source.empty()) return "";
    return separate_characters(
        normalize_piece(text_, source, *glossary_, grammars_->get(text_.language())));
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
  size_t at_ = 0;            // end of the pieces read so far, in text_.text()
  bool ended_ = false;       // the segmenter knows that no token follows
  size_t spoken_until_ = 0;  // source offset
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
