// The device memory behind DecodeTables and BeamTables.
#include "cuda/decode_memory.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace indextts2 {
namespace {

// Copies what both have.
void copy_common(const at::Tensor& from, const at::Tensor& to) {
  at::Tensor source = from, target = to;
  for (int64_t dim = 0; dim < from.dim(); ++dim) {
    const int64_t count = std::min(source.size(dim), target.size(dim));
    source = source.narrow(dim, 0, count);
    target = target.narrow(dim, 0, count);
  }
  target.copy_(source);
}

template <class T>
T* as(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

}  // namespace

DecodeMemory::DecodeMemory(at::Device device, const DecodeSizes& sizes) : sizes_(sizes) {
  const int64_t slots = sizes.slots, beams = sizes.beams, rows = slots * beams;
  const int64_t vocabulary = sizes.vocabulary;
  const auto zeros = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::zeros(shape, at::TensorOptions(device).dtype(type));
  };
  const auto scratch = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::empty(shape, at::TensorOptions(device).dtype(type));
  };
  state_ = zeros({kStateRows, slots}, at::kInt);
  segments_ = zeros({slots}, at::kInt).fill_(-1);
  all_slots_ = at::arange(slots, at::TensorOptions(device).dtype(at::kInt));
  slot_beams_ = zeros({slots}, at::kInt);
  prefix_ = zeros({slots}, at::kInt);
  length_ = zeros({slots}, at::kInt);
  pages_ = zeros({slots, beams, sizes.max_pages}, at::kLong);
  owner_ = zeros({slots, beams, int64_t{sizes.max_pages} * kPageKeys}, at::kByte);
  tokens_ = zeros({slots, beams}, at::kInt);
  settings_ = zeros({slots, static_cast<int64_t>(sizeof(BeamSettings))}, at::kByte);
  scores_ = zeros({slots, beams}, at::kFloat);
  history_ = zeros({slots, beams, (vocabulary + 31) / 32}, at::kInt);
  trace_ = zeros({slots, sizes.max_codes, beams}, at::kInt);
  parents_ = zeros({slots, beams}, at::kInt);
  finished_ = zeros({slots, beams, static_cast<int64_t>(sizeof(FinishedBeam))}, at::kByte);
  survivors_ = scratch({rows, vocabulary, static_cast<int64_t>(sizeof(ScoredToken))}, at::kByte);
  survivor_count_ = zeros({rows}, at::kInt);
  keys_ = scratch({rows, vocabulary}, at::kLong);
  logits_ = zeros({rows, vocabulary}, at::kFloat);

  int32_t* const state = as<int32_t>(state_);
  tables_ = {segments(),
             as<int32_t>(slot_beams_),
             as<int32_t>(prefix_),
             as<int32_t>(length_),
             as<void*>(pages_),
             as<uint8_t>(owner_),
             as<int32_t>(tokens_),
             state + kSteps * slots,
             state + kDone * slots,
             sizes.max_pages,
             sizes.beams};
  beams_ = {as<BeamSettings>(settings_),
            as<float>(scores_),
            as<uint32_t>(history_),
            as<uint32_t>(trace_),
            as<int32_t>(parents_),
            as<FinishedBeam>(finished_),
            state + kFinishedCount * slots,
            state + kStopped * slots,
            state + kFailure * slots,
            as<ScoredToken>(survivors_),
            as<int32_t>(survivor_count_),
            as<uint64_t>(keys_),
            sizes.vocabulary,
            sizes.max_codes};
}

void DecodeMemory::take_over(const DecodeMemory& smaller) {
  for (const auto member : {&DecodeMemory::state_, &DecodeMemory::slot_beams_,
                            &DecodeMemory::prefix_, &DecodeMemory::length_, &DecodeMemory::pages_,
                            &DecodeMemory::owner_, &DecodeMemory::tokens_, &DecodeMemory::settings_,
                            &DecodeMemory::scores_, &DecodeMemory::history_, &DecodeMemory::trace_,
                            &DecodeMemory::parents_, &DecodeMemory::finished_}) {
    copy_common(smaller.*member, this->*member);
  }
}

DecodeTables DecodeMemory::tables_of(int slot) const {
  DecodeTables tables = tables_;
  tables.segments = all_slots_.const_data_ptr<int32_t>() + slot;
  return tables;
}

}  // namespace indextts2
