// LibTorch settings that hold for the whole process.
#pragma once

namespace indextts2 {

// CPU threads that one operator may use. Changes it for the whole process, so it is called only
// when a user asks.
void set_cpu_threads(int threads);

// Whether float32 matrix products and convolutions on CUDA may round their inputs to TF32.
// LibTorch's own default is mixed (products no, convolutions yes).
void allow_tf32(bool allow);

}  // namespace indextts2
