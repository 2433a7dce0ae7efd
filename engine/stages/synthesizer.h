// A replica: one device's share of the work, from segments to sound. It decodes up to max_batch
// segments together and renders finished ones on a second thread, so that decoding goes on
// meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "pool/fault_injection.h"
#include "pool/job_queue.h"
#include "stages/code_generator.h"
#include "stages/render_thread.h"
#include "stages/speech_model.h"
#include "stages/stage_clock.h"
#include "stages/synthesis_job.h"

namespace indextts2 {

// The two threads of a replica.
enum class ReplicaThread { kDecode, kRender };

struct SynthesizerOptions {
  std::string device = "cpu";
  int max_batch = 1;                        // one more is decoded while somebody waits for it
  std::shared_ptr<const FaultPlan> faults;  // for tests; null: none
  // Called first on each of the replica's threads; what it returns lives as long as the thread does
  // its work (device, stream, inference mode).
  std::function<std::shared_ptr<void>(ReplicaThread)> enter_thread;
  int64_t frames_rendered_together = 0;  // RenderOptions::frames_together
  // The latent pass of a segment on the rendering thread, so that other segments' decoding does not
  // wait for it. Where rendering takes longer than decoding anyway (CPUs) it had better not.
  bool latent_when_rendering = false;
  // Called from the replica's threads with the name of each part whose memory has been taken; may
  // be empty.
  std::function<void(const char* part)> mark_memory;
  // The renderer makes itself ready for common sizes before its first segment, and warm_up() takes
  // more time. For devices on which that first work costs much.
  bool warm_sizes = false;
};

// Thread-safety: one thread, which makes it, serves with it and destroys it.
class Synthesizer {
 public:
  Synthesizer(std::shared_ptr<const SpeechModel> model, std::shared_ptr<StageClock> clock,
              SynthesizerOptions options);

  // Works until the queue is closed; call it once. Every job ends with its sound or its own Error.
  // Throws when the device has failed or is full; jobs that it has then are the pool's.
  void serve(JobQueue<SynthesisJob>& queue);
  // One segment, before serve(); for tests and for warming up.
  Sound speak(const SynthesisRequest& request, const StopToken& stop);
  // A short made-up segment through all networks: the first run of a network is slow.
  void warm_up(const StopToken& stop);

 private:
  struct Decoding;

  std::unique_ptr<DecodeBatch> make_batch() const;
  std::unique_ptr<Renderer> make_renderer() const;
  CodeRequest code_request(const SynthesisRequest& request) const;
  bool admit(JobQueue<SynthesisJob>& queue, std::vector<Decoding>* decoding);
  void step(JobQueue<SynthesisJob>& queue);
  void collect(std::vector<Decoding>* decoding);

  const std::shared_ptr<const SpeechModel> model_;
  const std::shared_ptr<StageClock> clock_;
  const SynthesizerOptions options_;
  const std::shared_ptr<void> scope_;  // of the decoding thread
  CodeGenerator generator_;
  FaultTrigger faults_;
  RenderThread renderer_;
};

}  // namespace indextts2
