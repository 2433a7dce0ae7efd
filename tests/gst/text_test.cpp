// Where text comes from: property, file, URI, pad; encodings, markup, lines and limits.
#include <future>
#include <string>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

// The texts that the engine began to speak, in order: needs one replica.
std::vector<std::string> spoken_texts() {
  std::vector<std::string> texts;
  const std::string record = tone_record(), key = "\"text\":\"";
  for (size_t at = record.find(key); at != std::string::npos; at = record.find(key, at + 1)) {
    size_t begin = at + key.size();
    texts.push_back(record.substr(begin, record.find('"', begin) - begin));
  }
  return texts;
}

void check_texts(const std::vector<std::string>& wanted) {
  const auto got = spoken_texts();
  std::string all;
  for (const auto& text : got) all += "[" + text + "]";
  fail_unless(got == wanted, "spoken: %s", all.c_str());
}

std::vector<std::string> of_file(const std::string& bytes) {
  Player p({{"model-path", "tone:"}, {"location", write_file("text_test.txt", bytes)}});
  fail_unless(p.play());
  return spoken_texts();
}

}  // namespace

CASE(location_encodings) {
  const std::vector<std::string> wanted = {"Gr\xc3\xbc\xc3\x9f Gott.", "Zwei."};
  fail_unless(of_file("Gr\xc3\xbc\xc3\x9f Gott.\nZwei.\n") == wanted);
  fail_unless(of_file("\xef\xbb\xbfGr\xc3\xbc\xc3\x9f Gott.\r\nZwei.\r\n") == wanted);
  fail_unless(of_file("Gr\xc3\xbc\xc3\x9f Gott.\rZwei.") == wanted);
  std::string little = "\xff\xfe", big = "\xfe\xff";
  for (int c : std::initializer_list<int>{'G', 'r', 0xfc, 0xdf, ' ', 'G', 'o', 't', 't', '.', '\r',
                                          '\n', 'Z', 'w', 'e', 'i', '.'}) {
    little += {static_cast<char>(c), '\0'};
    big += {'\0', static_cast<char>(c)};
  }
  fail_unless(of_file(little) == wanted);
  fail_unless(of_file(big) == wanted);
}

CASE(location_as_uri) {
  std::string path = write_file("text with space.txt", "From a file.");
  gchar* uri = g_filename_to_uri(path.c_str(), nullptr, nullptr);
  Player p({{"model-path", "tone:"}, {"location", uri}});
  fail_unless(p.play());
  check_texts({"From a file."});
  Player q({{"model-path", "tone:"}, {"uri", uri}});
  g_free(uri);
  fail_unless(q.play());
  check_texts({"From a file."});
}

CASE(uri_handler) {
  GstElement* element = gst_element_make_from_uri(
      GST_URI_SRC, "indextts2:Gr%C3%BC%C3%9F%20Gott%2C%20100%25.", nullptr, nullptr);
  fail_unless(element != nullptr);
  gchar *text = nullptr, *uri = nullptr;
  g_object_get(element, "text", &text, "uri", &uri, nullptr);
  fail_unless_equals_string(text, "Gr\xc3\xbc\xc3\x9f Gott, 100%.");
  fail_unless(g_str_has_prefix(uri, "indextts2:"));
  GstElement* again = gst_element_make_from_uri(GST_URI_SRC, uri, nullptr, nullptr);
  g_free(text);
  g_object_get(again, "text", &text, nullptr);
  fail_unless_equals_string(text, "Gr\xc3\xbc\xc3\x9f Gott, 100%.");
  g_free(text);
  g_free(uri);
  GError* error = nullptr;
  fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(element), "indextts2:%zz", &error));
  fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI));
  g_clear_error(&error);
  fail_unless(gst_uri_handler_set_uri(GST_URI_HANDLER(element), "indextts2://Hello.", nullptr));
  g_object_get(element, "text", &text, nullptr);
  fail_unless_equals_string(text, "Hello.");
  g_free(text);
  gst_object_unref(element);
  gst_object_unref(again);
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(p.element()), "indextts2:Two.", &error));
  fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE));
  g_clear_error(&error);
}

CASE(text_comes_before_the_pad) {
  Player p({{"model-path", "tone:"}, {"devices", "cpu"}, {"text", "From the property."}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("From the pad.\n");
  feeder.end();
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()),
             {frequency_of("From the property."), frequency_of("From the pad.")});
}

