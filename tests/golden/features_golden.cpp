// Golden cases of kind features: log-mel, filter banks and the input of w2v-BERT.
#include <vector>

#include "audio/fbank.h"
#include "audio/mel.h"
#include "golden.h"
#include "model_weights.h"
#include "stages/voice_encoder.h"

namespace indextts2 {
namespace {

std::vector<float> samples_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU).contiguous();
  return std::vector<float>(flat.const_data_ptr<float>(),
                            flat.const_data_ptr<float>() + flat.numel());
}

const RunGolden kFeatures("features", [](GoldenCase& golden) {
  const ModelConfig config = read_model_config(model_files(golden));
  golden.expect("mel", log_mel(samples_of(golden.get("voice_22k")), mel_options(config.mel)));
  const std::vector<float> voice = samples_of(golden.get("voice_16k"));
  golden.expect("fbank", kaldi_fbank(voice));
  golden.expect("fbank_centred", centred_fbank(voice));
  for (const std::string name : {"even", "odd"}) {
    const auto count = static_cast<std::ptrdiff_t>(golden.get("n_" + name).item<int64_t>());
    const W2vFeatures features = w2v_features({voice.begin(), voice.begin() + count});
    golden.expect("w2v_" + name, features.rows);
    const int64_t rows = features.rows.size(1);
    const at::Tensor mask = features.rows.new_zeros({1, rows}, at::kInt);
    mask.narrow(1, 0, features.valid_rows).fill_(1);
    golden.expect("w2v_" + name + "_mask", mask);
  }
});

}  // namespace
}  // namespace indextts2
