// GMarkup to parts: it reads no DTD and no file, and knows no entity but XML's own.
#include "markup.h"

#include <gst/gst.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace indextts2 {
namespace {

constexpr char kRoot[] = "<speak>";
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxParts = 1000;
constexpr size_t kMaxMarks = 10000;
constexpr double kMaxBreakSeconds = 10;
constexpr std::array<const char*, 8> kEmotions = {"happy",     "angry",       "sad",       "afraid",
                                                  "disgusted", "melancholic", "surprised", "calm"};

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

// A number of 0 to `most`; *end: what follows it.
double number_of(const char* text, double most, const char* what, const char** end) {
  gchar* after = nullptr;
  const double value = g_ascii_strtod(text, &after);
  if (after == text || !(value >= 0 && value <= most)) {
    throw std::string(what) + ": expected a number of 0 to " +
        std::to_string(static_cast<int>(most)) + ", got \"" + text + "\"";
  }
  *end = after;
  return value;
}

double only_number(const char* text, const char* what) {
  const char* end = nullptr;
  const double value = number_of(text, 1, what, &end);
  if (*end) throw std::string(what) + ": expected a number, got \"" + text + "\"";
  return value;
}

uint64_t time_of(const char* text) {
  const char* end = nullptr;
  const double value = number_of(text, kMaxBreakSeconds * 1000, "time", &end);
  const double seconds = !std::strcmp(end, "ms")  ? value / 1000
                         : !std::strcmp(end, "s") ? value
                                                  : kMaxBreakSeconds + 1;
  if (seconds > kMaxBreakSeconds) {
    throw std::string("time: expected for instance 500ms or 1.5s, at most 10s, got \"") + text +
        "\"";
  }
  return static_cast<uint64_t>(std::llround(seconds * GST_SECOND));
}

// What an element may change and its end restores.
struct Style {
  std::string voice, language;
  std::vector<double> emotion_vector;  // or text, not both
  std::string emotion_text;
  double emotion_alpha = -1;
  bool spelled = false;
  bool silent = false;  // its text is replaced

  bool speaks_as(const Style& other) const {
    return voice == other.voice && language == other.language &&
           emotion_vector == other.emotion_vector && emotion_text == other.emotion_text &&
           emotion_alpha == other.emotion_alpha;
  }
};

// Attributes by name; each has to be asked for.
class Attributes {
 public:
  Attributes(const gchar** names, const gchar** values) : names_(names), values_(values) {
    while (names[count_]) ++count_;
    taken_.resize(count_);
  }
  const char* take(const char* name) {
    for (size_t i = 0; i < count_; ++i) {
      if (std::strcmp(names_[i], name) != 0) continue;
      taken_[i] = true;
      return values_[i];
    }
    return nullptr;
  }
  const char* need(const char* name) {
    if (const char* value = take(name)) return value;
    throw std::string("the attribute ") + name + " is missing";
  }
  void check_all_taken() const {
    for (size_t i = 0; i < count_; ++i) {
      if (!taken_[i]) throw std::string("the attribute ") + names_[i] + " is not known here";
    }
  }

 private:
  const gchar** names_;
  const gchar** values_;
  size_t count_ = 0;
  std::vector<bool> taken_;
};

// A std::string that is thrown is the reason why the markup is wrong.
class Reader {
 public:
  void start(const std::string& element, Attributes attributes) {
    if (stack_.size() >= kMaxDepth) throw std::string("elements are nested too deeply");
    stack_.push_back(style_);
    Style style = style_;
    apply(element, &attributes, &style);
    attributes.check_all_taken();
    change(std::move(style));
  }

  void end(const std::string& element) {
    if (element == "p" || element == "s") text_ += '\n';
    change(std::move(stack_.back()));
    stack_.pop_back();
  }

  void text(const std::string& text) {
    if (style_.silent) return;
    if (!style_.spelled) {
      text_ += text;
      return;
    }
    for (const char* at = text.c_str(); *at; at = g_utf8_next_char(at)) {
      if (g_unichar_isspace(g_utf8_get_char(at))) continue;
      if (!text_.empty() && !g_ascii_isspace(text_.back())) text_ += ' ';
      text_.append(at, static_cast<size_t>(g_utf8_next_char(at) - at));
    }
  }

  std::vector<MarkupPart> finish() {
    flush();
    if (!marks_.empty() && !parts_.empty()) {
      for (Mark& mark : marks_) mark.offset = parts_.back().text.size();
      std::move(marks_.begin(), marks_.end(), std::back_inserter(parts_.back().marks));
    }
    return std::move(parts_);
  }

