// Words to lines to captions.
#include "caption_splitter.h"

#include <algorithm>

namespace indextts2 {
namespace {

size_t letters_of(const std::string& text) {
  return static_cast<size_t>(g_utf8_strlen(text.data(), static_cast<gssize>(text.size())));
}

// Words without blanks; those longer than `width` are cut into pieces of it.
std::vector<std::string> words_of(const std::string& text, size_t width) {
  std::vector<std::string> words;
  std::string word;
  size_t letters = 0;
  auto finish = [&] {
    if (!word.empty()) words.push_back(word);
    word.clear();
    letters = 0;
  };
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const char* const next = std::min(end, const_cast<const char*>(g_utf8_next_char(at)));
    if (g_unichar_isspace(g_utf8_get_char_validated(at, end - at))) {
      finish();
    } else {
      if (letters == width) finish();
      word.append(at, next);
      ++letters;
    }
    at = next;
  }
  finish();
  return words;
}

std::vector<std::string> lines_of(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  size_t room = 0;
  for (const std::string& word : words_of(text, width)) {
    const size_t letters = letters_of(word);
    if (!lines.empty() && letters + 1 <= room) {
      lines.back() += " " + word;
      room -= letters + 1;
    } else {
      lines.push_back(word);
      room = width - letters;
    }
  }
  return lines;
}

}  // namespace

std::vector<Caption> split_caption(const std::string& text, GstClockTime start,
                                   GstClockTime duration, GstClockTime free_from,
                                   const CaptionOptions& options) {
  std::vector<Caption> captions;
  std::vector<size_t> letters;
  size_t all_letters = 0, line = 0;
  for (const std::string& words : lines_of(text, options.width)) {
    if (line++ % options.lines == 0) {
      captions.emplace_back();
      letters.push_back(0);
    } else {
      captions.back().text += '\n';
    }
    captions.back().text += words;
    letters.back() += letters_of(words);
    all_letters += letters_of(words);
  }
  size_t before = 0;
  for (size_t i = 0; i < captions.size(); ++i) {
    Caption& caption = captions[i];
    caption.start = start + gst_util_uint64_scale(duration, before, all_letters);
    before += letters[i];
    caption.spoken_end = start + gst_util_uint64_scale(duration, before, all_letters);
    caption.start = std::min(std::max(caption.start, free_from), caption.start + kMaxLag);
    caption.end = caption.spoken_end;
    if (options.reading_speed > 0) {
      const GstClockTime needed =
          gst_util_uint64_scale(letters[i], GST_SECOND, options.reading_speed);
      caption.end = std::max(caption.end, caption.start + needed);
    }
    caption.end = std::max(std::min(caption.end, caption.spoken_end + kMaxLag), caption.start);
    free_from = caption.end;
  }
  return captions;
}

}  // namespace indextts2
