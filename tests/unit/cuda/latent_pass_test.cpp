// The latent pass on the device, padded, by graphs and kernel by kernel, against the definition.
#include "cuda/latent_pass.h"

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <c10/cuda/CUDAGuard.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda_torch.h"
#include "support/random_gpt.h"

namespace indextts2 {
namespace {

constexpr int64_t kConditioning = 34;

std::shared_ptr<const UnifiedVoice> small_gpt(at::ScalarType type) {
  const RandomGptSizes sizes = small_gpt_sizes();
  WeightsOptions options;
  options.device = at::Device(at::kCUDA, 0);
  options.dtype = type;
  auto gpt = random_gpt(sizes, options, type, sizes.layers);
  cuda_check(cudaDeviceSynchronize(), "loading weights");  // on another stream
  return gpt;
}

at::Tensor conditioning_of(const UnifiedVoice& gpt, uint64_t seed) {
  uint64_t state = seed;
  return random_weights({1, kConditioning, gpt.gpt().width()}, 0, 1, at::kFloat, &state)
      .to(gpt.mel_embedding().weight.options());
}

std::vector<int64_t> codes_of(size_t count) {
  std::vector<int64_t> codes;
  for (size_t i = 0; i < count; ++i) codes.push_back(static_cast<int64_t>((7 * i + 3) % 250));
  return codes;
}

TEST(CudaLatentPass, GivesWhatTheDefinitionGivesByGraphsAndWithout) {
  if (!have_cuda_torch()) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  const auto stream = c10::cuda::getStreamFromPool(false, 0);
  const c10::cuda::CUDAStreamGuard guard(stream);
  const auto gpt = small_gpt(at::kFloat);
  CudaLatentPass graphs(gpt), launches(gpt);
  graphs.warm_up();
  // 34 of the voice, 2 + 2 of the text: 64 positions with 26 codes; the last ones are too long.
  for (const size_t count : {26u, 1u, 25u, 27u, 89u, 90u, 91u, 500u, 986u, 987u, 1100u, 26u}) {
    SCOPED_TRACE(count);
    const at::Tensor conditioning = conditioning_of(*gpt, count);
    const std::vector<int64_t> codes = codes_of(count);
    const at::Tensor want = gpt->latent(conditioning, {4, 5}, codes);
    const at::Tensor got = graphs.run(conditioning, {4, 5}, codes);
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_TRUE(at::allclose(got, want, 1e-4, 1e-4));
    EXPECT_TRUE(at::equal(got, launches.run(conditioning, {4, 5}, codes)));
  }
}

// What one segment leaves behind reaches no other one, and what was returned stays.
TEST(CudaLatentPass, PaddingIsEmpty) {
  if (!have_cuda_torch()) return;
  const auto stream = c10::cuda::getStreamFromPool(false, 0);
  const c10::cuda::CUDAStreamGuard guard(stream);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const auto gpt = small_gpt(type);
    CudaLatentPass pass(gpt);
    pass.warm_up();
    const at::Tensor conditioning = conditioning_of(*gpt, 5);
    const std::vector<int64_t> codes = codes_of(40);
    const at::Tensor want = pass.run(conditioning, {4, 5}, codes), kept = want.clone();
    EXPECT_TRUE(want.isfinite().all().item<bool>());
    const at::Tensor broken = pass.run(conditioning.mul(std::nan("")), {4, 5}, codes_of(80));
    EXPECT_FALSE(broken.isfinite().any().item<bool>());
    EXPECT_TRUE(at::equal(want, kept));
    EXPECT_TRUE(at::equal(pass.run(conditioning, {4, 5}, codes), kept));
  }
}

TEST(CudaLatentPass, RunsOnTheDefaultStreamWithoutGraphs) {
  if (!have_cuda_torch()) return;
  const auto gpt = small_gpt(at::kFloat);
  CudaLatentPass pass(gpt);
  pass.warm_up();
  const at::Tensor conditioning = conditioning_of(*gpt, 9);
  EXPECT_TRUE(at::allclose(pass.run(conditioning, {4, 5}, codes_of(30)),
                           gpt->latent(conditioning, {4, 5}, codes_of(30)), 1e-4, 1e-4));
}

}  // namespace
}  // namespace indextts2
