// Sound and record of the tone engine.
#include "tone_replica.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "tone_engine.h"

namespace indextts2 {
namespace {

struct Record {
  std::mutex mutex;  // guards lines
  std::string lines;
  std::atomic<int> alive{0};
};

Record& record() {
  static Record* const record = new Record;  // leaked: replicas may still speak at exit
  return *record;
}

std::string text_of(const Segment& segment) {
  return std::string(segment.ids.begin(), segment.ids.end());
}

template <typename T>
void put(nlohmann::json* line, const char* name, const std::optional<T>& value) {
  if (value) (*line)[name] = *value;
}

void write_down(const SpeechRequest& request, const std::string& device) {
  const auto& voice = dynamic_cast<const ToneVoice&>(*request.voice);
  const SpeakOptions& options = *request.options;
  const GenerationOptions& generation = options.generation;
  nlohmann::json line = {
      {"text_id", request.text_id},
      {"segment", request.segment.index},
      {"text", text_of(request.segment)},
      {"begin", request.segment.begin},
      {"end", request.segment.end},
      {"seed", request.seed},
      {"voice", voice.speaker},
      {"emotion", voice.emotion},
      {"device", device},
      {"schedule", request.schedule == Schedule::kRoundRobin ? "round-robin" : "least-work"},
      {"alpha", options.emotion.alpha},
      {"random", options.emotion.random},
      {"emotion_text", options.emotion.text},
      {"emotion_from_text", options.emotion.from_text},
      {"first_segment_tokens", options.first_segment_tokens},
      {"first_segment", options.first_segment},
      {"glossary_path", options.glossary_path},
  };
  put(&line, "vector", options.emotion.vector);
  put(&line, "temperature", generation.temperature);
  put(&line, "top_p", generation.top_p);
  put(&line, "top_k", generation.top_k);
  put(&line, "num_beams", generation.num_beams);
  put(&line, "repetition_penalty", generation.repetition_penalty);
  put(&line, "length_penalty", generation.length_penalty);
  put(&line, "typical_sampling", generation.typical_sampling);
  put(&line, "typical_mass", generation.typical_mass);
  put(&line, "max_mel_tokens", generation.max_mel_tokens);
  put(&line, "max_segment_tokens", generation.max_segment_tokens);
  put(&line, "diffusion_steps", generation.diffusion_steps);
  put(&line, "guidance", generation.guidance);
  const std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::lock_guard<std::mutex> lock(record().mutex);
  record().lines += text + "\n";
}

uint64_t draw(const SpeechRequest& request) {
  return tone_hash(std::to_string(request.seed) + "/" + std::to_string(request.segment.index),
                   tone_hash(text_of(request.segment)));
}

std::vector<float> tone(const SpeechRequest& request, int samples_per_byte) {
  const std::string text = text_of(request.segment);
  const double step = 2 * M_PI * tone_frequency_hz(text) / kSampleRateHz;
  const double gain = 0.25 + 0.25 * static_cast<double>((draw(request) >> 16) % 1000) / 1000;
  std::vector<float> samples(text.size() * static_cast<size_t>(samples_per_byte));
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<float>(gain * std::sin(step * static_cast<double>(i)));
  }
  return samples;
}

}  // namespace

void tone_count(int change) { record().alive += change; }

ToneVoice::ToneVoice(std::string speaker, std::string emotion, double seconds)
    : speaker(std::move(speaker)), emotion(std::move(emotion)), seconds_(seconds) {
  tone_count(1);
}
ToneVoice::~ToneVoice() { tone_count(-1); }

ToneReplica::ToneReplica(const ToneOptions& options, int index, std::string device, int max_batch,
                         std::shared_ptr<const FaultPlan> faults)
    : options_(options),
      index_(index),
      device_(std::move(device)),
      max_batch_(static_cast<size_t>(max_batch)),
      faults_(std::move(faults), device_) {
  options_.maybe_throw("construct");
}

void ToneReplica::serve(JobQueue<ToneJob>& queue) {
  for (;;) {
    if (rows_.empty()) {
      auto job = queue.pop();
      if (!job) return;
      admit(std::move(job));
    }
    while (rows_.size() <= max_batch_) {
      auto job = queue.try_pop(/*only_first=*/rows_.size() == max_batch_);
      if (!job) break;
      admit(std::move(job));
    }
    faults_.step([&queue] { return queue.closed(); });
    options_.maybe_throw("serve");
    if (index_ == options_.die_replica && num_spoken_ >= options_.die_after) {
      throw_named(options_.thrown, "replica " + std::to_string(index_));
    }
    std::vector<Row> going_on;
    for (Row& row : rows_) {
      if (row.job->stop_requested()) {
        row.job->fail(std::make_exception_ptr(Error(ErrorCode::kCancelled, "cancelled")));
      } else if (now_seconds() >= row.until) {
        end(row);
      } else {
        going_on.push_back(std::move(row));
      }
    }
    rows_ = std::move(going_on);
    if (!rows_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ToneReplica::admit(std::shared_ptr<ToneJob> job) {
  write_down(job->request, device_);
  faults_.taken_in();
  double ms = options_.segment_ms;
  if (options_.jitter_ms > 0) {
    ms += static_cast<double>((draw(job->request) >> 8) %
                              static_cast<unsigned>(options_.jitter_ms * 10)) /
          10;
  }
  const double now = now_seconds();
  rows_.push_back({std::move(job), now, now + ms * 1e-3});
}

void ToneReplica::end(const Row& row) {
  const SpeechRequest& request = row.job->request;
  ++num_spoken_;
  const bool this_text =
      options_.fail_text == 0 || request.text_id == static_cast<uint64_t>(options_.fail_text);
  const bool this_word = !options_.fail_word.empty() &&
                         text_of(request.segment).find(options_.fail_word) != std::string::npos;
  if ((this_text && request.segment.index == options_.fail_segment) || this_word) {
    try {
      throw_named(options_.fail, "segment " + std::to_string(request.segment.index));
    } catch (...) {
      row.job->fail(std::current_exception());
    }
    return;
  }
  Wave wave;
  wave.samples = tone(request, options_.samples_per_byte);
  wave.capped = request.segment.index == options_.capped_segment;
  wave.device = device_;
  wave.synthesis_seconds = now_seconds() - row.since;
  const double seconds = static_cast<double>(wave.samples.size()) / kSampleRateHz;
  row.job->deliver(std::move(wave), seconds);
}

}  // namespace indextts2

char* indextts2_tone_record(int clear) {
  auto& record = indextts2::record();
  std::lock_guard<std::mutex> lock(record.mutex);
  char* const copy = strdup(record.lines.c_str());
  if (clear != 0) record.lines.clear();
  return copy;
}

int indextts2_tone_alive() { return indextts2::record().alive; }
