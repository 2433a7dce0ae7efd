// Searches of several segments on the device, and the same ones on the CPU, for kernel tests.
#pragma once

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "cuda/beam_outcome.h"
#include "cuda/kernels/choose_codes.h"
#include "cuda/kernels/score_rows.h"
#include "device_buffer.h"
#include "stages/beam_search.h"

namespace indextts2 {

struct SearchJob {
  BeamOptions options;
  RandomStream random;
  std::vector<float> recorded;  // empty: from `random`
};

// The tables of `jobs`, slot by slot, every slot a segment of each step.
class DeviceSearch {
 public:
  DeviceSearch(const std::vector<SearchJob>& jobs, int beams, int max_codes)
      : slots_(static_cast<int>(jobs.size())),
        beams_(beams),
        vocabulary_(static_cast<int>(jobs[0].options.vocabulary)),
        max_codes_(max_codes),
        zeros_(std::vector<int32_t>(6 * slots_, 0)),
        tokens_(slots_ * beams),
        parents_(slots_ * beams),
        scores_(slots_ * beams),
        history_(static_cast<size_t>(slots_) * beams * ((vocabulary_ + 31) / 32)),
        trace_(static_cast<size_t>(slots_) * max_codes * beams),
        finished_(slots_ * beams),
        survivors_(static_cast<size_t>(slots_) * beams * vocabulary_),
        survivor_count_(slots_ * beams),
        keys_(static_cast<size_t>(slots_) * beams * vocabulary_),
        logits_(static_cast<size_t>(slots_) * beams * vocabulary_) {
    std::vector<BeamSettings> settings;
    std::vector<int32_t> segments;
    for (const SearchJob& job : jobs) {
      BeamSettings own = beam_settings(job.options, job.random);
      if (!job.recorded.empty()) {
        recorded_.push_back(std::make_unique<DeviceBuffer<float>>(job.recorded));
        own.recorded = recorded_.back()->data();
        own.recorded_steps =
            static_cast<int>(job.recorded.size() / (job.options.num_beams * vocabulary_));
      }
      const std::vector<double> powers = length_powers(job.options);
      if (!powers.empty()) {
        powers_.push_back(std::make_unique<DeviceBuffer<double>>(powers));
        own.powers = powers_.back()->data();
      }
      segments.push_back(static_cast<int32_t>(segments.size()));
      settings.push_back(own);
    }
    segments_ = std::make_unique<DeviceBuffer<int32_t>>(segments);
    settings_ = std::make_unique<DeviceBuffer<BeamSettings>>(settings);
  }

  // One step: logits [slots][B][V].
  void advance(const std::vector<float>& logits) {
    check(cudaMemcpy(logits_.data(), logits.data(), logits.size() * sizeof(float),
                     cudaMemcpyHostToDevice));
    check(score_rows(tables(), beams(), logits_.data(), slots_, false, nullptr));
    check(choose_codes(tables(), beams(), slots_, true, nullptr));
    check(cudaDeviceSynchronize());
    state_ = zeros_.host();
    host_tokens_ = tokens_.host();
    host_parents_ = parents_.host();
    host_scores_ = scores_.host();
  }

  int steps(int slot) const { return state_[slot]; }
  bool done(int slot) const { return state_[slots_ + slot] != 0; }
  bool stopped(int slot) const { return state_[3 * slots_ + slot] != 0; }
  BeamFailure failure(int slot) const { return BeamFailure{state_[4 * slots_ + slot]}; }
  int32_t token(int slot, int beam) const { return host_tokens_[slot * beams_ + beam]; }
  int32_t parent(int slot, int beam) const { return host_parents_[slot * beams_ + beam]; }
  float score(int slot, int beam) const { return host_scores_[slot * beams_ + beam]; }

