// Seeking: sample-exact landing on kept and on lost sound, its refusals, and the queries about
// time.
#include <algorithm>
#include <cstdint>
#include <string>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

constexpr guint64 kRate = 22050;
constexpr char kText[] =
    "The first one. A second piece. And the third. Now the fourth. The fifth. Last.";

GstClockTime time_of(guint64 sample) { return gst_util_uint64_scale(sample, GST_SECOND, kRate); }

Properties book(const std::string& model = "tone:") {
  return {{"model-path", model}, {"text", kText}, {"seed", "7"}};
}

std::vector<float> reference() {
  Player p(book());
  fail_unless(p.play());
  return p.floats();
}

void check_tail(Player& p, const std::vector<float>& whole, guint64 from) {
  fail_unless(!p.pieces().empty(), "no sound after the seek to sample %u", (unsigned)from);
  fail_unless_equals_uint64(p.pieces().front().offset, from);
  fail_unless_equals_uint64(p.pieces().front().pts, time_of(from));
  fail_unless(p.pieces().front().discont);
  std::vector<float> tail(whole.begin() + static_cast<std::ptrdiff_t>(from), whole.end());
  fail_unless(p.floats() == tail, "other samples after the seek to sample %u", (unsigned)from);
}

}  // namespace

CASE(seek_is_sample_exact) {
  const std::vector<float> whole = reference();
  Player p(book());
  fail_unless(p.go_to(GST_STATE_PAUSED));
  GRand* random = g_rand_new_with_seed(1);
  for (int i = 0; i < 20; ++i) {
    const auto from =
        static_cast<guint64>(g_rand_int_range(random, 0, static_cast<int>(whole.size())));
    fail_unless(p.seek(time_of(from)));
    fail_unless(p.play());
    check_tail(p, whole, from);
    if (i % 2) fail_unless(p.go_to(GST_STATE_PAUSED));
  }
  g_rand_free(random);
}

// A time between two samples lands on the later one, so that nothing before the start comes out.
CASE(seek_between_samples) {
  const std::vector<float> whole = reference();
  Player p(book());
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_unless(p.seek(time_of(1000) + 1));
  fail_unless(p.play());
  check_tail(p, whole, 1001);
  fail_unless_equals_uint64(p.segments().back().start, time_of(1000) + 1);
}

CASE(seek_without_flush) {
  const std::vector<float> whole = reference();
  Player p(book());
  g_object_set(p.sink(), "sync", TRUE, nullptr);
  p.go_to(GST_STATE_PLAYING);
  fail_unless(p.wait_samples(kRate / 10));
  fail_unless(p.seek(0, GST_SEEK_FLAG_NONE, time_of(2000)));
  fail_unless(p.wait_end());
  std::vector<float> got = p.floats();
  fail_unless(got.size() >= 2000);
  fail_unless(std::equal(got.end() - 2000, got.end(), whole.begin()));
  fail_unless(p.segments().size() == 2);
  // Running time goes on without a hole.
  GstSegment second = p.segments()[1];
  fail_unless(second.base > 0);
}

CASE(seek_before_loading) {
  const std::vector<float> whole = reference();
  Player p(book("tone:load_ms=200"));
  fail_unless(p.go_to(GST_STATE_READY));
  fail_unless(gst_element_seek(p.element(), 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                               GST_SEEK_TYPE_SET, static_cast<gint64>(time_of(5000)),
                               GST_SEEK_TYPE_NONE, -1));
  fail_unless(p.play());
  check_tail(p, whole, 5000);
}

CASE(seek_while_speaking) {
  const std::vector<float> whole = reference();
  for (int wait_ms : {0, 5, 20, 60}) {
    Player p(book("tone:load_ms=20,segment_ms=20"));
    p.go_to(GST_STATE_PLAYING, 0);
    g_usleep(static_cast<gulong>(wait_ms) * 1000);
    fail_unless(p.go_to(GST_STATE_PAUSED));
    fail_unless(p.seek(time_of(whole.size() - 3000)));
    fail_unless(p.play());
    check_tail(p, whole, whole.size() - 3000);
  }
}

