// What tests need to know of the tone engine: see README.md here.
#pragma once

#include <cstdint>
#include <string_view>

namespace indextts2 {

// FNV-1a.
inline uint64_t tone_hash(std::string_view bytes, uint64_t hash = 1469598103934665603u) {
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  }
  return hash;
}

// 200..1999 Hz. `text`: the segment's, without blanks around it.
inline int tone_frequency_hz(std::string_view text) {
  return 200 + static_cast<int>((tone_hash(text) >> 20) % 1800);
}

}  // namespace indextts2

extern "C" {
// JSON lines, to be freed with free(); `clear`: forget them afterwards. Thread-safety: safe.
__attribute__((visibility("default"))) char* indextts2_tone_record(int clear);
// Engines, sessions and voices alive. Thread-safety: safe.
__attribute__((visibility("default"))) int indextts2_tone_alive();
}
