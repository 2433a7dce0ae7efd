// Decoding several segments together on LibTorch: the definition of what a DecodeBatch does.
#include "stages/decode_batch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

// Keys to make room for at once, in steps; longer segments let the cache grow.
constexpr int64_t kExpectedSteps = 256;

}  // namespace

void check_decode_job(const DecodeJob& job, const UnifiedVoice& model) {
  check_beam_options(job.options);
  if (job.options.vocabulary != model.vocabulary()) {
    throw Error(ErrorCode::kInternal, "decoding: expected a vocabulary of " +
                                          std::to_string(model.vocabulary()) + ", got " +
                                          std::to_string(job.options.vocabulary));
  }
  if (job.options.max_codes > model.max_codes()) {
    throw Error(ErrorCode::kSettings,
                "decoding: max_codes is " + std::to_string(job.options.max_codes) +
                    "; the model has positions for " + std::to_string(model.max_codes()));
  }
}

TorchDecodeBatch::TorchDecodeBatch(std::shared_ptr<const UnifiedVoice> model, int capacity)
    : model_(std::move(model)) {
  if (capacity < 1) {
    throw Error(ErrorCode::kSettings,
                "max_batch is " + std::to_string(capacity) + "; expected 1 or more");
  }
  for (int i = 0; i < capacity; ++i) slots_.emplace_back(model_->make_cache());
}

int TorchDecodeBatch::free_slots() const {
  return static_cast<int>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.search; }));
}

int TorchDecodeBatch::admit(DecodeJob job) {
  const auto free =
      std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.search; });
  if (free == slots_.end()) throw Error(ErrorCode::kInternal, "decoding: no free slot");
  check_decode_job(job, *model_);
  Slot& slot = *free;
  slot.job = std::move(job);
  const BeamOptions& options = slot.job.options;
  const std::vector<float>& recorded = slot.job.recorded;
  const size_t width = static_cast<size_t>(options.num_beams) * options.vocabulary;
  auto search = std::make_unique<BeamSearch>(options, slot.job.random,
                                             recorded.empty() ? nullptr : recorded.data(),
                                             recorded.size() / width);
  const at::Tensor prefix = model_->prefix(slot.job.conditioning, slot.job.text_ids);
  const int64_t expected = std::min<int64_t>(options.max_codes, kExpectedSteps);
  slot.cache.start(options.num_beams, prefix.size(1) + 1 + options.num_beams * expected);
  const at::Tensor logits = model_->prefill(prefix, slot.cache);
  slot.search = std::move(search);
  slot.failure = nullptr;
  choose(slot, logits);
  return static_cast<int>(free - slots_.begin());
}

void TorchDecodeBatch::choose(Slot& slot, const at::Tensor& logits) {
  slot.logits = logits.to(at::kCPU).contiguous();
  try {
    slot.next = slot.search->advance(slot.logits.const_data_ptr<float>(), slot.logits.size(0));
  } catch (const Error&) {
    slot.failure = std::current_exception();
  }
}

void TorchDecodeBatch::step() {
  std::vector<Slot*> running;
  std::vector<KvCache*> caches;
  std::vector<int64_t> tokens, steps;
  for (Slot& slot : slots_) {
    if (finished(slot)) continue;
    running.push_back(&slot);
    caches.push_back(&slot.cache);
    slot.cache.extend_rows(slot.next.parents);
    tokens.insert(tokens.end(), slot.next.tokens.begin(), slot.next.tokens.end());
    steps.insert(steps.end(), slot.next.tokens.size(), slot.search->steps());
  }
  if (running.empty()) return;
  const at::Tensor logits = model_->step(tokens, steps, caches).to(at::kCPU);
  int64_t row = 0;
  for (Slot* slot : running) {
    choose(*slot, logits.narrow(0, row, slot->cache.rows()));
    row += slot->cache.rows();
  }
}

bool TorchDecodeBatch::finished(const Slot& slot) {
  return !slot.search || slot.failure || slot.search->done();
}

bool TorchDecodeBatch::finished(int slot) const { return finished(slots_.at(slot)); }

DecodeResult TorchDecodeBatch::release(int index) {
  Slot& slot = slots_.at(index);
  if (!slot.search) throw Error(ErrorCode::kInternal, "decoding: released a free slot");
  const std::unique_ptr<BeamSearch> search = std::move(slot.search);
  slot.job = {};
  slot.logits = at::Tensor();
  if (slot.failure) std::rethrow_exception(std::exchange(slot.failure, nullptr));
  return {search->codes(), search->capped()};
}

}  // namespace indextts2
