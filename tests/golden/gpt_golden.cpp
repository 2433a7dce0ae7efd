// Golden case gpt: prefix rows, and logits of forced codes with a cache of one row and of three.
#include "golden.h"
#include "load_gpt.h"
#include "ops/frames.h"

namespace indextts2 {
namespace {

// Logits [steps + 1, V] of row `row` while `rows` equal rows are fed the codes.
at::Tensor forced_logits(const UnifiedVoice& model, const at::Tensor& prefix,
                         const std::vector<int64_t>& codes, int64_t rows, int64_t row) {
  KvCache cache = model.make_cache();
  cache.start(rows, prefix.size(1) + 1);
  std::vector<at::Tensor> all = {model.prefill(prefix, cache).unsqueeze(0)};
  std::vector<int64_t> parents(rows);
  for (size_t k = 0; k < codes.size(); ++k) {
    // Rows change places at every step: equal rows must not notice.
    for (int64_t r = 0; r < rows; ++r) parents[r] = (r + 1) % rows;
    cache.extend_rows(parents);
    all.push_back(model
                      .step(std::vector<int64_t>(rows, codes[k]),
                            std::vector<int64_t>(rows, static_cast<int64_t>(k) + 1), {&cache})
                      .narrow(0, row, 1)
                      .unsqueeze(0));
  }
  return concat(all, 1).squeeze(0);
}

const RunGolden kGpt("gpt", [](GoldenCase& golden) {
  const auto model = load_speech_model(golden);
  const at::Tensor conditioning =
      model->conditioning(golden.get("spk_latents"), golden.get("emovec"));
  const at::Tensor prefix = model->prefix(conditioning, to_vector<int32_t>(golden.get("text_ids")));
  golden.expect("prefix", prefix);
  const std::vector<int64_t> codes = to_vector<int64_t>(golden.get("forced_codes"));
  golden.expect("logits", forced_logits(*model, prefix, codes, /*rows=*/1, /*row=*/0));
  golden.expect("logits", forced_logits(*model, prefix, codes, /*rows=*/3, /*row=*/1));
});

}  // namespace
}  // namespace indextts2
