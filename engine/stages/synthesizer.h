// A replica: one device's share of the work, from segments to sound. It decodes up to max_batch
// segments together and renders finished ones on a second thread, so that decoding goes on
// meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "ops/sampling.h"
#include "pool/fault_injection.h"
#include "pool/job_queue.h"
#include "stages/code_generator.h"
#include "stages/emotion.h"
#include "stages/speech_model.h"
#include "stages/voice_features.h"
#include "text/segment.h"

namespace indextts2 {

// One segment to speak, every value settled.
struct SynthesisRequest {
  Segment segment;
  std::shared_ptr<const VoiceFeatures> voice;
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

// Seconds per stage, added up over replicas. Thread-safety: safe.
class StageClock {
 public:
  void add(const std::string& stage, double seconds);
  std::map<std::string, double> seconds() const;

 private:
  mutable std::mutex mutex_;  // guards seconds_
  std::map<std::string, double> seconds_;
};

using SynthesisJob = Job<SynthesisRequest, Sound>;

struct SynthesizerOptions {
  std::string device = "cpu";
  int max_batch = 1;                        // one more is decoded while somebody waits for it
  std::shared_ptr<const FaultPlan> faults;  // for tests; null: none
  // Called at the start of each of the replica's threads; what it returns lives as long as the
  // thread does its work (device, stream, inference mode).
  std::function<std::shared_ptr<void>()> enter_thread;
};

// Thread-safety: one thread, which makes it, serves with it and destroys it.
class Synthesizer {
 public:
  Synthesizer(std::shared_ptr<const SpeechModel> model, std::shared_ptr<StageClock> clock,
              SynthesizerOptions options);

  // Works until the queue is closed. Every job ends with its sound or its own Error. Throws when
  // the device has failed or is full; jobs that it has then are the pool's.
  void serve(JobQueue<SynthesisJob>& queue);
  // One segment on the caller's thread; for tests and for warming up.
  Sound speak(const SynthesisRequest& request, const StopToken& stop);
  // A short made-up segment through all networks: the first run of a network is slow.
  void warm_up(const StopToken& stop);

 private:
  struct Decoding;
  class RenderThread;

  CodeRequest code_request(const SynthesisRequest& request) const;
  Sound render(const SynthesisRequest& request, const Codes& codes, const StopToken& stop) const;
  bool admit(JobQueue<SynthesisJob>& queue, std::vector<Decoding>* decoding);
  void step(JobQueue<SynthesisJob>& queue);
  void collect(std::vector<Decoding>* decoding, RenderThread* renderer);

  const std::shared_ptr<const SpeechModel> model_;
  const std::shared_ptr<StageClock> clock_;
  const SynthesizerOptions options_;
  CodeGenerator generator_;
  FaultTrigger faults_;
};

}  // namespace indextts2
