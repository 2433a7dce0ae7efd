// One load for all who ask for the same thing: the first opener starts it, later ones join it, each
// may give up alone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "core/stop_token.h"
#include "indextts2/engine.h"
#include "pool/reaper.h"

namespace indextts2 {

// Values live as long as somebody holds them; then the next opener loads anew. Thread-safety: safe.
template <typename Value>
class SharedLoads {
 public:
  using Tell = std::function<void(const Progress&)>;
  // Runs on a thread of its own; `stop` is set once every opener has given up.
  using Load = std::function<std::shared_ptr<Value>(const StopToken& stop, const Tell& tell)>;

  using Usable = std::function<bool(const Value&)>;

  // Returns the living value of `key`, or waits for the load that makes it. A living one that is
  // not `usable` any more is forgotten. `tell` is called on this thread. Throws what the load threw,
  // or Error{kCancelled} within 50 ms of `stop`.
  std::shared_ptr<Value> open(const std::string& key, Load load, const StopToken& stop,
                              const Tell& tell, const Usable& usable = nullptr) {
    std::shared_ptr<Running> running;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      forget_dead();
      const auto living = living_.find(key);
      if (living != living_.end()) {
        std::shared_ptr<Value> value = living->second.lock();
        if (value && (!usable || usable(*value))) return value;
      }
      std::shared_ptr<Running>& slot = running_[key];  // null: nobody loads it
      if (!slot) {
        // In the map only once it runs: nobody may join a load that never ends.
        auto started = std::make_shared<Running>();
        started->start(std::move(load));
        slot = std::move(started);
      }
      running = slot;
      ++running->openers;
    }
    try {
      std::shared_ptr<Value> value = running->wait(stop, tell);
      leave(key, running, value);
      return value;
    } catch (...) {
      leave(key, running, nullptr);
      throw;
    }
  }

 private:
  struct Running : Mortal, std::enable_shared_from_this<Running> {
    void start(Load load) {
      reaper::enroll(this->shared_from_this());
      try {
        thread = reaper::start([this, load = std::move(load)] { run(load); });
      } catch (...) {
        reaper::bury(this);
        throw;
      }
    }
    void stop() noexcept override { stopping.request_stop(); }
    void join() noexcept override {
      if (thread.joinable()) thread.join();
    }

    void run(const Load& load) {
      std::shared_ptr<Value> made;
      std::exception_ptr failed;
      try {
        made = load(stopping.token(), [this](const Progress& now) {
          std::lock_guard<std::mutex> lock(mutex);
          progress = now;
          ++news;
        });
      } catch (...) {
        failed = std::current_exception();
      }
      {
        std::lock_guard<std::mutex> lock(mutex);
        value = std::move(made);
        error = failed;
        over = true;
      }
      changed.notify_all();
    }

    std::shared_ptr<Value> wait(const StopToken& stop, const Tell& tell) {
      uint64_t told = 0;
      std::unique_lock<std::mutex> lock(mutex);
      for (;;) {
        changed.wait_for(lock, std::chrono::milliseconds(20), [&] { return over; });
        if (error) std::rethrow_exception(error);
        const bool done = over;
        const bool more = news != told;
        const Progress now = progress;
        told = news;
        lock.unlock();  // nothing is called back under a lock
        stop.check();
        if (more && tell) tell(now);
        lock.lock();
        if (done) return value;
      }
    }

    std::thread thread;
    StopSource stopping;
    int openers = 0;  // guarded by SharedLoads::mutex_

    std::mutex mutex;  // guards all below
    std::condition_variable changed;
    Progress progress;
    uint64_t news = 0;
    bool over = false;
    std::shared_ptr<Value> value;
    std::exception_ptr error;
  };

  void forget_dead() {
    for (auto entry = living_.begin(); entry != living_.end();) {
      entry = entry->second.expired() ? living_.erase(entry) : std::next(entry);
    }
  }

  // One opener goes, with the value or without. The last one to go ends the load.
  void leave(const std::string& key, const std::shared_ptr<Running>& running,
             const std::shared_ptr<Value>& value) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (value) living_[key] = value;
      if (--running->openers > 0) return;
      const auto slot = running_.find(key);
      if (slot != running_.end() && slot->second == running) running_.erase(slot);
    }
    {
      std::lock_guard<std::mutex> lock(running->mutex);
      running->value = nullptr;  // from now on only its users keep it alive
    }
    reaper::bury(running.get());
  }

  std::mutex mutex_;  // guards all below; never held while waiting
  std::map<std::string, std::weak_ptr<Value>> living_;
  std::map<std::string, std::shared_ptr<Running>> running_;
};

}  // namespace indextts2
