// What texts share of a reader of emotions: one load, known answers, failures, devices that go.
#include "text_emotions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "pool/run_program.h"

namespace indextts2 {
namespace {

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

EmotionScores scores_of(const std::string& text) {
  EmotionScores scores{};
  scores[0] = static_cast<double>(text.size());
  return scores;
}

// Counts of loads and readings, and what they wait for. Shared: work that was given up may outlive
// its test.
struct Book {
  std::atomic<int> loads{0}, readings{0}, on_two{0},
      readers{0};                          // on_two: readings; readers: alive
  std::atomic<const char*> device{"one"};  // of the next load
  std::atomic<bool> load_open{true}, read_open{true}, load_fails{false}, device_fails{false};
};

class TextEmotionsTest : public testing::Test {
 protected:
  TextEmotions::Load load(const std::string& given = {}) {
    return [book = book, given](const StopToken& stop) {
      const std::string device = given.empty() ? std::string(book->device) : given;
      ++book->loads;
      pass(book->load_open, stop);
      if (book->load_fails) throw Error(ErrorCode::kNotFound, "no folder");
      auto reader = std::make_shared<EmotionReader>();
      reader->device = device;
      ++book->readers;
      const std::shared_ptr<void> token(nullptr, [book](void*) { --book->readers; });
      reader->read = [book, device, token](const std::string& text, const StopToken& read_stop) {
        ++book->readings;
        book->on_two += device == "two" ? 1 : 0;
        pass(book->read_open, read_stop);
        if (book->device_fails) throw Error(ErrorCode::kDeviceLost, "lost");
        return scores_of(text);
      };
      return reader;
    };
  }
  static void pass(const std::atomic<bool>& open, const StopToken& stop) {
    while (!open) {
      stop.check();
      nap();
    }
  }
  std::thread ask(const std::string& text, const StopToken& stop, std::atomic<int>* good,
                  std::atomic<int>* failed) {
    return std::thread([=] {
      try {
        *good += emotions->read(text, load(), stop) == scores_of(text) ? 1 : 0;
      } catch (const Error&) {
        ++*failed;
      }
    });
  }
  struct Readings {
    std::atomic<int> good{0}, failed{0};
    std::thread one, two;
  };
  // Until read_open.
  void one_reads_and_one_waits(Readings* both) {
    read_open = false;
    both->one = ask("a", StopToken(), &both->good, &both->failed);
    while (readings < 1) nap();
    both->two = ask("bb", StopToken(), &both->good, &both->failed);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // it waits
  }
  ErrorCode code_of(const std::string& text, const StopToken& stop = {}) {
    try {
      emotions->read(text, load(), stop);
    } catch (const Error& error) {
      return error.code;
    }
    return ErrorCode::kInternal;
  }
  bool reader_is_gone() const {
    for (int i = 0; i < 5000 && readers > 0; ++i) nap();
    return readers == 0;
  }

