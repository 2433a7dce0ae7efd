// Processors of a GPU's node, from a made-up sysfs.
#include "pool/numa.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "temp_folder.h"

namespace indextts2 {
namespace {

TEST(Numa, ReadsListsOfProcessors) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11"), (std::vector<int>{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cpu_list("5"), std::vector<int>{5});
  EXPECT_TRUE(parse_cpu_list("").empty());
  EXPECT_TRUE(parse_cpu_list("none").empty());
}

TEST(Numa, FindsTheNodeOfADevice) {
  const TempFolder folder;
  const std::string sysfs = folder.path().string();
  folder.write("devices/system/node/online", "0-1");
  folder.write("devices/system/node/node1/cpulist", "2-3");
  folder.write("bus/pci/devices/0000:3b:00.0/numa_node", "1");
  folder.write("bus/pci/devices/0000:5e:00.0/numa_node", "-1");
  EXPECT_EQ(processors_near("0000:3B:00.0", sysfs), (std::vector<int>{2, 3}));
  EXPECT_TRUE(processors_near("0000:5e:00.0", sysfs).empty());
  EXPECT_TRUE(processors_near("0000:ff:00.0", sysfs).empty());
  folder.write("devices/system/node/online", "0");
  EXPECT_TRUE(processors_near("0000:3b:00.0", sysfs).empty()) << "one node";
}

TEST(Numa, AThreadStaysWhereItMayRun) {
  std::thread([] {
    cpu_set_t before, after;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    run_on({});
    run_on({1000000, -1});
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
    int one = 0;
    while (!CPU_ISSET(one, &before)) ++one;
    run_on({one, 1000000});
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_EQ(CPU_COUNT(&after), 1);
    EXPECT_TRUE(CPU_ISSET(one, &after));
  }).join();
}

}  // namespace
}  // namespace indextts2
