// Records of the stream and the bounded store of their sound.
#include "timeline.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace indextts2 {

void Timeline::restart(uint64_t start) {
  first_ += records_.size();
  records_.clear();
  filled_.clear();
  filled_samples_ = 0;
  end_ = start;
  fresh_ = true;
}

size_t Timeline::find(uint64_t position) const {
  auto after = std::upper_bound(records_.begin(), records_.end(), position,
                                [](uint64_t p, const Record& r) { return p < r.end(); });
  if (after == records_.end() || position < after->start) return size();
  return first_ + static_cast<size_t>(after - records_.begin());
}

void Timeline::append(size_t text, uint64_t gap, std::vector<float> samples, SharedInfo info) {
  Record added;
  added.text = text;
  added.segment = info ? info->index : std::numeric_limits<int>::max();
  added.info = std::move(info);
  added.start = end_;
  added.gap = gap;
  added.count = samples.size();
  added.samples = std::make_shared<const std::vector<float>>(std::move(samples));
  fresh_ = false;
  end_ = added.end();
  records_.push_back(std::move(added));
  keep(size() - 1);
}

void Timeline::refill(size_t index, std::vector<float> samples) {
  Record& filled = record(index);
  if (filled.samples) return;
  samples.resize(filled.count);
  filled.samples = std::make_shared<const std::vector<float>>(std::move(samples));
  keep(index);
}

void Timeline::keep(size_t index) {
  filled_.push_back(index);
  filled_samples_ += record(index).count;
  while (filled_samples_ > kept_samples_ && filled_.front() != index) {
    size_t oldest = filled_.front();
    filled_.pop_front();
    if (oldest < first_) continue;  // dropped with its samples
    filled_samples_ -= record(oldest).count;
    record(oldest).samples.reset();
  }
}

bool Timeline::read(uint64_t position, uint64_t limit, Chunk* chunk) const {
  size_t index = find(position);
  if (index == size()) return false;
  const Record& found = at(index);
  uint64_t inside = position - found.start;
  chunk->first_sample = position;
  if (inside < found.gap) {
    chunk->samples.reset();
    chunk->info.reset();
    chunk->offset = 0;
    chunk->count = static_cast<size_t>(std::min(limit, found.gap - inside));
    return true;
  }
  if (!found.samples) return false;
  chunk->samples = found.samples;
  chunk->info = found.info;
  chunk->offset = static_cast<size_t>(inside - found.gap);
  chunk->count = static_cast<size_t>(std::min(limit, found.count - chunk->offset));
  return true;
}

void Timeline::drop_before(uint64_t position) {
  while (!records_.empty() && records_.front().end() <= position) {
    if (records_.front().samples) filled_samples_ -= records_.front().count;
    records_.pop_front();
    ++first_;
  }
  while (!filled_.empty() && filled_.front() < first_) filled_.pop_front();
}

}  // namespace indextts2
