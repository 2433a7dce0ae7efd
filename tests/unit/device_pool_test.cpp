// The engine's whole pool path on real replicas: order, faults in mid-segment, devices that come
// and go. On the CPU everywhere; with a GPU also on cuda:0 beside the CPU. The sound is compared
// bit for bit between equal devices only.
//
//   device_pool_test [MODEL_FOLDER [CLIP]]      default: the bundled voice
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {
namespace {

std::string g_model = INDEXTTS2_COMPACT_MODEL;
std::string g_clip;  // empty: the model's own

const char* const kText =
    "One. Two is a little longer than one. Three comes after two. Four has a few more words than "
    "three has. Five. Six is here. Seven follows six. Eight is the last of them.";

const EngineFactory& factory() { return *indextts2_engine_factory(kEngineAbi); }

VoiceOptions voice() {
  VoiceOptions options;
  options.speaker.path = g_clip;
  return options;
}

bool has_cuda() {
  for (const DeviceInfo& device : factory().list_devices()) {
    if (device.id == "cuda:0") return true;
  }
  return false;
}

// Prints why a case is not run.
bool left_out(const char* what) {
  if (has_cuda()) return false;
  std::printf("left out: no CUDA device here (%s)\n", what);
  return true;
}

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
        for (const std::string& one : book_->all) {
          if (one == wanted) return true;
        }
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

EngineOptions options_for(std::vector<std::string> devices) {
  EngineOptions options;
  options.model_dir = g_model;
  options.devices = std::move(devices);
  options.warmup = false;
  options.share_pool = false;  // every case has its own faults
  return options;
}

// Short, so that the cases take seconds.
SpeakOptions short_speech() {
  SpeakOptions options;
  options.seed = 11;
  options.generation.num_beams = 1;
  options.generation.diffusion_steps = 2;
  options.generation.max_mel_tokens = 60;
  options.generation.max_segment_tokens = 20;
  return options;
}

// Speaks a text; checks the order of its segments.
std::vector<Wave> speak(Engine& engine, const std::string& text,
                        Schedule schedule = Schedule::kRoundRobin) {
  SessionOptions session_options;
  session_options.schedule = schedule;
  const auto session = engine.open_session(session_options);
  session->push(text, engine.load_voice(voice()), short_speech());
  session->finish();
  std::vector<Wave> waves;
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    EXPECT_EQ(wave.segment, static_cast<int>(waves.size()));
    waves.push_back(std::move(wave));
  }
  EXPECT_GE(waves.size(), 4u);
  EXPECT_TRUE(!waves.empty() && waves.back().last);
  return waves;
}

// Segments that the same kind of device spoke in both runs sound the same.
void expect_equal(const std::vector<Wave>& got, const std::vector<Wave>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  int compared = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_FALSE(got[i].samples.empty()) << i;
    if (got[i].device != expected[i].device) continue;
    EXPECT_EQ(got[i].samples, expected[i].samples) << i << " on " << got[i].device;
    ++compared;
  }
  EXPECT_GT(compared, 0) << "no segment was spoken by equal devices";
}

