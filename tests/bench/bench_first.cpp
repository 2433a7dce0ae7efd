// How long one waits for the first sound of a text.
#include "bench_first.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "core/clock.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

// Keeps a number of segments in flight for as long as it lives.
class Others {
 public:
  Others(Engine& engine, const std::shared_ptr<const Voice>& voice, const BenchArguments& arguments)
      : voice_(voice), arguments_(arguments) {
    SessionOptions options;
    options.window = arguments.beside;
    session_ = engine.open_session(options);
    thread_ = std::thread([this] { run(); });
  }
  ~Others() {
    over_ = true;
    session_->interrupt();
    thread_.join();
  }
  Others(const Others&) = delete;
  Others& operator=(const Others&) = delete;

  // Blocks until they no longer run in step. Throws Error if they cannot run at all.
  void settle() const {
    while (finished_ < arguments_.beside) {
      if (over_)
        throw Error(ErrorCode::kSettings,
                    "--beside: the other segments ended without a sound; give --text two sentences "
                    "or more. " +
                        failure_);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

 private:
  void run() {
    Wave wave;
    int silent = 0;  // texts without a sound, one after another
    for (int waiting = 0; !over_;) {
      for (; waiting < 2 * arguments_.beside; ++waiting) push();
      try {
        const Next next = session_->next(&wave, /*wait_when_idle=*/true);
        if (next == Next::kWave) ++finished_, silent = 0;
        if (next != Next::kTextEnd) continue;
        --waiting;
        if (++silent > 4 * arguments_.beside) over_ = true;
      } catch (const Error& error) {
        failure_ = error.what();  // the end of its text follows
      }
    }
  }
  void push() {
    SpeakOptions speak = arguments_.speak;
    speak.first_segment_tokens = 1000;  // sentences are not joined
    speak.first_segment = 1;
    if (!arguments_.codes.empty())
      speak.generation.max_mel_tokens = arguments_.codes[pushed_++ % arguments_.codes.size()];
    session_->push(arguments_.text + ". " + arguments_.text, voice_, speak);
  }

  const std::shared_ptr<const Voice> voice_;
  const BenchArguments& arguments_;
  std::unique_ptr<Session> session_;
  std::atomic<bool> over_{false};
  std::atomic<int> finished_{0};
  size_t pushed_ = 0;
  std::string failure_;  // the last one; to be read once over_
  std::thread thread_;
};

// A copy of a voice clip that no cache knows: one bit near its end is another. `shorter`: it lacks
// `number` tenths of a second (24 kHz, 16 bits, mono) of its end, too.
class NewClip {
 public:
  NewClip(const std::string& path, int number, bool shorter)
      : path_(fs::temp_directory_path() /
              ("bench_first_" + std::to_string(getpid()) + "_" + std::to_string(number) + ".wav")) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (shorter) bytes.resize(bytes.size() - std::min(bytes.size(), size_t{4800} * number));
    const size_t place = 2 * static_cast<size_t>(number / 8) + 2;
    if (bytes.size() < 100 + place)
      throw Error(ErrorCode::kVoiceNotFound, "--cold: cannot read " + path);
    bytes[bytes.size() - place] ^= static_cast<char>(1 << (number % 8));
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~NewClip() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  NewClip(const NewClip&) = delete;
  NewClip& operator=(const NewClip&) = delete;

  std::string path() const { return path_.string(); }

 private:
  const fs::path path_;
};

// From the pushing of the text to its first sound.
BenchRun speak_first(Engine& engine, const std::shared_ptr<const Voice>& voice,
                     const VoiceOptions* cold, const BenchArguments& arguments) {
  SpeakOptions speak = arguments.speak;
  speak.generation.max_mel_tokens = arguments.first_codes;
  const std::unique_ptr<Session> session = engine.open_session(SessionOptions());
  BenchRun run;
  const Stats before = engine.stats();
  const double start = now_seconds();
  if (cold) {
    session->push(arguments.text, *cold, speak);
  } else {
    session->push(arguments.text, voice, speak);
  }
  session->finish();
  Wave wave;
  for (Next next; (next = session->next(&wave, true)) != Next::kEnd;) {
    if (next != Next::kWave) continue;
    run.audio_seconds += static_cast<double>(wave.samples.size()) / kSampleRateHz;
    if (run.first_seconds != 0) continue;
    run.first_seconds = now_seconds() - start;
    // What others run meanwhile cannot be told apart.
    if (arguments.beside == 0) run.stage_seconds = stages_between(before, engine.stats());
  }
  run.wall_seconds = now_seconds() - start;
  return run;
}

}  // namespace

std::vector<BenchRun> time_first_sounds(Engine& engine, const std::shared_ptr<const Voice>& voice,
                                        const BenchArguments& arguments) {
  std::unique_ptr<Others> others;
  if (arguments.beside > 0) {
    others = std::make_unique<Others>(engine, voice, arguments);
    others->settle();
  }
  const std::string clip = arguments.voice.speaker.path.empty() ? engine.model().default_voice
                                                                : arguments.voice.speaker.path;
  std::vector<BenchRun> runs;
  for (int i = 0; i < arguments.warmup + arguments.repeat; ++i) {
    std::unique_ptr<NewClip> fresh;
    VoiceOptions cold = arguments.voice;
    if (arguments.cold) {
      fresh = std::make_unique<NewClip>(clip, i, arguments.shorter);
      cold.speaker.path = fresh->path();
    }
    const BenchRun run = speak_first(engine, voice, fresh ? &cold : nullptr, arguments);
    if (i >= arguments.warmup) runs.push_back(run);
  }
  return runs;
}

}  // namespace indextts2
