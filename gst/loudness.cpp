// Measuring with libebur128.
#include "loudness.h"

#include <ebur128.h>

#include <algorithm>
#include <cmath>

#include "indextts2/engine.h"

namespace indextts2 {
namespace {

constexpr size_t kBlockSamples = kSampleRateHz * 2 / 5;  // 400 ms: less cannot be measured
constexpr double kMaxGainDb = 40;                        // noise is not speech

double from_db(double db) { return std::pow(10.0, db / 20.0); }

}  // namespace

struct Loudness::Meter {
  ebur128_state* state = ebur128_init(1, kSampleRateHz, EBUR128_MODE_I | EBUR128_MODE_TRUE_PEAK);
  ~Meter() {
    if (state) ebur128_destroy(&state);
  }
};

Loudness::Loudness(double target, double max_true_peak)
    : meter_(std::make_unique<Meter>()), target_(target), max_true_peak_(max_true_peak) {
  if (!meter_->state) throw Error(ErrorCode::kNoMemory, "Out of memory for the loudness meter.");
}

Loudness::~Loudness() = default;

float Loudness::gain_for(const std::vector<float>& samples) {
  if (samples.empty()) return 1.0f;
  ebur128_state* const state = meter_->state;
  // Short words are measured as if they were said again and again.
  const size_t times = samples.size() < kBlockSamples ? kBlockSamples / samples.size() + 1 : 1;
  double peak = 0, loudness = -HUGE_VAL;
  for (size_t i = 0; i < times; ++i) {
    double of_this = 0;
    if (ebur128_add_frames_float(state, samples.data(), samples.size()) != EBUR128_SUCCESS) {
      throw Error(ErrorCode::kNoMemory, "Out of memory for the loudness meter.");
    }
    if (ebur128_prev_true_peak(state, 0, &of_this) == EBUR128_SUCCESS) {
      peak = std::max(peak, of_this);
    }
  }
  if (ebur128_loudness_global(state, &loudness) != EBUR128_SUCCESS || !std::isfinite(loudness)) {
    return 1.0f;
  }
  double gain = from_db(std::min(target_ - loudness, kMaxGainDb));
  if (peak > 0) gain = std::min(gain, from_db(max_true_peak_) / peak);
  return static_cast<float>(gain);
}

void apply_gain(float gain, std::vector<float>* samples) {
  for (float& sample : *samples) sample *= gain;
}

}  // namespace indextts2