void lose_and_load_again(const std::vector<std::string>& devices, const std::string& lost,
                         const std::string& kind) {
  const auto undisturbed = factory().open_engine(options_for(devices));
  const std::vector<Wave> expected = speak(*undisturbed, kText);
  Events events;
  EngineOptions options = options_for(devices);
  options.inject_faults = lost + ":" + kind + "@2";
  options.stall_seconds = kind == "stall" ? 10 : 120;
  options.device_event = events.listener();
  const auto engine = factory().open_engine(options);
  expect_equal(speak(*engine, kText), expected);
  ASSERT_TRUE(events.wait("lost " + lost)) << kind;
  DeviceLoadOptions load;
  engine->load_device(lost, load);
  EXPECT_TRUE(events.wait("loaded " + lost));
  for (const DeviceStats& device : engine->stats().devices) EXPECT_FALSE(device.lost);
  expect_equal(speak(*engine, kText), expected);
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

uint64_t memory_of(const std::string& id) {
  for (const DeviceInfo& device : factory().list_devices()) {
    if (device.id == id && id != "cpu") return device.total_bytes - device.free_bytes;
  }
  return 0;
}

// `coming` comes and goes 20 times while the engine speaks.
void come_and_go(const std::string& staying, const std::string& coming) {
  const auto engine = factory().open_engine(options_for({staying}));
  const std::vector<Wave> expected = speak(*engine, kText);
  std::atomic<bool> over{false};
  std::thread speaker([&] {
    while (!over) {
      const std::vector<Wave> waves = speak(*engine, kText, Schedule::kLeastWork);
      expect_equal(waves, expected);
    }
  });
  uint64_t host = 0, device = 0;
  for (int round = 0; round < 20; ++round) {
    engine->load_device(coming, DeviceLoadOptions());
    EXPECT_EQ(engine->stats().devices.size(), 2u);
    engine->unload_device(coming);
    EXPECT_EQ(engine->stats().devices.size(), 1u);
    if (round == 4) {  // allocators have what they keep
      host = resident_bytes();
      device = memory_of(coming);
    }
  }
  over = true;
  speaker.join();
  const double host_growth = static_cast<double>(resident_bytes()) / static_cast<double>(host);
  std::printf("%s beside %s: host memory %.2f, device memory %.1f to %.1f MiB\n", coming.c_str(),
              staying.c_str(), host_growth, static_cast<double>(device) / (1 << 20),
              static_cast<double>(memory_of(coming)) / (1 << 20));
  EXPECT_LT(host_growth, 1.25);
  EXPECT_LE(memory_of(coming), device + (device / 50));
}

TEST(DevicePool, AFaultOnOneCpuReplicaIsNotHeard) {
  for (const char* kind : {"throw", "oom", "stall"}) lose_and_load_again({"cpu:2"}, "cpu", kind);
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

TEST(DevicePool, FaultsOnTheGpuAreFinishedOnTheCpuAndBack) {
  if (left_out("faults on cuda:0 beside the CPU")) return;
  for (const char* kind : {"throw", "oom", "stall"}) {
    lose_and_load_again({"cuda:0", "cpu"}, "cuda:0", kind);
    lose_and_load_again({"cuda:0", "cpu"}, "cpu", kind);
  }
}

TEST(DevicePool, TwoReplicasOnOneGpuSoundAsOne) {
  if (left_out("two replicas on one GPU")) return;
  const std::vector<Wave> one = speak(*factory().open_engine(options_for({"cuda:0"})), kText);
  EngineOptions options = options_for({"cuda:0"});
  options.replicas_per_device = 2;
  expect_equal(speak(*factory().open_engine(options), kText), one);
  options.inject_faults = "cuda:0:oom@2";
  expect_equal(speak(*factory().open_engine(options), kText), one);
}

TEST(DevicePool, ADeviceComesAndGoesWhileSpeaking) {
  if (left_out("unload and load under PLAYING")) return;
  come_and_go("cpu", "cuda:0");
  come_and_go("cuda:0", "cpu");
}

TEST(DevicePool, VoicesAreEncodedElsewhereOnceTheirDeviceIsGone) {
  if (left_out("voices move with their device")) return;
  const auto engine = factory().open_engine(options_for({"cuda:0", "cpu"}));
  engine->unload_device("cuda:0");
  speak(*engine, kText);
}

// Last: the device stays out until the process ends.
TEST(DevicePoolEnd, AFailedDeviceCallKeepsTheDeviceOut) {
  const std::string lost = has_cuda() ? "cuda:0" : "cpu";
  EngineOptions options = options_for(has_cuda() ? std::vector<std::string>{"cuda:0", "cpu"}
                                                 : std::vector<std::string>{"cpu:2"});
  options.inject_faults = lost + ":lost@1";
  Events events;
  options.device_event = events.listener();
  const auto engine = factory().open_engine(options);
  EXPECT_GE(speak(*engine, kText).size(), 4u);
  EXPECT_TRUE(events.wait("lost " + lost));
  try {
    engine->load_device(lost, DeviceLoadOptions());
    ADD_FAILURE() << "it was loaded again";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kDeviceLost);
  }
}

// What a session that loads the voice by itself delivers. Decoding begins before the voice is
// whole.
std::vector<std::vector<float>> speak_cold(Engine& engine, const SpeakOptions& options) {
  const auto session = engine.open_session({});
  session->push("One. Two is a little longer.", voice(), options);
  session->finish();
  std::vector<std::vector<float>> sounds;
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next == Next::kWave) sounds.push_back(std::move(wave.samples));
  }
  return sounds;
}

void voice_sounds_alike_new_and_known(const std::string& device) {
  SpeakOptions moved = short_speech();
  moved.emotion.vector = std::array<double, 8>{0, 0.5, 0, 0, 0, 0.2, 0, 0};
  SpeakOptions drawn = moved;
  drawn.emotion.random = true;
  for (const SpeakOptions& options : {short_speech(), moved, drawn}) {
    const auto engine = factory().open_engine(options_for({device}));
    const auto unknown = speak_cold(*engine, options);
    EXPECT_FALSE(unknown.empty());
    engine->load_voice(voice());
    EXPECT_EQ(speak_cold(*engine, options), unknown);
    const auto stages = engine->stats().stage_seconds;
    EXPECT_TRUE(stages.count("voice") && stages.count("voice, late"));
    const auto memory = engine->stats().memory_parts.at(device);
    for (const char* part : {"voice networks", "decoding"}) {
      EXPECT_TRUE(memory.count(part)) << part;
    }
  }
}

TEST(DevicePool, AVoiceSoundsAlikeNewAndKnownOnTheCpu) { voice_sounds_alike_new_and_known("cpu"); }
TEST(DevicePool, AVoiceSoundsAlikeNewAndKnownOnAGpu) {
  if (!left_out("cold voice")) voice_sounds_alike_new_and_known("cuda:0");
}

// Whatever of a voice is still on its way when nobody wants it any more.
TEST(DevicePool, AVoiceThatNobodyWantsAnyMoreHoldsNothingUp) {
  const auto engine = factory().open_engine(options_for({"cpu"}));
  for (int i = 0; i < 3; ++i) {
    const auto session = engine->open_session({});
    VoiceOptions cut = voice();
    cut.max_prompt_seconds = 2 + 0.1 * i;  // another voice each time
    session->push("One. Two is a little longer.", cut, short_speech());
    for (int polls = 0; polls < 200 && engine->stats().stage_seconds.count("voice") == 0; ++polls) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  EXPECT_FALSE(speak_cold(*engine, short_speech()).empty());
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1) indextts2::g_model = argv[1];
  if (argc > 2) indextts2::g_clip = argv[2];
  return RUN_ALL_TESTS();
}
