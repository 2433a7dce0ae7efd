// Whole chains of the real engine through the element: equal bytes on any number of replicas, and
// what is told of odd model folders.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "case.h"
#include "player.h"
#include "tiny_model.h"

using namespace player;

namespace {

namespace fs = std::filesystem;

constexpr char kText[] =
    "The first sentence is short. Is the second one longer? It has 12 words, or more! "
    "\xe4\xbb\x8a\xe5\xa4\xa9\xe5\xa4\xa9\xe6\xb0\x94\xe5\xbe\x88\xe5\xa5\xbd\xe3\x80\x82 "
    "The fifth sentence asks for some more words than those before it, so that it is cut in two. "
    "Which colour has the sky on a clear morning? Nobody in this room could tell, they said. "
    "And here is the end of it.";
constexpr char kCodec[] = "hf_cache/semantic_codec_model.safetensors";

guint64 segments_of(Player& p) {
  GstStructure* stats = nullptr;
  guint64 segments = 0;
  g_object_get(p.element(), "stats", &stats, nullptr);
  fail_unless(gst_structure_get_uint64(stats, "segments", &segments));
  gst_structure_free(stats);
  return segments;
}

// The sound of kText cut into many segments.
std::vector<char> spoken(std::initializer_list<Properties::Property> more) {
  Properties all = tiny_model({{"text", kText}, {"max-segment-tokens", "20"}});
  all.all.insert(all.all.end(), more.begin(), more.end());
  Player p(all);
  fail_unless(p.go_to(GST_STATE_PLAYING));
  fail_unless(p.wait_end());
  fail_unless(segments_of(p) >= 5, "%s", p.stats().c_str());
  return p.bytes();
}

// The folder with one more tensor in its codec file; all other files are links.
std::string folder_with_extra_tensor(const std::string& name) {
  const fs::path folder = write_file("extra_tensor", ""), source = tiny_folder();
  fs::remove_all(folder);
  fs::create_directories(folder / "hf_cache");
  for (const fs::path& part : {fs::path("."), fs::path("hf_cache")}) {
    for (const fs::directory_entry& item : fs::directory_iterator(source / part)) {
      const fs::path link = folder / part / item.path().filename();
      if (!fs::exists(link)) fs::create_symlink(item.path(), link);
    }
  }
  std::ifstream in(source / kCodec, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  guint64 length = GUINT64_FROM_LE(*reinterpret_cast<const guint64*>(bytes.data()));
  auto header = nlohmann::json::parse(bytes.substr(8, length));
  std::string data = bytes.substr(8 + length);
  header[name] = {{"dtype", "F32"},
                  {"shape", {1}},
                  {"data_offsets", {data.size(), data.size() + sizeof(float)}}};
  data.append(sizeof(float), '\0');
  const std::string text = header.dump();
  length = GUINT64_TO_LE(text.size());
  fs::remove(folder / kCodec);
  std::ofstream(folder / kCodec, std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&length), sizeof length) << text << data;
  return folder.string();
}

void check_no_warning(Player& p) {
  for (const Report& report : p.reports(GST_MESSAGE_WARNING)) {
    fail_if(report.domain == GST_LIBRARY_ERROR, "%s", report.text.c_str());
  }
}

}  // namespace

// One and three replicas, any window, both schedules: the same bytes.
CASE(chain_is_the_same_on_any_replicas) {
  const std::vector<char> one = spoken({{"devices", "cpu"}});
  fail_if(one.empty());
  fail_unless(spoken({{"devices", "cpu"}}) == one, "the second run");
  for (const char* devices : {"cpu", "cpu:3"}) {
    for (const char* prefetch : {"0", "1", "2", "9"}) {
      fail_unless(spoken({{"devices", devices}, {"prefetch", prefetch}}) == one, "%s, prefetch %s",
                  devices, prefetch);
    }
  }
  fail_unless(spoken({{"devices", "cpu:3"}, {"schedule", "least-work"}}) == one, "least-work");
  fail_unless(spoken({{"devices", "cpu"}, {"replicas-per-device", "2"}}) == one, "two replicas");
  fail_if(spoken({{"devices", "cpu"}, {"seed", "2"}}) == one, "another seed");
}

// The same for lines from the pad.
CASE(chain_from_the_pad_is_the_same_on_any_replicas) {
  std::vector<char> first;
  for (const char* devices : {"cpu", "cpu:3"}) {
    for (const char* prefetch : {"0", "1"}) {
      Player p(tiny_model({{"devices", devices}, {"prefetch", prefetch}}));
      Feeder feeder(p);
      p.go_to(GST_STATE_PLAYING, 0);
      for (int i = 0; i < 8; ++i) feeder.push("Line number " + std::to_string(i) + ".\n");
      feeder.end();
      fail_unless(p.wait_end());
      fail_unless(segments_of(p) >= 8, "%s", p.stats().c_str());
      if (first.empty()) first = p.bytes();
      fail_unless(p.bytes() == first, "%s, prefetch %s", devices, prefetch);
    }
  }
  fail_if(first.empty());
}

CASE(no_warning_of_whole_folders) {
  Player tiny(tiny_model({{"text", "Hello."}}));
  fail_unless(tiny.go_to(GST_STATE_PAUSED));
  check_no_warning(tiny);
  Player bundled({{"text", "Hello."}});
  fail_unless(bundled.go_to(GST_STATE_PAUSED));
  fail_unless_equals_int(bundled.count(GST_MESSAGE_WARNING), 0);
}

// A tensor that nobody takes is told once, by name and file; the text is spoken all the same.
CASE(warning_of_an_unused_tensor) {
  const std::string folder = folder_with_extra_tensor("quantizer.quantizers.7.scale");
  Player p(tiny_model({{"model-path", folder}, {"text", "Hello."}}));
  for (int round = 0; round < 2; ++round) {  // also when it comes back from READY
    fail_unless(p.go_to(GST_STATE_PLAYING));
    fail_unless(p.wait_end());
    fail_unless(p.bytes().size() > 0);
    int told = 0;
    for (const Report& report : p.reports(GST_MESSAGE_WARNING)) {
      if (report.domain != GST_LIBRARY_ERROR) continue;
      ++told;
      fail_unless_equals_int(report.code, GST_LIBRARY_ERROR_SETTINGS);
      for (const char* part : {"1 tensor of", "extra_tensor/hf_cache/semantic_codec_model",
                               "quantizer.quantizers.7.scale"}) {
        fail_unless(report.text.find(part) != std::string::npos, "%s", report.text.c_str());
      }
    }
    fail_unless_equals_int(told, 1);
    fail_unless(p.go_to(GST_STATE_READY));
    p.forget();
  }
}

RUN_CASES("chains")
