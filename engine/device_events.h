// Tells all engines that share a pool what happens to its devices.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

// Thread-safety: safe. A listener may still be called shortly after remove().
class DeviceEvents {
 public:
  using Listener = std::function<void(const DeviceEvent&)>;

  int add(Listener listener) {
    std::lock_guard<std::mutex> lock(mutex_);
    listeners_[++last_] = std::move(listener);
    return last_;
  }
  void remove(int number) {
    std::lock_guard<std::mutex> lock(mutex_);
    listeners_.erase(number);
  }
  void tell(const DeviceEvent& event) const {
    std::vector<Listener> all;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& [number, listener] : listeners_) all.push_back(listener);
    }
    for (const Listener& listener : all) listener(event);  // nothing is called back under a lock
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::map<int, Listener> listeners_;
  int last_ = 0;
};

}  // namespace indextts2
