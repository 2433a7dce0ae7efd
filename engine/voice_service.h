// Where voices are encoded: one worker on one device, which moves when its device goes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/stop_token.h"
#include "indextts2/engine.h"
#include "pool/replica_pool.h"
#include "stages/speech_model.h"
#include "stages/synthesizer.h"
#include "stages/voice_encoder.h"
#include "stages/voice_parts.h"

namespace indextts2 {

// A clip or two to encode.
struct VoiceRequest {
  VoiceOptions options;
  std::function<void(int done, int total)> progress;  // of the early part, out of all steps
};
// Ends with the early part of the voice; the worker goes on with the rest.
using VoiceJob = Job<VoiceRequest, std::shared_ptr<const VoiceParts>>;

// One worker that encodes voices.
class VoiceWorker {
 public:
  // `closing`: the pool's; gives up the rest of a voice.
  VoiceWorker(std::shared_ptr<const VoiceEncoder> encoder, std::shared_ptr<StageClock> clock,
              std::string device, StopToken closing)
      : encoder_(std::move(encoder)),
        clock_(std::move(clock)),
        device_(std::move(device)),
        closing_(std::move(closing)) {}
  void serve(JobQueue<VoiceJob>& queue);

 private:
  VoiceDraft begin(const VoiceRequest& request, const StopToken& stop) const;
  void encode(VoiceJob& job) const;
  void finish(VoiceDraft draft, const std::shared_ptr<VoiceParts>& voice) const;

  const std::shared_ptr<const VoiceEncoder> encoder_;
  const std::shared_ptr<StageClock> clock_;
  const std::string device_;
  const StopToken closing_;
};

using VoicePool = ReplicaPool<VoiceWorker, VoiceJob>;

// Thread-safety: safe.
class VoiceService {
 public:
  // What the worker is made of; set once.
  struct Parts {
    ModelFiles files;
    ModelConfig config;
    std::shared_ptr<StageClock> clock;
    std::function<at::ScalarType(const std::string& device)> dtype_on;
    // Called with the name of each part whose memory has been taken.
    std::function<void(const std::string& device, const char* part)> mark_memory;
    bool warmup = false;  // GPUs only
  };
  void set_parts(Parts parts) { parts_ = std::move(parts); }

  // Starts the worker on `device`; returns what it left unused in the files. Throws Error.
  std::vector<UnusedTensors> open(const std::string& device, const StopToken& stop);
  // The worker, on one of `devices`; moves there when it is elsewhere. Throws Error.
  std::shared_ptr<VoicePool> on_one_of(const std::vector<std::string>& devices,
                                       const StopToken& stop);
  // Ends the worker when it is on `device`.
  void leave(const std::string& device);

 private:
  std::shared_ptr<VoicePool> start(const std::string& device, const StopToken& stop,
                                   std::vector<UnusedTensors>* unused) const;

  Parts parts_;
  std::mutex moving_;  // held while a worker starts
  std::mutex mutex_;   // guards all below
  std::string device_;
  std::shared_ptr<VoicePool> pool_;
};

}  // namespace indextts2
