// The request pad `sink`: text/x-raw in, utterances to the stream. Nothing of upstream's flow
// reaches the src pad.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "settings.h"
#include "speech_flow.h"
#include "utterance_cutter.h"

namespace indextts2 {

// What the pad needs of its element.
struct TextPadHost {
  std::function<SpeechFlow&()> flow;  // that is in use
  std::function<void(const std::vector<Notice>&)> post;
  std::function<bool()> is_live;
  Reporter* reporter;
  std::function<Settings()> settings;      // a copy of those in force
  std::function<bool(GstQuery*)> context;  // answers a CONTEXT query
  std::function<gboolean(GstEvent*)>
      flush;  // FLUSH_START and FLUSH_STOP (taken) to the source side
  std::function<gboolean(GstEvent*)> forward;  // other out-of-band events (taken) downstream
};

// Lives exactly as long as its pad: a pad function may still run while the element gives the pad
// up. The host is used only while the pad has a parent. Thread-safety: the pad's own locks; link
// state from any thread.
class TextPad {
 public:
  // An inactive pad, not yet in an element, as a full reference.
  static GstPad* create(TextPadHost host, GstPadTemplate* pad_template);
  TextPad(const TextPad&) = delete;

 private:
  TextPad(TextPadHost host, GstPad* pad) : host_(std::move(host)), pad_(pad) {
    gst_segment_init(&segment_, GST_FORMAT_TIME);
  }
  bool linked() const { return gst_pad_is_linked(pad_); }
  static GstFlowReturn on_chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  static gboolean on_event(GstPad* pad, GstObject* parent, GstEvent* event);
  static gboolean on_query(GstPad* pad, GstObject* parent, GstQuery* query);
  static gboolean on_activate(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active);
  static void on_link_changed(GstPad* pad, GstPad* peer, TextPad* self);

  void tell_state(std::optional<bool> ended);
  GstFlowReturn take_buffer(GstBuffer* buffer);
  // `buffer`: that the texts came with, when it has a time; else null.
  GstFlowReturn submit(std::vector<std::string> texts, GstBuffer* buffer);
  std::optional<Cue> cue_of(GstBuffer* buffer, const Settings& settings) const;
  gboolean take_event(GstEvent* event);
  gboolean take_segment(GstEvent* event);
  void take_gap(GstEvent* event);
  void take_transcriber_event(const GstStructure* fields);
  void reset();

  const TextPadHost host_;
  GstPad* const pad_;      // owns this
  std::mutex link_mutex_;  // guards ended_, and the order in which states are told
  bool ended_ = false;     // EOS has come
  // Under the pad's stream lock.
  UtteranceCutter cutter_;
  bool is_markup_ = false;
  std::string language_;  // of upstream's tags
  std::string speaker_;   // told by upstream; a name of `voices`, or empty
  GstSegment segment_;
  bool has_times_ = true;  // the segment is in time; in bytes, timestamps mean nothing
  bool warned_of_tags_ = false;
};

}  // namespace indextts2
