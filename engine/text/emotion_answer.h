// The emotions of a text, read from the answer of the language model that was asked for them.
// Follows index-tts ee40fa7, indextts/infer_v2.py, QwenEmotion: what inference() does behind
// generate(), normalize_content() and convert().
#pragma once

#include <array>
#include <string_view>

namespace indextts2 {

// Happy, angry, sad, afraid, disgusted, melancholic, surprised, calm; each in [0, 1.2], at least
// one above 0. Their sum may exceed 1.
using EmotionScores = std::array<double, 8>;

// The scores in `answer`, of which only what follows the last "</think>" counts: a JSON object of
// Chinese names and scores, another JSON value that names an emotion, or else whatever
// `name: number` is found in it. `text` is what the model was asked about: where it speaks of
// melancholy, the scores of sad and melancholic change places. An emotion that is not named has
// score 0; if none is above 0, calm is 1.
// Both are UTF-8. Throws Error{kTextDecode} if not, Error{kSynthesis} for a score that is no number
// and for an answer without scores where two would change places; the detail is the answer.
// Thread-safety: safe.
EmotionScores read_emotion_answer(std::string_view answer, std::string_view text);

}  // namespace indextts2
