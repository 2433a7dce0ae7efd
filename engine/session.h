// Texts spoken one after another: cut lazily, synthesised by a pool, delivered in order.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "core/stop_token.h"
#include "indextts2/engine.h"
#include "text/emotion_answer.h"
#include "text/segment.h"

namespace indextts2 {

// One segment to speak.
struct SpeechRequest {
  Segment segment;
  std::shared_ptr<const Voice> voice;
  std::shared_ptr<const SpeakOptions> options;  // of the text; its seed is replaced by `seed`
  uint64_t text_id = 0;
  uint64_t session = 0;  // the same for all texts of a session: they are heard one after another
  uint64_t seed = 0;
  Schedule schedule = Schedule::kRoundRobin;
  bool first = false;  // the first sound of its text, and none of an earlier one is still to come:
                       // somebody is waiting for it
  StopToken stop;      // its text was cancelled or the session dropped
};

// Takes a segment's sound, or an error. Called exactly once, from any thread, at any time, also
// before submit returns and after the session is gone. Neither throws nor blocks. Of the wave,
// samples, capped, device and synthesis_seconds are read; the session fills the rest.
using SpeechDone = std::function<void(Wave wave, std::exception_ptr error)>;

// All that a session knows of the engine. Each function is called without a lock held.
struct SessionBackend {
  // Text worker's thread. May take long and throw: the error comes out at the text's place.
  std::function<std::unique_ptr<SegmentReader>(std::string text, const SpeakOptions&)> open_reader;
  // Text worker's thread, may take long. `options.stop` of the user is tested by the backend, too.
  // Part of the voice may still be on its way: what becomes of it, the segments tell.
  std::function<std::shared_ptr<const Voice>(const VoiceOptions& options, const SpeakOptions& speak,
                                             const StopToken& stop)>
      load_voice;
  // Text worker's thread, may take long: the emotion that a text describes or has. Errors as above.
  std::function<EmotionScores(const std::string& text, const StopToken& stop)> read_emotion;
  // Thread of next(). Returns at once.
  std::function<void(SpeechRequest request, SpeechDone done)> submit;
  std::function<uint64_t()> draw_seed;  // for texts without a seed; any thread
  // Segments in flight where SessionOptions leaves it 0; next() asks each time.
  std::function<int()> window;
  std::shared_ptr<const void>
      keep;  // the replicas; released when the session and its worker are gone
};

// See Session in indextts2/engine.h. Starts the text worker's thread.
std::unique_ptr<Session> open_session(SessionBackend backend, const SessionOptions& options);

}  // namespace indextts2
