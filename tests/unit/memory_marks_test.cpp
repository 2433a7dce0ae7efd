// What took the memory of the devices.
#include "memory_marks.h"

#include <gtest/gtest.h>

namespace indextts2 {
namespace {

TEST(MemoryMarks, BooksGrowthByPart) {
  std::map<std::string, uint64_t> used = {{"cuda:0", 100}, {"cuda:1", 7}};
  MemoryMarks marks([&used](const std::string& device) { return used.at(device); });
  EXPECT_TRUE(marks.parts().empty());
  for (const char* device : {"cuda:0", "cuda:1"}) marks.begin(device);
  used["cuda:0"] = 150;
  marks.mark("cuda:0", "networks");
  used["cuda:0"] = 130;  // given back
  marks.mark("cuda:0", "warm-up");
  used["cuda:0"] = 145;
  marks.mark("cuda:0", "networks");  // of another replica
  marks.begin("cuda:0");             // has begun already
  used["cuda:0"] = 146;
  const auto parts = marks.parts();
  EXPECT_EQ(parts.at("cuda:0"),
            MemoryMarks::Parts({{"networks", 65}, {"warm-up", -20}, {"since", 1}}));
  EXPECT_EQ(parts.at("cuda:1"), MemoryMarks::Parts({{"since", 0}}));
}

}  // namespace
}  // namespace indextts2
