// The pipeline under test.
#include "player.h"

#include <dlfcn.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "case.h"
#include "tone_engine.h"

namespace player {
namespace {

constexpr std::chrono::seconds kPatience{kPatienceSeconds};

Report report_of(GstMessage* message) {
  Report report{GST_MESSAGE_TYPE(message), 0, 0, "", ""};
  GError* error = nullptr;
  gchar* debug = nullptr;
  if (report.type == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, &debug);
  if (report.type == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, &debug);
  if (report.type == GST_MESSAGE_PROGRESS) {
    GstProgressType type;
    gchar *code, *text;
    gst_message_parse_progress(message, &type, &code, &text);
    report.code = type;
    report.text = code;
    gint percent = -1;
    gst_structure_get_int(gst_message_get_structure(message), "percent", &percent);
    report.debug = std::to_string(percent);
    g_free(code);
    g_free(text);
  }
  if (error) {
    report.domain = error->domain;
    report.code = error->code;
    report.text = error->message;
    report.debug = debug ? debug : "";
  }
  g_clear_error(&error);
  g_free(debug);
  return report;
}

}  // namespace

Player::Player(const Properties& properties, const char* caps) {
  pipeline_ = gst_pipeline_new(nullptr);
  element_ = gst_element_factory_make("indextts2src", nullptr);
  sink_ = gst_element_factory_make("fakesink", nullptr);
  fail_unless(element_ && sink_, "no indextts2src or fakesink");
  g_object_set(sink_, "sync", FALSE, nullptr);
  for (const auto& property : properties.all) set(property.first, property.second);
  gst_bin_add_many(GST_BIN(pipeline_), element_, sink_, nullptr);
  GstCaps* filter = caps ? gst_caps_from_string(caps) : nullptr;
  fail_unless(gst_element_link_filtered(element_, sink_, filter));
  gst_clear_caps(&filter);
  GstPad* pad = gst_element_get_static_pad(element_, "src");
  gst_pad_add_probe(
      pad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                   GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      on_flow, this, nullptr);
  gst_object_unref(pad);
  GstBus* bus = gst_element_get_bus(pipeline_);
  gst_bus_set_sync_handler(bus, on_sync_message, this, nullptr);
  gst_object_unref(bus);
}

Player::~Player() {
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  GstBus* bus = gst_element_get_bus(pipeline_);
  gst_bus_set_sync_handler(bus, nullptr, nullptr, nullptr);
  gst_object_unref(bus);
  gst_object_unref(pipeline_);
}

void Player::set(const std::string& name, const std::string& value) {
  gst_util_set_object_arg(G_OBJECT(element_), name.c_str(), value.c_str());
}

bool Player::go_to(GstState state, int timeout_s) {
  if (gst_element_set_state(pipeline_, state) == GST_STATE_CHANGE_FAILURE) return false;
  if (state <= GST_STATE_READY) return true;
  // An ERROR or EOS while prerolling ends the waiting, too.
  for (int i = 0; i < timeout_s * 100; ++i) {
    GstStateChangeReturn got = gst_element_get_state(pipeline_, nullptr, nullptr, 10 * GST_MSECOND);
    if (got != GST_STATE_CHANGE_ASYNC) return got != GST_STATE_CHANGE_FAILURE;
    if (count(GST_MESSAGE_ERROR) > 0) return true;
  }
  return false;
}

void Player::settle() { fail_unless(go_to(GST_STATE_PLAYING)); }

bool Player::wait_end() {
  std::unique_lock<std::mutex> lock(mutex_);
  bool over = changed_.wait_for(lock, kPatience, [&] { return ends_ + errors_ > 0; });
  fail_unless(over, "neither EOS nor ERROR within %d s", kPatienceSeconds);
  return errors_ == 0;
}

bool Player::wait_samples(size_t samples) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto here = [&] {
    return !pieces_.empty() && pieces_.back().offset_end - pieces_.front().offset >= samples;
  };
  changed_.wait_for(lock, kPatience, [&] { return here() || errors_ > 0; });
  return here();
}

