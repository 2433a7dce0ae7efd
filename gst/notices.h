// PROGRESS messages of loading.
#pragma once

#include <gst/gst.h>

#include <string>

#include "indextts2/engine.h"

namespace indextts2 {

// PROGRESS messages with codes "load", "warmup" and "voice", each START, CONTINUE with percent, and
// an end. Thread-safety: one thread at a time.
class ProgressPoster {
 public:
  explicit ProgressPoster(GstElement* element) : element_(element) {}
  void start(const std::string& what);
  void step(const Progress& progress);
  void finish() { close(GST_PROGRESS_TYPE_COMPLETE, "done"); }
  void fail() { close(GST_PROGRESS_TYPE_ERROR, "failed"); }
  void cancel() { close(GST_PROGRESS_TYPE_CANCELED, "cancelled"); }

 private:
  void close(GstProgressType type, const char* text);
  void post(GstProgressType type, const std::string& text, int percent);

  GstElement* element_;  // owns this
  std::string open_;     // code of the progress that has not ended; empty: none
};

}  // namespace indextts2