// Lines and letters may be cut between buffers; a buffer with a time is a text of its own.
CASE(lines_and_cues) {
  Player p({{"model-path", "tone:"}, {"devices", "cpu"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("A line\r\n\n  \n\r\nGr\xc3");
  feeder.push("\xbc\xc3");
  feeder.push("\x9f Gott\nand the rest");
  feeder.push("Cue one\nof two lines", GST_SECOND);
  feeder.push("   ", 2 * GST_SECOND);
  feeder.push(std::string("With an end\0", 12), 3 * GST_SECOND);
  feeder.push("tail");
  feeder.end();
  fail_unless(p.wait_end());
  check_texts({"A line", "Gr\xc3\xbc\xc3\x9f Gott", "and the rest", "Cue one", "of two lines",
               "With an end", "tail"});
}

// In a segment of bytes timestamps mean nothing.
CASE(bytes_segment) {
  Player p({{"model-path", "tone:"}, {"devices", "cpu"}});
  Feeder feeder(p, nullptr, GST_FORMAT_BYTES);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("One", 0);
  feeder.push(" line\n", 5);
  feeder.end();
  fail_unless(p.wait_end());
  check_texts({"One line"});
}

CASE(other_segments_are_refused) {
  Player p({{"model-path", "tone:"}});
  Feeder feeder(p, "utf8", GST_FORMAT_UNDEFINED);
  p.go_to(GST_STATE_PLAYING, 0);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_DEFAULT);
  feeder.event(gst_event_new_segment(&segment));
  feeder.push("One.\n");
  fail_if(p.wait_end());
  auto errors = p.reports(GST_MESSAGE_ERROR);
  fail_unless(errors[0].domain == GST_STREAM_ERROR && errors[0].code == GST_STREAM_ERROR_FORMAT);
}

CASE(pango_markup) {
  Player p({{"model-path", "tone:"}, {"devices", "cpu"}});
  Feeder feeder(p, "pango-markup");
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("<i>Tom &amp; Jerry</i> &lt;3 <span foreground=\"red\">red</span> &#228;&#xDF;", 0);
  feeder.push("1 < 2 & so on, a &unknown; thing", 1);
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 0);
  feeder.push("Wait<break time=\"1s\"/> here", 2);
  feeder.push("and<speak> there", 3);
  feeder.push("<b></b>", 4);
  feeder.end();
  fail_unless(p.wait_end());
  check_texts({"Tom & Jerry <3 red \xc3\xa4\xc3\x9f", "1 < 2 & so on, a &unknown; thing",
               "Wait here", "and there"});
  // One for the tags, one for the cue that has nothing to say.
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 2);
}

// Tags are letters where the caps do not speak of markup, or where there are no caps.
CASE(missing_caps_are_utf8) {
  Player p({{"model-path", "tone:"}, {"devices", "cpu"}});
  Feeder feeder(p, nullptr);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("a <b>c</b>\n");
  feeder.end();
  fail_unless(p.wait_end());
  check_texts({"a <b>c</b>"});
}

// A chain waits while max-text-bytes are not spoken yet, and goes on with each text that is.
CASE(max_text_bytes_blocks_the_pad) {
  Player p({{"model-path", "tone:segment_ms=50"}, {"max-text-bytes", "40"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  double start = seconds_now();
  for (int i = 0; i < 10; ++i) {
    fail_unless_equals_int(feeder.push("A line of 20 letters\n"), GST_FLOW_OK);
    guint64 waiting = 0;
    GstStructure* stats = nullptr;
    g_object_get(p.element(), "stats", &stats, nullptr);
    gst_structure_get_uint64(stats, "text-bytes-waiting", &waiting);
    gst_structure_free(stats);
    fail_unless(waiting <= 40);
  }
  fail_unless(seconds_now() - start > 0.3);
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless_equals_int(static_cast<int>(frequencies(p.floats()).size()), 10);
}

// The property does not wait: it is refused with a WARNING, and taken again when there is space.
CASE(max_text_bytes_refuses_the_property) {
  Player p({{"model-path", "tone:segment_ms=200"},
            {"max-text-bytes", "30"},
            {"text", "Twenty letters here."}});
  p.go_to(GST_STATE_PLAYING, 0);
  p.set("text", "Twenty more letters.");
  auto warnings = p.reports(GST_MESSAGE_WARNING);
  fail_unless_equals_int(static_cast<int>(warnings.size()), 1);
  fail_unless_equals_int(warnings[0].code, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
  p.set("max-text-bytes", "100");
  p.set("text", "Now they fit.");
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()),
             {frequency_of("Twenty letters here."), frequency_of("Now they fit.")});
}

CASE(raising_the_limit_frees_the_pad) {
  Player p({{"model-path", "tone:segment_ms=60000"}, {"max-text-bytes", "30"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("Twenty letters here.\n");
  auto blocked =
      std::async(std::launch::async, [&] { return feeder.push("Twenty more letters.\n"); });
  fail_unless(blocked.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  p.set("max-text-bytes", "0");
  fail_unless(blocked.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
  fail_unless_equals_int(blocked.get(), GST_FLOW_OK);
}

RUN_CASES("text")
