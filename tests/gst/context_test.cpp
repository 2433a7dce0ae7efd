// The GstContext indextts2.pool: announced, kept beyond a pipeline, found where elements look for
// it.
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

constexpr char kType[] = "indextts2.pool";

// On the posting thread: counts, and answers NEED_CONTEXT with `given`.
struct Desk {
  std::atomic<int> needs{0}, haves{0}, lost{0};
  GstContext* given = nullptr;  // no reference

  static void hear(GstMessage* message, void* data) {
    auto* const desk = static_cast<Desk*>(data);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT) {
      desk->lost += gst_message_has_name(message, "indextts2/device-lost");
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_HAVE_CONTEXT) {
      GstContext* context = nullptr;
      gst_message_parse_have_context(message, &context);
      fail_unless(gst_context_has_context_type(context, kType));
      gst_context_unref(context);
      ++desk->haves;
    }
    const gchar* type = nullptr;
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_NEED_CONTEXT) return;
    fail_unless(gst_message_parse_context_type(message, &type));
    check_text(type, kType);
    ++desk->needs;
    if (desk->given) gst_element_set_context(GST_ELEMENT(GST_MESSAGE_SRC(message)), desk->given);
  }
};

// A player that has told a desk of its messages.
struct Stage {
  explicit Stage(const Properties& properties) : p(properties) { p.on_message(Desk::hear, &desk); }
  Desk desk;
  Player p;
};

const Properties kWords = {{"model-path", "tone:load_ms=50"}, {"text", "One here."}, {"seed", "1"}};

Properties with(Properties all, const std::vector<Properties::Property>& more) {
  all.all.insert(all.all.end(), more.begin(), more.end());
  return all;
}

GstContext* context_of(GstElement* element) { return gst_element_get_context(element, kType); }

// The context of a pipeline that has spoken and gone.
GstContext* left_behind(const Properties& properties = kWords) {
  Stage earlier(properties);
  fail_unless(earlier.p.play());
  fail_unless_equals_int(earlier.desk.needs, 1);
  fail_unless_equals_int(earlier.desk.haves, 1);
  GstContext* const context = context_of(earlier.p.pipeline());
  fail_unless(context != nullptr);
  return context;
}

int loads(Player& p) {
  int count = 0;
  for (const Report& report : p.reports(GST_MESSAGE_PROGRESS)) {
    count += report.code == GST_PROGRESS_TYPE_CONTINUE && report.text == "load";
  }
  return count;
}

}  // namespace

CASE(a_loaded_pool_is_announced) {
  Stage stage(with(kWords, {{"devices", "tone:1,tone:2"}}));
  fail_unless(stage.p.play());
  fail_unless_equals_int(stage.desk.haves, 1);
  fail_unless(loads(stage.p) > 0);
  for (GstElement* holder : {stage.p.pipeline(), stage.p.element()}) {
    GstContext* const context = context_of(holder);
    fail_unless(context != nullptr);
    fail_if(gst_context_is_persistent(context));
    const GstStructure* const fields = gst_context_get_structure(context);
    check_text(gst_structure_get_string(fields, "model-path"), "tone:load_ms=50");
    check_text(gst_structure_get_string(fields, "devices"), "tone:1,tone:2");
    fail_unless(gst_structure_has_field(fields, "pool"));
    gchar* const text = gst_structure_to_string(fields);  // as gst-launch does
    fail_unless(text && std::string(text).find("tone:1") != std::string::npos);
    g_free(text);
    gst_context_unref(context);
  }
}

// Nobody keeps it: it goes with the pipeline, at NULL.
CASE(without_a_keeper_the_pool_goes_at_null) {
  Stage stage(kWords);
  fail_unless(stage.p.play());
  stage.p.go_to(GST_STATE_NULL);
  fail_unless(context_of(stage.p.pipeline()) == nullptr);
  fail_unless(context_of(stage.p.element()) == nullptr);
  fail_unless(tone_all_gone());
}

