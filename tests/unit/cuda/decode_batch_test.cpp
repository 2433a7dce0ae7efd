// Decoding on the device: the codes of the definition, and the same codes for a segment whatever
// stands beside it, whenever it comes, as a graph or kernel by kernel.
#include "cuda/decode_batch.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "core/error.h"
#include "cuda_torch.h"
#include "stages/decode_batch.h"
#include "support/random_gpt.h"

namespace indextts2 {
namespace {

std::shared_ptr<const UnifiedVoice> model(at::ScalarType type) {
  static std::map<at::ScalarType, std::shared_ptr<const UnifiedVoice>> made;
  auto& own = made[type];
  if (!own) {
    RandomGptSizes sizes = small_gpt_sizes();
    sizes.positions = 420;
    WeightsOptions options;
    options.device = at::Device(at::kCUDA, 0);
    options.dtype = type;
    own = random_gpt(sizes, options, at::kBFloat16, sizes.layers);
    // Never drawn: what has it as its stop code goes on to the end.
    own->mel_head().bias.select(0, own->config().stop_mel_token).fill_(-1e4f);
  }
  return own;
}

// Segment `number` of many that all differ.
DecodeJob job(const UnifiedVoice& model, int number, int max_codes) {
  std::mt19937 random(number);
  DecodeJob out;
  const int64_t rows = 3 + random() % 150;
  uint64_t state = number;
  out.conditioning = random_weights({1, rows, model.gpt().width()}, 0, 1, at::kBFloat16, &state)
                         .to(model.mel_embedding().weight.options());
  out.text_ids = {2, 3, static_cast<int32_t>(2 + random() % 6)};
  out.random = {random(), static_cast<uint32_t>(number), RandomPurpose::kCodes};
  out.options.num_beams = 3;
  out.options.max_codes = max_codes;
  out.options.vocabulary = model.vocabulary();
  out.options.start_token = model.config().start_mel_token;
  // Half of them end by a code like others, that is drawn some time.
  out.options.stop_token = number % 2 == 0 ? 7 : model.config().stop_mel_token;
  if (number % 5 == 1) out.options.length_penalty = 0.8;
  if (number % 7 == 2) out.options.sampling.temperature = 1.1;
  if (number % 11 == 3) out.options.sampling.top_k = 0;
  return out;
}

std::vector<DecodeResult> decode(DecodeBatch& batch, const std::vector<DecodeJob>& jobs,
                                 int steps_between = 0) {
  std::vector<DecodeResult> results(jobs.size());
  std::map<int, size_t> running;
  size_t next = 0;
  int wait = 0;
  while (next < jobs.size() || !running.empty()) {
    if (next < jobs.size() && batch.free_slots() > 0 && wait-- <= 0) {
      running[batch.admit(jobs[next])] = next;
      ++next;
      wait = steps_between;
      if (steps_between == 0) continue;
    }
    batch.step();
    for (auto it = running.begin(); it != running.end();) {
      if (batch.finished(it->first)) {
        results[it->second] = batch.release(it->first);
        it = running.erase(it);
      } else {
        ++it;
      }
    }
  }
  return results;
}

void expect_same(const std::vector<DecodeResult>& got, const std::vector<DecodeResult>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].codes, want[i].codes) << "segment " << i;
    EXPECT_EQ(got[i].capped, want[i].capped) << "segment " << i;
  }
}

std::vector<DecodeJob> jobs(const UnifiedVoice& model, int count, int max_codes) {
  std::vector<DecodeJob> all;
  for (int i = 0; i < count; ++i) all.push_back(job(model, i, max_codes));
  return all;
}

std::vector<DecodeResult> alone(const std::shared_ptr<const UnifiedVoice>& model,
                                const std::vector<DecodeJob>& all) {
  CudaDecodeBatch batch(model, 1);
  return decode(batch, all);
}

