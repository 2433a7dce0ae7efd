// Products of rows with weight matrices, by cuBLASLt and by the own kernel of float32.
#include "cuda/matrix_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/random.h"
#include "cuda/cuda_check.h"
#include "cuda/flow_types.h"
#include "cuda/kernels/random_fill.h"

namespace indextts2 {
namespace {

constexpr int64_t kWorkspaceBytes = int64_t{16} << 20;
constexpr int64_t kReferenceRows = 2048;  // for which the reference algorithm is chosen
constexpr int64_t kProbeRows = 1024;
constexpr uint32_t kAlignment = 16;

void check(cublasStatus_t status, const char* doing) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorCode::kNoMemory : ErrorCode::kDeviceLost,
              std::string("CUDA: ") + doing + ": " + cublasLtGetStatusString(status));
}

cudaDataType_t data_type(FlowType type) {
  return type == FlowType::kFloat32    ? CUDA_R_32F
         : type == FlowType::kBFloat16 ? CUDA_R_16BF
                                       : CUDA_R_16F;
}

// The descriptors of one product. To cuBLASLt, whose matrices are stored by columns, rows are
// columns: y^T = W x^T.
struct Problem {
  Problem(const MatrixProduct& product, int64_t rows) {
    const cudaDataType_t type = data_type(product.type);
    const cudaDataType_t y_type = product.float_y ? CUDA_R_32F : type;
    check(cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "product");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    if (product.bias != nullptr) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, product.bias);
    }
    const auto in = static_cast<uint64_t>(product.in), out = static_cast<uint64_t>(product.out);
    const auto count = static_cast<uint64_t>(rows);
    const bool adds = product.add != nullptr;
    check(cublasLtMatrixLayoutInit(&weight, type, in, out, product.in), "product");
    check(cublasLtMatrixLayoutInit(&x, type, in, count, product.x_stride), "product");
    check(cublasLtMatrixLayoutInit(&add, y_type, out, count,
                                   adds ? product.add_stride : product.y_stride),
          "product");
    check(cublasLtMatrixLayoutInit(&y, y_type, out, count, product.y_stride), "product");
  }

  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(&operation, attribute, &value, sizeof(value)), "product");
  }

  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t weight, x, add, y;
};

template <typename T>
void prefer(cublasLtMatmulPreferenceOpaque_t& preference,
            cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof(value)),
        "choosing an algorithm");
}

// The largest number of rows of their class.
int64_t class_of(int64_t rows) {
  int64_t step = MatrixProducts::kRowClass;
  while (step * MatrixProducts::kFineClasses < rows) step *= 4;
  return (rows + step - 1) / step * step;
}

bool splits_sums(const cublasLtMatmulAlgo_t& algorithm) {
  int32_t parts = 1;
  size_t written = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoConfigGetAttribute(
      &algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts, sizeof(parts), &written);
  return status == CUBLAS_STATUS_SUCCESS && parts > 1;
}

FloatProduct float_product_of(const MatrixProduct& p, int64_t rows) {
  FloatProduct product;
  product.rows = rows;
  product.in = p.in;
  product.out = p.out;
  product.x = static_cast<const float*>(p.x);
  product.x_stride = p.x_stride;
  product.weight = static_cast<const float*>(p.weight);
  product.bias = static_cast<const float*>(p.bias);
  product.add = static_cast<const float*>(p.add);
  product.add_stride = p.add_stride;
  product.y = static_cast<float*>(p.y);
  product.y_stride = p.y_stride;
  return product;
}

at::Tensor random_values(FlowType type, int64_t count, uint64_t seed, at::Device device,
                         cudaStream_t on) {
  const at::Tensor values =
      at::empty({count}, at::TensorOptions().device(device).dtype(at::kFloat));
  const RandomStream stream{seed, /*segment=*/0, RandomPurpose::kFlowNoise};
  cuda_check(fill_normal(stream, 0, values.data_ptr<float>(), static_cast<size_t>(count), on),
             "random values");
  return values.to(scalar_type_of(type));
}

}  // namespace

