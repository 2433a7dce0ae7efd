// The subset of SSML that use-markup speaks.
#pragma once

#include <string>
#include <vector>

#include "settings.h"

namespace indextts2 {

// A stretch of text with one voice and one emotion.
struct MarkupPart {
  std::string text;
  uint64_t break_ns = 0;  // silence before it
  std::string voice;      // a name of `voices`; empty: as set
  std::vector<double> emotion_vector;
  std::string emotion_text;   // both empty: as set
  double emotion_alpha = -1;  // < 0: as set
  std::string language;       // empty: as set
  std::vector<Mark> marks;    // by offset in `text`
};

// Elements: speak, p, s, voice name, emotion name strength | vector | text, alpha, break time, mark
// name, sub alias, say-as interpret-as="characters"; the root <speak> may be left out. Entities:
// the five of XML and numbers; there is no DTD. Throws Error{kTextDecode} naming line and column.
std::vector<MarkupPart> parse_markup(const std::string& markup);

// The utterances of one text, markup or not: the parts are spoken one after another with the values
// of `settings` where the markup does not say otherwise. What is wrong with it is kept as the error
// of its only utterance.
std::vector<Utterance> make_utterances(const Settings& settings, const std::string& text);

}  // namespace indextts2
