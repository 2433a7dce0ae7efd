// What the leaks tracer of GStreamer (GST_TRACERS=leaks) knows of objects, buffers, events and so
// on; and the memory of the process.
#pragma once

#include <gst/gst.h>

#include <map>
#include <string>
#include <utility>

namespace player {

// Objects by type that were made since this was made and are alive. "get-live-objects" would hand
// out the objects themselves; the activity lists are only names and addresses. Thread-safety: one
// thread.
class Alive {
 public:
  Alive();  // fails the test without the tracer
  // Also makes the tracer forget its lists: call it now and then in a long run.
  std::map<std::string, int> by_type();
  // Takes all that is alive now for kept by GStreamer or by the test.
  void keep() { kept_ = by_type(); }
  // Waits up to 5 s until no more is alive than keep() saw: " 2 GstBuffer 1 GstPad", or "".
  std::string left();

 private:
  void count(const GstStructure* activity, const char* name, int step);

  GObject* const tracer_;
  std::map<std::pair<std::string, std::string>, int> objects_;  // by type and address
  std::map<std::string, int> kept_;
};

// Of the process. With a sanitizer, which keeps freed memory, a figure without meaning: 0.
long resident_kib();

}  // namespace player
