// BigVGAN: output of its parts and the wave.
#include "golden.h"
#include "modules/bigvgan.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

const RunGolden kBigvgan("bigvgan", [](GoldenCase& golden) {
  WeightsOptions options;
  options.device = golden.device();
  const ModelFiles files = find_model_files(golden.model_dir(), "");
  const Weights file(open_checkpoint(files.bigvgan), options);
  const BigVgan vocoder(file.scope("generator"), read_model_config(files).bigvgan);
  for (const std::string name : {"a", "one"}) {
    const at::Tensor wave = vocoder(golden.get(name + "_mel"), StopToken(),
                                    [&](const std::string& part, const at::Tensor& x) {
                                      const std::string tensor = name + "_" + part;
                                      if (golden.has(tensor)) golden.expect(tensor, x);
                                    });
    golden.expect(name + "_wave", wave);
  }
});

}  // namespace
}  // namespace indextts2
