// The latent pass of a segment on the device.
#include "cuda/latent_pass.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace indextts2 {
namespace {

int64_t padded(int64_t length) {
  constexpr int64_t kStep = CudaLatentPass::kStep;
  return (length + kStep - 1) / kStep * kStep;
}

}  // namespace

CudaLatentPass::CudaLatentPass(std::shared_ptr<const UnifiedVoice> model)
    : model_(std::move(model)),
      stream_(c10::cuda::getCurrentCUDAStream(model_->mel_embedding().weight.device().index())),
      graphs_(stream_) {
  const at::Tensor& codes = model_->mel_embedding().weight;
  input_ = at::zeros({1, kMostPositions, codes.size(1)}, codes.options());
  hidden_ = at::zeros_like(input_);
}

// The first `length` positions of input_ into hidden_.
void CudaLatentPass::forward(int64_t length) {
  hidden_.narrow(1, 0, length).copy_(model_->gpt().forward(input_.narrow(1, 0, length)));
}

at::Tensor CudaLatentPass::run(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids,
                               const std::vector<int64_t>& codes) {
  const at::Tensor rows = model_->latent_rows(conditioning, text_ids, codes);
  const int64_t positions = rows.size(1), length = padded(positions);
  if (length > kMostPositions) return model_->latent(conditioning, text_ids, codes);
  input_.narrow(1, 0, positions).copy_(rows);
  // What an earlier segment has left there might be no numbers.
  if (positions < length) input_.narrow(1, positions, length - positions).zero_();
  if (graphs_.has(length)) {
    graphs_.launch(length);
  } else {
    forward(length);
  }
  const auto count = static_cast<int64_t>(codes.size());
  return model_->final_norm()(hidden_.narrow(1, positions - count, count));
}

void CudaLatentPass::warm_up() {
  if (stream_.stream() == nullptr) return;
  // The longest first: the others fit into its memory.
  for (int64_t length = kMostPositions; length > 0; length -= kStep) {
    if (graphs_.has(length)) continue;
    forward(length);  // loads the kernels, which a capture must not do
    graphs_.capture(length, [this, length] { forward(length); });
  }
}

}  // namespace indextts2
