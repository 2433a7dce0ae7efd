// One step of decoding on the device, as a graph for each number of segments.
#include "cuda/decode_step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/gpt_step.h"
#include "cuda/kernels/attention_work.h"
#include "cuda/kernels/choose_codes.h"
#include "cuda/kernels/paged_attention.h"
#include "cuda/kernels/prefix_pages.h"
#include "cuda/kernels/score_rows.h"

namespace indextts2 {
namespace {

// 1, 2, 4, ... and all slots.
std::vector<int> bucket_sizes(int slots) {
  std::vector<int> sizes;
  for (int size = 1; size < slots; size *= 2) sizes.push_back(size);
  sizes.push_back(slots);
  return sizes;
}

}  // namespace

struct DecodeStep::Kernels {
  Kernels(std::shared_ptr<const UnifiedVoice> model, const DecodeMemory& memory,
          const DecodeStepOptions& options, bool overlap)
      : shape(model->gpt().kv_shape()),
        step(std::move(model), memory.sizes().slots * memory.sizes().beams, options.networks) {
    const DecodeSizes& sizes = memory.sizes();
    const int heads = static_cast<int>(shape.heads);
    const int64_t rows = int64_t{sizes.slots} * sizes.beams;
    const at::TensorOptions own = at::TensorOptions(memory.device()).dtype(at::kByte);
    const auto bytes = [&](size_t count) { return at::empty({static_cast<int64_t>(count)}, own); };
    entries = bytes(sizes.slots * attention_entries(sizes.max_pages, sizes.beams) * 4);
    counts = at::zeros({sizes.slots}, own.dtype(at::kInt));
    const size_t row_bytes =
        static_cast<size_t>(shape.heads * shape.head_size) * element_bytes(step.element_type());
    idle = at::zeros({rows, static_cast<int64_t>(4 * row_bytes)}, own);
    attention.tables = memory.tables();
    attention.work = {static_cast<uint32_t*>(entries.mutable_data_ptr()),
                      counts.mutable_data_ptr<int32_t>()};
    attention.heads = heads;
    attention.type = step.element_type();
    attention.overlap = overlap;
    cuda_check(prepare_paged_attention(attention.type, sizes.beams, &attention.blocks),
               "preparing attention");
    if (options.attention_blocks > 0 && attention.blocks > 1) {
      attention.blocks = options.attention_blocks;
    }
  }

  void attend(int segments, int layer, const void* qkv, void* out, cudaStream_t stream) {
    PagedAttention call = attention;
    call.qkv = qkv;
    call.out = out;
    call.segments = segments;
    call.layer = layer;
    // The first one waits for all that is ahead, and with that for the work list, as the networks'
    // kernels let others start before they have waited themselves. All later ones start after it.
    call.overlap = attention.overlap && layer > 0;
    cuda_check(paged_attention(call, stream), "starting attention");
  }

  const KvShape shape;
  GptStep step;
  at::Tensor entries, counts;
  at::Tensor idle;  // stands for qkv and out of a layer when attention is timed alone
  PagedAttention attention{};
};

bool DecodeStep::supports(const UnifiedVoice& model, int beams) {
  const KvShape shape = model.gpt().kv_shape();
  return GptStep::supports(model) &&
         paged_attention_supports(static_cast<int>(shape.head_size), beams);
}

DecodeStep::DecodeStep(std::shared_ptr<const UnifiedVoice> model, const DecodeMemory& memory,
                       const DecodeStepOptions& options, cudaStream_t stream)
    : memory_(memory),
      options_(options),
      side_stream_(memory.device().index()),
      begun_(make_event()),
      listed_(make_event()),
      buckets_(bucket_sizes(memory.sizes().slots)) {
  int device = 0, major = 0;
  cuda_check(cudaGetDevice(&device), "asking for the device");
  cuda_check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
             "asking for the device's version");
  kernels_ =
      std::make_unique<Kernels>(std::move(model), memory, options, options.overlap && major >= 9);
  for (const int size : buckets_) {
    enqueue(size, stream);  // loads the kernels, which a capture must not do
    cuda_check(cudaStreamSynchronize(stream), "a first step of decoding");
    if (options_.graphs) capture(size, stream);
  }
}

DecodeStep::~DecodeStep() = default;

