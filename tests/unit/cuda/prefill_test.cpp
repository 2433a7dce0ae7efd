// Prefixes on the device, padded, as graphs and kernel by kernel, against the definition.
#include "cuda/prefill.h"

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full_like.h>
#include <c10/cuda/CUDAGuard.h>
#include <gtest/gtest.h>

#include <cmath>

#include "cuda_torch.h"
#include "support/random_gpt.h"

namespace indextts2 {
namespace {

constexpr int64_t kLongest = 70;  // padded to 96

std::shared_ptr<const UnifiedVoice> small_gpt() {
  const RandomGptSizes sizes = small_gpt_sizes();
  WeightsOptions options;
  options.device = at::Device(at::kCUDA, 0);
  options.dtype = at::kFloat;
  auto gpt = random_gpt(sizes, options, at::kFloat, sizes.layers);
  cuda_check(cudaDeviceSynchronize(), "loading weights");  // on another stream
  return gpt;
}

at::Tensor keys_of(const at::Tensor& storage, int64_t positions) {
  return storage.narrow(4, 0, positions);
}

TEST(Prefill, GivesWhatTheDefinitionGives) {
  if (!have_cuda_torch()) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  const auto gpt = small_gpt();
  const auto stream = c10::cuda::getStreamFromPool(false, 0);
  const c10::cuda::CUDAStreamGuard guard(stream);
  Prefill graphs(gpt, kLongest, true, stream), launches(gpt, kLongest, false, stream);
  uint64_t state = 3;
  for (const int64_t rows : {95, 1, 30, 31, 32, 62, 95, 96, 130}) {
    SCOPED_TRACE(rows);
    const at::Tensor prefix =
        random_weights({1, rows, gpt->gpt().width()}, 0, 1, at::kFloat, &state)
            .to(gpt->mel_embedding().weight.options());
    KvCache cache = gpt->make_cache();
    cache.start(1, rows + 1);
    const at::Tensor want = gpt->prefill(prefix, cache);
    for (Prefill* prefill : {&graphs, &launches}) {
      const PrefilledPrefix got = prefill->run(prefix);
      ASSERT_EQ(got.positions, rows + 1);
      EXPECT_TRUE(at::allclose(got.logits, want, 1e-4, 1e-4));
      EXPECT_TRUE(at::allclose(keys_of(got.storage, rows + 1), keys_of(cache.storage(), rows + 1),
                               1e-4, 1e-4));
    }
    EXPECT_TRUE(at::equal(graphs.run(prefix).logits, launches.run(prefix).logits));
  }
}

// What one prefix leaves behind reaches no other one.
TEST(Prefill, PaddingIsEmpty) {
  if (!have_cuda_torch()) return;
  const auto gpt = small_gpt();
  const auto stream = c10::cuda::getStreamFromPool(false, 0);
  const c10::cuda::CUDAStreamGuard guard(stream);
  Prefill prefill(gpt, kLongest, true, stream);
  uint64_t state = 4;
  const at::Tensor prefix = random_weights({1, 40, gpt->gpt().width()}, 0, 1, at::kFloat, &state)
                                .to(gpt->mel_embedding().weight.options());
  const at::Tensor want = prefill.run(prefix).logits.clone();
  const at::Tensor broken = at::full_like(prefix.repeat({1, 2, 1}), std::nan(""));
  EXPECT_FALSE(at::equal(prefill.run(broken).logits, want));
  EXPECT_TRUE(at::equal(prefill.run(prefix).logits, want));
}

}  // namespace
}  // namespace indextts2
