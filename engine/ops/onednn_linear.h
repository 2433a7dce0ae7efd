// Linear layers through oneDNN.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace indextts2 {

// Note [oneDNN on CPUs]: LibTorch gives float32 matrix products to MKL, which uses AVX-512 on
// Intel's CPUs only. oneDNN, which LibTorch brings for convolutions, uses what the CPU has: with
// AVX-512 on an AMD CPU its products are 2.2 times faster, with AVX2 as fast as MKL's.

// activation(x W^T + b), or an undefined tensor where oneDNN is no help: one row, another type or
// device, a CPU without AVX2, a LibTorch without oneDNN. x [..., in], weight [out, in], bias [out]
// or undefined; `activation` and `algorithm` as oneDNN names them. Thread-safety: any thread.
at::Tensor try_onednn_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             std::string_view activation = "none", std::string_view algorithm = "");

}  // namespace indextts2