int DecodeStep::bucket(int segments) const {
  const auto found = std::lower_bound(buckets_.begin(), buckets_.end(), segments);
  if (found == buckets_.end()) {
    throw Error(ErrorCode::kInternal,
                "decoding: no step of " + std::to_string(segments) + " segments");
  }
  return *found;
}

void DecodeStep::enqueue(int bucket, cudaStream_t stream) {
  // The work list is made beside the first layers.
  make_wait(side_stream_.stream(), begun_, stream);
  run_part(kWorkList, bucket, side_stream_.stream());
  kernels_->step.enqueue(
      memory_.tables(), bucket, memory_.logits(),
      [this, bucket](int layer, const void* qkv, void* out, cudaStream_t on) {
        if (layer == 0) make_wait(on, listed_, side_stream_.stream());
        kernels_->attend(bucket, layer, qkv, out, on);
      },
      stream);
  run_part(kScores, bucket, stream);
  run_part(kChoice, bucket, stream);
}

void DecodeStep::run_part(Part part, int bucket, cudaStream_t stream) {
  const DecodeTables& tables = memory_.tables();
  const BeamTables& beams = memory_.beams();
  switch (part) {
    case kWorkList:
      cuda_check(list_attention_work(tables, kernels_->attention.work, bucket, false, stream),
                 "listing the work of attention");
      break;
    case kNetworks:
      kernels_->step.enqueue(
          tables, bucket, memory_.logits(), [](int, const void*, void*, cudaStream_t) {}, stream);
      break;
    case kAttention: {
      const size_t rows = static_cast<size_t>(kernels_->idle.size(0));
      auto* const qkv = static_cast<std::byte*>(kernels_->idle.mutable_data_ptr());
      void* const out = qkv + rows * (kernels_->idle.size(1) / 4 * 3);
      for (int layer = 0; layer < kernels_->shape.layers; ++layer) {
        kernels_->attend(bucket, layer, qkv, out, stream);
      }
      break;
    }
    case kScores:
      cuda_check(
          score_rows(tables, beams, memory_.logits(), bucket, kernels_->attention.overlap, stream),
          "scoring codes");
      break;
    case kChoice:
      cuda_check(choose_codes(tables, beams, bucket, kernels_->attention.overlap, stream),
                 "choosing codes");
      break;
    case kParts:
      break;
  }
}

void DecodeStep::capture(int bucket, cudaStream_t stream) {
  // Thread-local: other threads of the process may allocate meanwhile.
  cuda_check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
             "beginning a capture");
  cudaGraph_t captured = nullptr;
  try {
    enqueue(bucket, stream);
  } catch (...) {
    cudaStreamEndCapture(stream, &captured);
    if (captured != nullptr) cudaGraphDestroy(captured);
    throw;
  }
  cuda_check(cudaStreamEndCapture(stream, &captured), "ending a capture");
  const CudaGraph graph(captured);
  cudaGraphExec_t ready = nullptr;
  cuda_check(cudaGraphInstantiate(&ready, graph.get(), 0), "making a graph of a step");
  graphs_[bucket].reset(ready);
  cuda_check(cudaGraphUpload(ready, stream), "uploading a graph");
}

void DecodeStep::run(int bucket, cudaStream_t stream) {
  if (!options_.graphs) return enqueue(bucket, stream);
  cuda_check(cudaGraphLaunch(graphs_.at(bucket).get(), stream), "starting a step");
}

void DecodeStep::begin(int slot, const at::Tensor& storage, int positions, const float* logits,
                       cudaStream_t stream) {
  const PrefixSource source{storage.const_data_ptr(),
                            storage.size(4),
                            positions,
                            static_cast<int32_t>(kernels_->shape.layers),
                            static_cast<int32_t>(kernels_->shape.heads),
                            static_cast<int32_t>(kernels_->shape.head_size),
                            kernels_->attention.type};
  cuda_check(copy_prefix(memory_.tables(), slot, source, stream), "copying a prefix to pages");
  const DecodeTables tables = memory_.tables_of(slot);
  cuda_check(score_rows(tables, memory_.beams(), logits, 1, false, stream), "scoring first codes");
  cuda_check(choose_codes(tables, memory_.beams(), 1, true, stream), "choosing first codes");
}

}  // namespace indextts2
