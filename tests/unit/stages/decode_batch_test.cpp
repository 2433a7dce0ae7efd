// Several segments decoded together: recorded decodings of the reference must come out as if each
// ran alone.
#include "stages/decode_batch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

const std::string kReference = INDEXTTS2_REFERENCE;

template <class T>
std::vector<T> values(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.const_data_ptr<T>(), flat.const_data_ptr<T>() + flat.numel()};
}

std::shared_ptr<const UnifiedVoice> model() {
  static const std::shared_ptr<const UnifiedVoice> kModel = [] {
    const ModelFiles files = find_model_files(kReference + "/tiny", "");
    return std::make_shared<const UnifiedVoice>(Weights(open_checkpoint(files.gpt), {}),
                                                read_model_config(files).gpt);
  }();
  return kModel;
}

struct Recording {
  DecodeJob job;
  std::vector<int64_t> codes;  // without the stop code
  bool capped = false;
};

Recording read_recording(const std::string& name) {
  std::ifstream stream(kReference + "/index.json");
  const nlohmann::json params = nlohmann::json::parse(stream).at("beam_" + name).at("params");
  const nlohmann::json& generate = params.at("generate");
  const auto file = open_checkpoint(kReference + "/beam_" + name + ".safetensors");
  const auto voice = open_checkpoint(kReference + "/conditioning.safetensors");
  Recording recording;
  DecodeJob& job = recording.job;
  job.conditioning =
      model()->conditioning(voice->tensor("voice_spk_latents"), voice->tensor("merged_alpha_1.0"));
  job.text_ids = values<int32_t>(file->tensor("text_ids"));
  job.recorded = values<float>(file->tensor("q"));
  BeamOptions& options = job.options;
  options.sampling = {generate.at("temperature"),
                      generate.at("top_p"),
                      generate.at("top_k"),
                      generate.at("repetition_penalty"),
                      generate.at("typical_sampling"),
                      generate.at("typical_mass")};
  options.num_beams = generate.at("num_beams");
  options.length_penalty = generate.at("length_penalty");
  options.max_codes = generate.at("max_mel_tokens");
  options.vocabulary = model()->vocabulary();
  options.start_token = model()->config().start_mel_token;
  options.stop_token = model()->config().stop_mel_token;
  recording.codes = values<int64_t>(file->tensor("codes"));
  recording.capped = !params.at("ended");
  if (!recording.capped) recording.codes.pop_back();
  return recording;
}

// Decodes all of `names` on `capacity` slots, a new one admitted as soon as a slot is free.
void expect_recorded_codes(const std::vector<std::string>& names, int capacity) {
  TorchDecodeBatch batch(model(), capacity);
  std::map<int, Recording> running;
  size_t next = 0;
  while (next < names.size() || !running.empty()) {
    while (next < names.size() && batch.free_slots() > 0) {
      Recording recording = read_recording(names[next++]);
      const int slot = batch.admit(recording.job);
      ASSERT_EQ(running.count(slot), 0u);
      running.emplace(slot, std::move(recording));
    }
    for (auto it = running.begin(); it != running.end();) {
      if (!batch.finished(it->first)) {
        ++it;
        continue;
      }
      const DecodeResult got = batch.release(it->first);
      EXPECT_EQ(got.codes, it->second.codes);
      EXPECT_EQ(got.capped, it->second.capped);
      it = running.erase(it);
    }
    batch.step();
  }
  EXPECT_EQ(batch.free_slots(), capacity);
}

TEST(DecodeBatch, TwoSegmentsTogetherGiveEachItsCodes) {
  expect_recorded_codes({"default", "default_zh"}, 2);
}

TEST(DecodeBatch, SegmentsComeAndGoBetweenSteps) {
  expect_recorded_codes({"forced_stop", "default", "beams1", "length_penalty", "beams10",
                         "marked_text", "hot_typical", "forced_stop_beams1"},
                        3);
}

TEST(DecodeBatch, OneSlotServesOneSegmentAfterAnother) {
  expect_recorded_codes({"length_penalty", "forced_stop", "beams5_short"}, 1);
}

TEST(DecodeBatch, AFailedSegmentHarmsNoOther) {
  TorchDecodeBatch batch(model(), 2);
  Recording good = read_recording("default"), bad = good;
  bad.job.conditioning = good.job.conditioning.mul(std::nan(""));
  const int bad_slot = batch.admit(bad.job), good_slot = batch.admit(good.job);
  EXPECT_TRUE(batch.finished(bad_slot));
  while (!batch.finished(good_slot)) batch.step();
  try {
    batch.release(bad_slot);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kSynthesis);
  }
  EXPECT_EQ(batch.release(good_slot).codes, good.codes);
  EXPECT_EQ(batch.free_slots(), 2);
}

TEST(DecodeBatch, ReleaseBeforeTheEndFreesTheSlot) {
  TorchDecodeBatch batch(model(), 1);
  const Recording recording = read_recording("default");
  const int slot = batch.admit(recording.job);
  EXPECT_EQ(batch.free_slots(), 0);
  EXPECT_THROW(batch.admit(recording.job), Error);
  batch.step();
  batch.release(slot);
  EXPECT_EQ(batch.free_slots(), 1);
  EXPECT_THROW(batch.release(slot), Error);
  batch.step();  // nothing to do
}

TEST(DecodeBatch, ARefusedSegmentTakesNoSlot) {
  TorchDecodeBatch batch(model(), 1);
  Recording recording = read_recording("default");
  recording.job.options.sampling.temperature = 0;
  EXPECT_THROW(batch.admit(recording.job), Error);
  recording = read_recording("default");
  recording.job.options.max_codes = 181;
  EXPECT_THROW(batch.admit(recording.job), Error);
  recording = read_recording("default");
  recording.job.text_ids.assign(241, 7);
  EXPECT_THROW(batch.admit(recording.job), Error);
  EXPECT_EQ(batch.free_slots(), 1);
  EXPECT_THROW(TorchDecodeBatch(model(), 0), Error);
}

}  // namespace
}  // namespace indextts2