// The application keeps the context: the next pipeline speaks without loading, wherever it gets it.
CASE(a_kept_pool_serves_the_next_pipeline) {
  for (const char* live : {"false", "true"}) {
    for (const char* way : {"set", "need-context"}) {
      GstContext* const kept = left_behind();
      Stage next(with(kWords, {{"is-live", live}, {"keep-alive", "false"}}));
      if (std::string(way) == "set") gst_element_set_context(next.p.pipeline(), kept);
      if (std::string(way) == "need-context") next.desk.given = kept;
      next.p.go_to(GST_STATE_PLAYING, 0);
      gst_element_send_event(next.p.element(), gst_event_new_eos());
      fail_unless(next.p.wait_end());
      fail_unless_equals_int(loads(next.p), 0);
      fail_unless_equals_int(next.desk.haves, 0);
      fail_unless_equals_int(next.desk.needs, std::string(way) == "set" ? 0 : 1);
      check_near(frequencies(next.p.floats()), {frequency_of("One here.")});
      next.p.go_to(GST_STATE_NULL);
      gst_context_unref(kept);
    }
  }
  fail_unless(tone_all_gone());
}

// A persistent copy on the pipeline itself: it stays through NULL.
CASE(a_persistent_context_stays_through_null) {
  GstContext* const kept = left_behind();
  GstContext* const persistent = gst_context_new(kType, TRUE);
  const GValue* pool = gst_structure_get_value(gst_context_get_structure(kept), "pool");
  gst_structure_set_value(gst_context_writable_structure(persistent), "pool", pool);
  gst_context_unref(kept);
  {
    Stage next(kWords);
    gst_element_set_context(next.p.pipeline(), persistent);
    gst_context_unref(persistent);
    fail_unless(next.p.play());
    next.p.go_to(GST_STATE_NULL);
    next.p.set("text", "Two here.");
    fail_unless(next.p.go_to(GST_STATE_PAUSED));
    fail_unless_equals_int(loads(next.p), 0);
    fail_unless_equals_int(next.desk.needs, 0);
  }
  fail_unless(tone_all_gone());
}

// An element that joins a bin finds what the others there have loaded, and so do neighbours that
// ask.
CASE(neighbours_share_through_bin_and_query) {
  Stage stage(kWords);
  fail_unless(stage.p.go_to(GST_STATE_PAUSED));
  const int before = loads(stage.p);
  GstElement* const other = gst_element_factory_make("indextts2src", nullptr);
  GstElement* const sink = gst_element_factory_make("fakesink", nullptr);
  gst_util_set_object_arg(G_OBJECT(other), "model-path", "tone:load_ms=50");
  g_object_set(other, "text", "Two here.", nullptr);
  gst_bin_add_many(GST_BIN(stage.p.pipeline()), other, sink, nullptr);
  fail_unless(gst_element_link(other, sink));
  fail_unless(gst_element_sync_state_with_parent(sink));
  fail_unless(gst_element_sync_state_with_parent(other));
  fail_unless(stage.p.play());
  fail_unless_equals_int(loads(stage.p), before);
  fail_unless_equals_int(stage.desk.haves, 1);

  GstPad* const sink_pad = gst_element_request_pad_simple(stage.p.element(), "sink");
  GstPad* const src_pad = gst_element_get_static_pad(stage.p.element(), "src");
  for (GstPad* pad : {sink_pad, src_pad}) {
    GstQuery* query = gst_query_new_context(kType);
    fail_unless(gst_pad_query(pad, query));
    GstContext* context = nullptr;
    gst_query_parse_context(query, &context);
    fail_unless(context && gst_context_has_context_type(context, kType));
    gst_query_unref(query);
    query = gst_query_new_context("somebody.else");
    fail_if(gst_pad_query(pad, query));
    gst_query_unref(query);
    gst_object_unref(pad);
  }
}

// A context never changes what is spoken: another model, other devices or a dead pool are left
// alone.
CASE(a_pool_of_other_options_is_not_used) {
  GstContext* const kept = left_behind();
  const std::vector<Properties> others = {
      {{"model-path", "tone:load_ms=51"}, {"text", "One here."}},
      {{"model-path", "tone:load_ms=50"}, {"devices", "tone:3"}, {"text", "One here."}},
      {{"model-path", "tone:load_ms=50"}, {"precision", "fp32"}, {"text", "One here."}}};
  for (const Properties& properties : others) {
    Stage next(properties);
    gst_element_set_context(next.p.pipeline(), kept);
    fail_unless(next.p.play());
    fail_unless(loads(next.p) > 0);
    fail_unless_equals_int(next.desk.haves, 1);
  }
  GstContext* const empty = gst_context_new(kType, FALSE);
  Stage next(kWords);
  gst_element_set_context(next.p.pipeline(), empty);
  fail_unless(next.p.play());
  gst_context_unref(empty);
  gst_context_unref(kept);
}