 private:
  void apply(const std::string& element, Attributes* attributes, Style* style) {
    if (element == "speak") {
      if (stack_.size() > 1) throw std::string("<speak> is the outermost element only");
      for (const char* ignored : {"version", "xmlns"}) attributes->take(ignored);
      if (const char* language = attributes->take("xml:lang")) style->language = language;
    } else if (element == "voice") {
      style->voice = attributes->need("name");
    } else if (element == "emotion") {
      apply_emotion(attributes, style);
    } else if (element == "break") {
      const uint64_t time = time_of(attributes->need("time"));
      flush();
      break_ns_ += time;
    } else if (element == "mark") {
      if (++num_marks_ > kMaxMarks) throw std::string("there are too many marks");
      marks_.push_back({text_.size(), attributes->need("name")});
    } else if (element == "sub") {
      text(attributes->need("alias"));
      style->silent = true;
    } else if (element == "say-as") {
      const char* const as = attributes->need("interpret-as");
      if (std::strcmp(as, "characters") != 0) {
        throw std::string("interpret-as: expected characters, got \"") + as + "\"";
      }
      style->spelled = true;
    } else if (element != "p" && element != "s") {
      throw "<" + element + "> is not known";
    }
  }

  static void apply_emotion(Attributes* attributes, Style* style) {
    const char* const name = attributes->take("name");
    const char* const vector = attributes->take("vector");
    const char* const text = attributes->take("text");
    if (!name + !vector + !text != 2) {
      throw std::string("<emotion> needs one of name, vector and text");
    }
    std::vector<double> values(kEmotions.size());
    if (text) {
      if (!*text) throw std::string("text: expected the emotion in words, got nothing");
      values.clear();
    } else if (name) {
      const auto found = std::find_if(kEmotions.begin(), kEmotions.end(),
                                      [&](const char* one) { return !std::strcmp(one, name); });
      if (found == kEmotions.end()) throw std::string("there is no emotion \"") + name + "\"";
      const char* const strength = attributes->take("strength");
      values[static_cast<size_t>(found - kEmotions.begin())] =
          strength ? only_number(strength, "strength") : 1.0;
    } else {
      const char* at = vector;
      for (double& value : values) value = number_of(at, 1, "vector", &at);
      if (*at) throw std::string("vector: expected 8 numbers, got \"") + vector + "\"";
    }
    style->emotion_vector = std::move(values);
    style->emotion_text = text ? text : "";
    if (const char* alpha = attributes->take("alpha")) {
      style->emotion_alpha = only_number(alpha, "alpha");
    }
  }

  void change(Style style) {
    if (!style.speaks_as(style_)) flush();
    style_ = std::move(style);
  }

  // What has come so far becomes a part. Blanks and marks before the next one belong to that.
  void flush() {
    if (is_blank(text_)) {
      for (Mark& mark : marks_) mark.offset = 0;
      text_.clear();
      return;
    }
    if (parts_.size() >= kMaxParts) throw std::string("there are too many parts");
    MarkupPart part;
    part.text = std::exchange(text_, {});
    part.break_ns = std::exchange(break_ns_, 0);
    part.marks = std::exchange(marks_, {});
    part.voice = style_.voice;
    part.language = style_.language;
    part.emotion_vector = style_.emotion_vector;
    part.emotion_text = style_.emotion_text;
    part.emotion_alpha = style_.emotion_alpha;
    parts_.push_back(std::move(part));
  }

