// Speech at a wanted loudness: ITU-R BS.1770 by libebur128, one static gain for each segment.
#pragma once

#include <memory>
#include <vector>

namespace indextts2 {

// One utterance. The gain follows what has been spoken of it so far, so its segments keep their
// balance and nothing waits for its end. Thread-safety: one thread.
class Loudness {
 public:
  // LUFS; dBTP that no sample between the samples may pass, which then holds the gain down.
  Loudness(double target, double max_true_peak);
  ~Loudness();
  Loudness(const Loudness&) = delete;

  // The factor for the next segment. 1 for silence. Throws Error{kNoMemory}.
  float gain_for(const std::vector<float>& samples);

 private:
  struct Meter;
  const std::unique_ptr<Meter> meter_;
  const double target_, max_true_peak_;
};

void apply_gain(float gain, std::vector<float>* samples);

}  // namespace indextts2