GstPadProbeReturn Player::on_flow(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<Player*>(data);
  std::lock_guard<std::mutex> lock(self->mutex_);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    size_t size = gst_buffer_get_size(buffer), old = self->bytes_.size();
    if (self->keep_bytes_) {
      self->bytes_.resize(old + size);
      gst_buffer_extract(buffer, 0, self->bytes_.data() + old, size);
    }
    self->pieces_.push_back({GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer),
                             GST_BUFFER_OFFSET(buffer), GST_BUFFER_OFFSET_END(buffer), size,
                             GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) != 0,
                             GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) != 0});
  } else {
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) self->clear();
    self->events_.push_back(GST_EVENT_TYPE(event));
    if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
      GstSegment segment;
      gst_event_copy_segment(event, &segment);
      self->segments_.push_back(segment);
    }
  }
  self->changed_.notify_all();
  return GST_PAD_PROBE_OK;
}

GstBusSyncReply Player::on_sync_message(GstBus*, GstMessage* message, gpointer data) {
  auto* self = static_cast<Player*>(data);
  void (*function)(GstMessage*, void*);
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    function = self->function_;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) ++self->ends_;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) ++self->errors_;
    self->reports_.push_back(report_of(message));
    self->changed_.notify_all();
  }
  if (function) function(message, self->data_);
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void Player::on_message(void (*function)(GstMessage*, void*), void* data) {
  std::lock_guard<std::mutex> lock(mutex_);
  function_ = function;
  data_ = data;
}

std::vector<char> Player::bytes() {
  std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

std::vector<float> Player::floats() {
  std::vector<char> raw = bytes();
  std::vector<float> samples(raw.size() / sizeof(float));
  if (!samples.empty()) std::memcpy(samples.data(), raw.data(), samples.size() * sizeof(float));
  return samples;
}

std::vector<Piece> Player::pieces() {
  std::lock_guard<std::mutex> lock(mutex_);
  return pieces_;
}

std::vector<GstEventType> Player::events() {
  std::lock_guard<std::mutex> lock(mutex_);
  return events_;
}

std::vector<GstSegment> Player::segments() {
  std::lock_guard<std::mutex> lock(mutex_);
  return segments_;
}

std::vector<Report> Player::reports(GstMessageType type) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Report> found;
  for (const Report& report : reports_) {
    if (report.type == type) found.push_back(report);
  }
  return found;
}

int Player::count(GstMessageType type) { return static_cast<int>(reports(type).size()); }

void Player::forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  clear();
  errors_ = 0;
}

void Player::forget_messages() {
  std::lock_guard<std::mutex> lock(mutex_);
  reports_.clear();
}

void Player::clear() {
  bytes_.clear();
  pieces_.clear();
  events_.clear();
  segments_.clear();
  ends_ = 0;
}

bool Player::seek(GstClockTime start, GstSeekFlags flags, GstClockTime stop, double rate) {
  return gst_element_seek(pipeline_, rate, GST_FORMAT_TIME, flags, GST_SEEK_TYPE_SET,
                          static_cast<gint64>(start), GST_SEEK_TYPE_SET, static_cast<gint64>(stop));
}

std::string Player::stats() {
  GstStructure* stats = nullptr;
  g_object_get(element_, "stats", &stats, nullptr);
  gchar* text = gst_structure_to_string(stats);
  std::string copy = text;
  g_free(text);
  gst_structure_free(stats);
  return copy;
}

Feeder::Feeder(Player& player, const char* format, GstFormat segment)
    : player_(player), format_(format ? format : ""), segment_(segment) {
  peer_ = gst_element_request_pad_simple(player.element(), "sink");
  fail_unless(peer_ != nullptr);
  pad_ = gst_pad_new("feeder", GST_PAD_SRC);
  gst_pad_set_active(pad_, TRUE);
  link();
}

