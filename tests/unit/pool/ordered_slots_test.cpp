// Order, errors at their place, refusal of what nobody waits for.
#include "pool/ordered_slots.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace indextts2 {
namespace {

TEST(OrderedSlots, ComeOutInSubmitOrder) {
  OrderedSlots<std::string> slots;
  const uint64_t a = slots.reserve(), b = slots.reserve(), c = slots.reserve();
  EXPECT_TRUE(slots.fill(c, "c"));
  EXPECT_TRUE(slots.fill(b, "b"));
  EXPECT_FALSE(slots.head_ready());
  EXPECT_TRUE(slots.fill(a, "a"));
  for (const char* expected : {"a", "b", "c"}) {
    ASSERT_TRUE(slots.head_ready());
    EXPECT_EQ(slots.take(), expected);
  }
  EXPECT_TRUE(slots.empty());
}

TEST(OrderedSlots, AnErrorComesOutAtItsPlace) {
  OrderedSlots<int> slots;
  const uint64_t a = slots.reserve(), b = slots.reserve(), c = slots.reserve();
  slots.fail(b, std::make_exception_ptr(std::runtime_error("b")));
  slots.fill(c, 3);
  slots.fill(a, 1);
  EXPECT_EQ(slots.take(), 1);
  EXPECT_THROW(slots.take(), std::runtime_error);
  EXPECT_EQ(slots.take(), 3);
}

TEST(OrderedSlots, ASecondResultIsRefused) {
  OrderedSlots<int> slots;
  const uint64_t a = slots.reserve();
  EXPECT_TRUE(slots.fill(a, 1));
  EXPECT_FALSE(slots.fill(a, 2));
  EXPECT_FALSE(slots.fail(a, std::make_exception_ptr(1)));
  EXPECT_EQ(slots.take(), 1);
  EXPECT_FALSE(slots.fill(a, 3));
}

TEST(OrderedSlots, ClearedSlotsRefuseTheirResults) {
  OrderedSlots<int> slots;
  const uint64_t a = slots.reserve();
  slots.clear();
  EXPECT_FALSE(slots.fill(a, 1));
  const uint64_t b = slots.reserve();
  EXPECT_NE(a, b);
  EXPECT_TRUE(slots.fill(b, 2));
  EXPECT_EQ(slots.take(), 2);
}

}  // namespace
}  // namespace indextts2
