// Products of float32 rows with float32 weights on tensor cores.
//
// Note [Floats as halves]: 32 numbers of a row that follow one another in the inner dimension are a
// group. A group is multiplied by the power of two that brings its largest number to 2^14 .. 2^15,
// and each number becomes the sum of two float16 numbers, high and low: exact to 2^-24 of itself,
// or, where it is less than 2^-16 of the group's largest, to 2^-40 of that. The product of two
// groups is high high + high low + low high, in float32; what is left out is 2^-24 of it. Tensor
// cores cut off what they add to, so each group starts from zero and is added to the sum, in order,
// as floats are. Sums so are as exact as those of float32, at a third of the speed of half products
// (TF32 numbers in the place of halves would need no scale, but twice the time). Numbers that are
// not finite make their row's results NaN.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace indextts2 {

// y = x W^T + bias + add, rows apart by their strides (in elements). All float32 on the device;
// addresses are multiples of 16 bytes, `in`, `out` and strides multiples of 4.
struct FloatProduct {
  int64_t rows = 0, in = 0, out = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;
  const float* weight = nullptr;  // [out, in]
  const float* bias = nullptr;    // [out] or none
  const float* add = nullptr;     // [rows, out] or none; may be y
  int64_t add_stride = 0;
  float* y = nullptr;  // apart from x
  int64_t y_stride = 0;
};

// Tiles of outputs that a block of threads makes. No bit depends on which, but whether it is a wide
// one.
enum class FloatTile {
  kFastest,      // for the number of rows, but none of the wide ones
  kFastestWide,  // of the wide ones where they run
  k128x128,
  k96x128,
  k64x64,
  kWide128x128,  // by warpgroup products, which only Hopper has; with bits of their own
  kWide64x64,
};

// Whether the current device has the kernel and it takes these sizes. False without a device.
bool float_product_takes(int64_t in, int64_t out);

// Whether the current device can run it.
bool float_tile_fits(FloatTile tile);

// Once for the current device before float_product() there, outside of captures.
cudaError_t prepare_float_products();

// A row's bits do not depend on the number of rows. May be captured. Sizes that are not taken give
// cudaErrorInvalidValue.
cudaError_t float_product(const FloatProduct& product, cudaStream_t stream,
                          FloatTile tile = FloatTile::kFastest);

}  // namespace indextts2
