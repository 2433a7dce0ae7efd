// The trace of a pool: valid JSON, overlapping segments on tracks of their own.
#include "trace_log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/error.h"
#include "support/temp_folder.h"

namespace indextts2 {
namespace {

JobRecord record(const std::string& replica, double drawn, double ended) {
  JobRecord one;
  one.replica = replica;
  one.submitted_at = drawn - 0.5;
  one.drawn_at = drawn;
  one.ended_at = ended;
  one.ok = true;
  one.yield = {2.5, 120};
  one.order.queue = 7;
  one.counters.done = 3;
  one.counters.codes = 300;
  one.counters.busy_seconds = 2;
  one.counters.open_seconds = 4;
  return one;
}

nlohmann::json read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  std::string events = text.str();
  events.erase(events.find_last_not_of(",\n") + 1);  // the array is left open
  return nlohmann::json::parse(events + "]");
}

TEST(TraceLog, DrawsOverlappingSegmentsOnTracksOfTheirOwn) {
  const TempFolder folder;
  const std::string path = (folder.path() / "trace.json").string();
  TraceLog log(path, [](const std::string&) { return uint64_t{5} << 20; });
  log.write(record("cuda:0", 1, 3));
  log.write(record("cuda:0", 2, 4));    // beside the first
  log.write(record("cuda:0", 3.5, 5));  // behind it
  log.write(record("cpu", 1, 6));
  log.write_lost("cpu", "said \"no\"");
  std::vector<int> tracks;
  std::set<std::string> names;
  for (const auto& event : read(path)) {
    const std::string kind = event["ph"];
    if (kind == "X") {
      tracks.push_back(event["tid"]);
      EXPECT_EQ(event["args"]["waited_ms"], 500);
      EXPECT_EQ(event["args"]["codes"], 120);
      EXPECT_EQ(event["args"]["queue"], 7);
    } else if (kind == "M") {
      names.insert(event["args"]["name"].get<std::string>());
    } else if (kind == "C") {
      EXPECT_EQ(event["args"]["busy_percent"], 50);
      EXPECT_EQ(event["args"]["codes_per_s"], 150);
      EXPECT_EQ(event["args"]["memory_mib"], 5);
    } else {
      EXPECT_EQ(event["name"], "lost cpu");
      EXPECT_EQ(event["args"]["reason"], "said \"no\"");
    }
  }
  ASSERT_EQ(tracks.size(), 4u);
  EXPECT_NE(tracks[0], tracks[1]);
  EXPECT_EQ(tracks[0], tracks[2]);
  EXPECT_EQ(names, (std::set<std::string>{"cuda:0 slot 1", "cuda:0 slot 2", "cpu slot 1"}));
}

TEST(TraceLog, AFileThatCannotBeWrittenIsASettingsError) {
  try {
    TraceLog("/nowhere/trace.json", nullptr);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSettings);
  }
}

}  // namespace
}  // namespace indextts2
