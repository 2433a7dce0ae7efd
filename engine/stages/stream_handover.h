// Streams: a tensor on its way from one thread's stream to another's, and the wait for a stream.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>

namespace indextts2 {

// Made on the giving thread once the tensor's kernels are queued; take() makes the current stream
// of the taking thread wait for them, not the thread. On the CPU there is nothing to wait for.
//
// Keep it until what the taking stream reads from the tensor is done or of no interest: then its
// memory may be used anew. The allocator is not told of that stream, for it throws when the tensor
// goes and the device has failed. Thread-safety: one thread at a time.
class StreamHandover {
 public:
  StreamHandover() = default;
  explicit StreamHandover(at::Tensor tensor);
  at::Tensor take() const;
  bool empty() const { return !tensor_.defined(); }

 private:
  at::Tensor tensor_;
  std::shared_ptr<c10::Event> made_;  // null on the CPU
};

// Waits until everything that the calling thread queued on this device is done.
void wait_for_stream(at::Device device);

}  // namespace indextts2
