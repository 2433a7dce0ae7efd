// Runs all golden cases of one folder: golden_test FOLDER [DEVICE [CASE...]].
#include "golden.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "ops/runtime.h"
#include "pool/device.h"

namespace indextts2 {
namespace fs = std::filesystem;

std::map<std::string, GoldenFunction>& golden_functions() {
  static std::map<std::string, GoldenFunction> functions;
  return functions;
}

namespace {

// The model that a case runs on: params.model (relative to the golden folder or to the project),
// else the one folder inside the golden folder that holds a config.yaml.
std::string find_model(const std::string& folder, const nlohmann::json& entry) {
  if (entry.contains("params") && entry["params"].contains("model")) {
    const std::string model = entry["params"]["model"];
    for (const fs::path& base : {fs::path(folder), fs::path(INDEXTTS2_SOURCE_ROOT)}) {
      if (fs::exists(base / model / "config.yaml")) return (base / model).string();
    }
    throw Error(ErrorCode::kNotFound, "golden: model " + model + " not found beside " + folder);
  }
  for (const auto& item : fs::directory_iterator(folder)) {
    if (item.is_directory() && fs::exists(item.path() / "config.yaml")) return item.path().string();
  }
  throw Error(ErrorCode::kNotFound, "golden: no model folder (with config.yaml) in " + folder);
}

}  // namespace

GoldenCase::GoldenCase(std::string folder, std::string name, nlohmann::json entry,
                       at::Device device)
    : folder_(std::move(folder)),
      name_(std::move(name)),
      model_dir_(find_model(folder_, entry)),
      entry_(std::move(entry)),
      device_(device),
      tensors_(open_checkpoint(file(entry_["file"]))) {}

bool GoldenCase::has(const std::string& tensor) const { return tensors_->find(tensor) != nullptr; }

at::Tensor GoldenCase::get(const std::string& tensor) const {
  return tensors_->tensor(tensor).clone().to(device_);
}

at::Tensor GoldenCase::get(const std::string& other_case, const std::string& tensor) const {
  return open_checkpoint(file(other_case + ".safetensors"))->tensor(tensor).clone().to(device_);
}

bool GoldenCase::same_shape(const std::string& tensor, const at::Tensor& want,
                            const at::Tensor& got) {
  checked_.insert(tensor);
  if (want.sizes() == got.sizes()) return true;
  std::ostringstream text;
  text << want.sizes() << ", got " << got.sizes();
  std::printf("  FAIL %s: %s: expected shape %s\n", name_.c_str(), tensor.c_str(),
              text.str().c_str());
  ++failures_;
  return false;
}

void GoldenCase::expect(const std::string& tensor, const at::Tensor& got) {
  const nlohmann::json& rule = entry_["tensors"].at(tensor);
  const at::Tensor want = tensors_->tensor(tensor);
  if (!same_shape(tensor, want, got)) return;
  const double atol = rule.value("exact", false) ? 0.0 : rule.at("atol").get<double>();
  const at::Tensor difference =
      got.detach().to(at::kCPU).to(at::kDouble).sub(want.to(at::kDouble)).abs();
  const double largest = difference.numel() ? difference.max().item<double>() : 0.0;
  const bool ok = largest <= atol;  // false for NaN too
  std::printf("  %s %s: %s: largest difference %.3g, tolerance %.3g\n", ok ? "ok  " : "FAIL",
              name_.c_str(), tensor.c_str(), largest, atol);
  if (!ok) ++failures_;
}

void GoldenCase::expect_sound(const std::string& tensor, const at::Tensor& got) {
  const nlohmann::json& rule = entry_["tensors"].at(tensor);
  if (rule.contains("atol")) expect(tensor, got);
  const at::Tensor want = tensors_->tensor(tensor).to(at::kDouble);
  if (want.sizes() != got.sizes()) {
    if (!rule.contains("atol")) same_shape(tensor, want, got);  // else expect() has counted it
    return;
  }
  checked_.insert(tensor);
  const at::Tensor error = got.detach().to(at::kCPU).to(at::kDouble).sub(want);
  const double noise = error.square().sum().item<double>();
  const double ratio = 10 * std::log10(want.square().sum().item<double>() / noise);
  const double least = rule.value("snr_db", kLeastSnrDb);
  const bool ok = ratio >= least || noise == 0;  // false for NaN too
  std::printf("  %s %s: %s: signal to noise %.1f dB, at least %.1f dB\n", ok ? "ok  " : "FAIL",
              name_.c_str(), tensor.c_str(), ratio, least);
  if (!ok) ++failures_;
}

void GoldenCase::leave_out(const std::string& tensor, const std::string& why) {
  checked_.insert(tensor);
  std::printf("  left out %s: %s: %s\n", name_.c_str(), tensor.c_str(), why.c_str());
}

int GoldenCase::finish() {
  for (const auto& item : entry_["tensors"].items()) {
    if (item.value().value("role", "") == "expect" && !checked_.count(item.key())) {
      std::printf("  FAIL %s: %s: recorded but not compared\n", name_.c_str(), item.key().c_str());
      ++failures_;
    }
  }
  return failures_;
}

// Returns the number of failed comparisons of one case; an exception counts as one.
static int run_case(const std::string& folder, const std::string& name, const nlohmann::json& entry,
                    at::Device device) {
  const auto function = golden_functions().find(name.substr(0, name.find('_')));
  if (function == golden_functions().end()) {
    std::printf("  FAIL %s: no test for this kind\n", name.c_str());
    return 1;
  }
  try {
    GoldenCase golden(folder, name, entry, device);
    function->second(golden);
    return golden.finish();
  } catch (const std::exception& error) {
    std::printf("  FAIL %s: %s\n", name.c_str(), error.what());
    return 1;
  }
}

static int run_folder(const std::string& folder, at::Device device,
                      const std::set<std::string>& wanted) {
  std::ifstream stream(folder + "/index.json");
  if (!stream) {
    std::printf("golden: cannot read %s/index.json\n", folder.c_str());
    return 1;
  }
  const nlohmann::json index = nlohmann::json::parse(stream);
  int cases = 0, failed = 0;
  for (const auto& item : index.items()) {
    if (!wanted.empty() && !wanted.count(item.key())) continue;
    ++cases;
    const bool ok = run_case(folder, item.key(), item.value(), device) == 0;
    std::printf("%s %s\n", ok ? "PASS" : "FAIL", item.key().c_str());
    if (!ok) ++failed;
  }
  std::printf("%d cases, %d failed\n", cases, failed);
  return cases == 0 || failed > 0 ? 1 : 0;
}

}  // namespace indextts2

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: golden_test FOLDER [DEVICE [CASE...]]\n");
    return 2;
  }
  const std::string name = argc > 2 ? argv[2] : "cpu";
  try {
    // Loads the CUDA library before the first tensor operation; without one, says why.
    indextts2::resolve_devices({name}, 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "golden_test: %s\n", error.what());
    return 2;
  }
  const at::Device device(name);
  if (device.is_cuda()) indextts2::allow_tf32(false);
  const std::set<std::string> wanted(argv + std::min(argc, 3), argv + argc);
  return indextts2::run_folder(argv[1], device, wanted);
}
