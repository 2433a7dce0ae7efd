// Decoding several segments together on a CUDA device: which segments run, and what the host knows
// of them.
#include "cuda/decode_batch.h"

#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"

namespace indextts2 {
namespace {

// The host looks at the device's state every so many steps, and at most two looks are on their way:
// a segment that is over costs that many idle steps at most.
constexpr int kStepsPerLook = 2;
// Segments for whose first pages there is memory from the start; of several slots one is for
// segments that are waited for, and seldom used beside all others.
constexpr int kReadySegments = 4;
// Positions of a prefix that there are graphs for: more than a segment of 120 text tokens has.
constexpr int64_t kReadyPrefix = 256;
// Rows of conditioning that tables are made for; more make them grow.
constexpr int kExpectedConditioning = 64;

// Positions of a prefix, start code included.
int64_t longest_prefix(const UnifiedVoice& model) {
  return kExpectedConditioning + model.max_text_tokens() + 3;
}

size_t page_bytes(const UnifiedVoice& model) {
  const KvShape shape = model.gpt().kv_shape();
  return static_cast<size_t>(shape.layers * 2 * shape.heads * kPageKeys * shape.head_size) *
         model.mel_embedding().weight.element_size();
}

int pages_for(int64_t positions) {
  return static_cast<int>((positions + kPageKeys - 1) / kPageKeys);
}

}  // namespace

bool CudaDecodeBatch::supports(const UnifiedVoice& model) {
  return beam_kernels_support(model.vocabulary()) && DecodeStep::supports(model, kMaxBeams);
}

CudaDecodeBatch::CudaDecodeBatch(std::shared_ptr<const UnifiedVoice> model, int capacity,
                                 const CudaDecodeOptions& options)
    : model_(std::move(model)),
      options_(options),
      device_(model_->mel_embedding().weight.device()),
      stream_(device_.index()),
      prefill_stream_(device_.index()),
      copy_stream_(device_.index()),
      pages_(device_, page_bytes(*model_), options.max_pages) {
  if (capacity < 1 || capacity > SegmentList::kMost) {
    throw Error(ErrorCode::kSettings, "max_batch is " + std::to_string(capacity) +
                                          "; expected 1 to " + std::to_string(SegmentList::kMost));
  }
  slots_.resize(capacity);
  caller_ready_ = make_event();
  make_wait(prefill_stream_.stream(), caller_ready_,
            c10::cuda::getCurrentCUDAStream(device_.index()).stream());
  const c10::cuda::CUDAStreamGuard guard(stream_.get());
  prefix_ready_ = make_event();
  prefix_copied_ = make_event();
  copied_ = make_event();
  for (Look& look : looks_) {
    look.state = PinnedArray<int32_t>(static_cast<size_t>(kStateRows) * capacity);
    look.ready = make_event();
  }
  const int64_t longest = longest_prefix(*model_);
  build(options.beams, pages_for(longest + model_->max_codes()));
  prefill_ = std::make_unique<Prefill>(model_, std::min(longest, kReadyPrefix), options.step.graphs,
                                       prefill_stream_.get());
  // The first page of a prefix is that of all beams.
  const int first_pages = options.beams * (pages_for(longest) - 1) + 1;
  pages_.reserve(std::clamp(capacity - 1, 1, kReadySegments) * first_pages);
}

// Work that is still enqueued reads memory of this object.
CudaDecodeBatch::~CudaDecodeBatch() {
  for (const LentStream* stream : {&prefill_stream_, &stream_, &copy_stream_}) {
    cudaStreamSynchronize(stream->stream());
  }
}

// New tables with what the old ones hold of the running segments. Throws and changes nothing when
// the device's memory does not suffice.
void CudaDecodeBatch::build(int beams, int max_pages) {
  auto memory = std::make_unique<DecodeMemory>(
      device_, DecodeSizes{capacity(), beams, max_pages, static_cast<int>(model_->vocabulary()),
                           static_cast<int>(model_->max_codes())});
  if (memory_ && free_slots() < capacity()) memory->take_over(*memory_);
  // Its first step ends with all of the stream's work done.
  auto step = std::make_unique<DecodeStep>(model_, *memory, options_.step, stream());
  finish_looks();
  step_ = std::move(step);
  memory_ = std::move(memory);
  listed_.clear();
  listed_bucket_ = 0;
  for (Slot& slot : slots_) {
    slot.pages.resize(beams);
    for (auto& pages : slot.pages) pages.resize(max_pages);
  }
}

// Tables wide enough for a segment; no wider than needed when there is no other.
void CudaDecodeBatch::make_room(int beams, int positions) {
  const DecodeSizes& now = memory_->sizes();
  const bool empty = free_slots() == capacity();
  int wanted = std::max(beams, options_.beams);
  if (!empty) wanted = std::max(wanted, now.beams);
  const int pages = std::max(now.max_pages, pages_for(positions));
  if (wanted != now.beams || pages != now.max_pages) build(wanted, pages);
}

int CudaDecodeBatch::free_slots() const {
  return static_cast<int>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return !slot.used; }));
}

bool CudaDecodeBatch::goes_on(const Slot& slot) const {
  return slot.used && !slot.known_done && !slot.failure && slot.codes < slot.job.options.max_codes;
}

