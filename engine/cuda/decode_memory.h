// The device memory behind DecodeTables and BeamTables.
#pragma once

#include <ATen/core/Tensor.h>

#include "cuda/kernels/beam_tables.h"
#include "cuda/kernels/decode_tables.h"

namespace indextts2 {

struct DecodeSizes {
  int slots = 1, beams = 1, max_pages = 1, vocabulary = 0, max_codes = 1;
};

// Rows of `state` [kStateRows, slots] int32.
enum StateRow { kSteps, kDone, kFinishedCount, kStopped, kFailure, kStateRows };

// Allocated by LibTorch on the current stream; all zeros at first.
class DecodeMemory {
 public:
  DecodeMemory(at::Device device, const DecodeSizes& sizes);

  // Takes over what `smaller`, of no larger sizes and as many slots, holds of every slot.
  void take_over(const DecodeMemory& smaller);

  at::Device device() const { return state_.device(); }
  const DecodeSizes& sizes() const { return sizes_; }
  const DecodeTables& tables() const { return tables_; }
  const BeamTables& beams() const { return beams_; }
  int32_t* segments() const { return segments_.mutable_data_ptr<int32_t>(); }
  float* logits() const { return logits_.mutable_data_ptr<float>(); }
  const int32_t* state() const { return state_.const_data_ptr<int32_t>(); }

  // tables() whose step has one segment: `slot`.
  DecodeTables tables_of(int slot) const;

 private:
  const DecodeSizes sizes_;
  at::Tensor state_, segments_, all_slots_, slot_beams_, prefix_, length_, pages_, owner_, tokens_;
  at::Tensor settings_, scores_, history_, trace_, parents_, finished_;
  at::Tensor survivors_, survivor_count_, keys_, logits_;  // of one step
  DecodeTables tables_{};
  BeamTables beams_{};
};

}  // namespace indextts2
