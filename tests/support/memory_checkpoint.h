// A checkpoint whose tensors are made by the test.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "weights/weights.h"

namespace indextts2 {

class MemoryCheckpoint : public Checkpoint {
 public:
  explicit MemoryCheckpoint(std::map<std::string, at::Tensor> tensors)
      : tensors_(std::move(tensors)) {
    for (const auto& [name, tensor] : tensors_) {
      names_.push_back(name);
      entries_[name] = {tensor.scalar_type(), tensor.sizes().vec(), tensor.strides().vec(),
                        static_cast<const std::byte*>(tensor.const_data_ptr())};
    }
  }
  const std::string& path() const override { return path_; }
  const std::vector<std::string>& names() const override { return names_; }
  const TensorEntry* find(std::string_view name) const override {
    const auto found = entries_.find(std::string(name));
    return found == entries_.end() ? nullptr : &found->second;
  }
  at::Tensor tensor(std::string_view name) const override {
    const auto found = tensors_.find(std::string(name));
    if (found == tensors_.end()) throw Error(ErrorCode::kModel, "no tensor " + std::string(name));
    return found->second;
  }

 private:
  std::string path_ = "memory";
  std::vector<std::string> names_;
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, TensorEntry> entries_;
};

inline Weights memory_weights(std::map<std::string, at::Tensor> tensors,
                              WeightsOptions options = {}) {
  return Weights(std::make_shared<MemoryCheckpoint>(std::move(tensors)), std::move(options));
}

}  // namespace indextts2
