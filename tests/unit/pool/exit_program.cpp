// Ends in one of several ways while a pool is at work. Exit status 0: no thread outlived what it
// uses.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "fake_replica.h"
#include "pool/replica_pool.h"

namespace indextts2 {
namespace {

using Pool = ReplicaPool<FakeReplica, FakeJob>;

std::atomic<bool> g_library_gone{false};

// Stands for the statics of a library below: registered before the pool is opened, so it runs after
// the pool's handler.
void end_of_library() {
  g_library_gone = true;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

void use_library() {
  if (g_library_gone) _exit(3);
}

std::vector<Pool::Plan> busy_factories(int count) {
  std::vector<Pool::Plan> all;
  for (int i = 0; i < count; ++i) {
    all.push_back([](const StopToken&) {
      return std::make_unique<FakeReplica>([](FakeJob& job) {
        for (int step = 0; step < 50 && !job.stop_requested(); ++step) {
          use_library();
          std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
      });
    });
  }
  return all;
}

void submit_many(Pool& pool, const FakeJob::Done& done) {
  for (int i = 0; i < 1000; ++i) {
    pool.submit(std::make_shared<FakeJob>(i, StopToken(), 1.0, done));
  }
}

[[noreturn]] void sleep_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

int fork_and_wait() {
  const pid_t child = fork();
  if (child == 0) {
    try {
      Pool::open(busy_factories(1));
    } catch (const Error& error) {
      if (error.code == ErrorCode::kLibraryInit) std::exit(0);
    }
    std::exit(4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

// A replica that hangs for good is given up; exit() does not wait for it.
[[noreturn]] void exit_beside_a_hanging_replica() {
  static std::atomic<bool> lost{false};
  PoolOpenOptions options;
  options.hooks.stall_seconds = 0.1;
  options.hooks.on_lost = [](const LostReplica&) { lost = true; };
  auto plans = busy_factories(1);
  plans.push_back([](const StopToken&) {
    return std::make_unique<FakeReplica>([](FakeJob&) { sleep_for_ever(); });
  });
  const auto pool = Pool::open(std::move(plans), options);
  submit_many(*pool, [](int, std::exception_ptr) {});
  while (!lost) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::exit(0);
}

int run(const std::string& mode) {
  std::atexit(end_of_library);
  if (mode == "hanging") exit_beside_a_hanging_replica();
  if (mode == "opening") {
    std::vector<Pool::Plan> slow = {[](const StopToken& closing) {
      while (!closing.stop_requested()) {
        use_library();
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
      return std::make_unique<FakeReplica>();
    }};
    std::thread([slow] {
      try {
        Pool::open(slow);
      } catch (const Error&) {
      }
      sleep_for_ever();
    }).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::exit(0);
  }
  auto pool = Pool::open(busy_factories(8));
  submit_many(*pool, [mode](int value, std::exception_ptr) {
    if (mode == "worker" && value == 100) std::exit(0);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (mode == "worker") sleep_for_ever();
  if (mode == "closing") pool = nullptr;
  if (mode == "leaked") new std::shared_ptr<Pool>(pool);
  if (mode == "fork") return fork_and_wait();
  if (mode == "exit" || mode == "closing" || mode == "leaked") std::exit(0);
  return 0;
}

}  // namespace
}  // namespace indextts2

int main(int, char** argv) { return indextts2::run(argv[1]); }
