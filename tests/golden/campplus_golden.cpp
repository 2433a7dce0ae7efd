// Golden cases of kind campplus: the speaker encoder step by step.
#include <string>

#include "golden.h"
#include "model_weights.h"
#include "modules/campplus.h"

namespace indextts2 {
namespace {

const RunGolden kCampplus("campplus", [](GoldenCase& golden) {
  const Weights weights = model_weights(golden, model_files(golden).campplus);
  const Campplus campplus(weights);
  expect_all_used(weights, {});
  for (const std::string name : {"voice", "long"}) {
    const at::Tensor fbank = golden.get(name + "_fbank");
    at::Tensor x = campplus.tdnn(fbank);
    golden.expect(name + "_tdnn", x);
    for (int64_t i = 0; i < campplus.num_blocks(); ++i) {
      x = campplus.block(i, x);
      golden.expect(name + "_block" + std::to_string(i + 1), x);
      x = campplus.transit(i, x);
    }
    golden.expect(name + "_stats", campplus.statistics(x));
    golden.expect(name + "_style", campplus.forward(fbank));
  }
});

}  // namespace
}  // namespace indextts2