CASE(without_share_pool_nothing_is_asked_or_told) {
  GstContext* const kept = left_behind();
  Stage next(with(kWords, {{"share-pool", "false"}}));
  gst_element_set_context(next.p.pipeline(), kept);
  fail_unless(next.p.play());
  fail_unless(loads(next.p) > 0);
  fail_unless_equals_int(next.desk.needs, 0);
  fail_unless_equals_int(next.desk.haves, 0);
  gst_context_unref(kept);
}

// Who got the pool by context hears of its devices, too; one that has lost them all is not used.
CASE(device_messages_reach_all_who_share) {
  const Properties mortal = {{"model-path", "tone:segment_ms=20,inject=tone:1:throw@3"},
                             {"devices", "tone:1"},
                             {"text", "One here."}};
  GstContext* const kept = left_behind(mortal);
  Stage idle(with(mortal, {{"keep-alive", "true"}})), next(with(mortal, {{"keep-alive", "true"}}));
  for (Stage* stage : {&idle, &next}) {
    gst_element_set_context(stage->p.pipeline(), kept);
    stage->p.go_to(GST_STATE_PLAYING, 0);
  }
  wait_until([&] { return idle.desk.lost + next.desk.lost >= 2; });
  fail_unless_equals_int(idle.desk.lost, 1);
  fail_unless_equals_int(next.desk.lost, 1);
  Stage last({{"model-path", "tone:segment_ms=20,inject=tone:1:throw@3"},
              {"devices", "tone:1"},
              {"text", "Two."}});
  gst_element_set_context(last.p.pipeline(), kept);
  fail_unless(last.p.play());
  fail_unless_equals_int(last.desk.haves, 1);
  gst_context_unref(kept);
}

// An application that wants the model there before any pipeline is: an element alone, in PAUSED.
CASE(a_pool_can_be_loaded_ahead) {
  GstElement* const alone = gst_element_factory_make("indextts2src", nullptr);
  gst_object_ref_sink(alone);
  gst_util_set_object_arg(G_OBJECT(alone), "model-path", "tone:load_ms=50");
  g_object_set(alone, "keep-alive", TRUE, nullptr);
  GstBus* const bus = gst_bus_new();
  gst_element_set_bus(alone, bus);
  gst_element_set_state(alone, GST_STATE_PAUSED);
  GstMessage* const message =
      gst_bus_timed_pop_filtered(bus, kPatienceSeconds * GST_SECOND, GST_MESSAGE_HAVE_CONTEXT);
  fail_unless(message != nullptr);
  GstContext* context = nullptr;
  gst_message_parse_have_context(message, &context);
  gst_message_unref(message);
  gst_element_set_state(alone, GST_STATE_NULL);
  gst_element_set_bus(alone, nullptr);
  gst_object_unref(bus);
  gst_object_unref(alone);
  {
    Stage next(kWords);
    gst_element_set_context(next.p.pipeline(), context);
    gst_context_unref(context);
    fail_unless(next.p.play());
    fail_unless_equals_int(loads(next.p), 0);
  }
  fail_unless(tone_all_gone());
}

// The work of loading is over when it is, not with the first sound.
CASE(loading_completes_without_a_text) {
  Player p({{"model-path", "tone:load_ms=20"}, {"keep-alive", "true"}});
  p.go_to(GST_STATE_PLAYING, 0);
  auto completed = [&] {
    bool complete = false;
    for (const Report& report : p.reports(GST_MESSAGE_PROGRESS)) {
      complete = report.code == GST_PROGRESS_TYPE_COMPLETE;
    }
    return complete;
  };
  fail_unless(wait_until(completed));
}

RUN_CASES("context")
