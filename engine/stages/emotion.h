// Emotion of an utterance: from the voice's clips, or from eight numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "stages/voice_features.h"
#include "weights/config.h"
#include "weights/weights.h"

namespace indextts2 {

// happy, angry, sad, afraid, disgusted, melancholic, surprised, calm
using EmotionVector = std::array<double, kNumEmotions>;
using EmotionRows = std::array<int64_t, kNumEmotions>;

struct EmotionChoice {
  std::optional<EmotionVector> vector;  // unset: the voice's emotion clip, else its speaker clip
  double alpha = 1.0;  // strength of the clip, or of `vector` (there limited to 0..1)
  std::optional<EmotionRows>
      rows;  // of `vector`: row of each group; unset: the speakers most like the voice
};

// Each value times `alpha` (limited to 0..1), cut to four decimals; unchanged at 1.
EmotionVector scale_emotion_vector(const EmotionVector& vector, double alpha);

// Weakens the emotions that tend to sound strange (if `apply_bias`), then scales down to a sum of
// at most 0.8. Synthesis never does this by itself; it is meant for sliders and the like.
EmotionVector normalize_emotion_vector(const EmotionVector& vector, bool apply_bias = true);

// base + alpha * (other - base)
at::Tensor merge_emotion(const at::Tensor& base, const at::Tensor& other, double alpha);

// Emotion vectors of a number of known speakers, in one group an emotion. Thread-safety: const.
class EmotionTable {
 public:
  // `speakers`: file of the speakers' styles [R, 192]; `emotions`: of their vectors [R, D]; both
  // hold one tensor. `groups`: rows of each emotion, in order; they must add up to R.
  EmotionTable(const Weights& speakers, const Weights& emotions,
               const std::array<int64_t, kNumEmotions>& groups);

  const std::array<int64_t, kNumEmotions>& groups() const { return groups_; }
  // Row of each group whose speaker is most like `style` [1, 192], counted within the group.
  EmotionRows nearest_rows(const at::Tensor& style) const;
  // The GPT's emotion vector [1, D] for one utterance, on the CPU.
  // Throws Error{kSettings} if a row lies outside its group or a number is not finite.
  at::Tensor emotion_vector(const VoiceFeatures& voice, const EmotionChoice& choice) const;

 private:
  void check(const EmotionChoice& choice) const;

  std::array<int64_t, kNumEmotions> groups_, first_row_;
  at::Tensor styles_;    // [R, 192] float32, on the CPU
  at::Tensor emotions_;  // [R, D]
};

}  // namespace indextts2
