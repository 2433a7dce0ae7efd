// What a device library replaces: the loops that take the time. The versions on LibTorch are the
// definition.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/random.h"
#include "core/stop_token.h"
#include "modules/bigvgan.h"
#include "modules/flow_matching.h"
#include "modules/unified_voice.h"
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

// The latent pass of finished codes. Thread-safety: one thread.
class LatentPass {
 public:
  virtual ~LatentPass() = default;
  // As UnifiedVoice::latent; what it returns is the caller's.
  virtual at::Tensor run(const at::Tensor& conditioning, const std::vector<int32_t>& text_ids,
                         const std::vector<int64_t>& codes) = 0;
  // As FlowSolver::warm_up, for segments of common lengths.
  virtual void warm_up() {}
};

// One segment's way from noise to mel.
struct FlowJob {
  FlowInput input;   // on the network's device, in the dtype of its weights
  at::Tensor noise;  // [1, M, F] float32 on the network's device, standard normal
  FlowOptions options;
};

// Solves flows. What a job gives does not depend on the jobs beside it. Thread-safety: one thread.
class FlowSolver {
 public:
  virtual ~FlowSolver() = default;
  // The mel of the generated frames of each job [1, M, G] float32, on the network's device. Throws
  // Error{kSettings, kSynthesis} as FlowMatching::solve and Error{kCancelled}, tested before every
  // step.
  virtual std::vector<at::Tensor> solve(const std::vector<FlowJob>& jobs,
                                        const StopToken& stop) = 0;
  // A job's noise, drawn on the device: [1, bands, frames] with element `band * frames + frame` of
  // `stream`, the same bits as core/random.h gives, and 0 before the frame `prompt`. Undefined: the
  // caller draws it.
  virtual at::Tensor noise(const RandomStream& /*stream*/, int64_t /*bands*/, int64_t /*prompt*/,
                           int64_t /*frames*/) {
    return {};
  }
  // Makes ready what segments of these sizes need, so that their first solve is no slower than the
  // next ones. Throws Error{kNoMemory, kDeviceLost}.
  virtual void warm_up(int64_t /*prompt_frames*/, int64_t /*generated_frames*/,
                       const FlowOptions& /*options*/) {}
};

// Log-mel to samples. Thread-safety: one thread.
class WaveDecoder {
 public:
  virtual ~WaveDecoder() = default;
  // mel [1, M, F] float32 on the network's device -> [F * hop] float32 in [-1, 1], there as well.
  // Throws Error{kCancelled}.
  virtual at::Tensor decode(const at::Tensor& mel, const StopToken& stop) = 0;
  // As FlowSolver::warm_up, for mels of up to so many frames.
  virtual void warm_up(int64_t /*frames*/) {}
};

// The networks of one device, ready to run; immutable, shared by its replicas. What it makes holds
// a reference to it. Thread-safety: const.
class DeviceNetworks {
 public:
  virtual ~DeviceNetworks() = default;
  virtual std::unique_ptr<DecodeBatch> decode_batch(int capacity) const = 0;
  virtual std::unique_ptr<LatentPass> latent_pass() const { return nullptr; }  // null: the module
  virtual std::unique_ptr<FlowSolver> flow_solver() const = 0;
  // `beside`: a solver of these networks on the same thread that outlives the decoder, or null. The
  // decoder may work in its memory between two solves.
  virtual std::unique_ptr<WaveDecoder> wave_decoder(FlowSolver* beside) const = 0;
};

// The networks as the checkpoints gave them, on their device. A network may be shared with its
// owner through the aliasing constructor.
struct NetworkModules {
  std::shared_ptr<const UnifiedVoice> gpt;
  std::shared_ptr<const FlowMatching> flow;
  std::shared_ptr<const BigVgan> vocoder;
};

inline constexpr int kDeviceBackendAbi = 5;

// The networks of a device library. Thread-safety: safe.
class DeviceBackend {
 public:
  virtual ~DeviceBackend() = default;
  // Parts whose sizes the library has no kernels for run on LibTorch as they would without it.
  // Works on the current device, where the modules must be. A module that is packed and not needed
  // any more is let go. A module may be null: what it is for must then not be made. Throws
  // Error{kNoMemory, kDeviceLost}.
  virtual std::shared_ptr<const DeviceNetworks> prepare(NetworkModules modules) const = 0;
};

}  // namespace indextts2

// The second symbol of a device library. nullptr: it speaks another kDeviceBackendAbi.
extern "C" __attribute__((visibility("default"))) const indextts2::DeviceBackend*
indextts2_device_backend(int abi);
