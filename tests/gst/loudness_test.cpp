// loudness-target: measured with libebur128 on what comes out.
#include <ebur128.h>

#include <cmath>
#include <string>
#include <vector>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

struct Measured {
  double lufs, peak_db;
};

Measured measure(const std::vector<float>& samples) {
  ebur128_state* state = ebur128_init(1, 22050, EBUR128_MODE_I | EBUR128_MODE_TRUE_PEAK);
  ebur128_add_frames_float(state, samples.data(), samples.size());
  Measured measured{};
  ebur128_loudness_global(state, &measured.lufs);
  ebur128_true_peak(state, 0, &measured.peak_db);
  measured.peak_db = 20 * std::log10(measured.peak_db);
  ebur128_destroy(&state);
  return measured;
}

std::vector<float> spoken(const std::string& target, const std::string& text,
                          const char* peak = "-1") {
  Player p({{"model-path", "tone:"},
            {"seed", "3"},
            {"text", text},
            {"segment-gap", "0"},
            {"loudness-target", target},
            {"max-true-peak", peak}});
  fail_unless(p.play());
  return p.floats();
}

const std::string kText =
    "Some words that are long enough to be measured. And a second sentence here.";

}  // namespace

CASE(reaches_the_target) {
  for (double target : {-30.0, -23.0, -16.0}) {
    const Measured got = measure(spoken(std::to_string(target), kText));
    fail_unless(std::fabs(got.lufs - target) < 0.5, "%f LUFS", got.lufs);
  }
  const std::vector<float> plain = spoken("0", kText);
  fail_unless(std::fabs(measure(plain).lufs + 16) > 1, "the tone is at the target by itself");
}

CASE(short_words_too) {
  const std::vector<float> word = spoken("-23", "Hm.");
  std::vector<float> often;
  while (often.size() < 22050) often.insert(often.end(), word.begin(), word.end());
  fail_unless(std::fabs(measure(often).lufs + 23) < 1);
}

CASE(true_peak_holds_the_gain) {
  const Measured got = measure(spoken("-1", kText, "-3"));
  fail_unless(got.peak_db <= -2.9, "%f dBTP", got.peak_db);
  fail_unless(got.lufs < -3);
}

// Seeking back far enough to speak again gives the same samples.
CASE(same_gain_after_a_seek) {
  Player p({{"model-path", "tone:"}, {"seed", "3"}, {"text", kText}, {"loudness-target", "-23"}});
  fail_unless(p.play());
  const std::vector<float> once = p.floats();
  p.forget();
  fail_unless(p.seek(0));
  fail_unless(p.wait_end());
  fail_unless(p.floats() == once);
}

RUN_CASES("loudness")