MatrixProducts::MatrixProducts(at::Device device, ProductChoice how)
    : device_(device),
      how_(how),
      workspace_(at::empty({kMostLanes * kWorkspaceBytes},
                           at::TensorOptions().device(device).dtype(at::kByte))) {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cuBLASLt");
  handle_.reset(handle);
}

MatrixProducts::~MatrixProducts() {
  for (cudaEvent_t event : {start_, stop_}) {
    if (event != nullptr) cudaEventDestroy(event);
  }
}

MatrixProducts::Shape MatrixProducts::shape_of(const MatrixProduct& p) {
  return {static_cast<int64_t>(p.type),
          p.in,
          p.out,
          p.x_stride,
          p.y_stride,
          p.add == nullptr ? 0 : p.add_stride,
          p.bias != nullptr,
          p.float_y,
          p.add != nullptr && p.add == p.y};
}

bool MatrixProducts::is_own(const MatrixProduct& product) const {
  return how_.own_floats && product.type == FlowType::kFloat32 &&
         float_product_takes(product.in, product.out);
}

std::vector<cublasLtMatmulAlgo_t> MatrixProducts::candidates(const MatrixProduct& product,
                                                             int64_t rows) const {
  Problem problem(product, rows);
  cublasLtMatmulPreferenceOpaque_t preference;
  check(cublasLtMatmulPreferenceInit(&preference), "choosing an algorithm");
  prefer(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes});
  prefer(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         static_cast<uint32_t>(how_.equal_bits ? CUBLASLT_REDUCTION_SCHEME_NONE
                                               : CUBLASLT_REDUCTION_SCHEME_MASK));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    prefer(preference, attribute, kAlignment);
  }
  cublasLtMatmulHeuristicResult_t results[ProductChoice::kMostCandidates];
  int count = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle_.get(), &problem.operation, &problem.weight,
                                       &problem.x, &problem.add, &problem.y, &preference,
                                       std::min(how_.candidates, ProductChoice::kMostCandidates),
                                       results, &count),
        "choosing an algorithm");
  std::vector<cublasLtMatmulAlgo_t> found;
  for (int i = 0; i < count; ++i) {
    const bool usable = results[i].state == CUBLAS_STATUS_SUCCESS &&
                        results[i].workspaceSize <= static_cast<size_t>(kWorkspaceBytes) &&
                        !(how_.equal_bits && splits_sums(results[i].algo));
    if (usable) found.push_back(results[i].algo);
  }
  return found;
}

bool MatrixProducts::gives_same_bits(const MatrixProduct& product,
                                     const cublasLtMatmulAlgo_t& algorithm, Choice& choice,
                                     cudaStream_t on) {
  Bits bits;
  std::memcpy(bits.data(), &algorithm, sizeof(algorithm));
  const auto known = choice.same_bits.find(bits);
  if (known != choice.same_bits.end()) return known->second;
  const auto values = [&](int64_t count, uint64_t seed) {
    return random_values(product.type, count, seed, device_, on);
  };
  const at::Tensor x = values(kProbeRows * product.x_stride, 1);
  const at::Tensor weight = values(product.out * product.in, 2), bias = values(product.out, 3);
  const at::Tensor add = values(kProbeRows * std::max(product.add_stride, product.y_stride), 4);
  at::Tensor results[2];
  for (int i = 0; i < 2; ++i) {
    results[i] =
        product.float_y ? add.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true) : add.clone();
    MatrixProduct probe = product;
    probe.x = x.data_ptr();
    probe.weight = weight.data_ptr();
    if (probe.bias != nullptr) probe.bias = bias.data_ptr();
    if (probe.add != nullptr)
      probe.add = product.add == product.y ? results[i].data_ptr() : add.data_ptr();
    probe.y = results[i].data_ptr();
    launch(probe, kProbeRows, i == 0 ? choice.reference : algorithm, on);
  }
  const bool same = at::equal(results[0], results[1]);
  choice.same_bits.emplace(bits, same);
  return same;
}

