// Order of live texts.
#include "live_queue.h"

#include <algorithm>
#include <utility>

namespace indextts2 {

uint64_t LiveText::samples() const {
  uint64_t sum = 0;
  for (const LiveSegment& segment : segments) sum += segment.samples->size();
  return sum;
}

void LiveQueue::add(SharedText text) {
  bytes_ += text->utterance->text.size();
  priorities_[text->id] = text->utterance->options.priority;
  texts_[{-text->utterance->options.priority, text->id}] = std::move(text);
}

void LiveQueue::remove(uint64_t id) {
  const auto priority = priorities_.find(id);
  if (priority == priorities_.end()) return;
  const auto found = texts_.find({-priority->second, id});
  bytes_ -= found->second->utterance->text.size();
  texts_.erase(found);
  priorities_.erase(priority);
}

void LiveQueue::clear() {
  texts_.clear();
  priorities_.clear();
  bytes_ = 0;
}

SharedText LiveQueue::find(uint64_t id) const {
  const auto priority = priorities_.find(id);
  return priority == priorities_.end() ? nullptr : texts_.at({-priority->second, id});
}

SharedText LiveQueue::first_ready(uint64_t time, const SharedText& other) const {
  for (const auto& [key, text] : texts_) {
    if (text == other || text->segments.empty()) continue;
    if (text->utterance->not_before <= time) return text;
  }
  return nullptr;
}

SharedText LiveQueue::first_unspoken(uint64_t time, uint64_t ahead) const {
  SharedText later;
  for (const auto& [key, text] : texts_) {
    if (text->complete || text->utterance->error || text->samples() >= ahead) continue;
    if (text->utterance->not_before <= time) return text;
    if (!later || text->utterance->not_before < later->utterance->not_before) later = text;
  }
  return later;
}

SharedText LiveQueue::first_late(uint64_t time, const std::optional<uint64_t>& max_late) const {
  for (const auto& [key, text] : texts_) {
    // What belongs to a text that was begun in time waits for its turn.
    if (text->announced || text->utterance->first_id != 0) continue;
    std::optional<uint64_t> most = text->utterance->ttl;
    if (max_late && (!most || *max_late < *most)) most = max_late;
    const uint64_t due = std::max(text->accepted_at, text->utterance->not_before);
    if (most && time > due && time - due > *most) return text;
  }
  return nullptr;
}

}  // namespace indextts2
