// The stream so far: one record per spoken segment, with the sound of the most recent ones, for
// seeking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "segment_info.h"

namespace indextts2 {

using Samples = std::shared_ptr<const std::vector<float>>;

// A piece of the stream: samples [first_sample, first_sample + count).
struct Chunk {
  uint64_t first_sample = 0;
  size_t count = 0;
  Samples samples;    // null: silence
  size_t offset = 0;  // of the piece in *samples
  SharedInfo info;    // of the segment that `samples` are; null: silence
  float gain = 1.0f,
        gain_step = 0.0f;  // of the first sample, and from each to the next
};

// Of a record that is only silence.
inline constexpr size_t kNoText = SIZE_MAX;

// One segment in the stream: `gap` silent samples, then `count` spoken ones.
struct Record {
  size_t text = 0;     // number of its text in the script, or kNoText
  int segment = 0;     // index within the text
  uint64_t start = 0;  // first sample of its gap
  uint64_t gap = 0;
  uint64_t count = 0;
  Samples samples;  // null: not kept
  SharedInfo info;
  uint64_t end() const { return start + gap + count; }
};

// Records are numbered 0, 1, ... over the life of the stream. Thread-safety: one thread.
class Timeline {
 public:
  // Sound is kept for the `kept_samples` samples that were put last, at least for one record.
  explicit Timeline(uint64_t kept_samples) : kept_samples_(kept_samples) {}

  // Forgets all; the stream goes on at sample `start`, with no gap before the next record.
  void restart(uint64_t start);
  bool fresh() const { return fresh_; }  // nothing came before the next record
  uint64_t end() const { return end_; }
  size_t first() const { return first_; }
  size_t size() const { return first_ + records_.size(); }
  const Record& at(size_t index) const { return records_[index - first_]; }
  // The record that covers `position`; size() when there is none.
  size_t find(uint64_t position) const;

  // Appends the sound of a segment, or with `info` null the rest of a cut one.
  void append(size_t text, uint64_t gap, std::vector<float> samples, SharedInfo info);
  void append_silence(uint64_t count) { append(kNoText, count, {}, nullptr); }
  // Gives record `index` its sound again; other lengths are cut or filled with silence.
  void refill(size_t index, std::vector<float> samples);

  // The piece at `position`, at most `limit` samples of one gap or one segment. False: no such
  // sound is kept.
  bool read(uint64_t position, uint64_t limit, Chunk* chunk) const;

  // Forgets the records that end at or before `position`.
  void drop_before(uint64_t position);

 private:
  Record& record(size_t index) { return records_[index - first_]; }
  void keep(size_t index);

  const uint64_t kept_samples_;
  std::deque<Record> records_;
  size_t first_ = 0;  // number of records_.front()
  uint64_t end_ = 0;
  bool fresh_ = true;
  std::deque<size_t> filled_;  // records with sound, in the order in which they got it
  uint64_t filled_samples_ = 0;
};

}  // namespace indextts2