  std::vector<Style> stack_;
  Style style_;
  std::vector<MarkupPart> parts_;
  std::string text_;
  uint64_t break_ns_ = 0;
  std::vector<Mark> marks_;
  size_t num_marks_ = 0;
};

void set_error(GError** error, const std::string& reason) {
  g_set_error_literal(error, G_MARKUP_ERROR, G_MARKUP_ERROR_INVALID_CONTENT, reason.c_str());
}

// Calls `function` with the Reader behind `data`; GMarkup is C and hears of errors by GError.
template <typename Function>
void with_reader(gpointer data, GError** error, const Function& function) {
  try {
    function(*static_cast<Reader*>(data));
  } catch (const std::string& reason) {
    set_error(error, reason);
  } catch (...) {
    set_error(error, "out of memory");
  }
}

const GMarkupParser kParser = {
    [](GMarkupParseContext*, const gchar* element, const gchar** names, const gchar** values,
       gpointer data, GError** error) {
      with_reader(data, error,
                  [&](Reader& reader) { reader.start(element, Attributes(names, values)); });
    },
    [](GMarkupParseContext*, const gchar* element, gpointer data, GError** error) {
      with_reader(data, error, [&](Reader& reader) { reader.end(element); });
    },
    [](GMarkupParseContext*, const gchar* text, gsize length, gpointer data, GError** error) {
      with_reader(data, error, [&](Reader& reader) { reader.text(std::string(text, length)); });
    },
    [](GMarkupParseContext*, const gchar* text, gsize, gpointer data, GError** error) {
      if (!g_ascii_strncasecmp(text, "<!DOCTYPE", 9)) {
        with_reader(data, error,
                    [](Reader&) { throw std::string("a document type is not allowed"); });
      }
    },
    nullptr};

struct ContextFree {
  void operator()(GMarkupParseContext* context) const { g_markup_parse_context_free(context); }
};

[[noreturn]] void fail(GMarkupParseContext* context, GError* error, bool root_added) {
  gint line = 1, column = 1;
  g_markup_parse_context_get_position(context, &line, &column);
  std::string reason = error->message;
  // GMarkup puts a place of its own before some of them.
  if (reason.rfind("Error on line ", 0) == 0 && reason.find(": ") != std::string::npos) {
    reason.erase(0, reason.find(": ") + 2);
  }
  g_error_free(error);
  if (root_added && line == 1) column -= static_cast<gint>(std::strlen(kRoot));
  throw Error(ErrorCode::kTextDecode, "The markup is wrong at line " + std::to_string(line) +
                                          ", column " + std::to_string(std::max(column, 1)) + ": " +
                                          reason + ".");
}

// The settings that one part is spoken with. Throws Error{kVoiceNotFound}.
Settings settings_of(const MarkupPart& part, Settings settings) {
  if (!part.voice.empty()) {
    if (settings.voices.count(part.voice) == 0) {
      throw Error(ErrorCode::kVoiceNotFound,
                  "The markup asks for the voice \"" + part.voice +
                      "\", which is not one of voices. Set voices, or call load-voice.");
    }
    settings.voice = part.voice;
  }
  if (!part.language.empty()) settings.language = part.language;
  if (!part.emotion_vector.empty()) {
    settings.emotion_vector = part.emotion_vector;
    settings.emotion_text.clear();
    settings.emotion_from_text = FALSE;
  }
  if (!part.emotion_text.empty()) settings.emotion_text = part.emotion_text;
  if (part.emotion_alpha >= 0) settings.emotion_alpha = part.emotion_alpha;
  return settings;
}

}  // namespace

std::vector<MarkupPart> parse_markup(const std::string& markup) {
  const size_t begin = std::min(markup.find_first_not_of(" \t\r\n"), markup.size());
  const bool has_root =
      markup.compare(begin, 6, "<speak") == 0 || markup.compare(begin, 5, "<?xml") == 0;
  const std::string whole = has_root ? markup : kRoot + markup + "</speak>";
  Reader reader;
  const std::unique_ptr<GMarkupParseContext, ContextFree> context(
      g_markup_parse_context_new(&kParser, G_MARKUP_TREAT_CDATA_AS_TEXT, &reader, nullptr));
  GError* error = nullptr;
  if (!g_markup_parse_context_parse(context.get(), whole.data(), static_cast<gssize>(whole.size()),
                                    &error) ||
      !g_markup_parse_context_end_parse(context.get(), &error)) {
    fail(context.get(), error, !has_root);
  }
  try {
    return reader.finish();
  } catch (const std::string& reason) {
    throw Error(ErrorCode::kTextDecode, "The markup is wrong: " + reason + ".");
  }
}

std::vector<Utterance> make_utterances(const Settings& settings, const std::string& text) {
  std::vector<Utterance> all;
  // One that is too long is refused when it is accepted.
  const bool too_long = settings.max_text_bytes > 0 && text.size() > settings.max_text_bytes;
  try {
    if (settings.use_markup && !too_long) {
      for (MarkupPart& part : parse_markup(text)) {
        Utterance utterance =
            make_utterance(settings_of(part, settings), std::move(part.text), /*from_pad=*/false);
        utterance.break_samples = samples_in(part.break_ns);
        utterance.marks = std::move(part.marks);
        if (!all.empty()) utterance.queue_mode = QueueMode::kAppend;
        all.push_back(std::move(utterance));
      }
      if (!all.empty()) return all;
    }
    all.push_back(make_utterance(settings, settings.use_markup && !too_long ? "" : text,
                                 /*from_pad=*/false));
  } catch (const Error& error) {
    all.clear();
    all.push_back(make_utterance(settings, "", /*from_pad=*/false));
    all.back().error = error;
    all.back().error->text_id = 1;  // marks it as the error of one text
  }
  return all;
}

}  // namespace indextts2
