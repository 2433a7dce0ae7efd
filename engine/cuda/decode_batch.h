// Decoding several segments together on a CUDA device: stages/decode_batch.h is the definition.
//
// Steps are enqueued a few at a time: the device decides by itself which segment is over, and the
// host learns it some steps later, so finished() may lag behind; what release() returns does not
// depend on that.
#pragma once

#include <c10/cuda/CUDAStream.h>

#include <array>
#include <exception>
#include <memory>
#include <vector>

#include "cuda/beam_outcome.h"
#include "cuda/cuda_handles.h"
#include "cuda/decode_memory.h"
#include "cuda/decode_step.h"
#include "cuda/device_turns.h"
#include "cuda/kernels/slot_updates.h"
#include "cuda/page_pool.h"
#include "cuda/prefill.h"
#include "modules/unified_voice.h"
#include "stages/backend.h"

namespace indextts2 {

struct CudaDecodeOptions {
  DecodeStepOptions step;
  int beams = 3;          // room for as many at least; more are made room for when they come
  int64_t max_pages = 0;  // of keys and values; 0: as many as the device holds
  std::shared_ptr<DeviceTurns> turns;  // with the flows of the device; null: none are taken
};

// Thread-safety: one thread.
class CudaDecodeBatch : public DecodeBatch {
 public:
  // False: sizes that the kernels do not cover; decode on LibTorch then.
  static bool supports(const UnifiedVoice& model);

  // `capacity`: 1 .. 256 segments. The model's device is used on streams of this object's own.
  CudaDecodeBatch(std::shared_ptr<const UnifiedVoice> model, int capacity,
                  const CudaDecodeOptions& options = {});
  ~CudaDecodeBatch() override;

  int capacity() const override { return static_cast<int>(slots_.size()); }
  int free_slots() const override;
  // Also throws Error{kNoMemory}.
  int admit(DecodeJob job) override;
  // A segment for which the device's memory does not suffice fails: the one that came last.
  void step() override;
  bool finished(int slot) const override;
  DecodeResult release(int slot) override;

  // For tests and figures.
  const PagePool& pages() const { return pages_; }
  DecodeStep& parts() { return *step_; }
  cudaStream_t stream() const { return stream_.stream(); }
  int running_bucket() const { return step_->bucket(static_cast<int>(listed_.size())); }

 private:
  struct Slot {
    bool used = false;
    bool known_done = false;
    DecodeJob job;            // its conditioning is read by work that is only enqueued
    at::Tensor first_logits;  // for the same reason
    at::Tensor recorded, powers;
    int prefix = 0;
    int codes = 0;                          // chosen by the work enqueued so far
    int64_t first_look = 0;                 // older looks saw the slot's last user
    int64_t admitted = 0;                   // counts admissions
    std::vector<std::vector<void*>> pages;  // [beams][max_pages], null: none
    std::array<int32_t, kStateRows> state{};
    std::exception_ptr failure;
  };
  // A copy of the tables' state that has been asked for.
  struct Look {
    PinnedArray<int32_t> state;
    CudaEvent ready;
    int64_t number = -1;
    bool pending = false;
  };

  void build(int beams, int max_pages);
  void make_room(int beams, int positions);
  Slot& free_slot();
  BeamSettings settings_of(Slot* slot) const;
  PrefilledPrefix prefill(const DecodeJob& job);
  void take_pages(Slot* slot, int first_page, int last_page, int beam, PageList* list);
  void give_back_pages(Slot* slot);
  bool goes_on(const Slot& slot) const;
  void make_pages_ready();
  void fail_newest();
  void list_segments();
  void look();
  void read_looks(bool wait_for_one);
  void finish_looks();
  BeamOutcome outcome_of(int index);

  const std::shared_ptr<const UnifiedVoice> model_;
  const CudaDecodeOptions options_;
  const at::Device device_;
  const LentStream stream_, prefill_stream_, copy_stream_;
  std::unique_ptr<Prefill> prefill_;
  CudaEvent caller_ready_, prefix_ready_, prefix_copied_, copied_;
  PagePool pages_;
  std::unique_ptr<DecodeMemory> memory_;
  std::unique_ptr<DecodeStep> step_;
  std::vector<Slot> slots_;
  std::vector<int> listed_;  // what the device's list of segments holds, without those of nobody
  int listed_bucket_ = 0;
  std::array<Look, 2> looks_;
  int64_t looks_asked_ = 0, admissions_ = 0;
  int steps_since_look_ = 0;
  PinnedArray<std::byte> outcome_;
};

}  // namespace indextts2