  const std::shared_ptr<Book> book = std::make_shared<Book>();
  std::atomic<int>&loads = book->loads, &readings = book->readings, &readers = book->readers;
  std::atomic<bool>&load_open = book->load_open, &read_open = book->read_open,
  &load_fails = book->load_fails, &device_fails = book->device_fails;
  std::shared_ptr<TextEmotions> emotions = std::make_shared<TextEmotions>();
};

TEST_F(TextEmotionsTest, ReadsEachTextOnce) {
  EXPECT_EQ(loads, 0);
  for (const char* text : {"a", "bb", "a", "bb", "a"}) {
    EXPECT_EQ(emotions->read(text, load(), {}), scores_of(text));
  }
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(readings, 2);
  emotions = nullptr;
  EXPECT_TRUE(reader_is_gone());
}

TEST_F(TextEmotionsTest, ThoseWhoAskTogetherShareLoadAndReading) {
  load_open = read_open = false;
  std::atomic<int> good{0}, failed{0};
  std::vector<std::thread> threads;
  for (const char* text : {"a", "bb", "a", "bb"}) {
    threads.push_back(ask(text, StopToken(), &good, &failed));
  }
  while (loads < 1) nap();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // for the others
  load_open = true;
  while (readings < 1) nap();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(readings, 1);  // the other one waits its turn
  read_open = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(loads, 1);
  EXPECT_EQ(readings, 2);
}

TEST_F(TextEmotionsTest, AFailedLoadIsTriedAgain) {
  load_fails = true;
  EXPECT_EQ(code_of("a"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of("a"), ErrorCode::kNotFound);
  EXPECT_EQ(loads, 2);
  load_open = false;
  std::atomic<int> good{0}, failed{0};
  std::thread one = ask("a", StopToken(), &good, &failed);
  std::thread two = ask("bb", StopToken(), &good, &failed);
  while (loads < 3) nap();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  load_open = true;
  one.join();
  two.join();
  EXPECT_EQ(failed, 2);
  load_fails = false;
  EXPECT_EQ(emotions->read("a", load(), {}), scores_of("a"));
}

// Who gives up is free at once; who waits for the same gets it; what nobody waits for ends.
TEST_F(TextEmotionsTest, StoppingOneLeavesTheOthers) {
  read_open = false;
  std::atomic<int> good{0}, failed{0};
  StopSource first;
  std::atomic<bool> second_waits{false}, second_stops{false};
  const StopToken second([&] {
    second_waits = true;
    return second_stops.load();
  });
  std::thread one = ask("a", first.token(), &good, &failed);
  while (readings < 1) nap();
  std::thread two = ask("a", second, &good, &failed);
  while (!second_waits) nap();
  first.request_stop();
  one.join();
  EXPECT_EQ(failed, 1);
  read_open = true;
  two.join();
  EXPECT_EQ(good, 1);
  EXPECT_EQ(readings, 1);

  read_open = false;
  std::thread three = ask("ccc", second, &good, &failed);
  while (readings < 2) nap();
  second_stops = true;
  three.join();
  EXPECT_EQ(failed, 2);
  emotions = nullptr;
  EXPECT_TRUE(reader_is_gone());
}

TEST_F(TextEmotionsTest, AStopDuringTheLoadIsHeard) {
  load_open = false;
  StopSource stop;
  std::atomic<int> good{0}, failed{0};
  std::thread one = ask("a", stop.token(), &good, &failed);
  while (loads < 1) nap();
  stop.request_stop();
  one.join();
  EXPECT_EQ(failed, 1);
  load_open = true;
  EXPECT_EQ(emotions->read("a", load(), {}), scores_of("a"));
}

TEST_F(TextEmotionsTest, GoesWithItsDevice) {
  emotions->read("a", load("one"), {});
  emotions->leave("two");
  EXPECT_EQ(readers, 1);
  emotions->leave("one");
  EXPECT_TRUE(reader_is_gone());
  EXPECT_EQ(emotions->read("a", load("two"), {}), scores_of("a"));  // known
  EXPECT_EQ(loads, 1);
  emotions->read("bb", load("two"), {});
  EXPECT_EQ(loads, 2);

  device_fails = true;
  EXPECT_EQ(code_of("ccc"), ErrorCode::kDeviceLost);
  EXPECT_TRUE(reader_is_gone());
  device_fails = false;
  EXPECT_EQ(emotions->read("ccc", load("three"), {}), scores_of("ccc"));
  EXPECT_EQ(loads, 3);
}

// It would be on the device that went.
TEST_F(TextEmotionsTest, ALoadThatADeviceLeavesIsMadeAnew) {
  load_open = false;
  std::atomic<int> good{0}, failed{0};
  std::thread one = ask("a", StopToken(), &good, &failed);
  std::thread other = ask("bb", StopToken(), &good, &failed);
  while (loads < 1) nap();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // for the other one
  book->device = "two";
  emotions->leave("one");
  load_open = true;
  one.join();
  other.join();
  EXPECT_EQ(good, 2);
  EXPECT_EQ(loads, 2);
  EXPECT_EQ(book->on_two, 2);
  emotions->leave("one");
  EXPECT_EQ(emotions->read("ccc", load(), {}), scores_of("ccc"));
  EXPECT_EQ(loads, 2);
  EXPECT_EQ(readers, 1);
}

TEST_F(TextEmotionsTest, ALoadOnAnotherDeviceStays) {
  load_open = false;
  std::atomic<int> good{0}, failed{0};
  std::thread one = ask("a", StopToken(), &good, &failed);
  while (loads < 1) nap();
  emotions->leave("two");
  load_open = true;
  one.join();
  EXPECT_EQ(good, 1);
  EXPECT_EQ(emotions->read("bb", load(), {}), scores_of("bb"));
  EXPECT_EQ(loads, 1);
}

// What is read on a device that goes is read to its end; what waits for its turn there goes on.
TEST_F(TextEmotionsTest, AReadingThatWaitsGoesToAnotherDevice) {
  Readings both;
  one_reads_and_one_waits(&both);
  EXPECT_EQ(readings, 1);
  book->device = "two";
  emotions->leave("one");
  for (int i = 0; i < 5000 && readings < 2; ++i) nap();  // while the first one still reads
  EXPECT_EQ(book->on_two, 1);
  read_open = true;
  both.one.join();
  both.two.join();
  EXPECT_EQ(both.good, 2);
  EXPECT_EQ(loads, 2);
  for (int i = 0; i < 5000 && readers > 1; ++i) nap();
  EXPECT_EQ(readers, 1);
}

TEST_F(TextEmotionsTest, AReadingThatWaitsFailsWhereNoDeviceIsLeft) {
  Readings both;
  one_reads_and_one_waits(&both);
  load_fails = true;
  emotions->leave("one");
  both.two.join();
  EXPECT_EQ(both.failed, 1);
  read_open = true;
  both.one.join();
  EXPECT_EQ(both.good, 1);
  EXPECT_EQ(readings, 1);
}

// No reader is freed after what it uses, and no thread outlives that.
TEST(TextEmotionsAtExit, TheReaderIsLeaked) {
  for (const char* mode : {"kept", "reading", "loading", "fork"}) {
    EXPECT_EQ(run_program(EXIT_PROGRAM, {mode}), 0) << mode;
  }
}

TEST_F(TextEmotionsTest, KeepsABoundedNumber) {
  for (int i = 0; i < 20; ++i)
    emotions->read(std::string(20000, static_cast<char>('a' + i)), load(), {});
  EXPECT_EQ(readings, 20);
  emotions->read(std::string(20000, 't'), load(), {});
  EXPECT_EQ(readings, 20);
  emotions->read(std::string(20000, 'a'), load(), {});
  EXPECT_EQ(readings, 21);
}

}  // namespace
}  // namespace indextts2
