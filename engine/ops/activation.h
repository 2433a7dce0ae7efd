// Activation functions. Each returns a new tensor of the shape and dtype of x unless it says
// otherwise.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace indextts2 {

at::Tensor relu(const at::Tensor& x);
at::Tensor sigmoid(const at::Tensor& x);
at::Tensor tanh(const at::Tensor& x);
at::Tensor silu(const at::Tensor& x);       // x sigmoid(x), also called swish
at::Tensor mish(const at::Tensor& x);       // x tanh(log(1 + e^x))
at::Tensor gelu(const at::Tensor& x);       // exact: x Phi(x)
at::Tensor gelu_tanh(const at::Tensor& x);  // tanh form, "gelu_new"
at::Tensor glu(const at::Tensor& x,
               int64_t dim);  // first half * sigmoid(second half): dim is halved
at::Tensor geglu(
    const at::Tensor& x);  // first half * exact gelu(second half) of the last dim: halved
at::Tensor softmax(const at::Tensor& x, int64_t dim = -1);
at::Tensor log_softmax(const at::Tensor& x, int64_t dim = -1);

// In place, where a network's own intermediate is at hand.
void silu_(at::Tensor& x);
void gelu_tanh_(at::Tensor& x);

}  // namespace indextts2
