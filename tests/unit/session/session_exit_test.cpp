// Processes that end while sessions are at work.
#include <gtest/gtest.h>

#include "../pool/run_program.h"

namespace indextts2 {
namespace {

// exit: a consumer waits in next(). reading, voice: the text worker is busy. drop: session and
// engine go, then exit(). return: the same at the end of main.
class SessionExit : public testing::TestWithParam<const char*> {};

TEST_P(SessionExit, UnderLoad) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run_program(EXIT_PROGRAM, {GetParam()}), 0);
}

INSTANTIATE_TEST_SUITE_P(All, SessionExit,
                         testing::Values("exit", "reading", "voice", "drop", "return"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace indextts2