// Pages `first_page` .. `last_page` of one beam, as far as they are missing.
void CudaDecodeBatch::take_pages(Slot* slot, int first_page, int last_page, int beam,
                                 PageList* list) {
  const int index = static_cast<int>(slot - slots_.data());
  const DecodeSizes& sizes = memory_->sizes();
  for (int page = first_page; page <= last_page; ++page) {
    void*& own = slot->pages[beam][page];
    if (own != nullptr) continue;
    own = pages_.take();
    if (list->count == PageList::kMost) {
      cuda_check(set_pages(memory_->tables(), *list, stream()), "writing the table of pages");
      list->count = 0;
    }
    list->place[list->count] = (index * sizes.beams + beam) * sizes.max_pages + page;
    list->page[list->count++] = own;
  }
}

void CudaDecodeBatch::give_back_pages(Slot* slot) {
  for (auto& beam : slot->pages) {
    for (void*& page : beam) {
      if (page != nullptr) pages_.give_back(std::exchange(page, nullptr));
    }
  }
}

// The page that each beam of each segment writes into in the next step.
void CudaDecodeBatch::make_pages_ready() {
  PageList list;
  for (size_t i = 0; i < slots_.size();) {
    Slot& slot = slots_[i];
    if (goes_on(slot)) {
      const int page = (slot.prefix + slot.codes - 1) / kPageKeys;
      try {
        for (int beam = 0; beam < slot.job.options.num_beams; ++beam) {
          take_pages(&slot, page, page, beam, &list);
        }
      } catch (const Error& error) {
        if (error.code != ErrorCode::kNoMemory) throw;
        fail_newest();
        continue;  // the same slot again
      }
    }
    ++i;
  }
  if (list.count > 0) {
    cuda_check(set_pages(memory_->tables(), list, stream()), "writing the table of pages");
  }
}

// Called while an exception tells why. Its pages are written by no step that follows.
void CudaDecodeBatch::fail_newest() {
  Slot* newest = nullptr;
  for (Slot& slot : slots_) {
    if (goes_on(slot) && (newest == nullptr || slot.admitted > newest->admitted)) newest = &slot;
  }
  newest->failure = std::current_exception();
  give_back_pages(newest);
}

// Tells the device who is decoded in the next step.
void CudaDecodeBatch::list_segments() {
  std::vector<int> running;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (goes_on(slots_[i])) running.push_back(static_cast<int>(i));
  }
  const int bucket = running.empty() ? 0 : step_->bucket(static_cast<int>(running.size()));
  if (running == listed_ && bucket == listed_bucket_) return;
  SegmentList list;
  list.count = bucket;
  for (int i = 0; i < bucket; ++i) {
    list.slot[i] = i < static_cast<int>(running.size()) ? running[i] : -1;
  }
  if (bucket > 0) {
    cuda_check(set_segments(memory_->segments(), list, stream()), "listing segments");
  }
  listed_ = std::move(running);
  listed_bucket_ = bucket;
}

void CudaDecodeBatch::step() {
  const c10::cuda::CUDAStreamGuard guard(stream_.get());
  const bool far_ahead =
      std::all_of(looks_.begin(), looks_.end(), [](const Look& look) { return look.pending; });
  read_looks(far_ahead);
  make_pages_ready();
  list_segments();
  if (listed_.empty()) {
    const bool waiting = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
      return slot.used && !slot.known_done && !slot.failure;
    });
    if (!waiting) return;
    look();
    finish_looks();
    return;
  }
  const auto run = [this] { step_->run(listed_bucket_, stream()); };
  options_.turns ? options_.turns->take(DeviceTurns::Kind::kDecode, stream(), run) : run();
  for (const int index : listed_) ++slots_[index].codes;
  if (++steps_since_look_ >= kStepsPerLook) look();
}

// Asks for the state after what is enqueued so far.
void CudaDecodeBatch::look() {
  Look& next = looks_[looks_asked_ % looks_.size()];
  if (next.pending) read_looks(true);
  cuda_check(cudaMemcpyAsync(next.state.data(), memory_->state(),
                             next.state.size() * sizeof(int32_t), cudaMemcpyDeviceToHost, stream()),
             "reading the state of decoding");
  cuda_check(cudaEventRecord(next.ready.get(), stream()), "reading the state of decoding");
  next.number = looks_asked_++;
  next.pending = true;
  steps_since_look_ = 0;
}

// What has arrived; `wait_for_one`: sleeps until the oldest has.
void CudaDecodeBatch::read_looks(bool wait_for_one) {
  for (size_t i = 0; i < looks_.size(); ++i) {
    Look& oldest = looks_[(looks_asked_ + i) % looks_.size()];
    if (!oldest.pending) continue;
    if (wait_for_one) {
      cuda_check(cudaEventSynchronize(oldest.ready.get()), "waiting for a step of decoding");
      wait_for_one = false;
    } else {
      const cudaError_t status = cudaEventQuery(oldest.ready.get());
      if (status == cudaErrorNotReady) return;
      cuda_check(status, "asking for a step of decoding");
    }
    oldest.pending = false;
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
      Slot& own = slots_[slot];
      if (!own.used || own.known_done || oldest.number < own.first_look) continue;
      for (int row = 0; row < kStateRows; ++row) {
        own.state[row] = oldest.state.data()[row * slots_.size() + slot];
      }
      own.known_done = own.state[kDone] != 0;
    }
  }
}

void CudaDecodeBatch::finish_looks() {
  for (size_t i = 0; i < looks_.size(); ++i) read_looks(true);
}

bool CudaDecodeBatch::finished(int index) const {
  const Slot& slot = slots_.at(index);
  return !slot.used || slot.failure || slot.known_done;
}

}  // namespace indextts2