CASE(seek_after_the_end) {
  const std::vector<float> whole = reference();
  Player p(book());
  fail_unless(p.play());
  fail_unless(p.seek(0));
  fail_unless(p.wait_end());
  check_tail(p, whole, 0);
  // Behind the last sample there is only the end.
  fail_unless(p.seek(time_of(whole.size()) + GST_SECOND));
  fail_unless(p.wait_end());
  fail_unless(p.pieces().empty());
}

CASE(seek_to_a_stop) {
  const std::vector<float> whole = reference();
  Player p(book());
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_unless(p.seek(time_of(3000), GST_SEEK_FLAG_FLUSH, time_of(7777)));
  fail_unless(p.play());
  fail_unless(p.floats() == std::vector<float>(whole.begin() + 3000, whole.begin() + 7777));
  fail_unless(p.seek(time_of(7777)));
  fail_unless(p.wait_end());
  check_tail(p, whole, 7777);
}

// A seed that was drawn stays, so that sound beyond ten minutes is spoken again alike.
CASE(seek_to_lost_sound) {
  std::string text;
  for (int i = 0; i < 90; ++i) text += "Sentence number " + std::to_string(i) + ". ";
  Player p({{"model-path", "tone:samples_per_byte=10000"},
            {"devices", "cpu:2"},
            {"text", text},
            {"emotion-alpha", "0.5"}});
  fail_unless(p.play());
  const std::vector<float> whole = p.floats();
  fail_unless(whole.size() > 620 * kRate);
  tone_record();
  for (guint64 from : {guint64{0}, guint64{500000}, whole.size() - 500000}) {
    fail_unless(p.seek(time_of(from)));
    fail_unless(p.wait_end());
    check_tail(p, whole, from);
  }
  std::string record = tone_record();
  fail_unless(record.find("\"first_segment\":0") != std::string::npos,
              "spoken again from the start");
  fail_unless(record.find("Sentence number 1.") != std::string::npos);
  fail_unless(record.find("\"text\":\"Sentence number 89.\"") == std::string::npos ||
              record.find("\"alpha\":0.5") != std::string::npos);
}

// Many texts, some failing, the seek lands in one that is spoken again in the middle.
CASE(seek_to_lost_sound_over_texts) {
  Player p({{"model-path", "tone:samples_per_byte=20000,fail_word=bad"},
            {"on-error", "skip"},
            {"text", "Begin here. Then go on."}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  for (int i = 0; i < 40; ++i) {
    p.set("text", i % 5 == 3 ? "One good. One bad. One more."
                             : "Text " + std::to_string(i) + ". And its end.");
  }
  fail_unless(p.play());
  const std::vector<float> whole = p.floats();
  fail_unless(whole.size() > 620 * kRate);
  const int warnings = p.count(GST_MESSAGE_WARNING);
  fail_unless_equals_int(warnings, 8);
  for (guint64 from : {guint64{300000}, guint64{1300000}, guint64{0}}) {
    fail_unless(p.seek(time_of(from)));
    fail_unless(p.wait_end());
    check_tail(p, whole, from);
  }
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), warnings);
}

