// Lent streams: one owner at a time, the same ones again.
#include "cuda/lent_stream.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "cuda_torch.h"

namespace indextts2 {
namespace {

TEST(LentStream, ManyOwnersHaveDifferentStreams) {
  if (!have_cuda_torch()) return;
  for (const bool high : {false, true}) {
    std::vector<c10::cuda::CUDAStream> lent;
    std::set<cudaStream_t> different;
    for (int i = 0; i < 80; ++i) {  // more than LibTorch's pool has
      lent.push_back(lend_stream(0, high));
      different.insert(lent.back().stream());
      EXPECT_EQ(lent.back().priority(), lent.front().priority());
      EXPECT_EQ(lent.back().device_index(), 0);
    }
    EXPECT_EQ(different.size(), lent.size());
    for (const auto& stream : lent) give_back_stream(stream, high);
  }
}

TEST(LentStream, WhatCameBackLastIsLentNext) {
  if (!have_cuda_torch()) return;
  cudaStream_t first = nullptr, second = nullptr;
  for (int round = 0; round < 100; ++round) {
    const LentStream one(0), two(0);
    if (round == 0) {
      first = one.stream();
      second = two.stream();
      EXPECT_NE(first, second);
    }
    EXPECT_EQ(one.stream(), first);
    EXPECT_EQ(two.stream(), second);
  }
}

TEST(LentStream, TheNumberOfAStreamIsEnoughToKnowIt) {
  if (!have_cuda_torch()) return;
  const c10::Device device(c10::kCUDA, 0);
  for (int i = 0; i < 40; ++i) {
    const c10::cuda::CUDAStream lent = lend_stream(0, false);
    const c10::cuda::CUDAStream again(c10::Stream(c10::Stream::UNSAFE, device, lent.id()));
    EXPECT_EQ(again.stream(), lent.stream());
    if (i % 4 == 0) give_back_stream(lent, false);
  }
}

}  // namespace
}  // namespace indextts2
