// Decoding several segments together on a CUDA device: how segments come and go.
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/decode_batch.h"
#include "ops/host_tensor.h"
#include "stages/decode_batch.h"

namespace indextts2 {

CudaDecodeBatch::Slot& CudaDecodeBatch::free_slot() {
  const auto free =
      std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.used; });
  if (free == slots_.end()) throw Error(ErrorCode::kInternal, "decoding: no free slot");
  return *free;
}

// Runs prefix and start code beside the steps that are enqueued.
PrefilledPrefix CudaDecodeBatch::prefill(const DecodeJob& job) {
  const cudaStream_t on = prefill_stream_.stream();
  make_wait(on, caller_ready_, c10::cuda::getCurrentCUDAStream(device_.index()).stream());
  // The last prefix may still be read.
  cuda_check(cudaStreamWaitEvent(on, prefix_copied_.get(), 0), "ordering two streams");
  const c10::cuda::CUDAStreamGuard guard(prefill_stream_.get());
  PrefilledPrefix prefix = prefill_->run(model_->prefix(job.conditioning, job.text_ids));
  cuda_check(cudaEventRecord(prefix_ready_.get(), on), "marking the end of a prefix");
  return prefix;
}

// Also moves what the settings point to onto the device.
BeamSettings CudaDecodeBatch::settings_of(Slot* slot) const {
  const BeamOptions& options = slot->job.options;
  BeamSettings settings = beam_settings(options, slot->job.random);
  const std::vector<float>& recorded = slot->job.recorded;
  if (!recorded.empty()) {
    const size_t width = static_cast<size_t>(options.num_beams) * options.vocabulary;
    slot->recorded = float_tensor(recorded, device_);
    settings.recorded = slot->recorded.const_data_ptr<float>();
    settings.recorded_steps = static_cast<int32_t>(recorded.size() / width);
  }
  const std::vector<double> powers = length_powers(options);
  if (!powers.empty()) {
    slot->powers = host_tensor(powers, {static_cast<int64_t>(powers.size())}).to(device_);
    settings.powers = slot->powers.const_data_ptr<double>();
  }
  return settings;
}

int CudaDecodeBatch::admit(DecodeJob job) {
  Slot& slot = free_slot();
  check_decode_job(job, *model_);
  const int index = static_cast<int>(&slot - slots_.data());
  try {
    PrefilledPrefix start = prefill(job);
    const c10::cuda::CUDAStreamGuard guard(stream_.get());
    const int prefix = static_cast<int>(start.positions);
    make_room(job.options.num_beams, prefix + job.options.max_codes);
    slot.job = std::move(job);
    slot.first_logits = std::move(start.logits);
    const BeamSettings settings = settings_of(&slot);
    PageList list;
    take_pages(&slot, 0, (prefix - 1) / kPageKeys, 0, &list);
    cuda_check(set_pages(memory_->tables(), list, stream()), "writing the table of pages");
    cuda_check(open_slot(memory_->tables(), memory_->beams(), index, prefix, settings, stream()),
               "opening a slot");
    cuda_check(cudaStreamWaitEvent(stream(), prefix_ready_.get(), 0), "ordering two streams");
    step_->begin(index, start.storage, prefix, slot.first_logits.const_data_ptr<float>(), stream());
    cuda_check(cudaEventRecord(prefix_copied_.get(), stream()), "marking the end of a copy");
    slot.prefix = prefix;
  } catch (...) {
    give_back_pages(&slot);
    slot.job = {};
    slot.first_logits = slot.recorded = slot.powers = at::Tensor();
    try {
      throw;
    } catch (const c10::OutOfMemoryError& error) {
      throw Error(ErrorCode::kNoMemory,
                  "decoding: no device memory for another segment; use a smaller max-batch",
                  error.what_without_backtrace());
    }
  }
  slot.used = true;
  slot.known_done = false;
  slot.failure = nullptr;
  slot.codes = 1;
  slot.first_look = looks_asked_;
  slot.admitted = ++admissions_;
  slot.state = {};
  return index;
}

// Of a slot whose state is known and does not change any more, or not before this returns.
BeamOutcome CudaDecodeBatch::outcome_of(int index) {
  const Slot& slot = slots_[index];
  const DecodeSizes& sizes = memory_->sizes();
  const BeamTables& beams = memory_->beams();
  const size_t first = static_cast<size_t>(index) * sizes.beams;
  const size_t steps = slot.state[kSteps];
  const size_t finished_bytes = sizes.beams * sizeof(FinishedBeam);
  const size_t score_bytes = sizes.beams * sizeof(float);
  const size_t trace_bytes = steps * sizes.beams * sizeof(uint32_t);
  if (outcome_.size() < finished_bytes + score_bytes + trace_bytes) {
    outcome_ = PinnedArray<std::byte>(finished_bytes + score_bytes +
                                      sizes.max_codes * sizes.beams * sizeof(uint32_t));
  }
  const auto read = [&](size_t at, const void* from, size_t bytes) {
    if (bytes == 0) return;
    cuda_check(cudaMemcpyAsync(outcome_.data() + at, from, bytes, cudaMemcpyDeviceToHost,
                               copy_stream_.stream()),
               "reading the codes of a segment");
  };
  read(0, beams.finished + first, finished_bytes);
  read(finished_bytes, beams.scores + first, score_bytes);
  read(finished_bytes + score_bytes, beams.trace + first * sizes.max_codes, trace_bytes);
  cuda_check(cudaEventRecord(copied_.get(), copy_stream_.stream()), "reading codes");
  cuda_check(cudaEventSynchronize(copied_.get()), "reading the codes of a segment");
  BeamOutcome outcome;
  outcome.steps = static_cast<int>(steps);
  outcome.stopped = slot.state[kStopped] != 0;
  outcome.width = sizes.beams;
  outcome.finished.resize(slot.state[kFinishedCount]);
  outcome.scores.resize(sizes.beams);
  outcome.trace.resize(steps * sizes.beams);
  std::memcpy(outcome.finished.data(), outcome_.data(),
              outcome.finished.size() * sizeof(FinishedBeam));
  std::memcpy(outcome.scores.data(), outcome_.data() + finished_bytes, score_bytes);
  std::memcpy(outcome.trace.data(), outcome_.data() + finished_bytes + score_bytes, trace_bytes);
  return outcome;
}

DecodeResult CudaDecodeBatch::release(int index) {
  Slot& slot = slots_.at(index);
  if (!slot.used) throw Error(ErrorCode::kInternal, "decoding: released a free slot");
  const c10::cuda::CUDAStreamGuard guard(stream_.get());
  if (!slot.known_done && !slot.failure) {
    look();
    finish_looks();
  }
  const auto forget = [&] {
    give_back_pages(&slot);
    slot.used = false;
    slot.failure = nullptr;
    slot.job = {};
    slot.first_logits = slot.recorded = slot.powers = at::Tensor();
  };
  DecodeResult result;
  try {
    if (slot.failure) std::rethrow_exception(slot.failure);
    throw_beam_failure(BeamFailure{slot.state[kFailure]});
    result.codes = best_codes(slot.job.options, outcome_of(index));
  } catch (...) {
    forget();
    throw;
  }
  const int max_codes = slot.job.options.max_codes;
  result.capped = slot.known_done && static_cast<int>(result.codes.size()) >= max_codes;
  forget();
  return result;
}

}  // namespace indextts2
