// The session's own thread: loads voices and cuts texts ahead of delivery. See Note [Session
// threads].
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "pool/reaper.h"
#include "session.h"
#include "session/session_state.h"

namespace indextts2 {

// Lets no callback of the user run once the session is gone, whatever its worker is still doing.
class CallbackGate;

// Thread-safety: stop, close_callbacks from any thread.
class TextWorker : public Mortal {
 public:
  TextWorker(std::shared_ptr<SessionState> state, std::shared_ptr<const SessionBackend> backend);
  ~TextWorker() override;

  // Call once, after reaper::enroll.
  void start();
  void stop() noexcept override;
  void join() noexcept override;
  // From here on no callback of a VoiceOptions is called; waits for one that runs right now on
  // another thread.
  void close_callbacks() noexcept;

 private:
  void run();
  bool wait_for_work();
  std::shared_ptr<Text> to_read(double now) const;
  bool has_read() const;
  void forget_read(std::unique_lock<std::mutex>* lock);
  void read_one();
  bool load_voice();
  void read_emotion();
  void found(std::optional<Found> item);
  void failed(const std::exception_ptr& thrown, int segment);

  const std::shared_ptr<SessionState> state_;
  const std::shared_ptr<const SessionBackend> backend_;
  const std::shared_ptr<CallbackGate> gate_;
  // The thread's own.
  std::shared_ptr<Text> text_;  // that is being read
  std::thread thread_;          // guarded by SessionState::mutex
};

}  // namespace indextts2
