// A load that cannot start must not leave later openers waiting for it.
#include "shared_loads.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace indextts2 {
namespace {

constexpr unsigned kPatienceSeconds = 20;

// True when open() throws what a forked child has to hear.
bool refused(SharedLoads<int>* loads) {
  try {
    loads->open(
        "one",
        [](const StopToken&, const SharedLoads<int>::Tell&) { return std::make_shared<int>(1); },
        StopToken(), nullptr);
  } catch (const Error& error) {
    return error.code == ErrorCode::kLibraryInit;
  }
  return false;
}

// A forked child cannot start threads here: each attempt is refused, the second one, too.
TEST(SharedLoads, RefusesAgainAfterALoadThatCouldNotStart) {
  SharedLoads<int> loads;
  const auto value = loads.open(
      "zero",
      [](const StopToken&, const SharedLoads<int>::Tell&) { return std::make_shared<int>(0); },
      StopToken(), nullptr);
  EXPECT_EQ(*value, 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kPatienceSeconds);
    const bool first = refused(&loads), second = refused(&loads);
    _exit(first && second ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "the child waited for ever: signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A pool that has lost its devices lives on with its users, but nobody else gets it.
TEST(SharedLoads, ALivingValueThatIsOfNoUseIsLoadedAnew) {
  SharedLoads<int> loads;
  int made = 0;
  const auto open = [&](bool usable) {
    return loads.open(
        "one",
        [&](const StopToken&, const SharedLoads<int>::Tell&) {
          return std::make_shared<int>(++made);
        },
        StopToken(), nullptr, [usable](const int&) { return usable; });
  };
  const auto first = open(true), same = open(true), other = open(false), latest = open(true);
  EXPECT_EQ(first, same);
  EXPECT_EQ(*other, 2);
  EXPECT_EQ(latest, other);
}

}  // namespace
}  // namespace indextts2
