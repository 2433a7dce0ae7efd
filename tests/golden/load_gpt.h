// What the golden cases of the speech language model share.
#pragma once

#include <memory>
#include <vector>

#include "golden.h"
#include "model_weights.h"
#include "modules/unified_voice.h"

namespace indextts2 {

inline std::shared_ptr<const UnifiedVoice> load_speech_model(const GoldenCase& golden) {
  const ModelFiles files = model_files(golden);
  return std::make_shared<const UnifiedVoice>(model_weights(golden, files.gpt),
                                              read_model_config(files).gpt);
}

template <class T>
std::vector<T> to_vector(const at::Tensor& tensor) {
  const at::Tensor cpu = tensor.to(at::kCPU).contiguous();
  const T* data = cpu.const_data_ptr<T>();
  return {data, data + cpu.numel()};
}

}  // namespace indextts2
