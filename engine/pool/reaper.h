// Ends threads that nobody may wait for: closing an engine returns at once, and exit() finds no
// thread running.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace indextts2 {

// Something with threads of its own.
class Mortal {
 public:
  virtual ~Mortal() = default;
  // Asks the threads to end. Returns at once, any thread, any number of times.
  virtual void stop() noexcept = 0;
  // Waits until they have ended. Called once, after stop(), by the reaper's thread only.
  virtual void join() noexcept = 0;
};

// Note [End of threads]
// A Mortal is enrolled before its first thread starts and buried when its last user is gone: bury()
// asks it to stop, and the one reaper thread joins its threads and destroys it, weights included.
// At exit() a handler does the same for all that live, and waits, because threads must be gone
// before the statics of the libraries below are; what they held is leaked. exit() from one of these
// threads waits for the others only. A forked child has none of the threads: there everything is
// leaked and nothing waits.
//
// The reaper is a leaked singleton per library. Thread-safety: safe.
namespace reaper {

// Keeps `mortal` alive until it is buried. Throws Error{kCancelled} when the process is exiting,
// Error{kLibraryInit} in a forked child.
void enroll(std::shared_ptr<Mortal> mortal);
// Returns at once. `mortal` must be enrolled; a second call has no effect.
void bury(const Mortal* mortal) noexcept;
// A thread that exit() waits for; `body` must not throw. Only for threads of enrolled Mortals.
std::thread start(std::function<void()> body);
// Runs the exit handler before those registered so far: call it after loading, since libraries
// register destructors of their own when they are first used.
void run_before_other_exit_handlers();
// True once exit() has begun, and in a forked child: results have no reader any more, and what a
// library helps to free is leaked.
bool exiting() noexcept;
// Keeps `object` for the rest of the process.
void leak(std::shared_ptr<const void> object) noexcept;

}  // namespace reaper
}  // namespace indextts2
