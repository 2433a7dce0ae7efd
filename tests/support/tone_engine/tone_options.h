// Options of the tone engine, parsed from the model folder's name.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/stop_token.h"

namespace indextts2 {

// Keys and meanings: README.md.
struct ToneOptions {
  int load_ms = 0, voice_ms = 0, push_ms = 0, read_ms = 0, segment_ms = 0, jitter_ms = 0;
  int samples_per_byte = 220;
  int fail_segment = -1, fail_text = 0, capped_segment = -1;
  std::string fail_word;
  std::string fail = "kSynthesis", thrown = "runtime_error", throw_at;
  int throw_after = 0;
  int die_replica = -1, die_after = 0;
  bool any_voice = false, no_default_voice = false;
  std::string inject;  // as EngineOptions::inject_faults
  int stall_ms = 0;    // > 0: as EngineOptions::stall_seconds

  std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);  // of throw_at

  // Throws `thrown` when `where` is throw_at and had its good calls.
  void maybe_throw(const std::string& where) const;
};

// Of a model folder and INDEXTTS2_TONE; an empty `model_dir`: of the latter alone. Throws
// Error{kNotFound, kSettings}.
ToneOptions read_tone_options(const std::string& model_dir);

// Throws what `name` says: an ErrorCode, bad_alloc, runtime_error, int.
[[noreturn]] void throw_named(const std::string& name, const std::string& where);

// One id per replica: "cpu", "cpu#1", "tone:3". Throws Error{kUnknownDevice}.
std::vector<std::string> tone_devices(const std::vector<std::string>& devices,
                                      int replicas_per_device);

// Sleeps; throws kCancelled within 2 ms of `stop`.
void tone_sleep(int ms, const StopToken& stop);

}  // namespace indextts2
