// Text to speech codes, and the codes to the latents that the mel generator needs.
#include "stages/code_generator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"

namespace indextts2 {

Codes with_latent(const UnifiedVoice& model, const DecodedCodes& decoded, LatentPass* pass) {
  Codes out;
  out.codes = decoded.codes;
  out.capped = decoded.capped;
  out.latent = decoded.latent.take();
  if (out.latent.defined()) return out;
  const at::Tensor conditioning = decoded.conditioning.take();
  const at::Tensor latent = pass ? pass->run(conditioning, decoded.text_ids, decoded.codes)
                                 : model.latent(conditioning, decoded.text_ids, decoded.codes);
  out.latent = latent.to(at::kFloat);
  return out;
}

CodeGenerator::CodeGenerator(std::shared_ptr<const UnifiedVoice> model,
                             std::unique_ptr<DecodeBatch> batch)
    : model_(std::move(model)), batch_(std::move(batch)), begun_(batch_->capacity()) {}

DecodedCodes CodeGenerator::decode(const CodeRequest& request, const StopToken& stop) {
  stop.check();
  const int slot = begin(request);
  while (!finished(slot)) {
    if (stop.stop_requested()) {
      abandon(slot);
      stop.check();
    }
    step();
  }
  return release(slot);
}

int CodeGenerator::begin(const CodeRequest& request) {
  DecodeJob job;
  job.conditioning = model_->conditioning(request.speaker_latents, request.emotion);
  job.text_ids = request.text_ids;
  job.options.sampling = request.sampling;
  job.options.num_beams = request.num_beams;
  job.options.length_penalty = request.length_penalty;
  job.options.max_codes =
      static_cast<int>(std::min<int64_t>(request.max_codes, model_->max_codes()));
  job.options.vocabulary = model_->vocabulary();
  job.options.start_token = model_->config().start_mel_token;
  job.options.stop_token = model_->config().stop_mel_token;
  job.random = {request.seed, request.segment, RandomPurpose::kCodes};
  job.recorded = request.recorded;
  Begun begun{job.conditioning, request.text_ids};
  const int slot = batch_->admit(std::move(job));
  begun_.at(slot) = std::move(begun);
  return slot;
}

DecodedCodes CodeGenerator::release(int slot) {
  Begun begun = std::exchange(begun_.at(slot), {});
  DecodeResult decoded = batch_->release(slot);
  check_codes(decoded.codes);
  return {std::move(decoded.codes),
          decoded.capped,
          StreamHandover(std::move(begun.conditioning)),
          std::move(begun.text_ids),
          {}};
}

void CodeGenerator::abandon(int slot) {
  begun_.at(slot) = {};
  try {
    batch_->release(slot);
  } catch (const Error&) {
    // Its failure is of no interest any more.
  }
}

void CodeGenerator::check_codes(const std::vector<int64_t>& codes) const {
  if (codes.empty()) {
    throw Error(
        ErrorCode::kSynthesis,
        "synthesis: the speech model stopped before the first sound of this segment; another "
        "seed or a longer segment helps");
  }
  // The codebook has an entry for every code below start and stop.
  const int64_t codebook =
      std::min(model_->config().start_mel_token, model_->config().stop_mel_token);
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] >= 0 && codes[i] < codebook) continue;
    throw Error(ErrorCode::kSynthesis, "synthesis: code " + std::to_string(i) + " is " +
                                           std::to_string(codes[i]) +
                                           ", which stands for no sound; expected 0 to " +
                                           std::to_string(codebook - 1) + "; try another seed");
  }
}

}  // namespace indextts2
