// The vocoder on CUDA.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "cuda/packed_vocoder.h"
#include "stages/backend.h"

namespace indextts2 {

// How work is cut into launches and tiles: the samples are the same bits for all.
struct WavePlan {
  // Stages of at most so many frames run their residual blocks side by side, longer ones one after
  // another.
  int64_t side_by_side = int64_t{1} << 40;
  // Mels of at most so many frames are decoded in small tiles (TapConvCall), in kFloat.
  int64_t small_tiles = 256;
};

// What a launch did, for benches. Bytes: operands read and results written, each once.
struct WaveLaunch {
  const char* kind;  // "snake", "conv", "up", "out"
  int64_t channels;
  double operations, bytes;
};

// Mel and weights in, samples out: they depend on nothing else. Runs on the current stream of the
// calling thread, which must be the same for all calls. Its work memory is 11 arrays of the size of
// a stage, 135 KB a frame at official sizes in half precision: what it is lent, if that suffices,
// else its own, which grows with the longest mel. Thread-safety: one thread.
class CudaWaveDecoder : public WaveDecoder {
 public:
  // Called before each mel: bytes on the network's device that nobody else uses meanwhile, or an
  // undefined tensor.
  using LendMemory = std::function<at::Tensor()>;

  explicit CudaWaveDecoder(std::shared_ptr<const PackedVocoder> vocoder, WavePlan plan = {},
                           LendMemory lend = {});

  // As WaveDecoder::decode; tests `stop` before every stage. Throws Error{kInternal} for a mel of a
  // wrong shape, Error{kNoMemory, kDeviceLost}.
  at::Tensor decode(const at::Tensor& mel, const StopToken& stop) override;
  void warm_up(int64_t frames) override;

  // Called after each launch.
  using Trace = std::function<void(const WaveLaunch&)>;
  void set_trace(Trace trace) { trace_ = std::move(trace); }

 private:
  at::Tensor work_memory(int64_t bytes);

  std::shared_ptr<const PackedVocoder> vocoder_;
  WavePlan plan_;
  LendMemory lend_;
  Trace trace_;
  at::Tensor memory_;  // bytes
};

}  // namespace indextts2
