// What a device library replaces: the two loops that take the time. The CPU versions are the
// definition.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/random.h"
#include "stages/beam_search.h"

namespace indextts2 {

// One segment to be decoded. Letters: C width of the GPT, n speaker latents.
struct DecodeJob {
  at::Tensor conditioning;        // [1, n + 2, C], UnifiedVoice::conditioning
  std::vector<int32_t> text_ids;  // without start and stop
  BeamOptions options;
  RandomStream random;  // purpose kCodes; used unless draws are recorded
  std::vector<float>
      recorded;  // draws of every step [steps, num_beams * vocabulary]; empty: from `random`
};

struct DecodeResult {
  std::vector<int64_t> codes;  // without the stop code; may be empty
  bool capped = false;         // cut off by max_codes
};

// Several segments decoded together, one code of each at a time. Segments may come and go between
// steps; what one gives does not depend on the others but for rounding in the matrix products.
// Thread-safety: one thread.
class DecodeBatch {
 public:
  virtual ~DecodeBatch() = default;
  virtual int capacity() const = 0;  // segments at the same time
  virtual int free_slots() const = 0;
  // Takes a segment in and runs its prefix: returns its slot, 0 .. capacity - 1. Needs a free slot.
  // Throws Error{kSettings, kTextTooLong, kModel}; then nothing was taken in.
  virtual int admit(DecodeJob job) = 0;
  // One more code for every segment that is not finished.
  virtual void step() = 0;
  virtual bool finished(int slot) const = 0;  // also when it failed
  // Frees the slot at any time, finished or not, and returns what there is; throws the segment's
  // own Error (kSynthesis) if it failed.
  virtual DecodeResult release(int slot) = 0;
};

}  // namespace indextts2
