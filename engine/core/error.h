// The one exception type of the engine: what went wrong, where, and what to do about it.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace indextts2 {

// One code per case that a caller may want to handle differently (docs/element.md maps them to
// GError codes).
enum class ErrorCode {
  kSettings,       // an option is missing, contradictory or out of range
  kNotFound,       // a model file or folder does not exist
  kOpenRead,       // a file cannot be read: truncated, damaged, another format
  kModel,          // files that do not fit together: wrong shape, NaN, another model version
  kUnknownDevice,  // no such device; the message lists what there is
  kLibraryInit,    // engine or CUDA library or driver missing, another LibTorch loaded, forked
                   // process
  kNoMemory,       // out of host or device memory
  kDeviceLost,     // the last device failed
  kTextDecode,     // text is not valid UTF-8
  kTextTooLong,    // text above a stated limit
  kVoiceNotFound,  // voice clip does not exist
  kVoiceInvalid,   // voice clip is not audio, too short, silent
  kSynthesis,      // synthesis gave no usable sound (NaN, no codes)
  kCancelled,      // a stop was asked for; never shown to users
  kInternal,       // anything else: a bug
};

// Thread-safety: const.
class __attribute__((visibility("default"))) Error : public std::runtime_error {
 public:
  // `message`: a sentence for people: what, which one, expected, got, what to do.
  // `detail`: for the log: file, errno, backtrace-free library text.
  Error(ErrorCode code, const std::string& message, std::string detail = {})
      : std::runtime_error(message), code(code), detail(std::move(detail)) {}

  ErrorCode code;
  std::string detail;
  uint64_t text_id = 0;  // the text that failed; 0: none
  int segment = -1;      // its segment; -1: the whole text
};

}  // namespace indextts2
