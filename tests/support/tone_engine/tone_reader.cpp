// The text front end of the tone engine.
#include "tone_reader.h"

#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace indextts2 {
namespace {

bool is_end(char c) { return c == '.' || c == '!' || c == '?' || c == '\n'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_sound(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = text[i];
    const size_t size = c < 0x80   ? 1
                        : c < 0xC2 ? 0
                        : c < 0xE0 ? 2
                        : c < 0xF0 ? 3
                        : c < 0xF5 ? 4
                                   : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (size_t k = 1; k < size; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += size;
  }
  return true;
}

class ToneReader : public SegmentReader {
 public:
  ToneReader(std::string text, const ToneOptions& options)
      : text_(std::move(text)), options_(options) {
    for (size_t begin = 0; begin < text_.size();) {
      size_t end = begin;
      while (end < text_.size() && !is_end(text_[end])) ++end;
      while (end < text_.size() && (is_end(text_[end]) || is_blank(text_[end]))) ++end;
      bool sounds = false;
      for (size_t i = begin; i < end; ++i) sounds = sounds || is_sound(text_[i]);
      if (sounds) {
        // What is silent before it belongs to it, what is silent behind it, too.
        pieces_.emplace_back(pieces_.empty() ? 0 : begin, end);
      } else if (!pieces_.empty()) {
        pieces_.back().second = end;
      }
      begin = end;
    }
  }

  bool next(Segment* segment, const StopToken& stop) override {
    options_.maybe_throw("read");
    tone_sleep(options_.read_ms, stop);
    if (index_ >= pieces_.size()) return false;
    const auto [begin, end] = pieces_[index_];
    std::string_view text(text_.data() + begin, end - begin);
    if (!is_utf8(text)) {
      throw Error(ErrorCode::kTextDecode, "text: bytes " + std::to_string(begin) + " to " +
                                              std::to_string(end) + " are not valid UTF-8");
    }
    while (is_blank(text.front())) text.remove_prefix(1);
    while (is_blank(text.back())) text.remove_suffix(1);
    *segment = Segment();
    segment->index = static_cast<int>(index_++);
    segment->ids.assign(text.begin(), text.end());
    segment->begin = begin;
    segment->end = end;
    segment->last = index_ == pieces_.size();
    return true;
  }

 private:
  const std::string text_;
  const ToneOptions options_;
  std::vector<std::pair<size_t, size_t>> pieces_;
  size_t index_ = 0;
};

}  // namespace

std::unique_ptr<SegmentReader> open_tone_reader(std::string text, const ToneOptions& options) {
  return std::make_unique<ToneReader>(std::move(text), options);
}

}  // namespace indextts2
