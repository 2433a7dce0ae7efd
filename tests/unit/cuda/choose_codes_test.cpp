// Searches on the device: step by step the choices of BeamSearch on the CPU, draw for draw.
#include "cuda/kernels/choose_codes.h"

#include <algorithm>

#include "device_search.h"

namespace indextts2 {
namespace {

struct Setting {
  std::string name;
  BeamOptions options;
};

std::vector<Setting> settings(int vocabulary, int max_codes) {
  std::vector<Setting> all;
  for (int beams : {1, 2, 3, 5, 10}) {
    all.push_back({"beams " + std::to_string(beams), search_options(vocabulary, beams, max_codes)});
  }
  const auto add = [&](const char* name, int beams, auto change) {
    Setting setting{name, search_options(vocabulary, beams, max_codes)};
    change(setting.options);
    all.push_back(setting);
  };
  add("length penalty", 3, [](auto& o) { o.length_penalty = 1.3; });
  add("negative length penalty", 4, [](auto& o) { o.length_penalty = -0.7; });
  add("cold", 3, [](auto& o) { o.sampling.temperature = 0.2; });
  add("nearly one token", 3, [](auto& o) { o.sampling.top_k = 1, o.sampling.temperature = 0.01; });
  add("no penalty", 3, [](auto& o) { o.sampling.repetition_penalty = 1; });
  add("wide", 3, [](auto& o) { o.sampling.top_k = 0, o.sampling.top_p = 1; });
  add("wide, one beam", 1, [](auto& o) { o.sampling.top_k = 0, o.sampling.top_p = 0.95; });
  add("top_k 100", 10, [](auto& o) { o.sampling.top_k = 200, o.sampling.top_p = 1; });
  add("typical", 3, [](auto& o) { o.sampling.typical_sampling = true; });
  add("typical, one beam", 1, [](auto& o) { o.sampling.typical_sampling = true; });
  return all;
}

// One job of each setting in a slot of its own.
std::vector<SearchJob> jobs_of(const std::vector<Setting>& all, std::mt19937& random, int steps) {
  std::vector<SearchJob> jobs;
  for (const Setting& setting : all) {
    SearchJob job;
    job.options = setting.options;
    job.random = {random(), static_cast<uint32_t>(jobs.size()), RandomPurpose::kCodes};
    if (jobs.size() % 2 == 1) {
      job.recorded.resize(static_cast<size_t>(steps) * setting.options.num_beams *
                          setting.options.vocabulary);
      std::exponential_distribution<float> draw(1.0f);
      for (float& q : job.recorded) q = draw(random);
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

// `stop_bonus`: added to the logit of the stop code. Every search ends by itself or by max_codes.
void expect_same_searches(int vocabulary, int steps, float spread, float stop_bonus,
                          unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<Setting> all = settings(vocabulary, steps);
  const std::vector<SearchJob> jobs = jobs_of(all, random, steps);
  DeviceSearch device(jobs, kMaxBeams, steps);
  std::vector<std::unique_ptr<BeamSearch>> searches;
  for (const SearchJob& job : jobs) {
    searches.push_back(std::make_unique<BeamSearch>(
        job.options, job.random, job.recorded.empty() ? nullptr : job.recorded.data(),
        job.recorded.size() / (job.options.num_beams * vocabulary)));
  }
  const size_t stride = static_cast<size_t>(kMaxBeams) * vocabulary;
  for (int step = 0; step < steps; ++step) {
    const int rows = static_cast<int>(jobs.size()) * kMaxBeams;
    std::vector<float> logits = random_logits(random, rows, vocabulary, spread);
    for (int row = 0; row < rows; ++row) {
      logits[static_cast<size_t>(row) * vocabulary + vocabulary - 1] += stop_bonus;
    }
    device.advance(logits);
    for (size_t slot = 0; slot < jobs.size(); ++slot) {
      BeamSearch& search = *searches[slot];
      if (search.done()) continue;
      SCOPED_TRACE(all[slot].name + ", step " + std::to_string(step));
      const int beams = jobs[slot].options.num_beams;
      const auto& choice = search.advance(logits.data() + slot * stride, step == 0 ? 1 : beams);
      ASSERT_EQ(device.failure(slot), BeamFailure::kNone);
      ASSERT_EQ(device.steps(slot), search.steps());
      ASSERT_EQ(device.done(slot), search.done());
      for (int b = 0; b < beams; ++b) {
        ASSERT_EQ(device.token(slot, b), choice.tokens[b]) << b;
        ASSERT_EQ(device.parent(slot, b), choice.parents[b]) << b;
        if (beams > 1 && device.score(slot, b) != choice.scores[b]) {
          ASSERT_NEAR(device.score(slot, b), choice.scores[b],
                      1e-6f * (10 + std::abs(choice.scores[b])))
              << b;
        }
      }
      if (step % 16 == 0 || search.done()) {
        ASSERT_EQ(device.codes(slot, jobs[slot].options), search.codes());
      }
    }
  }
  for (size_t slot = 0; slot < jobs.size(); ++slot) EXPECT_TRUE(searches[slot]->done());
}

TEST(ChooseCodes, LongSearchesOfTheOfficialVocabulary) {
  if (!have_device()) return;
  expect_same_searches(8194, 220, 2.0f, -30.0f, 11);
}

TEST(ChooseCodes, SearchesThatStopByThemselves) {
  if (!have_device()) return;
  for (unsigned seed = 0; seed < 6; ++seed) {
    expect_same_searches(258, 40, 2.0f, 2.0f * seed, 20 + seed);
  }
}

TEST(ChooseCodes, BroadAndPeakedScores) {
  if (!have_device()) return;
  expect_same_searches(258, 200, 0.2f, 0.0f, 31);
  expect_same_searches(258, 200, 15.0f, -20.0f, 32);
}

TEST(ChooseCodes, RecordedDrawsThatEndFailTheSegment) {
  if (!have_device()) return;
  std::mt19937 random(3);
  SearchJob job;
  job.options = search_options(258, 3, 10);
  job.recorded.assign(3 * 258, 1.0f);
  DeviceSearch device({job}, 3, 10);
  device.advance(random_logits(random, 3, 258, 1.0f));
  EXPECT_EQ(device.failure(0), BeamFailure::kNone);
  device.advance(random_logits(random, 3, 258, 1.0f));
  EXPECT_EQ(device.failure(0), BeamFailure::kNoDraws);
  EXPECT_TRUE(device.done(0));
}

}  // namespace
}  // namespace indextts2