TEST(CudaDecodeBatch, GivesTheCodesOfTheDefinition) {
  if (!have_cuda_torch()) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  const auto gpt = model(at::kFloat);
  ASSERT_TRUE(CudaDecodeBatch::supports(*gpt));
  std::vector<DecodeJob> all = jobs(*gpt, 10, 150);
  all[4].options.num_beams = 1;
  all[5].options.num_beams = 2;
  all[6].options.max_codes = 1;
  all[7].options.sampling.typical_sampling = true;
  std::mt19937 random(9);
  std::exponential_distribution<float> draw(1.0f);
  all[8].recorded.resize(150 * 3 * 258);
  for (float& q : all[8].recorded) q = draw(random);
  all[9].options.num_beams = 5;  // more than the tables have room for at first
  TorchDecodeBatch torch(gpt, 4);
  CudaDecodeBatch cuda(gpt, 4);
  expect_same(decode(cuda, all), decode(torch, all));
  EXPECT_EQ(cuda.free_slots(), 4);
  EXPECT_EQ(cuda.pages().free_pages(), cuda.pages().pages());
}

TEST(CudaDecodeBatch, TheSameAloneTogetherLateAndKernelByKernel) {
  if (!have_cuda_torch()) return;
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(at::toString(type));
    const auto gpt = model(type);
    const std::vector<DecodeJob> all = jobs(*gpt, 32, 300);
    const std::vector<DecodeResult> want = alone(gpt, all);
    CudaDecodeBatch together(gpt, 32), late(gpt, 5);
    expect_same(decode(together, all), want);
    expect_same(decode(together, all), want);  // pages that were used before
    expect_same(decode(late, all, 7), want);
    CudaDecodeOptions eager, in_turn, wide;
    eager.step.graphs = false;
    in_turn.step.overlap = false;
    wide.beams = 6;
    for (const CudaDecodeOptions& options : {eager, in_turn, wide}) {
      CudaDecodeBatch batch(gpt, 8, options);
      expect_same(decode(batch, all, 1), want);
    }
  }
}

TEST(CudaDecodeBatch, SegmentsThatComeGoAndAreGivenUpAtRandomHarmNoOther) {
  if (!have_cuda_torch()) return;
  constexpr int kSegments = 240, kCapacity = 12;
  const auto gpt = model(at::kBFloat16);
  std::mt19937 random(17);
  std::vector<DecodeJob> all;
  for (int i = 0; i < kSegments; ++i) all.push_back(job(*gpt, i, 1 + random() % 160));
  const std::vector<DecodeResult> want = alone(gpt, all);
  CudaDecodeBatch batch(gpt, kCapacity);
  std::map<int, int> running;
  int next = 0, whole = 0, given_up = 0;
  while (next < kSegments || !running.empty()) {
    while (next < kSegments && batch.free_slots() > 0 && random() % 3 != 0) {
      running[batch.admit(all[next])] = next;
      ++next;
    }
    batch.step();
    for (auto it = running.begin(); it != running.end();) {
      const bool finished = batch.finished(it->first);
      const bool give_up = !finished && random() % 400 == 0;
      if (!finished && !give_up) {
        ++it;
        continue;
      }
      const DecodeResult got = batch.release(it->first);
      if (finished) {
        EXPECT_EQ(got.codes, want[it->second].codes) << "segment " << it->second;
      }
      whole += finished;
      given_up += give_up;
      it = running.erase(it);
    }
  }
  EXPECT_EQ(whole + given_up, kSegments);
  EXPECT_GE(whole, 100);
  EXPECT_EQ(batch.free_slots(), kCapacity);
  EXPECT_EQ(batch.pages().free_pages(), batch.pages().pages());
}

TEST(CudaDecodeBatch, MoreBeamsThanThereIsRoomForMakeRoomWhileOthersRun) {
  if (!have_cuda_torch()) return;
  const auto gpt = model(at::kBFloat16);
  std::vector<DecodeJob> all = jobs(*gpt, 6, 200);
  all[2].options.num_beams = 7;
  all[4].options.num_beams = 10;
  const std::vector<DecodeResult> want = alone(gpt, all);
  CudaDecodeBatch batch(gpt, 6);
  expect_same(decode(batch, all, 20), want);
}

