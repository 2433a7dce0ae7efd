// Tensors of a model folder that no network takes.
#include "stages/unused_tensors.h"

#include <algorithm>
#include <iterator>

#include "weights/tensor_index.h"

namespace indextts2 {
namespace {

constexpr size_t kNamesShown = 5;

const UnusedTensors* find_file(const std::vector<UnusedTensors>& files, const std::string& path) {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const UnusedTensors& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

}  // namespace

UnusedTensors unused_in(const Weights& weights, const std::vector<std::string>& allowed) {
  return {weights.path(), weights.unused(allowed)};
}

std::vector<UnusedTensors> unused_by_both(const std::vector<UnusedTensors>& one,
                                          const std::vector<UnusedTensors>& other) {
  std::vector<UnusedTensors> left;
  const auto keep = [&](UnusedTensors file) {
    if (!file.names.empty()) left.push_back(std::move(file));
  };
  for (const UnusedTensors& file : one) {
    const UnusedTensors* twin = find_file(other, file.path);
    if (!twin) {
      keep(file);
      continue;
    }
    UnusedTensors both{file.path, {}};
    std::set_intersection(file.names.begin(), file.names.end(), twin->names.begin(),
                          twin->names.end(), std::back_inserter(both.names));
    keep(std::move(both));
  }
  for (const UnusedTensors& file : other) {
    if (!find_file(one, file.path)) keep(file);
  }
  return left;
}

std::string unused_warning(const UnusedTensors& unused) {
  const size_t count = unused.names.size();
  std::string text = "weights: " + std::to_string(count) + (count == 1 ? " tensor" : " tensors") +
                     " of " + unused.path + " not used: ";
  for (size_t i = 0; i < std::min(count, kNamesShown); ++i) {
    text += (i == 0 ? "" : ", ") + printable(unused.names[i]);
  }
  if (count > kNamesShown) text += ", ...";
  return text + "; expected none, is the file of another version of IndexTTS?";
}

}  // namespace indextts2
