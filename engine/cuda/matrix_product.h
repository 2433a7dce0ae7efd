// Products of rows with weight matrices, by cuBLASLt or, of float32 where tensor cores can, by
// float_product.h, such that a row's bits do not depend on how many rows there are.
#pragma once

#include <ATen/core/Tensor.h>
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "cuda/kernels/bits_rule.h"
#include "cuda/kernels/float_product.h"
#include "cuda/kernels/flow_tables.h"

namespace indextts2 {

// y = x W^T + bias + add, rows apart by their strides (in elements). x, W, bias and add are of
// `type`, y too unless float_y says float32. Sums are float32 (never TF32). Addresses are multiples
// of 16 bytes, as are strides.
struct MatrixProduct {
  FlowType type = FlowType::kFloat32;
  int64_t in = 0, out = 0;
  const void* x = nullptr;
  int64_t x_stride = 0;
  const void* weight = nullptr;  // [out, in]
  const void* bias = nullptr;    // [out] or none; not with float_y
  const void* add = nullptr;     // [rows, out] or none; may be y; not with float_y
  int64_t add_stride = 0;
  void* y = nullptr;
  int64_t y_stride = 0;
  bool float_y = false;
  int lane = 0;  // products that may run at once have different ones
};

// How algorithms are chosen.
struct ProductChoice {
  int candidates = 8;            // tried for a shape and class of rows, up to kMostCandidates
  bool equal_bits = kEqualBits;  // false: the fastest, split sums too, whatever its bits
  bool own_floats = true;        // false: float32 by cuBLASLt, for a comparison
  FloatTile float_tile = FloatTile::kFastestWide;
  static constexpr int kMostCandidates = 64;
};

// Runs them. By cuBLASLt each shape has one reference algorithm; those that suit a number of rows
// better are used only if they gave the reference's bits on random values: the fastest of them for
// the first rows of each class. Thread-safety: one thread.
class MatrixProducts {
 public:
  static constexpr int kMostLanes = 2;
  // Rows are in classes of 256 up to 4096, of 1024 up to 16384, of 4096 beyond: choosing takes some
  // 0.1 s of the device for packs of several segments, which nearly all have sizes of their own.
  static constexpr int64_t kRowClass = 256, kFineClasses = 16;
  explicit MatrixProducts(at::Device device, ProductChoice how = {});
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;
  MatrixProducts& operator=(const MatrixProducts&) = delete;

  // Chooses the algorithm, if this shape never had rows of this class: not to be called in a
  // capture. What lies at y is lost.
  void prepare(const MatrixProduct& product, int64_t rows, cudaStream_t on);
  // Needs prepare(). May be captured. Throws Error{kDeviceLost}.
  void run(const MatrixProduct& product, int64_t rows, cudaStream_t on);

 private:
  using Shape = std::array<int64_t, 9>;
  using Bits = std::array<unsigned char, sizeof(cublasLtMatmulAlgo_t)>;
  struct Choice {
    cublasLtMatmulAlgo_t reference{};
    std::map<int64_t, cublasLtMatmulAlgo_t> by_class;
    std::map<Bits, bool> same_bits;  // algorithms tried so far
  };
  struct Destroy {
    void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  };

  static Shape shape_of(const MatrixProduct& product);
  bool is_own(const MatrixProduct& product) const;
  std::vector<cublasLtMatmulAlgo_t> candidates(const MatrixProduct& product, int64_t rows) const;
  bool gives_same_bits(const MatrixProduct& product, const cublasLtMatmulAlgo_t& algorithm,
                       Choice& choice, cudaStream_t on);
  float time_of(const MatrixProduct& product, int64_t rows, const cublasLtMatmulAlgo_t& algorithm,
                cudaStream_t on);
  void launch(const MatrixProduct& product, int64_t rows, const cublasLtMatmulAlgo_t& algorithm,
              cudaStream_t on) const;

  at::Device device_;
  const ProductChoice how_;
  std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, Destroy> handle_;
  at::Tensor workspace_;
  std::map<Shape, Choice> choices_;
  cudaEvent_t start_ = nullptr, stop_ = nullptr;  // of what is timed
};

}  // namespace indextts2
