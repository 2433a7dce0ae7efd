// The prefix of a segment on the device.
#include "cuda/prefill.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>

#include <atomic>
#include <thread>
#include <utility>

#include "ops/host_tensor.h"
#include "ops/row_linear.h"

namespace indextts2 {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// Names of pools are never used again: LibTorch may keep what a dropped one held for a while.
uint64_t new_pool() {
  static std::atomic<uint64_t> made{0};
  return ++made;
}

// Different from those that LibTorch gives out, one half of which is 0.
c10::MempoolId_t pool_id(uint64_t pool) { return {0x1d77, pool}; }

int64_t padded(int64_t length) {
  return (length + Prefill::kStep - 1) / Prefill::kStep * Prefill::kStep;
}

}  // namespace

Prefill::Prefill(std::shared_ptr<const UnifiedVoice> model, int64_t longest, bool graphs,
                 const c10::cuda::CUDAStream& stream)
    : model_(std::move(model)),
      stream_(stream),
      graphs_wanted_(graphs),
      pool_(new_pool()),
      cache_(model_->make_cache()),
      long_cache_(model_->make_cache()) {
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
    if (graphs_wanted_) capture(length);
  }
  cuda_check(cudaStreamSynchronize(stream_.stream()), "a first prefix");
}

Prefill::~Prefill() {
  cudaStreamSynchronize(stream_.stream());
  graphs_.clear();
  for (int i = 0; i < captures_; ++i) {
    allocator::releasePool(stream_.device_index(), pool_id(pool_));
  }
}

// The first `length` positions of input_ into cache_, and logits_ of position last_.
void Prefill::forward(int64_t length) {
  cache_.start(1, input_.size(1));
  const at::Tensor hidden = model_->gpt().forward(input_.narrow(1, 0, length), &cache_);
  const at::Tensor last = model_->final_norm()(hidden.squeeze(0).index_select(0, last_));
  logits_.copy_(linear_rows(model_->mel_head(), last.to(at::kFloat)));
}

void Prefill::capture(int64_t length) {
  const cudaStream_t on = stream_.stream();
  cuda_check(cudaStreamSynchronize(on), "a first prefix");
  const auto thread = std::this_thread::get_id();
  allocator::beginAllocateToPool(stream_.device_index(), pool_id(pool_),
                                 [on, thread](cudaStream_t stream) {
                                   return stream == on && std::this_thread::get_id() == thread;
                                 });
  ++captures_;
  cudaGraph_t captured = nullptr;
  const auto finish = [&] {
    const cudaError_t status = cudaStreamEndCapture(on, &captured);
    allocator::endAllocateToPool(stream_.device_index(), pool_id(pool_));
    return status;
  };
  try {
    // Thread-local: other threads of the process may allocate meanwhile.
    cuda_check(cudaStreamBeginCapture(on, cudaStreamCaptureModeThreadLocal), "beginning a capture");
    forward(length);
  } catch (...) {
    finish();
    if (captured != nullptr) cudaGraphDestroy(captured);
    throw;
  }
  cuda_check(finish(), "ending a capture");
  const CudaGraph graph(captured);
  cudaGraphExec_t ready = nullptr;
  cuda_check(cudaGraphInstantiate(&ready, graph.get(), 0), "making a graph of a prefix");
  graphs_[length].reset(ready);
  cuda_check(cudaGraphUpload(ready, on), "uploading a graph");
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
    cuda_check(cudaGraphLaunch(graphs_.at(length).get(), stream_.stream()), "starting a prefix");
  } else {
    forward(length);
  }
  return {cache_.storage(), positions, logits_};
}

}  // namespace indextts2
