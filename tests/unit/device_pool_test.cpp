// The engine's whole pool path on real replicas: order, faults in mid-segment, devices that come
// and go. The pair of devices is a stand-in (pool/device.h) and the CPU everywhere, and cuda:0 and
// the CPU where there is a GPU. Every segment is compared bit for bit with what its device speaks
// alone: between different devices nothing is equal.
//
//   device_pool_test [MODEL_FOLDER [CLIP [TOKENS]]]      default: the bundled voice; TOKENS: of a
//   segment
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broken_device.h"
#include "device_pool_rig.h"
#include "indextts2/engine.h"
#include "pool/run_program.h"

namespace indextts2 {
namespace {

std::string g_program;

// Six segments: of two devices each gets two at least, whoever takes the first one.
const char* const kText =
    "Two is a little longer than one. Three comes after two. Four has a few more words than three "
    "has. Five is not the last of them. Six comes after five. Seven is the last one of them all.";

// Events of an engine's devices. Thread-safety: safe.
class Events {
 public:
  std::function<void(const DeviceEvent&)> listener() {
    return [book = book_](const DeviceEvent& event) {
      static const char* const kinds[] = {"lost ", "loaded ", "unloaded "};
      std::lock_guard<std::mutex> lock(book->mutex);
      book->all.push_back(kinds[static_cast<int>(event.kind)] + event.device);
    };
  }
  bool wait(const std::string& wanted) const {
    for (int i = 0; i < 2000; ++i) {
      {
        std::lock_guard<std::mutex> lock(book_->mutex);
        if (std::count(book_->all.begin(), book_->all.end(), wanted) > 0) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

 private:
  struct Book {
    std::mutex mutex;  // guards all
    std::vector<std::string> all;
  };
  const std::shared_ptr<Book> book_ = std::make_shared<Book>();
};

// One for all engines of a case: encoded on another device it would be another one.
std::shared_ptr<const Voice> voice_of(Engine& engine) {
  VoiceOptions options = voice_options();
  options.max_prompt_seconds = 1;
  return engine.load_voice(options);
}

// Checks the order of the segments.
std::vector<Wave> speak(Engine& engine, const std::shared_ptr<const Voice>& voice,
                        Schedule schedule = Schedule::kRoundRobin,
                        const std::function<void()>& on_first = nullptr) {
  SessionOptions session_options;
  session_options.schedule = schedule;
  const auto session = engine.open_session(session_options);
  session->push(kText, voice, short_speech());
  session->finish();
  std::vector<Wave> waves;
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    EXPECT_EQ(wave.segment, static_cast<int>(waves.size()));
    waves.push_back(std::move(wave));
    if (on_first && waves.size() == 1) on_first();
  }
  EXPECT_GE(waves.size(), 6u);
  EXPECT_TRUE(!waves.empty() && waves.back().last);
  return waves;
}

long spoken_by(const std::vector<Wave>& waves, const std::string& device) {
  return std::count_if(waves.begin(), waves.end(),
                       [&](const Wave& wave) { return wave.device == device; });
}

// A voice, and what each of `devices` speaks with it when it is alone.
class Alone {
 public:
  explicit Alone(const std::vector<std::string>& devices) {
    for (const std::string& device : devices) {
      const auto engine = factory().open_engine(options_for({device}));
      if (!voice_) voice_ = voice_of(*engine);
      spoken_[device] = speak(*engine, voice_);
    }
  }
  const std::shared_ptr<const Voice>& voice() const { return voice_; }

  void expect_same(const std::vector<Wave>& got) const {
    for (const Wave& wave : got) {
      const auto known = spoken_.find(wave.device);
      ASSERT_NE(known, spoken_.end()) << wave.device;
      const auto index = static_cast<size_t>(wave.segment);
      ASSERT_LT(index, known->second.size());
      EXPECT_FALSE(wave.samples.empty()) << index;
      EXPECT_EQ(wave.samples, known->second[index].samples) << index << " on " << wave.device;
    }
  }

 private:
  std::shared_ptr<const Voice> voice_;
  std::map<std::string, std::vector<Wave>> spoken_;
};

// `lost` fails in the middle of its second segment, and comes back.
void lose_and_load_again(const std::vector<std::string>& devices, const std::string& lost,
                         const std::string& kind, const Alone& alone) {
  SCOPED_TRACE(lost + ": " + kind);
  Events events;
  EngineOptions options = options_for(devices);
  options.inject_faults = lost + ":" + kind + "@2";
  options.stall_seconds = kind == "stall" ? 10 : 120;
  options.device_event = events.listener();
  const auto engine = factory().open_engine(options);
  const std::vector<Wave> broken = speak(*engine, alone.voice());
  alone.expect_same(broken);
  ASSERT_TRUE(events.wait("lost " + lost));
  if (devices.size() > 1) {
    // Its first one may have been on its way to the end when the fault came.
    EXPECT_LE(spoken_by(broken, lost), 1);
    EXPECT_GE(spoken_by(broken, devices[devices.front() == lost ? 1 : 0]), 3);
  }
  engine->load_device(lost, DeviceLoadOptions());
  EXPECT_TRUE(events.wait("loaded " + lost));
  for (const DeviceStats& device : engine->stats().devices) EXPECT_FALSE(device.lost);
  const std::vector<Wave> whole = speak(*engine, alone.voice());
  alone.expect_same(whole);
  for (const std::string& device : devices) {
    EXPECT_GE(spoken_by(whole, device == "cpu:2" ? "cpu" : device), 1) << device;
  }
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

uint64_t memory_of(const std::string& id) {
  for (const DeviceInfo& device : factory().list_devices()) {
    if (device.id == id && id.rfind("cuda:", 0) == 0) return device.total_bytes - device.free_bytes;
  }
  return 0;  // a CPU
}

// `coming` comes and goes 20 times while the engine speaks.
void come_and_go(const std::string& staying, const std::string& coming, const Alone& alone) {
  const auto engine = factory().open_engine(options_for({staying}));
  std::atomic<bool> over{false};
  std::atomic<long> texts{0}, by_coming{0};
  std::thread speaker([&] {
    while (!over) {
      const std::vector<Wave> waves = speak(*engine, alone.voice());
      alone.expect_same(waves);
      by_coming += spoken_by(waves, coming);
      ++texts;
    }
  });
  constexpr double kMiB = 1 << 20;
  uint64_t host = 0, device = 0;
  for (int round = 0; round < 20; ++round) {
    engine->load_device(coming, DeviceLoadOptions());
    const long before = texts;
    EXPECT_EQ(engine->stats().devices.size(), 2u);
    while (texts < before + 2) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    engine->unload_device(coming);
    EXPECT_EQ(engine->stats().devices.size(), 1u);
    std::printf("%s beside %s, %d: host %.1f MiB, device %.1f MiB\n", coming.c_str(),
                staying.c_str(), round, static_cast<double>(resident_bytes()) / kMiB,
                static_cast<double>(memory_of(coming)) / kMiB);
    if (round == 4) {  // allocators have what they keep
      host = resident_bytes();
      device = memory_of(coming);
    }
  }
  over = true;
  speaker.join();
  EXPECT_GE(by_coming, 20) << "it spoke in each round";
  EXPECT_LT(static_cast<double>(resident_bytes()), 1.25 * static_cast<double>(host));
  // Below one cuBLAS workspace, or the tiny model's weights, a round.
  EXPECT_LT(static_cast<double>(memory_of(coming)), static_cast<double>(device) + 64 * kMiB);
}

class DevicePair : public testing::TestWithParam<std::string> {
 protected:
  std::string name() const { return GetParam(); }
  std::vector<std::string> both() const { return {name(), "cpu"}; }
};

std::vector<std::string> first_devices() {
  std::vector<std::string> names = {"stand-in:0"};
  if (has_cuda()) {
    names.push_back("cuda:0");
  } else {
    std::printf("left out: no CUDA device here (cuda:0 in the place of stand-in:0)\n");
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, DevicePair, testing::ValuesIn(first_devices()),
                         [](const testing::TestParamInfo<std::string>& info) {
                           return info.param == "cuda:0" ? "Gpu" : "StandIn";
                         });

TEST(DevicePool, AFaultOnOneCpuReplicaIsNotHeard) {
  const Alone alone({"cpu"});
  for (const char* kind : {"throw", "oom", "stall"}) {
    lose_and_load_again({"cpu:2"}, "cpu", kind, alone);
  }
}

TEST(DevicePool, PrecisionsThatCannotBeHadAreRefused) {
  for (const char* word : {"cpu@fp16", "cpu@fp8"}) {
    try {
      factory().open_engine(options_for({word}));
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kSettings) << word;
    }
  }
}

TEST_P(DevicePair, SegmentsAreDealtInTurnAndHeardInOrder) {
  const Alone alone(both());
  const auto engine = factory().open_engine(options_for(both()));
  const std::vector<Wave> waves = speak(*engine, alone.voice());
  alone.expect_same(waves);
  // The first one is whoever's takes it first.
  for (size_t i = 1; i < waves.size(); ++i) EXPECT_EQ(waves[i].device, both()[i % 2]) << i;
  alone.expect_same(speak(*engine, alone.voice(), Schedule::kLeastWork));
}

TEST_P(DevicePair, FaultsAreFinishedOnTheOtherOne) {
  const Alone alone(both());
  for (const char* kind : {"throw", "oom", "stall"}) {
    lose_and_load_again(both(), name(), kind, alone);
    lose_and_load_again(both(), "cpu", kind, alone);
  }
}

TEST_P(DevicePair, TwoReplicasOfADeviceSoundAsOne) {
  const Alone alone({name()});
  EngineOptions options = options_for({name()});
  options.replicas_per_device = 2;
  const auto engine = factory().open_engine(options);
  alone.expect_same(speak(*engine, alone.voice()));
  const Stats stats = engine->stats();
  ASSERT_EQ(stats.devices.size(), 2u);
  for (const DeviceStats& replica : stats.devices) EXPECT_GE(replica.segments, 2u);
  options.inject_faults = name() + ":oom@2";
  alone.expect_same(speak(*factory().open_engine(options), alone.voice()));
  try {
    factory().check_devices({name(), name()});
    ADD_FAILURE() << "a device was named twice";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSettings);
    EXPECT_NE(std::string(error.what()).find("replicas-per-device"), std::string::npos);
  }
}

TEST_P(DevicePair, OneComesAndGoesWhileTheOtherSpeaks) {
  const Alone alone(both());
  come_and_go("cpu", name(), alone);
  come_and_go(name(), "cpu", alone);
}

TEST_P(DevicePair, VoicesAreEncodedElsewhereOnceTheirDeviceIsGone) {
  const auto engine = factory().open_engine(options_for(both()));
  engine->unload_device(name());
  EXPECT_GE(speak(*engine, voice_of(*engine)).size(), 6u);
}

// A process of its own each: the device stays out until it ends.
int run_again(const std::string& test) {
  return run_program(
      g_program,
      {"--gtest_also_run_disabled_tests", "--gtest_filter=DevicePoolEnd.DISABLED_" + test, g_model,
       g_clip, std::to_string(g_segment_tokens)},
      std::chrono::seconds(120));
}

void expect_out(Engine& engine, const std::string& lost) {
  try {
    engine.load_device(lost, DeviceLoadOptions());
    ADD_FAILURE() << "it was loaded again";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kDeviceLost);
  }
}

TEST(DevicePoolEnd, DISABLED_InjectedFailure) {
  const std::string lost = "stand-in:0";
  EngineOptions options = options_for({lost, "cpu"});
  options.inject_faults = lost + ":lost@1";
  Events events;
  options.device_event = events.listener();
  const auto engine = factory().open_engine(options);
  EXPECT_EQ(spoken_by(speak(*engine, voice_of(*engine)), lost), 0);
  EXPECT_TRUE(events.wait("lost " + lost));
  expect_out(*engine, lost);
}

// No call on the device succeeds any more; what it has in work comes from the CPU.
TEST(DevicePoolEnd, DISABLED_RealFailure) {
  const Alone alone({"cpu", "cuda:0"});
  EngineOptions options = options_for({"cuda:0", "cpu"});
  options.stall_seconds = 30;
  Events events;
  options.device_event = events.listener();
  const auto engine = factory().open_engine(options);
  const std::vector<Wave> waves = speak(*engine, alone.voice(), Schedule::kRoundRobin,
                                        [] { EXPECT_EQ(break_cuda_device(0), ""); });
  alone.expect_same(waves);
  EXPECT_TRUE(events.wait("lost cuda:0"));
  expect_out(*engine, "cuda:0");
  EXPECT_EQ(spoken_by(speak(*engine, alone.voice()), "cpu"), static_cast<long>(waves.size()));
}

TEST(DevicePoolEnd, AFailedDeviceCallKeepsTheDeviceOut) {
  EXPECT_EQ(run_again("InjectedFailure"), 0);
}

TEST(DevicePoolEnd, AGpuThatFailsLeavesTheOthersAlone) {
  if (!has_cuda()) {
    std::printf("left out: no CUDA device here (a GPU that fails)\n");
    return;
  }
  EXPECT_EQ(run_again("RealFailure"), 0);
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  setenv("INDEXTTS2_STAND_INS", "1", /*overwrite=*/1);  // before the devices are listed
  indextts2::g_program = argv[0];
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) indextts2::g_model = argv[1];
  if (argc > 2) indextts2::g_clip = argv[2];
  if (argc > 3) indextts2::g_segment_tokens = std::atoi(argv[3]);
  return RUN_ALL_TESTS();
}
