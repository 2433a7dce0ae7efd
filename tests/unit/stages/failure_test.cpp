// What LibTorch throws becomes an Error that says where and what to do.
#include "stages/failure.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <new>
#include <string>
#include <vector>

#include "weights/expect_error.h"

namespace indextts2 {
namespace {

constexpr char kFolder[] = "/models/qwen0.6bemo4-merge", kLibrary[] = "text of the library";

c10::SourceLocation here() { return {__func__, __FILE__, __LINE__}; }

template <typename Thrown>
testing::AssertionResult becomes(const Thrown& thrown, ErrorCode code,
                                 std::vector<std::string> parts) {
  const auto failure = emotion_failure(std::make_exception_ptr(thrown), kFolder, "cuda:1");
  return throws_error([&] { std::rethrow_exception(failure); }, code, parts);
}

TEST(EmotionFailure, NamesFolderAndDeviceAndSaysWhatToDo) {
  const std::string where = std::string("emotion model ") + kFolder + " on cuda:1: ";
  EXPECT_TRUE(becomes(c10::OutOfMemoryError(here(), kLibrary), ErrorCode::kNoMemory,
                      {where, "out of memory", "expected", "replicas-per-device", "vector"}));
  EXPECT_TRUE(becomes(std::bad_alloc(), ErrorCode::kNoMemory, {where, "out of memory", "vector"}));
  EXPECT_TRUE(becomes(c10::AcceleratorError(here(), 700, kLibrary), ErrorCode::kDeviceLost,
                      {where, "restarts", "another"}));
  EXPECT_TRUE(becomes(c10::Error(here(), kLibrary), ErrorCode::kInternal, {where, "vector"}));
  EXPECT_TRUE(becomes(Error(ErrorCode::kSynthesis, "no scores"), ErrorCode::kSynthesis,
                      {where + "no scores"}));
  EXPECT_TRUE(becomes(7, ErrorCode::kInternal, {where}));
}

TEST(EmotionFailure, KeepsTheDetail) {
  const auto detail_of = [](const std::exception_ptr& thrown) -> std::string {
    try {
      std::rethrow_exception(emotion_failure(thrown, kFolder, "cpu"));
    } catch (const Error& error) {
      return error.detail;
    }
  };
  EXPECT_NE(detail_of(std::make_exception_ptr(c10::Error(here(), kLibrary))).find(kLibrary),
            std::string::npos);
  EXPECT_EQ(detail_of(std::make_exception_ptr(Error(ErrorCode::kModel, "x", "more"))), "more");
}

TEST(EmotionFailure, LeavesWhatIsNotOfTheModelOrSaysAll) {
  for (const Error& error :
       {Error(ErrorCode::kCancelled, "stopped"), Error(ErrorCode::kTextDecode, "byte 3"),
        Error(ErrorCode::kOpenRead, std::string(kFolder) + "/config.json is damaged")}) {
    const auto thrown = std::make_exception_ptr(error);
    EXPECT_EQ(emotion_failure(thrown, kFolder, "cpu"), thrown) << error.what();
  }
}

}  // namespace
}  // namespace indextts2
