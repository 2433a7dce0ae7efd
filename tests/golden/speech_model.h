// What the golden cases of the speech language model share.
#pragma once

#include <memory>
#include <vector>

#include "golden.h"
#include "modules/unified_voice.h"
#include "stages/code_generator.h"
#include "weights/config.h"
#include "weights/model_files.h"
#include "weights/weights.h"

namespace indextts2 {

inline std::shared_ptr<const UnifiedVoice> load_speech_model(const GoldenCase& golden) {
  const ModelFiles files = find_model_files(golden.model_dir(), "");
  WeightsOptions options;
  options.device = golden.device();
  return std::make_shared<const UnifiedVoice>(Weights(open_checkpoint(files.gpt), options),
                                              read_model_config(files).gpt);
}

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor) {
  const at::Tensor cpu = tensor.to(at::kCPU).contiguous();
  const T* data = cpu.const_data_ptr<T>();
  return {data, data + cpu.numel()};
}

}  // namespace indextts2