// The first events wait on the pad and go with the first push.
bool Feeder::link() {
  if (gst_pad_link(pad_, peer_) != GST_PAD_LINK_OK) return false;
  gst_pad_push_event(pad_, gst_event_new_stream_start("test"));
  if (!format_.empty()) {
    GstCaps* caps =
        gst_caps_new_simple("text/x-raw", "format", G_TYPE_STRING, format_.c_str(), nullptr);
    gst_pad_push_event(pad_, gst_event_new_caps(caps));
    gst_caps_unref(caps);
  }
  if (segment_ != GST_FORMAT_UNDEFINED) {
    GstSegment segment;
    gst_segment_init(&segment, segment_);
    gst_pad_push_event(pad_, gst_event_new_segment(&segment));
  }
  return true;
}

void Feeder::unlink() { gst_pad_unlink(pad_, peer_); }

Feeder::~Feeder() {
  if (gst_pad_is_linked(pad_)) unlink();
  gst_element_release_request_pad(player_.element(), peer_);
  gst_object_unref(peer_);
  gst_pad_set_active(pad_, FALSE);
  gst_object_unref(pad_);
}

GstFlowReturn Feeder::push(const std::string& text, GstClockTime pts, GstClockTime duration) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, text.size(), nullptr);
  gst_buffer_fill(buffer, 0, text.data(), text.size());
  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DURATION(buffer) = duration;
  return gst_pad_push(pad_, buffer);
}

std::vector<int> frequencies(const std::vector<float>& samples) {
  constexpr size_t kSilence = 20;  // samples of exact zero between two texts
  std::vector<int> found;
  size_t begin = 0;
  while (begin < samples.size()) {
    while (begin < samples.size() && samples[begin] == 0.0f) ++begin;
    size_t end = begin, quiet = 0, crossings = 0, first = 0, last = 0;
    for (; end < samples.size() && quiet < kSilence; ++end) {
      quiet = samples[end] == 0.0f ? quiet + 1 : 0;
      if (end > begin && samples[end - 1] < 0 && samples[end] >= 0) {
        if (crossings++ == 0) first = end;
        last = end;
      }
    }
    if (crossings > 1) {
      found.push_back(static_cast<int>(std::lround(22050.0 * static_cast<double>(crossings - 1) /
                                                   static_cast<double>(last - first))));
    }
    begin = end;
  }
  return found;
}

int frequency_of(const std::string& text) { return indextts2::tone_frequency_hz(text); }

namespace {

template <typename Function>
Function* tone_function(const char* name) {
  void* engine = dlopen(std::getenv("INDEXTTS2_ENGINE"), RTLD_NOW | RTLD_NOLOAD);
  fail_unless(engine != nullptr, "the tone engine is not loaded");
  auto* function = reinterpret_cast<Function*>(dlsym(engine, name));
  fail_unless(function != nullptr, "%s is missing", name);
  return function;
}

}  // namespace

std::string tone_record() {
  char* lines = tone_function<char*(int)>("indextts2_tone_record")(1);
  std::string text = lines;
  std::free(lines);
  return text;
}

std::string record_line(const std::string& record, const std::string& text) {
  const size_t at = record.find("\"text\":\"" + text);
  fail_unless(at != std::string::npos, "%s in %s", text.c_str(), record.c_str());
  const size_t begin = record.rfind('\n', at) + 1;
  return record.substr(begin, record.find('\n', at) - begin);
}

bool tone_all_gone() {
  auto* alive = tone_function<int()>("indextts2_tone_alive");
  return wait_until([&] { return alive() == 0; });
}

GstState state_of(GstElement* element) {
  GstState state;
  gst_element_get_state(element, &state, nullptr, 0);
  return state;
}

std::string write_file(const std::string& name, const std::string& bytes) {
  const char* folder = std::getenv("INDEXTTS2_TEST_FOLDER");
  std::string path = std::string(folder ? folder : g_get_tmp_dir()) + "/" + name;
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

}  // namespace player
