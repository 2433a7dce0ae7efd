// Streams, through c10's device-independent interface.
#include "stages/stream_handover.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace indextts2 {
namespace {

c10::Stream current_stream(at::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

StreamHandover::StreamHandover(at::Tensor tensor) : tensor_(std::move(tensor)) {
  if (!tensor_.defined() || tensor_.is_cpu()) return;
  made_ = std::make_shared<c10::Event>(tensor_.device().type());
  made_->record(current_stream(tensor_.device()));
}

at::Tensor StreamHandover::take() const {
  if (!made_) return tensor_;
  made_->block(current_stream(tensor_.device()));
  return tensor_;
}

void wait_for_stream(at::Device device) {
  if (!device.is_cpu()) current_stream(device).synchronize();
}

}  // namespace indextts2
