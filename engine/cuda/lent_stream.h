// Streams that one owner uses at a time.
#pragma once

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace indextts2 {

// Note [Lent streams]
// LibTorch's pools hand out the same 32 streams of a device and priority again and again, while
// earlier takers still use them. That is more than slow: what one thread enqueues while another
// captures a graph on the same stream lands in that graph. A lent stream has one owner. Those that
// came back go out first, the last one before the others: what LibTorch keeps for a stream (cuBLAS
// workspaces, freed blocks) does not grow as replicas come and go.
//
// Thread-safety: safe. `priority_high`: where the device chooses between two, it goes first. Throws
// Error{kDeviceLost} when the device does not answer.
c10::cuda::CUDAStream lend_stream(c10::DeviceIndex device, bool priority_high);
// What is still enqueued on it goes on. Makes no call to the device.
void give_back_stream(const c10::cuda::CUDAStream& stream, bool priority_high) noexcept;

// A lent stream of high priority, for as long as it lives.
class LentStream {
 public:
  explicit LentStream(c10::DeviceIndex device)
      : stream_(lend_stream(device, /*priority_high=*/true)) {}
  ~LentStream() { give_back_stream(stream_, /*priority_high=*/true); }
  LentStream(const LentStream&) = delete;
  LentStream& operator=(const LentStream&) = delete;

  const c10::cuda::CUDAStream& get() const { return stream_; }
  cudaStream_t stream() const { return stream_.stream(); }

 private:
  const c10::cuda::CUDAStream stream_;
};

}  // namespace indextts2
