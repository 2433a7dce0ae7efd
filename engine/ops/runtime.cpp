// LibTorch settings that hold for the whole process.
#include "ops/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace indextts2 {

void set_cpu_threads(int threads) { at::set_num_threads(threads); }

void allow_tf32(bool allow) {
  at::globalContext().setAllowTF32CuBLAS(allow);
  at::globalContext().setAllowTF32CuDNN(allow);
}

}  // namespace indextts2
