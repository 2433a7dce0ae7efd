// Runs indextts2src in a pipeline and keeps what comes out of it: sound, events of the src pad, bus
// messages.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <initializer_list>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "patience.h"

namespace player {

struct Properties {
  using Property = std::pair<std::string, std::string>;
  Properties(std::initializer_list<Property> list) : all(list) {}
  std::vector<Property> all;
};

// One buffer of the src pad, without its bytes.
struct Piece {
  GstClockTime pts, duration;
  guint64 offset, offset_end;
  size_t bytes;
  bool gap, discont;
};

struct Report {
  GstMessageType type;
  GQuark domain;
  gint code;
  std::string text;
  std::string debug;
};

// indextts2src ! fakesink. Thread-safety: one thread; it listens to the streaming thread by itself.
class Player {
 public:
  // Properties of the element, as in a launch line. `caps` go between element and sink.
  explicit Player(const Properties& properties, const char* caps = nullptr);
  ~Player();
  Player(const Player&) = delete;

  GstElement* element() const { return element_; }
  GstElement* pipeline() const { return pipeline_; }
  GstElement* sink() const { return sink_; }
  void set(const std::string& name, const std::string& value);

  // False when the change failed; waits for its end.
  bool go_to(GstState state, int timeout_s = kPatienceSeconds);
  // Waits until all of the pipeline is in PLAYING. Before a flush: GstBin overlooks a sink that is
  // flushed while the bin goes there, and that sink would stay in PAUSED ("state change busy").
  void settle();
  // Waits for EOS (true) or an ERROR (false) on the bus; fails the test when neither comes.
  bool wait_end();
  // PLAYING, wait_end().
  bool play() { return go_to(GST_STATE_PLAYING) && wait_end(); }
  // Waits until `samples` samples have left the element, or for an ERROR (false).
  bool wait_samples(size_t samples);

  // What has come so far; since the last FLUSH_STOP, where there was one.
  std::vector<char> bytes();
  std::vector<float> floats();
  std::string stats();  // as gst_structure_to_string writes it
  std::vector<Piece> pieces();
  std::vector<GstEventType> events();  // of the src pad, downstream
  std::vector<GstSegment> segments();
  std::vector<Report> reports(GstMessageType type);
  int count(GstMessageType type);
  // Forgets sound and events, and the end that they came to; not messages.
  void forget();
  void forget_messages();
  // From now on: no bytes(), only the rest.
  void keep_no_bytes() { keep_bytes_ = false; }
  // TIME, FLUSH; false: refused.
  bool seek(GstClockTime start, GstSeekFlags flags = GST_SEEK_FLAG_FLUSH,
            GstClockTime stop = GST_CLOCK_TIME_NONE, double rate = 1.0);
  // Answers a message of the bus, called on the thread that posts it.
  void on_message(void (*function)(GstMessage*, void*), void* data);

 private:
  void clear();  // with mutex_ held
  static GstPadProbeReturn on_flow(GstPad*, GstPadProbeInfo* info, gpointer self);
  static GstBusSyncReply on_sync_message(GstBus*, GstMessage* message, gpointer self);

  GstElement* pipeline_;
  GstElement* element_;
  GstElement* sink_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<char> bytes_;
  std::vector<Piece> pieces_;
  std::vector<GstEventType> events_;
  std::vector<GstSegment> segments_;
  std::vector<Report> reports_;
  int ends_ = 0, errors_ = 0;
  bool keep_bytes_ = true;
  void (*function_)(GstMessage*, void*) = nullptr;
  void* data_ = nullptr;
};

// Feeds the sink pad of a Player from the test's thread.
class Feeder {
 public:
  // `format`: utf8, pango-markup, or nullptr for no CAPS event. No SEGMENT for
  // GST_FORMAT_UNDEFINED.
  Feeder(Player& player, const char* format = "utf8", GstFormat segment = GST_FORMAT_TIME);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  GstFlowReturn push(const std::string& text, GstClockTime pts = GST_CLOCK_TIME_NONE,
                     GstClockTime duration = GST_CLOCK_TIME_NONE);
  bool event(GstEvent* event) { return gst_pad_push_event(pad_, event); }
  bool end() { return event(gst_event_new_eos()); }
  bool link();
  void unlink();
  GstPad* peer() const { return peer_; }

 private:
  Player& player_;
  GstPad* pad_;
  GstPad* peer_;
  const std::string format_;
  const GstFormat segment_;
};

// Texts in the sound: runs of one frequency that are parted by silence, each as its frequency in
// Hz.
std::vector<int> frequencies(const std::vector<float>& samples);
// The frequency in which the tone engine speaks one segment.
int frequency_of(const std::string& text);

// What the tone engine wrote down since the last call: JSON lines.
std::string tone_record();
// Its line of the first segment with `text`; fails without one.
std::string record_line(const std::string& record, const std::string& text);
// Engines, sessions and voices alive; waits for them to go.
bool tone_all_gone();

GstState state_of(GstElement* element);
std::string write_file(const std::string& name, const std::string& bytes);

}  // namespace player
