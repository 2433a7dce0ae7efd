// The C face of the engine: exceptions become strings, vectors become arrays.
#include "speech_shim.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "indextts2/engine.h"

using namespace indextts2;

struct indextts2_speaker {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Voice> voice;
  std::unique_ptr<Session> session;
};

namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) words.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

template <typename T>
T* copy_of(const std::vector<T>& values) {
  auto* memory = static_cast<T*>(std::malloc(std::max<size_t>(values.size(), 1) * sizeof(T)));
  if (!memory) throw std::bad_alloc();
  std::memcpy(memory, values.data(), values.size() * sizeof(T));
  return memory;
}

// Runs `body`; an exception becomes NULL and *error.
template <typename Body>
auto guarded(char** error, const Body& body) noexcept -> decltype(body()) {
  *error = nullptr;
  try {
    return body();
  } catch (const std::exception& failure) {
    *error = strdup(failure.what());
  } catch (...) {
    *error = strdup("an exception of unknown type");
  }
  return nullptr;
}

struct Run {
  std::vector<float> samples;
  std::vector<size_t> sizes;
  bool last = false;
};

// The text's own indices decide the seeds, so a run of segments sounds as within the whole text.
Run speak(indextts2_speaker& speaker, const char* text, int64_t seed, int first, int count) {
  SpeakOptions options;
  options.seed = seed;
  options.first_segment = first;
  Run run;
  run.sizes.assign(static_cast<size_t>(count), 0);
  const uint64_t id = speaker.session->push(text, speaker.voice, options);
  run.last = true;  // unless a later segment comes
  Wave wave;
  std::exception_ptr failure;
  for (;;) {
    try {
      const Next next = speaker.session->next(&wave, /*wait_when_idle=*/false);
      if (next != Next::kWave) break;
    } catch (...) {
      failure = std::current_exception();
      continue;  // the end of the text is still to come
    }
    if (wave.segment >= first + count) continue;
    run.samples.insert(run.samples.end(), wave.samples.begin(), wave.samples.end());
    run.sizes[static_cast<size_t>(wave.segment - first)] = wave.samples.size();
    run.last = wave.last;
    if (wave.segment == first + count - 1) speaker.session->cancel(id);
  }
  if (failure) std::rethrow_exception(failure);
  return run;
}

}  // namespace

indextts2_speaker* indextts2_speaker_open(const char* model_dir, const char* devices,
                                          const char* voice, char** error) {
  return guarded(error, [&] {
    const EngineFactory* factory = indextts2_engine_factory(kEngineAbi);
    if (!factory) throw std::runtime_error("the engine is of another version");
    EngineOptions options;
    options.model_dir = model_dir;
    options.devices = split(devices);
    auto speaker = std::make_unique<indextts2_speaker>();
    speaker->engine = factory->open_engine(options);
    VoiceOptions clip;
    if (voice) clip.speaker.path = voice;
    speaker->voice = speaker->engine->load_voice(clip);
    speaker->session = speaker->engine->open_session(SessionOptions());
    return speaker.release();
  });
}

float* indextts2_speaker_speak(indextts2_speaker* speaker, const char* text, int64_t seed,
                               int first, int count, size_t** sizes, int* last, char** error) {
  return guarded(error, [&] {
    const Run run = speak(*speaker, text, seed, first, count);
    *sizes = copy_of(run.sizes);
    *last = run.last ? 1 : 0;
    return copy_of(run.samples);
  });
}

void indextts2_speaker_close(indextts2_speaker* speaker) { delete speaker; }
void indextts2_free(void* memory) { std::free(memory); }
