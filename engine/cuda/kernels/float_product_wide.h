// Products of float32 by the warpgroup products of Hopper: the part of float_product() there.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/float_product.h"

namespace indextts2 {
namespace float_tiles {

inline bool is_wide(FloatTile tile) { return tile >= FloatTile::kWide128x128; }
// Whether the current device runs them.
bool wide_runs();
// As float_product(); the tile is one of the wide ones. Needs prepare_wide() on the device.
cudaError_t run_wide(const FloatProduct& product, FloatTile tile, cudaStream_t stream);
cudaError_t prepare_wide();
// Among the wide ones.
FloatTile fastest_wide(const FloatProduct& product, int multiprocessors);

}  // namespace float_tiles
}  // namespace indextts2
