// Length regulator: source rows and output at several ratios.
#include "golden.h"
#include "modules/length_regulator.h"
#include "ops/frames.h"
#include "ops/host_tensor.h"
#include "stages/mel_generator.h"

namespace indextts2 {
namespace {

const RunGolden kLength("length", [](GoldenCase& golden) {
  WeightsOptions options;
  options.device = golden.device();
  const Weights file(open_checkpoint(golden.model_dir() + "/s2mel.pth"), options);
  const LengthRegulator regulator(s2mel_network(file, "length_regulator"));
  for (const std::string name : {"prompt", "up", "down", "one", "long"}) {
    const at::Tensor x = golden.get(name + "_x");
    const int64_t frames = golden.get(name + "_len").item<int64_t>();
    golden.expect(name + "_src", int64_tensor(nearest_frames(x.size(1), frames)));
    golden.expect(name + "_y", regulator(x, frames));
  }
});

}  // namespace
}  // namespace indextts2