TEST(CudaDecodeBatch, ReleaseBeforeTheEndGivesWhatThereIs) {
  if (!have_cuda_torch()) return;
  const auto gpt = model(at::kFloat);
  CudaDecodeBatch batch(gpt, 2);
  DecodeJob long_job = job(*gpt, 1, 400);
  const int slot = batch.admit(long_job);
  EXPECT_TRUE(batch.release(slot).codes.size() <= 1);
  EXPECT_THROW(batch.release(slot), Error);
  const int again = batch.admit(long_job);
  for (int i = 0; i < 37; ++i) batch.step();
  EXPECT_FALSE(batch.finished(again));
  const DecodeResult part = batch.release(again);
  EXPECT_GT(part.codes.size(), 0u);
  EXPECT_LE(part.codes.size(), 38u);
  EXPECT_FALSE(part.capped);
  EXPECT_EQ(batch.free_slots(), 2);
  batch.step();  // nothing to do
}

TEST(CudaDecodeBatch, RefusesWhatTheDefinitionRefuses) {
  if (!have_cuda_torch()) return;
  const auto gpt = model(at::kFloat);
  CudaDecodeBatch batch(gpt, 1);
  DecodeJob bad = job(*gpt, 1, 10);
  bad.options.sampling.temperature = 0;
  EXPECT_THROW(batch.admit(bad), Error);
  EXPECT_THROW(batch.admit(job(*gpt, 1, 4000)), Error);
  bad = job(*gpt, 1, 10);
  bad.text_ids.assign(100, 3);
  EXPECT_THROW(batch.admit(bad), Error);
  EXPECT_EQ(batch.free_slots(), 1);
  batch.admit(job(*gpt, 1, 10));
  EXPECT_THROW(batch.admit(job(*gpt, 2, 10)), Error);
  EXPECT_THROW(CudaDecodeBatch(gpt, 0), Error);
}

TEST(CudaDecodeBatch, AFailedSegmentHarmsNoOther) {
  if (!have_cuda_torch()) return;
  const auto gpt = model(at::kFloat);
  const DecodeJob good = job(*gpt, 3, 100);
  DecodeJob bad = good;
  bad.conditioning = good.conditioning.mul(std::nan(""));
  const DecodeResult want = alone(gpt, {good})[0];
  CudaDecodeBatch batch(gpt, 2);
  const int bad_slot = batch.admit(bad), good_slot = batch.admit(good);
  while (!batch.finished(good_slot) || !batch.finished(bad_slot)) batch.step();
  try {
    batch.release(bad_slot);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSynthesis);
  }
  EXPECT_EQ(batch.release(good_slot).codes, want.codes);
  // The memory of the failed one is used again.
  EXPECT_EQ(decode(batch, {good, good})[1].codes, want.codes);
}

TEST(CudaDecodeBatch, WithoutMemoryTheNewestSegmentFailsAlone) {
  if (!have_cuda_torch()) return;
  const auto gpt = model(at::kFloat);
  std::vector<DecodeJob> all;
  for (int number : {1, 3, 5}) {  // of those that do not stop early
    all.push_back(job(*gpt, number, 140));
    all.back().conditioning = all.back().conditioning.narrow(1, 0, 3).contiguous();
    all.back().options.sampling.top_k = 30;
  }
  const std::vector<DecodeResult> want = alone(gpt, all);
  for (const DecodeResult& result : want) ASSERT_EQ(result.codes.size(), 140u);
  CudaDecodeOptions options;
  options.max_pages = 12;  // three beams with two pages each: enough for two segments
  CudaDecodeBatch batch(gpt, 4, options);
  std::vector<int> slots;
  for (const DecodeJob& one : all) slots.push_back(batch.admit(one));
  const auto over = [&](int slot) { return batch.finished(slot); };
  while (!over(slots[0]) || !over(slots[1]) || !over(slots[2])) batch.step();
  try {
    batch.release(slots[2]);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kNoMemory);
  }
  EXPECT_EQ(batch.release(slots[0]).codes, want[0].codes);
  EXPECT_EQ(batch.release(slots[1]).codes, want[1].codes);
  EXPECT_EQ(decode(batch, {all[2]})[0].codes, want[2].codes);
  // Not even a prefix: nothing is taken in.
  options.max_pages = 1;
  CudaDecodeBatch tiny(gpt, 2, options);
  DecodeJob large = all[0];
  large.conditioning = job(*gpt, 1, 10).conditioning.repeat({1, 40, 1});
  try {
    tiny.admit(large);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kNoMemory);
  }
  EXPECT_EQ(tiny.free_slots(), 2);
}

}  // namespace
}  // namespace indextts2
