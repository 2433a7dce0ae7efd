// The parts of indextts2src that are C++, shared by the files of its class.
#pragma once

#include <gst/audio/audio.h>
#include <gst/base/gstbasesrc.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device_tasks.h"
#include "errors.h"
#include "flow_turns.h"
#include "live_clock.h"
#include "live_stream.h"
#include "notices.h"
#include "pool_context.h"
#include "settings.h"
#include "speech_stream.h"
#include "text_pad.h"

namespace indextts2 {

// Everything of the element that is C++.
struct Element {
  explicit Element(GstElement* element);
  ~Element();
  Element(const Element&) = delete;
  Settings copy_settings();
  GstAudioInfo copy_info();

  // An event for downstream, sent before the next buffer but one: the first brings caps and
  // segment.
  void keep_event(GstEvent* event);
  void keep_chapters(std::vector<Chapter> chapters);
  void send_kept_events(GstPad* pad);
  void drop_kept_events();

  std::mutex mutex;  // guards the next six
  std::vector<GstEvent*> kept_events;
  std::vector<Chapter> chapters;  // of the TOC that was told last
  Settings settings;
  GstAudioInfo info;
  std::string available_devices;
  GstPad* text_pad = nullptr;  // a reference; null: not requested

  Reporter reporter;
  ProgressPoster progress;
  DeviceTasks devices;
  PoolSharing pool;
  SpeechStream stream;
  LiveStream live;
  std::atomic<bool> is_live{false};  // constant above READY
  // The one of the two that is in use.
  SpeechFlow& flow() { return is_live ? static_cast<SpeechFlow&>(live) : stream; }
  FlowTurns turns;
  LiveClock clock;
  GstPadActivateModeFunction base_activate = nullptr;  // of the source pad
  std::atomic<guint64> chunk_samples{441};
  std::atomic<bool> restart_segment{false};  // a flush has reset the running time
  bool sent_buffers = false;                 // the streaming thread's
  // Of live mode; the streaming thread's.
  bool live_begun = false;                              // a buffer has gone out
  bool live_resync = false;                             // PLAYING again: go on at the running time
  bool live_discont = false;                            // of the next buffer
  std::atomic<guint64> late_buffers{0}, late_jumps{0};  // since the start, for stats
  StreamStats stats();
  IdleMode live_idle = IdleMode::kSilence;
};

// `self`: a GstIndexTts2Src.
Element& element_of(gpointer self);
gpointer src_base_class();  // the class above ours

// Virtual functions of sound, seeking, events and queries (src_flow.cpp).
void src_flow_class_init(GstBaseSrcClass* source);
gboolean src_send_event(GstElement* element, GstEvent* event);
// Takes over the source pad's activation and watches its events.
void src_flow_init(GstBaseSrc* source);
// The peer's pad of `sink` while it is linked, as a reference; else null.
GstPad* linked_text_pad(Element& e);

// Posts in order, with no lock held; a duration also becomes the answer to DURATION queries.
void post_notices(GstBaseSrc* source, Element& e, const std::vector<Notice>& notices);

// Live mode (src_live.cpp). *notices: what is to be posted even when this throws.
GstFlowReturn create_live(GstBaseSrc* source, Element& e, GstBuffer** buffer,
                          std::vector<Notice>* notices);
void start_live(Element& e, const Settings& settings);

// Action signals, and the custom events that do the same (src_control.cpp).
// The property `text`, set while the stream runs; before that it is only a setting.
void append_text(GstBaseSrc* source, Element& e, const Settings& settings);
void add_control_signals(GType type);
// False: not one of ours.
bool take_control_event(GstElement* element, GstEvent* event, gboolean* answer);

// The request pad (src_pads.cpp).
GstPad* src_request_pad(GstElement* element, GstPadTemplate* pad_template, const gchar* name,
                        const GstCaps* caps);
void src_release_pad(GstElement* element, GstPad* pad);

// GstURIHandler (src_uri.cpp).
void src_uri_handler_init(gpointer iface, gpointer data);

}  // namespace indextts2
