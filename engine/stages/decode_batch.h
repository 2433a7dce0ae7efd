// Decoding several segments together on LibTorch: the definition of what a DecodeBatch does, on any
// device.
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "modules/unified_voice.h"
#include "stages/backend.h"
#include "stages/beam_search.h"

namespace indextts2 {

// Throws Error{kSettings} for options out of range or more codes than the model has positions for,
// Error{kInternal} for another model's vocabulary.
void check_decode_job(const DecodeJob& job, const UnifiedVoice& model);

// Thread-safety: one thread.
class TorchDecodeBatch : public DecodeBatch {
 public:
  // `capacity` segments at most, at least 1. The model is shared and must not be null.
  TorchDecodeBatch(std::shared_ptr<const UnifiedVoice> model, int capacity);

  int capacity() const override { return static_cast<int>(slots_.size()); }
  int free_slots() const override;
  int admit(DecodeJob job) override;
  void step() override;
  bool finished(int slot) const override;
  DecodeResult release(int slot) override;

  // The search in a slot; for tests. Null: free.
  const BeamSearch* search(int slot) const { return slots_.at(slot).search.get(); }
  // Logits [rows, V] that the last admit or step gave this slot's search; for tests.
  const at::Tensor& logits(int slot) const { return slots_.at(slot).logits; }

 private:
  struct Slot {
    explicit Slot(KvCache cache) : cache(std::move(cache)) {}
    KvCache cache;  // keeps its memory from segment to segment
    DecodeJob job;
    std::unique_ptr<BeamSearch> search;  // null: free
    BeamSearch::Choice next;             // tokens that the next step feeds
    at::Tensor logits;
    std::exception_ptr failure;
  };
  static void choose(Slot& slot, const at::Tensor& logits);
  static bool finished(const Slot& slot);

  const std::shared_ptr<const UnifiedVoice> model_;
  std::vector<Slot> slots_;
};

}  // namespace indextts2
