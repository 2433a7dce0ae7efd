// Segmenter: cuts a stream of text tokens into segments of at most max_tokens.
// Follows index-tts ee40fa7, indextts/utils/front.py, TextTokenizer.split_segments.
//
// The reference works on the whole text: it cuts at sentence marks, commas and hyphens, then joins
// neighbours greedily. Both are decided from left to right with one token of lookahead, so a stream
// gives the same segments.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace indextts2 {

struct SegmenterOptions {
  int max_tokens = 120;
  int first_tokens = 0;  // quick_streaming_tokens: before so many tokens, parts are joined up to
                         // max_tokens / 2 only
  bool whole_words = false;  // a cut without a mark in reach goes back to the last word border (for
                             // tokens of letters)
};

using Tokens = std::vector<TextToken>;

// The reference repeats an apostrophe that follows a sentence mark: it ends one part and begins the
// next, so a segment can have one token more than the text, and max_tokens + 1 in all.
// Thread-safety: one thread.
class Segmenter {
 public:
  // Throws Error{kSettings} unless max_tokens >= 2 and first_tokens >= 0.
  explicit Segmenter(const SegmenterOptions& options);

  void push(TextToken token);
  void finish();  // no more tokens
  // Takes the next segment once it is settled. Holds back at most 2 * max_tokens tokens.
  bool pop(Tokens* segment);
  // The first token behind the segment that pop gave last; nullptr: it was the last one. Valid
  // until the next call.
  const TextToken* following() const;

 private:
  enum class Level { kSentences, kCommas, kHyphens };  // the marks at which a part ends
  Segmenter(const SegmenterOptions& options, Level level) : options_(options), level_(level) {}

  void take(TextToken token, const TextToken* next);
  bool is_mark(const std::string& piece) const;
  void split_current(Level level);
  void chop_current();
  bool cut_at_word();
  void add_part(Tokens part);

  SegmenterOptions options_;
  Level level_ = Level::kSentences;
  std::vector<TextToken> waiting_;  // the last token, until the next one is known; at most one
  Tokens current_;                  // part in the making
  bool has_comma_ = false;          // in current_
  bool has_hyphen_ = false;         // in current_
  Tokens joined_;                   // segment in the making
  size_t total_ = 0;                // tokens of all parts so far
  std::deque<Tokens> settled_;
};

}  // namespace indextts2
