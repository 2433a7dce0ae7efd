// The prefix of a segment on the device.
#include "cuda/prefill.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAGuard.h>

#include <utility>

#include "ops/host_tensor.h"
#include "ops/row_linear.h"

namespace indextts2 {
namespace {

int64_t padded(int64_t length) {
  return (length + Prefill::kStep - 1) / Prefill::kStep * Prefill::kStep;
}

}  // namespace

Prefill::Prefill(std::shared_ptr<const UnifiedVoice> model, int64_t longest, bool graphs,
                 const c10::cuda::CUDAStream& stream)
    : model_(std::move(model)),
      stream_(stream),
      graphs_wanted_(graphs),
      cache_(model_->make_cache()),
      long_cache_(model_->make_cache()),
      graphs_(stream_) {
  const c10::cuda::CUDAStreamGuard guard(stream_);
  const at::Tensor& codes = model_->mel_embedding().weight;
  const at::Device device = codes.device();
  start_ = model_->mel_embedding()(int64_tensor({model_->config().start_mel_token}, device))
               .add_(model_->mel_pos_embedding()(int64_tensor({0}, device)))
               .unsqueeze(0);
  input_ = at::zeros({1, padded(longest), codes.size(1)}, codes.options());
  last_ = at::zeros({1}, codes.options().dtype(at::kLong));
  logits_ = at::empty({1, model_->vocabulary()}, codes.options().dtype(at::kFloat));
  for (int64_t length = kStep; length <= input_.size(1); length += kStep) {
    last_.fill_(length - 1);
    forward(length);  // loads the kernels, which a capture must not do
    if (graphs_wanted_) graphs_.capture(length, [this, length] { forward(length); });
  }
  cuda_check(cudaStreamSynchronize(stream_.stream()), "a first prefix");
}

// The first `length` positions of input_ into cache_, and logits_ of position last_.
void Prefill::forward(int64_t length) {
  cache_.start(1, input_.size(1));
  const at::Tensor hidden = model_->gpt().forward(input_.narrow(1, 0, length), &cache_);
  const at::Tensor last = model_->final_norm()(hidden.squeeze(0).index_select(0, last_));
  logits_.copy_(linear_rows(model_->mel_head(), last.to(at::kFloat)));
}

PrefilledPrefix Prefill::run(const at::Tensor& prefix) {
  const int64_t before = prefix.size(1), positions = before + 1, length = padded(positions);
  if (length > input_.size(1)) {
    long_cache_.start(1, positions);
    at::Tensor logits = model_->prefill(prefix, long_cache_);
    return {long_cache_.storage(), positions, std::move(logits)};
  }
  input_.narrow(1, 0, before).copy_(prefix);
  input_.narrow(1, before, 1).copy_(start_);
  // What an earlier prefix has left there might be no numbers.
  if (positions < length) input_.narrow(1, positions, length - positions).zero_();
  last_.fill_(before);
  if (graphs_wanted_) {
    graphs_.launch(length);
  } else {
    forward(length);
  }
  return {cache_.storage(), positions, logits_};
}

}  // namespace indextts2
