// The launches of the vocoder, by kind and channels.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cuda/wave_decoder.h"
#include "ops_table.h"

namespace indextts2 {

// Of the decoding of `mel`, with an event behind every launch: the mean launch of each kind; the
// spread is that of whole runs. On the default stream.
std::vector<OpTime> vocoder_ops(CudaWaveDecoder& decoder, const at::Tensor& mel);

}  // namespace indextts2
