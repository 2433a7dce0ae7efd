// Golden tests: runs every case that a folder's index.json lists against the recorded outputs of the reference.
//
// A case's kind is its name before the first '_'. Each kind has one function, registered by RunGolden in its own file:
//   static const RunGolden kCodec("codec", [](GoldenCase& golden) { ... golden.expect("codes", got); });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "weights/checkpoint.h"

namespace indextts2 {

inline constexpr double kLeastSnrDb = 60;  // of sound against the recorded one

class GoldenCase {
 public:
  GoldenCase(std::string folder, std::string name, nlohmann::json entry, at::Device device);

  const std::string& name() const { return name_; }
  const nlohmann::json& params() const { return entry_["params"]; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }  // of the golden folder
  const std::string& model_dir() const { return model_dir_; }  // params.model, else the golden folder's own model
  at::Device device() const { return device_; }                // where to run; inputs are moved there

  bool has(const std::string& tensor) const;
  // A recorded tensor (role input or draw, or an expected one that feeds a later stage), on device().
  at::Tensor get(const std::string& tensor) const;
  // A recorded tensor of another case of the same folder, for example ("conditioning", "voice_cond").
  at::Tensor get(const std::string& other_case, const std::string& tensor) const;
  // Compares with the recorded tensor: shape, then exactly or within its tolerance. Marks it as checked.
  void expect(const std::string& tensor, const at::Tensor& got);
  // As expect(), for sound: also prints the signal to noise ratio and wants at least the rule's `snr_db`, else
  // kLeastSnrDb. A rule with `snr_db` and no `atol` is checked by the ratio alone.
  void expect_sound(const std::string& tensor, const at::Tensor& got);
  // Marks an expected tensor as deliberately not compared; `why` is printed.
  void leave_out(const std::string& tensor, const std::string& why);

  // Number of failed comparisons; also counts expected tensors that nobody compared.
  int finish();

 private:
  // False, with a line, if the shapes differ. Marks the tensor as checked.
  bool same_shape(const std::string& tensor, const at::Tensor& want, const at::Tensor& got);

  std::string folder_, name_, model_dir_;
  nlohmann::json entry_;
  at::Device device_;
  std::shared_ptr<const Checkpoint> tensors_;
  std::set<std::string> checked_;
  int failures_ = 0;
};

using GoldenFunction = std::function<void(GoldenCase&)>;
std::map<std::string, GoldenFunction>& golden_functions();

struct RunGolden {
  RunGolden(const std::string& kind, GoldenFunction function) {
    golden_functions()[kind] = std::move(function);
  }
};

}  // namespace indextts2
