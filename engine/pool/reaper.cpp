// The reaper thread and the exit handler. See Note [End of threads].
#include "pool/reaper.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"

namespace indextts2::reaper {
namespace {

thread_local bool t_started_here = false;

template <typename Body>
std::thread new_thread(Body body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    throw Error(ErrorCode::kNoMemory,
                "engine: cannot start a thread; raise the limit on threads or use fewer replicas",
                error.what());
  }
}

class Reaper {
 public:
  static Reaper& get() {
    static Reaper* const reaper = new Reaper;  // leaked: threads may outlive static destructors
    return *reaper;
  }

  void enroll(std::shared_ptr<Mortal> mortal) {
    if (forked()) {
      throw Error(ErrorCode::kLibraryInit,
                  "engine: this process was forked after the engine was loaded and has none of its "
                  "threads; "
                  "fork before loading, or start a new program in the child");
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (exiting_) throw Error(ErrorCode::kCancelled, "engine: the process is exiting");
    if (!thread_.joinable()) thread_ = new_thread([this] { run(); });
    living_.push_back(std::move(mortal));
  }

  void bury(const Mortal* mortal) noexcept {
    if (forked()) return;  // living_ keeps it; its mutexes may be held by threads that are gone
    std::shared_ptr<Mortal> found;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto at = std::find_if(living_.begin(), living_.end(),
                                   [&](const auto& one) { return one.get() == mortal; });
      if (at == living_.end()) return;
      found = *at;
      dying_.splice(dying_.end(), living_, at);
    }
    found->stop();
    {
      // Under the lock: the reaper thread must not join before stop() was called.
      std::lock_guard<std::mutex> lock(mutex_);
      const auto at = std::find(dying_.begin(), dying_.end(), found);
      found = nullptr;  // the last reference must go on the reaper thread
      if (at != dying_.end()) dead_.splice(dead_.end(), dying_, at);
    }
    wake_.notify_all();
  }

  std::thread start(std::function<void()> body) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++running_;
    }
    try {
      return new_thread([this, body = std::move(body)]() mutable {
        t_started_here = true;
        body();
        body = nullptr;
        ended();
      });
    } catch (...) {
      ended();
      throw;
    }
  }

  void at_exit() noexcept {
    if (forked()) return;
    std::vector<std::shared_ptr<Mortal>> all;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (exiting_.exchange(true)) return;
      all.assign(living_.begin(), living_.end());
      all.insert(all.end(), dying_.begin(), dying_.end());
    }
    for (const auto& mortal : all) mortal->stop();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      dead_.splice(dead_.end(), living_);
      dead_.splice(dead_.end(), dying_);
    }
    wake_.notify_all();
    const bool on_reaper = std::this_thread::get_id() == thread_.get_id();
    if (!t_started_here && !on_reaper) {
      if (thread_.joinable()) thread_.join();
    } else {
      // This thread cannot end before exit() does, so the reaper may wait for it for ever.
      std::unique_lock<std::mutex> lock(mutex_);
      ended_.wait(lock, [this] { return running_ <= (t_started_here ? 1 : 0); });
    }
    for (auto& mortal : all) leak(std::move(mortal));
  }

  bool exiting() const noexcept { return exiting_ || forked(); }

  void leak(std::shared_ptr<const void> object) noexcept {
    if (forked()) {
      new std::shared_ptr<const void>(std::move(object));
      return;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    leaked_.push_back(std::move(object));
  }

 private:
  bool forked() const noexcept { return getpid() != pid_; }

  bool all_stopped() const { return living_.empty() && dying_.empty(); }

  void ended() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    --running_;
    ended_.notify_all();
  }

  void run() {
    for (;;) {
      std::shared_ptr<Mortal> mortal;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return !dead_.empty() || (exiting_ && all_stopped()); });
        if (dead_.empty()) return;
        mortal = std::move(dead_.front());
        dead_.pop_front();
      }
      mortal->join();
      if (exiting_) leak(std::move(mortal));
    }
  }

  const pid_t pid_ = getpid();
  mutable std::mutex mutex_;  // guards all below; never held while a Mortal is called
  std::condition_variable wake_, ended_;
  std::list<std::shared_ptr<Mortal>> living_, dying_, dead_;  // dying: inside stop()
  std::vector<std::shared_ptr<const void>> leaked_;
  std::thread thread_;  // written once, in enroll
  int running_ = 0;     // threads made by start() that have not ended
  std::atomic<bool> exiting_{false};
};

void at_exit() { Reaper::get().at_exit(); }

}  // namespace

void enroll(std::shared_ptr<Mortal> mortal) {
  Reaper::get().enroll(std::move(mortal));
  // The first enrolment may be followed by an exit() before anything is loaded.
  static const bool registered = (std::atexit(at_exit), true);
  (void)registered;
}
void bury(const Mortal* mortal) noexcept { Reaper::get().bury(mortal); }
std::thread start(std::function<void()> body) { return Reaper::get().start(std::move(body)); }
void run_before_other_exit_handlers() { std::atexit(at_exit); }
bool exiting() noexcept { return Reaper::get().exiting(); }
void leak(std::shared_ptr<const void> object) noexcept { Reaper::get().leak(std::move(object)); }

}  // namespace indextts2::reaper
