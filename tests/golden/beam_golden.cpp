// Golden cases of kind beam: whole decodings with recorded draws, every candidate and every chosen
// beam.
#include <algorithm>
#include <string>
#include <vector>

#include "device_networks.h"
#include "golden.h"
#include "load_gpt.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "stages/decode_batch.h"

namespace indextts2 {
namespace {

// Candidates of probability zero are arbitrary; the recordings mark them so.
constexpr float kUnlikely = -1e8f, kMarkedScore = -1e30f;

// One column group of the recorded tables: a row per step.
struct Table {
  std::vector<float> scores;
  std::vector<int64_t> tokens, beams;
  int64_t steps = 0;

  void add(float score, int64_t token, int64_t beam) {
    const bool marked = score < kUnlikely;
    scores.push_back(marked ? kMarkedScore : score);
    tokens.push_back(marked ? -1 : token);
    beams.push_back(marked ? -1 : beam);
  }
  void expect(GoldenCase& golden, const std::string& name) const {
    golden.expect(name + "_scores", float_tensor(scores).view({steps, -1}));
    golden.expect(name + "_tokens", int64_tensor(tokens).view({steps, -1}));
    golden.expect(name + "_beams", int64_tensor(beams).view({steps, -1}));
  }
};

DecodeJob make_job(GoldenCase& golden, const UnifiedVoice& model) {
  const auto& generate = golden.params().at("generate");
  DecodeJob job;
  job.conditioning = model.conditioning(golden.get("conditioning", "voice_spk_latents"),
                                        golden.get("conditioning", "merged_alpha_1.0"));
  job.text_ids = to_vector<int32_t>(golden.get("text_ids"));
  job.recorded = to_vector<float>(golden.get("q"));
  SamplingOptions& sampling = job.options.sampling;
  sampling.temperature = generate.at("temperature");
  sampling.top_p = generate.at("top_p");
  sampling.top_k = generate.at("top_k");
  sampling.repetition_penalty = generate.at("repetition_penalty");
  sampling.typical_sampling = generate.at("typical_sampling");
  sampling.typical_mass = generate.at("typical_mass");
  job.options.num_beams = generate.at("num_beams");
  job.options.length_penalty = generate.at("length_penalty");
  job.options.max_codes = generate.at("max_mel_tokens");
  job.options.vocabulary = model.vocabulary();
  job.options.start_token = model.config().start_mel_token;
  job.options.stop_token = model.config().stop_mel_token;
  return job;
}

// The codes alone, as the device's networks decode them; in the second slot of two.
void expect_device_codes(GoldenCase& golden, const std::shared_ptr<const UnifiedVoice>& model,
                         const DecodeJob& job, bool ended) {
  NetworkModules modules;
  modules.gpt = model;
  const auto batch = device_networks(golden, modules)->decode_batch(/*capacity=*/2);
  const int neighbour = batch->admit(job), slot = batch->admit(job);
  batch->step();
  batch->release(neighbour);
  while (!batch->finished(slot)) batch->step();
  DecodeResult result = batch->release(slot);
  if (ended) result.codes.push_back(model->config().stop_mel_token);
  golden.expect("codes", int64_tensor(result.codes).unsqueeze(0));
  if (result.capped == ended) throw Error(ErrorCode::kInternal, "capped is not what was recorded");
}

// Compares everything that is recorded; the recorded codes end with the stop code when there was
// one.
const RunGolden kBeam("beam", [](GoldenCase& golden) {
  const auto model = load_speech_model(golden);
  TorchDecodeBatch batch(model, /*capacity=*/1);
  Table candidates, next;
  std::vector<at::Tensor> logits;
  const DecodeJob job = make_job(golden, *model);
  const int64_t beams = job.options.num_beams;
  const int slot = batch.admit(job);
  for (;;) {
    for (const Candidate& c : batch.search(slot)->candidates()) {
      candidates.add(c.score, c.token, c.row);
    }
    const BeamSearch::Choice& choice = batch.search(slot)->choice();
    for (size_t b = 0; b < choice.tokens.size(); ++b) {
      next.add(choice.scores[b], choice.tokens[b], choice.parents[b]);
    }
    candidates.steps = ++next.steps;
    logits.push_back(batch.logits(slot).expand({beams, -1}).unsqueeze(0).unsqueeze(0));
    if (batch.finished(slot)) break;
    batch.step();
  }
  DecodeResult result = batch.release(slot);
  const bool ended = golden.params().at("ended");
  if (ended) result.codes.push_back(model->config().stop_mel_token);
  golden.expect("codes", int64_tensor(result.codes).unsqueeze(0));
  if (golden.has("cand_scores")) candidates.expect(golden, "cand");
  if (golden.has("next_scores")) next.expect(golden, "next");
  if (golden.has("logits")) golden.expect("logits", concat(logits, 1).squeeze(0));
  if (result.capped == ended) throw Error(ErrorCode::kInternal, "capped is not what was recorded");
  expect_device_codes(golden, model, job, ended);
});

}  // namespace
}  // namespace indextts2
