// What a replica is asked for and what it gives: a segment, its sound.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/sampling.h"
#include "pool/job_queue.h"
#include "stages/emotion.h"
#include "stages/voice_parts.h"
#include "text/segment.h"

namespace indextts2 {

// One segment to speak, every value settled.
struct SynthesisRequest {
  Segment segment;
  // Decoding needs its early part alone; where an emotion vector picks its own rows, all of it.
  std::shared_ptr<const VoiceParts> voice;
  EmotionChoice emotion;
  bool random_emotion = false;  // rows of emotion.vector are drawn from the seed
  SamplingOptions sampling;
  int num_beams = 3;
  double length_penalty = 0;
  int max_codes = 1500;
  int64_t diffusion_steps = 25;
  double guidance = 0.7;
  uint64_t seed = 0;
  // Draws to use instead of the seed's: [steps, beams * vocabulary] and [1, mel bands, frames]; for
  // recorded cases.
  std::vector<float> recorded_draws;
  at::Tensor recorded_noise;
};

// The sound of one segment.
struct Sound {
  std::vector<float> samples;  // mono, 22050 Hz, [-1, 1]
  bool capped = false;         // stopped by max_codes
  std::string device;          // where it was made
  double seconds_spent = 0;    // from the start of decoding to the sound
  int codes = 0;
};

using SynthesisJob = Job<SynthesisRequest, Sound>;

}  // namespace indextts2
