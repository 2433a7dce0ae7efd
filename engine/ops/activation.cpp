// Activation functions, on LibTorch's operators.
#include "ops/activation.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

namespace indextts2 {

at::Tensor relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor sigmoid(const at::Tensor& x) { return at::sigmoid(x); }
at::Tensor tanh(const at::Tensor& x) { return at::tanh(x); }
at::Tensor silu(const at::Tensor& x) { return at::silu(x); }
at::Tensor mish(const at::Tensor& x) { return at::mish(x); }
at::Tensor gelu(const at::Tensor& x) { return at::gelu(x); }
at::Tensor gelu_tanh(const at::Tensor& x) { return at::gelu(x, "tanh"); }
at::Tensor glu(const at::Tensor& x, int64_t dim) { return at::glu(x, dim); }

at::Tensor geglu(const at::Tensor& x) {
  const int64_t half = x.size(-1) / 2;
  return at::gelu(x.narrow(-1, half, half)).mul_(x.narrow(-1, 0, half));
}

at::Tensor softmax(const at::Tensor& x, int64_t dim) { return at::softmax(x, dim); }
at::Tensor log_softmax(const at::Tensor& x, int64_t dim) { return at::log_softmax(x, dim); }

void silu_(at::Tensor& x) { at::silu_(x); }
void gelu_tanh_(at::Tensor& x) { at::gelu_(x, "tanh"); }

}  // namespace indextts2