CASE(seek_refusals) {
  Player p(book());
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_if(p.seek(0, GST_SEEK_FLAG_FLUSH, GST_CLOCK_TIME_NONE, 2.0));
  fail_if(p.seek(0, GST_SEEK_FLAG_FLUSH, GST_SECOND, -1.0));
  fail_if(gst_element_seek(p.element(), 0.5, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                           GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
  fail_if(gst_element_seek(p.element(), 1.0, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
                           GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1));
  fail_unless(p.play());
}

// With a linked pad a seek goes to the text's own source.
CASE(seek_with_a_linked_pad_goes_upstream) {
  Player p({{"model-path", "tone:"}});
  Feeder feeder(p);
  static int seeks = 0;
  gst_pad_add_probe(
      feeder.peer(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEEK) ++seeks;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("One.\nTwo.\n");
  fail_unless(p.go_to(GST_STATE_PLAYING));
  GstQuery* query = gst_query_new_seeking(GST_FORMAT_TIME);
  gboolean seekable = TRUE;
  fail_unless(gst_element_query(p.element(), query));
  gst_query_parse_seeking(query, nullptr, &seekable, nullptr, nullptr);
  fail_if(seekable);
  gst_query_unref(query);
  p.seek(0);
  fail_unless_equals_int(seeks, 1);
  feeder.end();
  fail_unless(p.wait_end());
}

CASE(duration_position_convert) {
  const guint64 samples = reference().size();
  Player p(book("tone:segment_ms=50"));
  fail_unless(p.go_to(GST_STATE_PAUSED));
  gint64 value = 0;
  fail_if(gst_element_query_duration(p.element(), GST_FORMAT_TIME, &value) && value != -1);
  fail_unless(p.play());
  fail_unless(gst_element_query_duration(p.element(), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64(value, time_of(samples));
  fail_unless(gst_element_query_duration(p.element(), GST_FORMAT_DEFAULT, &value));
  fail_unless(gst_element_query_position(p.element(), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64(value, time_of(samples));
  fail_unless_equals_int(p.count(GST_MESSAGE_DURATION_CHANGED), 1);
  fail_unless(gst_element_query_convert(p.element(), GST_FORMAT_TIME, GST_SECOND, GST_FORMAT_BYTES,
                                        &value));
  fail_unless_equals_int64(value, 4 * kRate);
  fail_unless(
      gst_element_query_convert(p.element(), GST_FORMAT_DEFAULT, 441, GST_FORMAT_TIME, &value));
  fail_unless_equals_int64(value, 20 * GST_MSECOND);
  GstQuery* query = gst_query_new_seeking(GST_FORMAT_TIME);
  gboolean seekable = FALSE;
  fail_unless(gst_element_query(p.element(), query));
  gst_query_parse_seeking(query, nullptr, &seekable, nullptr, &value);
  fail_unless(seekable);
  fail_unless_equals_uint64(value, time_of(samples));
  gst_query_unref(query);
  // A further text makes the duration unknown until that is spoken, too.
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_unless(p.seek(0));
  p.set("text", "One more.");
  fail_unless(p.play());
  fail_unless(gst_element_query_duration(p.element(), GST_FORMAT_TIME, &value));
  fail_unless_equals_uint64(value, time_of(p.floats().size()));
  fail_unless(p.floats().size() > samples);
}

CASE(latency_has_no_maximum) {
  Player p(book());
  fail_unless(p.go_to(GST_STATE_PAUSED));
  GstQuery* query = gst_query_new_latency();
  gboolean live = TRUE;
  GstClockTime min = 1, max = 0;
  fail_unless(gst_element_query(p.element(), query));
  gst_query_parse_latency(query, &live, &min, &max);
  gst_query_unref(query);
  fail_if(live);
  fail_unless_equals_uint64(min, 0);
  fail_unless_equals_uint64(max, GST_CLOCK_TIME_NONE);
}

// In PAUSED the streaming thread waits in the sink for PLAYING, which cannot come while somebody
// seeks: a seek without flush is refused instead of waiting for ever, and nothing is lost.
CASE(seek_without_flush_in_paused_is_refused) {
  const Properties properties = {
      {"model-path", "tone:"}, {"text", std::string(100, 'a') + "."}, {"seed", "1"}};
  Player undisturbed(properties);
  fail_unless(undisturbed.play());
  Player p(properties);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_if(p.seek(0, GST_SEEK_FLAG_NONE, GST_SECOND));
  fail_unless(p.play());
  fail_unless(p.floats() == undisturbed.floats());
  Player stopped(properties);
  fail_unless(stopped.go_to(GST_STATE_PAUSED));
  fail_if(stopped.seek(0, GST_SEEK_FLAG_NONE, GST_SECOND));
  fail_unless(stopped.go_to(GST_STATE_READY));
}

RUN_CASES("seek")
