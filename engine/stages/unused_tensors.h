// Tensors of a model folder that no network takes: it speaks without them, but they may show that a
// file is of another version.
#pragma once

#include <string>
#include <vector>

#include "weights/weights.h"

namespace indextts2 {

// Of one checkpoint file.
struct UnusedTensors {
  std::string path;
  std::vector<std::string> names;  // sorted
};

// What is left of `weights` by now, without what `allowed` covers (Weights::unused).
UnusedTensors unused_in(const Weights& weights, const std::vector<std::string>& allowed);

// What two groups of networks leave together: of a file that both read, what neither took; files
// without a rest do not appear.
std::vector<UnusedTensors> unused_by_both(const std::vector<UnusedTensors>& one,
                                          const std::vector<UnusedTensors>& other);

// A sentence for people: count, file, the first few names, what to do.
std::string unused_warning(const UnusedTensors& unused);

}  // namespace indextts2
