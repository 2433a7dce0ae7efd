// The speech language model: voice and text in, speech codes and their latents out.
#include "modules/unified_voice.h"

#include <numeric>
#include <string>

#include "core/error.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "ops/row_linear.h"
#include "ops/serial_scope.h"

namespace indextts2 {
namespace {

// Weights that one core reads in a few milliseconds; sharing that between cores gains less than
// waiting for each other costs. It depends on the model alone, so that results do not depend on the
// machine.
constexpr int64_t kSerialBytes = 64 << 20;

Linear take_float_linear(const Weights& weights, int64_t in, int64_t out) {
  at::Tensor weight = weights.take_float("weight", {out, in});
  at::Tensor bias = weights.take_float("bias", {weight.size(0)});
  return Linear(std::move(weight), std::move(bias));
}

std::vector<int64_t> count_up(int64_t count) {
  std::vector<int64_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

void check_row(const char* name, int64_t id, const Embedding& table) {
  if (id >= 0 && id < table.weight.size(0)) return;
  throw Error(ErrorCode::kModel, std::string("config.yaml: ") + name + " is " + std::to_string(id) +
                                     ", but its table in the GPT checkpoint has " +
                                     std::to_string(table.weight.size(0)) +
                                     " rows; are both of one model?");
}

}  // namespace

UnifiedVoice::UnifiedVoice(const Weights& weights, const GptConfig& config)
    : config_(config),
      gpt_(weights.scope("gpt"), config.heads),
      final_norm_(weights.scope("final_norm"), gpt_.width()),
      text_embedding_(weights.scope("text_embedding"), kAny, gpt_.width()),
      text_pos_embedding_(weights.scope("text_pos_embedding.emb"), kAny, gpt_.width()),
      mel_embedding_(weights.scope("mel_embedding"), kAny, gpt_.width()),
      mel_pos_embedding_(weights.scope("mel_pos_embedding.emb"), kAny, gpt_.width()),
      speed_emb_(weights.scope("speed_emb"), 2, gpt_.width()),
      mel_head_(take_float_linear(weights.scope("mel_head"), gpt_.width(),
                                  mel_embedding_.weight.size(0))),
      serial_(gpt_.weight_bytes() < kSerialBytes) {
  check_row("start_text_token", config.start_text_token, text_embedding_);
  check_row("stop_text_token", config.stop_text_token, text_embedding_);
  check_row("start_mel_token", config.start_mel_token, mel_embedding_);
  check_row("stop_mel_token", config.stop_mel_token, mel_embedding_);
}

std::vector<std::string> UnifiedVoice::unused_weights() {
  return {"text_head", "inference_model", "gpt.wte", "gpt.h.*.attn.bias",
          "gpt.h.*.attn.masked_bias"};
}

int64_t UnifiedVoice::max_text_tokens() const { return text_pos_embedding_.weight.size(0) - 2; }
int64_t UnifiedVoice::max_codes() const { return mel_pos_embedding_.weight.size(0) - 3; }

at::Tensor UnifiedVoice::conditioning(const at::Tensor& speaker_latents,
                                      const at::Tensor& emotion) const {
  const at::Tensor voice = speaker_latents.to(speed_emb_.weight.options())
                               .add(emotion.to(speed_emb_.weight.options()).unsqueeze(1));
  // The row of half speed (1) comes before that of full speed (0).
  return concat({voice, speed_emb_.weight.narrow(0, 1, 1).unsqueeze(0),
                 speed_emb_.weight.narrow(0, 0, 1).unsqueeze(0)},
                1);
}

at::Tensor UnifiedVoice::text_rows(const std::vector<int64_t>& ids) const {
  const int64_t count = static_cast<int64_t>(ids.size()) - 2;  // without start and stop
  if (count > max_text_tokens()) {
    throw Error(ErrorCode::kTextTooLong, "text: a segment has " + std::to_string(count) +
                                             " tokens; the model takes at most " +
                                             std::to_string(max_text_tokens()) +
                                             "; use shorter segments");
  }
  for (const int64_t id : ids) {
    if (id < 0 || id >= text_embedding_.weight.size(0)) {
      throw Error(ErrorCode::kModel, "text: token id " + std::to_string(id) +
                                         " is not in the model, which has " +
                                         std::to_string(text_embedding_.weight.size(0)) +
                                         "; are bpe.model and the GPT checkpoint of one model?");
    }
  }
  return text_embedding_(int64_tensor(ids, text_embedding_.weight.device()))
      .add(text_pos_embedding_.weight.narrow(0, 0, count + 2))
      .unsqueeze(0);
}

at::Tensor UnifiedVoice::prefix(const at::Tensor& conditioning,
                                const std::vector<int32_t>& text_ids) const {
  std::vector<int64_t> ids = {config_.start_text_token};
  for (const int32_t id : text_ids) {
    if (id != config_.start_text_token && id != config_.stop_text_token) ids.push_back(id);
  }
  ids.push_back(config_.stop_text_token);
  return concat({conditioning, text_rows(ids)}, 1);
}

at::Tensor UnifiedVoice::code_rows(const std::vector<int64_t>& codes,
                                   const std::vector<int64_t>& positions) const {
  const at::Device device = mel_embedding_.weight.device();
  return mel_embedding_(int64_tensor(codes, device))
      .add_(mel_pos_embedding_(int64_tensor(positions, device)));
}

at::Tensor UnifiedVoice::logits(const at::Tensor& hidden) const {
  return linear_rows(mel_head_, final_norm_(hidden).to(at::kFloat));
}

at::Tensor UnifiedVoice::prefill(const at::Tensor& prefix, KvCache& cache) const {
  const SerialScope serial(serial_);
  const at::Tensor start = code_rows({config_.start_mel_token}, {0}).unsqueeze(0);
  const at::Tensor hidden = gpt_.forward(concat({prefix, start}, 1), &cache);
  return logits(hidden.select(1, hidden.size(1) - 1));
}

at::Tensor UnifiedVoice::step(const std::vector<int64_t>& tokens, const std::vector<int64_t>& steps,
                              const std::vector<KvCache*>& caches) const {
  const SerialScope serial(serial_);
  // Position 1 is never used while decoding: the reference counts the start code twice.
  std::vector<int64_t> positions = steps;
  for (int64_t& position : positions) position += 1;
  return logits(gpt_.step(code_rows(tokens, positions), caches));
}

at::Tensor UnifiedVoice::latent_rows(const at::Tensor& conditioning,
                                     const std::vector<int32_t>& text_ids,
                                     const std::vector<int64_t>& codes) const {
  std::vector<int64_t> ids(text_ids.begin(), text_ids.end());
  ids.insert(ids.begin(), config_.start_text_token);
  ids.push_back(config_.stop_text_token);
  // The reference also feeds the last code and the stop code and drops what they give; they change
  // nothing before them.
  std::vector<int64_t> fed = {config_.start_mel_token};
  fed.insert(fed.end(), codes.begin(), codes.end() - 1);
  const at::Tensor speech = code_rows(fed, count_up(static_cast<int64_t>(fed.size()))).unsqueeze(0);
  return concat({conditioning, text_rows(ids), speech}, 1);
}

at::Tensor UnifiedVoice::latent(const at::Tensor& conditioning,
                                const std::vector<int32_t>& text_ids,
                                const std::vector<int64_t>& codes) const {
  const SerialScope serial(serial_);
  const at::Tensor hidden = gpt_.forward(latent_rows(conditioning, text_ids, codes));
  const auto count = static_cast<int64_t>(codes.size());
  return final_norm_(hidden.narrow(1, hidden.size(1) - count, count));
}

}  // namespace indextts2
