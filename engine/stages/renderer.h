// Codes to sound: what a replica does with a decoded segment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"
#include "stages/backend.h"
#include "stages/code_generator.h"
#include "stages/speech_model.h"
#include "stages/stage_clock.h"
#include "stages/synthesis_job.h"

namespace indextts2 {

// Thread-safety: one thread, whose device and stream are used.
class Renderer {
 public:
  // `device`: what Sound::device says.
  Renderer(std::shared_ptr<const SpeechModel> model, std::shared_ptr<StageClock> clock,
           std::string device);

  // Makes the device ready for segments of common lengths with prompts of common lengths, and for
  // groups of `frames_together` frames: memory, kernels, graphs. `mark` is called with the name of
  // each part. Throws Error{kNoMemory, kDeviceLost}.
  void warm_up(int64_t frames_together, const std::function<void(const char* part)>& mark);

  // Frames that the flow has to go through for a segment of so many codes, its prompt included.
  static int64_t frames(const SynthesisRequest& request, size_t num_codes);

  // Books time that went by with nothing to do but to wait for the rest of a voice.
  void waited_for_voice(double seconds) const { clock_->add("await voice", seconds); }
  // The three steps of a segment; the first one needs the whole voice, the second may take several
  // together. Throw Error{kSynthesis, kCancelled}.
  FlowJob prepare(const SynthesisRequest& request, const DecodedCodes& decoded);
  std::vector<at::Tensor> solve(const std::vector<FlowJob>& jobs, const StopToken& stop);
  Sound vocode(const at::Tensor& mel, bool capped, const StopToken& stop);

 private:
  // What the last segment's voice left on the device: the next one's is most often the same.
  struct KnownPrompt {
    std::weak_ptr<const VoiceParts> voice;
    MelPrompt there;
  };
  void warm_up_latent() const;
  const MelPrompt& prompt_of(const SynthesisRequest& request);

  const std::shared_ptr<const SpeechModel> model_;
  const std::shared_ptr<StageClock> clock_;
  const std::string device_;
  const std::unique_ptr<LatentPass> latent_pass_;  // null: gpt
  const std::unique_ptr<FlowSolver> solver_;
  const std::unique_ptr<WaveDecoder> decoder_;  // may use the solver's memory: goes first
  KnownPrompt known_;
};

}  // namespace indextts2
