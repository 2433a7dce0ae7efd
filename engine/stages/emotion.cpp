// Emotion of an utterance.
// Follows index-tts ee40fa7, indextts/infer_v2.py, IndexTTS2.infer_generator and normalize_emo_vec.
#include "stages/emotion.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

constexpr EmotionVector kBias = {0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625};
constexpr double kLargestSum = 0.8;
constexpr double kDecimals = 10000;
constexpr double kCosineEps = 1e-8;  // of torch.nn.functional.cosine_similarity

}  // namespace

EmotionVector scale_emotion_vector(const EmotionVector& vector, double alpha) {
  const double scale = std::clamp(alpha, 0.0, 1.0);
  if (scale == 1.0) return vector;
  EmotionVector scaled;
  for (size_t i = 0; i < scaled.size(); ++i)
    scaled[i] = std::trunc(vector[i] * scale * kDecimals) / kDecimals;
  return scaled;
}

EmotionVector normalize_emotion_vector(const EmotionVector& vector, bool apply_bias) {
  EmotionVector normal = vector;
  for (size_t i = 0; apply_bias && i < normal.size(); ++i) normal[i] *= kBias[i];
  const double sum = std::accumulate(normal.begin(), normal.end(), 0.0);
  if (sum > kLargestSum) {
    for (double& value : normal) value *= kLargestSum / sum;
  }
  return normal;
}

at::Tensor merge_emotion(const at::Tensor& base, const at::Tensor& other, double alpha) {
  return base.add(other.sub(base), alpha);
}

EmotionTable::EmotionTable(const Weights& speakers, const Weights& emotions,
                           const std::array<int64_t, kNumEmotions>& groups)
    : groups_(groups) {
  int64_t rows = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    first_row_[i] = rows;
    rows += groups[i];
  }
  styles_ = speakers.take_float("", {rows, kAny}).to(at::kCPU);
  emotions_ = emotions.take_float("", {rows, kAny}).to(at::kCPU);
}

EmotionRows EmotionTable::nearest_rows(const at::Tensor& style) const {
  const auto length = [](const at::Tensor& x) {
    return x.norm(2, -1, /*keepdim=*/true).clamp_min_(kCosineEps);
  };
  const at::Tensor query = style.to(at::kCPU).to(at::kFloat);
  const at::Tensor likeness =
      styles_.div(length(styles_)).matmul(query.div(length(query)).t()).flatten();
  EmotionRows rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = likeness.narrow(0, first_row_[i], groups_[i]).argmax().item<int64_t>();
  }
  return rows;
}

void EmotionTable::check(const EmotionChoice& choice) const {
  bool finite = std::isfinite(choice.alpha);
  for (size_t i = 0; choice.vector && i < groups_.size(); ++i)
    finite = finite && std::isfinite((*choice.vector)[i]);
  if (!finite) {
    throw Error(ErrorCode::kSettings,
                "emotion: expected finite numbers in vector and alpha, got NaN or infinity");
  }
  for (size_t i = 0; choice.rows && i < groups_.size(); ++i) {
    const int64_t row = (*choice.rows)[i];
    if (row < 0 || row >= groups_[i]) {
      throw Error(ErrorCode::kSettings, "emotion: expected a row from 0 to " +
                                            std::to_string(groups_[i] - 1) + " for emotion " +
                                            std::to_string(i) + ", got " + std::to_string(row));
    }
  }
}

at::Tensor EmotionTable::emotion_vector(const VoiceFeatures& voice,
                                        const EmotionChoice& choice) const {
  check(choice);
  if (!choice.vector) {
    // Without an emotion clip the speaker's own emotion counts in full, whatever alpha says.
    if (!voice.clip_emovec.defined())
      return merge_emotion(voice.base_emovec, voice.own_emovec, 1.0);
    return merge_emotion(voice.base_emovec, voice.clip_emovec, choice.alpha);
  }
  const EmotionVector scaled = scale_emotion_vector(*choice.vector, choice.alpha);
  const EmotionRows rows = choice.rows ? *choice.rows : nearest_rows(voice.style);
  std::vector<float> weights(scaled.begin(), scaled.end());
  std::vector<int64_t> index(rows.begin(), rows.end());
  for (size_t i = 0; i < index.size(); ++i) index[i] += first_row_[i];

  const at::Tensor weight = host_tensor(weights, {kNumEmotions, 1});
  const at::Tensor wanted = emotions_.index_select(0, host_tensor(index, {kNumEmotions}))
                                .mul_(weight)
                                .sum(0, /*keepdim=*/true);
  const at::Tensor own = merge_emotion(voice.base_emovec, voice.own_emovec, 1.0);
  return wanted.add_(own.mul(weight.sum().neg_().add_(1)));
}

}  // namespace indextts2
