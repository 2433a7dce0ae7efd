// Files and weights of a golden case's model, and the check that a network took all of them.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "golden.h"
#include "weights/config.h"
#include "weights/model_files.h"
#include "weights/weights.h"

namespace indextts2 {

// Files of the case's model.
inline ModelFiles model_files(const GoldenCase& golden) {
  return find_model_files(golden.model_dir(), /*hub_cache=*/"");
}

// A checkpoint of the case's model, on the case's device.
inline Weights model_weights(const GoldenCase& golden, const std::string& path) {
  WeightsOptions options;
  options.device = golden.device();
  return Weights(open_checkpoint(path), options);
}

// Fails the case if a tensor was neither taken nor is known to be superfluous.
inline void expect_all_used(const Weights& weights, const std::vector<std::string>& allowed) {
  std::string names;
  for (const std::string& name : weights.unused(allowed)) names += " " + name;
  if (!names.empty())
    throw Error(ErrorCode::kModel,
                "golden: tensors that nobody took in " + weights.path() + ":" + names);
}

}  // namespace indextts2
