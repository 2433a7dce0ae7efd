// The second thread of a replica: renders decoded segments while others are being decoded.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "stages/renderer.h"

namespace indextts2 {

// A decoded segment that waits for its sound.
struct DecodedSegment {
  std::shared_ptr<SynthesisJob> job;
  DecodedCodes codes;
  double start = 0;   // of its decoding, core/clock.h
  int decoding = 0;   // segments that were decoded beside it when it was finished
  double pushed = 0;  // set by push()
};

struct RenderOptions {
  // Frames, those of the prompts included, that segments rendered together may have in all, two
  // thirds of them where few segments are in work; more than one is taken only within them. 0: one
  // segment at a time, in the order of their coming. Else first segments (Job::first), for which
  // somebody waits, go before others and without them. Segments whose voice is still on its way let
  // all others pass.
  int64_t frames_together = 0;
  // Seconds that a segment waits at most for others to be rendered with, where so many are being
  // decoded that they come soon (kDecodingPerPlace). First segments do not wait.
  double longest_wait = 0.25;
  // Seconds for which others wait at most while a first segment is being decoded; twice that where
  // one comes after the other.
  double longest_for_firsts = 0.4;
  int sample_rate_hz = 22050;
};

// Note [Rendering together]: the flow of one segment does not fill a large GPU. What waits when the
// thread becomes free is therefore solved in one call; each segment is vocoded and delivered by
// itself. What a segment sounds like does not depend on its company. With many segments in work the
// thread even waits for some: alone, a flow takes a fifth longer than its part of a flow of four,
// and while it goes on, decoding has half of the device. For the same reason no flow of others
// begins while a first segment is being decoded: it is decoded faster, and then finds no flow in
// its way.
//
// Thread-safety: safe. Every job that it was given ends with its sound or its own Error, but for
// those of a broken device: they are left to who is told of the fault.
class RenderThread {
 public:
  // `enter`: called first on the thread; what it returns lives as long as the thread. `make`: makes
  // the renderer, on the thread. When one of them throws, all jobs end with that Error.
  RenderThread(std::function<std::shared_ptr<void>()> enter,
               std::function<std::unique_ptr<Renderer>()> make, const RenderOptions& options);
  ~RenderThread();  // as close()

  void push(DecodedSegment segment);
  // How many first segments are being decoded now.
  void expect_firsts(int count);
  // Who is told, on the thread, that the device gives no more sound. Without it jobs fail with that
  // Error, too.
  void set_on_fault(std::function<void(std::exception_ptr)> on_fault);
  // Lets go of what it was given and not begun.
  void abandon();
  // Finishes what it was given and ends the thread. Call it once nothing is pushed any more.
  void close();

 private:
  struct Prepared;

  void run();
  std::vector<DecodedSegment> take(double* waited);
  double wait_for_others() const;
  double wait_for_company(int ready, int64_t frames_ready, double oldest) const;
  void render(std::vector<DecodedSegment> group);
  static bool check_voice(SynthesisJob& job);
  std::vector<Prepared> prepare(std::vector<DecodedSegment> group);
  void solve(std::vector<Prepared>* group);
  void finish(Prepared segment);
  void fail(SynthesisJob& job, const std::exception_ptr& failure);

  const std::function<std::shared_ptr<void>()> enter_;
  const std::function<std::unique_ptr<Renderer>()> make_;
  const RenderOptions options_;
  std::unique_ptr<Renderer> renderer_;  // used by the thread, destroyed by the owner
  std::mutex mutex_;                    // guards all below but thread_
  std::condition_variable wake_;
  std::deque<DecodedSegment> waiting_;
  int firsts_ = 0;           // being decoded
  double firsts_since_ = 0;  // when that was 0 last; core/clock.h
  bool closed_ = false, abandoned_ = false;
  std::function<void(std::exception_ptr)> on_fault_;
  std::thread thread_;
};

}  // namespace indextts2
