// Segmenter: splitting at marks and greedy joining, one token at a time.
#include "text/segmenter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

bool is_comma(const std::string& piece) { return piece == "," || piece == "▁,"; }
bool is_hyphen(const std::string& piece) { return piece == "-"; }
bool is_apostrophe(const std::string& piece) { return piece == "'" || piece == "▁'"; }
bool is_sentence_mark(const std::string& piece) {
  static const std::string kMarks[] = {".", "!", "?", "▁.", "▁?", "▁..."};
  return std::find(std::begin(kMarks), std::end(kMarks), piece) != std::end(kMarks);
}
bool starts_word(const std::string& piece) { return piece.compare(0, 3, "▁") == 0; }

constexpr size_t kShortestPart = 3;  // no cut after a lone mark

}  // namespace

Segmenter::Segmenter(const SegmenterOptions& options) : Segmenter(options, Level::kSentences) {
  if (options.max_tokens < 2 || options.first_tokens < 0) {
    throw Error(ErrorCode::kSettings,
                "text: segments of at most " + std::to_string(options.max_tokens) +
                    " tokens, the first of " + std::to_string(options.first_tokens) +
                    ": expected at least 2 and 0");
  }
}

void Segmenter::push(TextToken token) {
  if (!waiting_.empty()) {
    TextToken known = std::move(waiting_.back());
    waiting_.clear();
    take(std::move(known), &token);
  }
  waiting_.push_back(std::move(token));
}

void Segmenter::finish() {
  if (!waiting_.empty()) {
    TextToken known = std::move(waiting_.back());
    waiting_.clear();
    take(std::move(known), nullptr);
  }
  if (!current_.empty()) add_part(std::exchange(current_, {}));
  if (!joined_.empty()) settled_.push_back(std::exchange(joined_, {}));
}

bool Segmenter::pop(Tokens* segment) {
  if (settled_.empty()) return false;
  *segment = std::move(settled_.front());
  settled_.pop_front();
  return true;
}

const TextToken* Segmenter::following() const {
  if (!settled_.empty()) return &settled_.front().front();
  return joined_.empty() ? nullptr : &joined_.front();
}

bool Segmenter::is_mark(const std::string& piece) const {
  switch (level_) {
    case Level::kSentences:
      return is_sentence_mark(piece);
    case Level::kCommas:
      return is_comma(piece);
    case Level::kHyphens:
      return is_hyphen(piece);
  }
  return false;
}

void Segmenter::take(TextToken token, const TextToken* next) {
  const std::string piece = token.piece;
  has_comma_ = has_comma_ || is_comma(piece);
  has_hyphen_ = has_hyphen_ || is_hyphen(piece);
  current_.push_back(std::move(token));
  if (level_ != Level::kCommas && has_comma_) return split_current(Level::kCommas);
  if (level_ != Level::kHyphens && has_hyphen_) return split_current(Level::kHyphens);
  if (current_.size() > static_cast<size_t>(options_.max_tokens) && !cut_at_word()) {
    return chop_current();
  }
  if (!is_mark(piece) || current_.size() < kShortestPart) return;
  if (next && is_apostrophe(next->piece)) current_.push_back(*next);
  add_part(std::exchange(current_, {}));
}

// Adds the parts of current_, a finished list of tokens, cut at the marks of `level`.
void Segmenter::split_current(Level level) {
  Segmenter inner(options_, level);
  for (TextToken& token : std::exchange(current_, {})) inner.push(std::move(token));
  inner.finish();
  for (Tokens part; inner.pop(&part);) add_part(std::move(part));
  has_comma_ = has_hyphen_ = false;
}

// Adds current_, one token too long and without marks, as two parts of which the second is one
// token.
void Segmenter::chop_current() {
  Tokens rest(1, std::move(current_.back()));
  current_.pop_back();
  add_part(std::exchange(current_, {}));
  add_part(std::move(rest));
}

// Adds the words of current_ that fit and keeps the last, unfinished one.
bool Segmenter::cut_at_word() {
  if (!options_.whole_words) return false;
  size_t border = current_.size() - 1;
  while (border > 0 && !starts_word(current_[border].piece)) --border;
  if (border == 0) return false;
  const auto begin = current_.begin(), middle = begin + static_cast<long>(border);
  Tokens words(std::make_move_iterator(begin), std::make_move_iterator(middle));
  current_.erase(begin, middle);
  add_part(std::move(words));
  return true;
}

void Segmenter::add_part(Tokens part) {
  const size_t joined = joined_.size() + part.size();
  const size_t max = static_cast<size_t>(options_.max_tokens);
  total_ += part.size();
  const bool fits = joined <= max && total_ > static_cast<size_t>(options_.first_tokens);
  if (!joined_.empty() && !fits && 2 * joined > max) {
    settled_.push_back(std::exchange(joined_, {}));
  }
  joined_.insert(joined_.end(), std::make_move_iterator(part.begin()),
                 std::make_move_iterator(part.end()));
}

}  // namespace indextts2
