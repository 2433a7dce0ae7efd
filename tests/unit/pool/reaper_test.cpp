// Threads end without anybody waiting, and exit() finds none running.
#include "pool/reaper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fake_replica.h"
#include "run_program.h"

namespace indextts2 {
namespace {

// A thread that ends some time after stop().
class Sleeper : public Mortal {
 public:
  explicit Sleeper(std::atomic<bool>* end) : end_(end) {}
  ~Sleeper() override { ++num_dead; }
  void start() {
    thread_ = reaper::start([this] {
      while (!*end_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  }
  void stop() noexcept override { ++num_stops; }
  void join() noexcept override {
    joiner = std::this_thread::get_id();
    thread_.join();
  }

  static inline std::atomic<int> num_dead{0}, num_stops{0};
  static inline std::thread::id joiner;

 private:
  std::atomic<bool>* const end_;
  std::thread thread_;
};

TEST(Reaper, BuriesWithoutWaiting) {
  std::atomic<bool> end{false};
  auto sleeper = std::make_shared<Sleeper>(&end);
  reaper::enroll(sleeper);
  sleeper->start();
  const Mortal* const grave = sleeper.get();
  sleeper = nullptr;
  EXPECT_EQ(Sleeper::num_dead, 0);
  reaper::bury(grave);
  reaper::bury(grave);
  EXPECT_EQ(Sleeper::num_stops, 1);
  EXPECT_EQ(Sleeper::num_dead, 0);
  end = true;
  ASSERT_TRUE(eventually([] { return Sleeper::num_dead == 1; }));
  EXPECT_NE(Sleeper::joiner, std::this_thread::get_id());
  EXPECT_FALSE(reaper::exiting());
}

// exit: from main. closing: right after the last handle went. leaked: the handle is never dropped.
// worker: from a worker's own thread. opening: while replicas are built. fork: from a forked child,
// and then from its parent. return: from main's end.
class Exit : public testing::TestWithParam<const char*> {};

TEST_P(Exit, UnderLoad) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run_program(EXIT_PROGRAM, {GetParam()}), 0);
}

TEST(Reaper, ExitDoesNotWaitForAReplicaThatHangs) {
  EXPECT_EQ(run_program(EXIT_PROGRAM, {"hanging"}), 0);
}

INSTANTIATE_TEST_SUITE_P(Reaper, Exit,
                         testing::Values("exit", "closing", "leaked", "worker", "opening", "fork",
                                         "return"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace indextts2
