// Golden case qwen3: the greedy answer, and the logits of prompt and answer at once and step by
// step.
#include "golden.h"
#include "load_gpt.h"
#include "modules/qwen3.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

const RunGolden kQwen3("qwen3", [](GoldenCase& golden) {
  const Weights weights = model_weights(golden, golden.file("qwen3/model.safetensors"));
  const Qwen3 model(weights, read_qwen_config(golden.file("qwen3/config.json"),
                                              golden.file("qwen3/generation_config.json")));
  expect_all_used(weights, {});
  const std::vector<int64_t> recorded = to_vector<int64_t>(golden.get("prompt"));
  std::vector<int32_t> ids(recorded.begin(), recorded.end());
  const Qwen3::Answer answer = model.generate(ids, /*most=*/40);
  golden.expect("answer", int64_tensor({answer.ids.begin(), answer.ids.end()}));

  KvCache cache = model.start_cache(0);
  std::vector<at::Tensor> steps = {model.logits(model.forward(ids, cache))};
  for (const int32_t id : answer.ids) {
    steps.push_back(model.logits(model.forward({id}, cache)));
    ids.push_back(id);
  }
  golden.expect("logits", concat(steps, 0));
  KvCache empty = model.start_cache(0);
  golden.expect("logits", model.logits(model.forward(ids, empty)));
});

}  // namespace
}  // namespace indextts2
