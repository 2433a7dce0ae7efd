// Golden cases of kind w2v: hidden states of w2v-BERT and the normalised semantic features.
#include <string>

#include "golden.h"
#include "model_weights.h"
#include "modules/semantic_features.h"
#include "modules/w2v_bert.h"
#include "stages/voice_encoder.h"

namespace indextts2 {
namespace {

const RunGolden kW2v("w2v", [](GoldenCase& golden) {
  const Weights weights = model_weights(golden, model_files(golden).w2v);
  const Weights stats = model_weights(golden, model_files(golden).w2v_stat);
  const SemanticFeatures semantic(weights, stats,
                                  w2v_options(read_model_config(model_files(golden))));
  const W2vBert& w2v = semantic.w2v();
  expect_all_used(weights, w2v.unused_names());
  for (const std::string name : {"even", "odd"}) {
    const at::Tensor features = golden.get(name + "_features");
    const int64_t valid_rows = golden.get(name + "_mask").sum().item<int64_t>();
    at::Tensor hidden = w2v.project(features, valid_rows);
    for (int64_t i = 0; i < w2v.num_layers(); ++i) {
      const std::string key = name + "_hidden_" + std::to_string(i);
      if (golden.has(key)) golden.expect(key, hidden);
      hidden = w2v.layer(i, hidden, valid_rows);
    }
    golden.expect(name + "_hidden_" + std::to_string(w2v.num_layers()), hidden);
    golden.expect(name + "_normalised", semantic.forward(features, valid_rows));
  }
});

}  // namespace
}  // namespace indextts2
