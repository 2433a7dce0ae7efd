// BigVGAN: output of its parts and the wave.
#include "device_networks.h"
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
  const auto network =
      std::make_shared<const BigVgan>(file.scope("generator"), read_model_config(files).bigvgan);
  const BigVgan& vocoder = *network;
  NetworkModules modules;
  modules.vocoder = network;
  const auto decoder = device_networks(golden, modules)->wave_decoder(nullptr);
  for (const std::string name : {"a", "one"}) {
    const at::Tensor wave = vocoder(golden.get(name + "_mel"), StopToken(),
                                    [&](const std::string& part, const at::Tensor& x) {
                                      const std::string tensor = name + "_" + part;
                                      if (golden.has(tensor)) golden.expect(tensor, x);
                                    });
    golden.expect(name + "_wave", wave);
    golden.expect(name + "_wave",
                  decoder->decode(golden.get(name + "_mel"), StopToken()).view_as(wave));
  }
});

}  // namespace
}  // namespace indextts2
