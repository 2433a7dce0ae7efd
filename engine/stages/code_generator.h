// Text to speech codes, and the codes to the latents that the mel generator needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/random.h"
#include "core/stop_token.h"
#include "modules/unified_voice.h"
#include "stages/backend.h"
#include "stages/stream_handover.h"

namespace indextts2 {

// The speech codes of one segment. Letters: S codes, C width of the GPT.
struct Codes {
  std::vector<int64_t> codes;  // [S], S >= 1, each an index of the codebook
  at::Tensor latent;           // [1, S, C] float32 on the network's device
  bool capped = false;         // stopped by max_codes, not by the model
};

// The codes of a segment on their way to another thread, before or after the latent pass.
struct DecodedCodes {
  std::vector<int64_t> codes;  // [S], S >= 1, each an index of the codebook
  bool capped = false;
  StreamHandover conditioning;    // [1, n + 2, C]
  std::vector<int32_t> text_ids;  // without start and stop
  StreamHandover latent;          // as Codes::latent; empty: before the pass
};

// The latent pass, unless it is done, on the calling thread and its stream; `model` must be the one
// that decoded. `pass`: what runs it; null: `model`. Thread-safety: const.
Codes with_latent(const UnifiedVoice& model, const DecodedCodes& decoded,
                  LatentPass* pass = nullptr);

// One segment to speak.
struct CodeRequest {
  at::Tensor speaker_latents;     // [1, n, C]
  at::Tensor emotion;             // [1, C]
  std::vector<int32_t> text_ids;  // without start and stop
  SamplingOptions sampling;
  int num_beams = 3;
  double length_penalty = 0.0;
  int max_codes = 1500;  // lowered to what the model can hold
  uint64_t seed = 0;     // with `segment`: what the draws come from
  uint32_t segment = 0;
  std::vector<float> recorded;  // draws to use instead, [steps, num_beams * vocabulary]
};

// Thread-safety: one thread.
class CodeGenerator {
 public:
  // `batch` must decode with `model`'s weights.
  CodeGenerator(std::shared_ptr<const UnifiedVoice> model, std::unique_ptr<DecodeBatch> batch);

  // One segment from start to end; `stop` is tested before every code. Needs a free slot; segments
  // that begin() took in go on meanwhile. Throws Error{kCancelled, kSettings, kTextTooLong,
  // kSynthesis}.
  Codes generate(const CodeRequest& request, const StopToken& stop) {
    return with_latent(*model_, decode(request, stop));
  }
  DecodedCodes decode(const CodeRequest& request, const StopToken& stop);

  // The same in parts, for several segments at a time: begin each, step all until some are
  // finished, finish those.
  int free_slots() const { return batch_->free_slots(); }
  int begin(const CodeRequest& request);
  void step() { batch_->step(); }
  bool finished(int slot) const { return batch_->finished(slot); }
  // Frees the slot and gives the codes; throws the segment's own Error{kSynthesis}.
  DecodedCodes release(int slot);
  Codes finish(int slot) { return with_latent(*model_, release(slot)); }
  void abandon(int slot);  // frees the slot and drops what there is

 private:
  struct Begun {
    at::Tensor conditioning;
    std::vector<int32_t> text_ids;
  };
  void check_codes(const std::vector<int64_t>& codes) const;

  const std::shared_ptr<const UnifiedVoice> model_;
  const std::unique_ptr<DecodeBatch> batch_;
  std::vector<Begun> begun_;  // one for each slot
};

}  // namespace indextts2
