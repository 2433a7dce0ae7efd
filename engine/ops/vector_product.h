// One row times a matrix as a plain loop.
#pragma once

#include <cstdint>

namespace indextts2 {

// y[o] = bias[o] + sum over i of weight[o][i] * x[i]; weight [out, in], bias [out] or null. Reads
// the weights as fast as memory gives them, which MKL does not on AMD CPUs; large products are
// shared among LibTorch's threads. The order of a sum depends on `in` alone; its last bits depend
// on whether the processor has fused multiply-add. Thread-safety: any thread.
void vector_product(const float* weight, const float* bias, const float* x, float* y, int64_t out,
                    int64_t in);

}  // namespace indextts2
