// Ends in one of several ways while a session speaks, reads or loads a voice. Exit status 0:
// nothing outlived what it uses.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "indextts2/engine.h"

namespace indextts2 {
namespace {

std::shared_ptr<Engine> open_tone(const std::string& options) {
  EngineOptions engine;
  engine.model_dir = "tone:" + options;
  engine.devices = {"cpu:8"};
  return indextts2_engine_factory(kEngineAbi)->open_engine(engine);
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "Sentence " + std::to_string(i) + ". ";
  return text;
}

int run(const std::string& mode) {
  const std::string options = mode == "reading" ? "read_ms=60000"
                              : mode == "voice" ? "voice_ms=600000"
                                                : "segment_ms=3,jitter_ms=3";
  auto engine = open_tone(options);
  auto session = engine->open_session({});
  VoiceOptions voice;
  session->push(long_text(), voice, {});
  std::atomic<int> delivered{0};
  std::thread consumer([&, speaker = session.get()] {
    Wave wave;
    while (speaker->next(&wave, true) == Next::kWave) ++delivered;
    if (mode != "drop" && mode != "return") std::_Exit(9);  // nobody interrupted it
  });
  while ((mode == "exit" || mode == "drop") && delivered < 10) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (mode == "drop" || mode == "return") {
    session->interrupt();
    consumer.join();
    session = nullptr;
    engine = nullptr;
    if (mode == "drop") std::exit(0);
    return 0;
  }
  std::exit(0);
}

}  // namespace
}  // namespace indextts2

int main(int, char** argv) { return indextts2::run(argv[1]); }
