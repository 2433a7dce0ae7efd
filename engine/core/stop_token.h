// Cooperative cancellation: a StopSource asks, StopTokens are tested between steps of long work.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "core/error.h"

namespace indextts2 {

// Thread-safety: safe. An empty token never stops.
class StopToken {
 public:
  StopToken() = default;
  // A token that also stops when `poll` returns true. `poll` must be cheap, safe to call from any
  // thread, and not throw.
  explicit StopToken(std::function<bool()> poll)
      : poll_(std::make_shared<const std::function<bool()>>(std::move(poll))) {}

  bool stop_requested() const {
    return (flag_ && flag_->load(std::memory_order_relaxed)) || (poll_ && *poll_ && (*poll_)());
  }
  // Throws Error{kCancelled} once a stop was asked for.
  void check() const {
    if (stop_requested()) throw Error(ErrorCode::kCancelled, "cancelled");
  }

 private:
  friend class StopSource;
  std::shared_ptr<const std::atomic<bool>> flag_;
  std::shared_ptr<const std::function<bool()>> poll_;
};

// Thread-safety: safe. Copies share one flag.
class StopSource {
 public:
  void request_stop() { flag_->store(true, std::memory_order_relaxed); }
  bool stop_requested() const { return flag_->load(std::memory_order_relaxed); }
  StopToken token() const {
    StopToken token;
    token.flag_ = flag_;
    return token;
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace indextts2