  std::vector<int64_t> codes(int slot, const BeamOptions& options) const {
    BeamOutcome outcome;
    outcome.steps = steps(slot);
    outcome.stopped = stopped(slot);
    outcome.width = beams_;
    const std::vector<FinishedBeam> finished = finished_.host();
    const auto first = finished.begin() + slot * beams_;
    outcome.finished.assign(first, first + state_[2 * slots_ + slot]);
    outcome.scores.assign(host_scores_.begin() + slot * beams_,
                          host_scores_.begin() + (slot + 1) * beams_);
    const std::vector<uint32_t> trace = trace_.host();
    const auto begin = trace.begin() + static_cast<size_t>(slot) * max_codes_ * beams_;
    outcome.trace.assign(begin, begin + outcome.steps * beams_);
    return best_codes(options, outcome);
  }

  DecodeTables tables() {
    DecodeTables tables{};
    tables.segments = segments_->data();
    tables.tokens = tokens_.data();
    tables.steps = zeros_.data();
    tables.done = zeros_.data() + slots_;
    tables.max_beams = beams_;
    return tables;
  }
  BeamTables beams() {
    return {settings_->data(),
            scores_.data(),
            history_.data(),
            trace_.data(),
            parents_.data(),
            finished_.data(),
            zeros_.data() + 2 * slots_,
            zeros_.data() + 3 * slots_,
            zeros_.data() + 4 * slots_,
            survivors_.data(),
            survivor_count_.data(),
            keys_.data(),
            vocabulary_,
            max_codes_};
  }
  float* logits() { return logits_.data(); }
  std::vector<ScoredToken> survivors(int row) const {
    const std::vector<ScoredToken> all = survivors_.host();
    const auto first = all.begin() + static_cast<size_t>(row) * vocabulary_;
    return {first, first + survivor_count_.host()[row]};
  }

 private:
  const int slots_, beams_, vocabulary_, max_codes_;
  DeviceBuffer<int32_t> zeros_;  // steps, done, finished_count, stopped, failure
  DeviceBuffer<int32_t> tokens_, parents_;
  DeviceBuffer<float> scores_;
  DeviceBuffer<uint32_t> history_, trace_;
  DeviceBuffer<FinishedBeam> finished_;
  DeviceBuffer<ScoredToken> survivors_;
  DeviceBuffer<int32_t> survivor_count_;
  DeviceBuffer<uint64_t> keys_;
  DeviceBuffer<float> logits_;
  std::vector<std::unique_ptr<DeviceBuffer<float>>> recorded_;
  std::vector<std::unique_ptr<DeviceBuffer<double>>> powers_;
  std::unique_ptr<DeviceBuffer<int32_t>> segments_;
  std::unique_ptr<DeviceBuffer<BeamSettings>> settings_;
  std::vector<int32_t> state_, host_tokens_, host_parents_;
  std::vector<float> host_scores_;
};

// Logits like a speech model's: broad noise, a few tokens far above it, some of them equal.
inline std::vector<float> random_logits(std::mt19937& random, int rows, int vocabulary,
                                        float spread) {
  std::normal_distribution<float> noise(0.0f, spread);
  std::uniform_int_distribution<int> token(0, vocabulary - 1), few(0, 40);
  std::vector<float> logits(static_cast<size_t>(rows) * vocabulary);
  for (float& logit : logits) logit = noise(random);
  for (int row = 0; row < rows; ++row) {
    float* own = logits.data() + static_cast<size_t>(row) * vocabulary;
    for (int i = few(random); i > 0; --i) own[token(random)] += 3 * spread;
    own[token(random)] = own[token(random)];
  }
  return logits;
}

inline BeamOptions search_options(int vocabulary, int num_beams, int max_codes) {
  BeamOptions options;
  options.num_beams = num_beams;
  options.max_codes = max_codes;
  options.vocabulary = vocabulary;
  options.start_token = vocabulary - 2;
  options.stop_token = vocabulary - 1;
  return options;
}

}  // namespace indextts2