void MatrixProducts::prepare(const MatrixProduct& product, int64_t rows, cudaStream_t on) {
  if (is_own(product)) {
    cuda_check(prepare_float_products(), "loading the products of float32");
    return;
  }
  const auto [entry, added] = choices_.try_emplace(shape_of(product));
  Choice& choice = entry->second;
  if (added) {
    const std::vector<cublasLtMatmulAlgo_t> found = candidates(product, kReferenceRows);
    if (found.empty()) {
      choices_.erase(entry);
      throw Error(ErrorCode::kInternal, "CUDA: cuBLASLt knows no product of " +
                                            std::to_string(product.in) + " by " +
                                            std::to_string(product.out));
    }
    choice.reference = found.front();
  }
  if (choice.by_class.count(class_of(rows)) != 0) return;
  std::vector<cublasLtMatmulAlgo_t> usable;
  for (const cublasLtMatmulAlgo_t& algorithm : candidates(product, class_of(rows))) {
    const bool reference = std::memcmp(&algorithm, &choice.reference, sizeof(algorithm)) == 0;
    if (reference || !how_.equal_bits || gives_same_bits(product, algorithm, choice, on))
      usable.push_back(algorithm);
  }
  cublasLtMatmulAlgo_t best = usable.empty() ? choice.reference : usable.front();
  if (usable.size() > 1) {
    float least = time_of(product, rows, best, on);
    for (size_t i = 1; i < usable.size(); ++i) {
      const float time = time_of(product, rows, usable[i], on);
      if (time >= least) continue;
      least = time;
      best = usable[i];
    }
  }
  choice.by_class.emplace(class_of(rows), best);
}

// The least of some runs' milliseconds.
float MatrixProducts::time_of(const MatrixProduct& product, int64_t rows,
                              const cublasLtMatmulAlgo_t& algorithm, cudaStream_t on) {
  constexpr int kRuns = 3;
  // Some ahead, so that launching is not what is timed; long ones take longer than their
  // launching anyway.
  const bool is_long = rows > MatrixProducts::kFineClasses * MatrixProducts::kRowClass;
  const int ahead = is_long ? 1 : 2, launches = is_long ? 2 : 4;
  for (cudaEvent_t* event : {&start_, &stop_}) {
    if (*event == nullptr) cuda_check(cudaEventCreate(event), "creating an event");
  }
  float least = 0.0f;
  for (int run = 0; run < kRuns; ++run) {
    for (int i = 0; i < ahead; ++i) launch(product, rows, algorithm, on);
    cuda_check(cudaEventRecord(start_, on), "timing a product");
    for (int i = 0; i < launches; ++i) launch(product, rows, algorithm, on);
    cuda_check(cudaEventRecord(stop_, on), "timing a product");
    cuda_check(cudaEventSynchronize(stop_), "timing a product");
    float time = 0.0f;
    cuda_check(cudaEventElapsedTime(&time, start_, stop_), "timing a product");
    least = run == 0 ? time : std::min(least, time);
  }
  return least;
}

void MatrixProducts::run(const MatrixProduct& product, int64_t rows, cudaStream_t on) {
  if (is_own(product)) {
    cuda_check(float_product(float_product_of(product, rows), on, how_.float_tile), "product");
    return;
  }
  const auto choice = choices_.find(shape_of(product));
  const auto algorithm = choice == choices_.end() ? decltype(choice->second.by_class)::iterator()
                                                  : choice->second.by_class.find(class_of(rows));
  if (choice == choices_.end() || algorithm == choice->second.by_class.end()) {
    throw Error(ErrorCode::kInternal, "CUDA: a product that was not prepared");
  }
  launch(product, rows, algorithm->second, on);
}

void MatrixProducts::launch(const MatrixProduct& product, int64_t rows,
                            const cublasLtMatmulAlgo_t& algorithm, cudaStream_t on) const {
  Problem problem(product, rows);
  const float one = 1.0f, zero = 0.0f;
  const bool adds = product.add != nullptr;
  check(cublasLtMatmul(handle_.get(), &problem.operation, &one, product.weight, &problem.weight,
                       product.x, &problem.x, adds ? &one : &zero, adds ? product.add : product.y,
                       &problem.add, product.y, &problem.y, &algorithm,
                       static_cast<char*>(workspace_.data_ptr()) + product.lane * kWorkspaceBytes,
                       static_cast<size_t>(kWorkspaceBytes), on),
        "product");
}

}  // namespace indextts2
