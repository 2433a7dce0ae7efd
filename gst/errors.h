// Engine errors as GStreamer messages, and the wrapper that keeps C++ exceptions inside the
// element.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <string>

#include "indextts2/engine.h"

namespace indextts2 {

struct GstErrorCode {
  GQuark domain;
  gint code;
};

// The GError domain and code of an engine error; the table of docs/element.md.
GstErrorCode gst_error_code(ErrorCode code);

// True for an error of one text (its letters, its voice, its sound), which `on-error=skip` may pass
// over.
bool is_content_error(const Error& error);

// The exception that is being handled, as an Error. Only inside a catch block.
Error current_error();

// Posts on behalf of one element. Thread-safety: safe; call it with no lock held.
class Reporter {
 public:
  explicit Reporter(GstElement* element) : element_(element) {}
  // One ERROR per run: after the first, further ones go to the log only.
  void error(const Error& error);
  // WARNING with details {text-id, segment}.
  void warning(const Error& error);
  // For what no engine error code fits.
  void error(GstErrorCode code, const std::string& message);
  void warning(GstErrorCode code, const std::string& message);
  // A new run may post its own ERROR.
  void rearm() { error_posted_ = false; }

 private:
  void post_error(GstErrorCode code, const Error& error);

  GstElement* element_;  // owns this
  std::atomic<bool> error_posted_{false};
};

// Runs `body`; an exception becomes an ERROR message and the answer `failed`.
template <typename T, typename Body>
T guarded(Reporter& reporter, T failed, Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    reporter.error(current_error());
    return failed;
  }
}

}  // namespace indextts2
