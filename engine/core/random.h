// Random numbers that are the same bits on every machine, CPU and CUDA: Philox4x32-10 with our own
// log, sin and cos.
//
// A stream is named by (seed, segment, purpose); element i of a stream depends on nothing but the
// name and i, so any part can be drawn alone, in any order, on any number of threads.
// Thread-safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/exact_math.h"

namespace indextts2 {

// What a stream is drawn for. Values are part of the output: never renumber.
enum class RandomPurpose : uint32_t {
  kCodes = 1,        // q of code sampling: element = (step * beams + beam) * vocabulary + token
  kFlowNoise = 2,    // start of the flow: element = channel * frames + frame
  kEmotionRows = 3,  // random rows of the emotion groups: element = group
};

struct RandomStream {
  uint64_t seed = 0;
  uint32_t segment = 0;
  RandomPurpose purpose = RandomPurpose::kCodes;
};

struct RandomBlock {
  uint32_t word[4];
};

// Philox4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
INDEXTTS2_HOST_DEVICE inline RandomBlock philox4x32(RandomBlock counter, uint32_t key0,
                                                    uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Words 4 * block .. 4 * block + 3 of the stream.
INDEXTTS2_HOST_DEVICE inline RandomBlock random_block(const RandomStream& stream, uint64_t block) {
  return philox4x32({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                      stream.segment, static_cast<uint32_t>(stream.purpose)}},
                    static_cast<uint32_t>(stream.seed), static_cast<uint32_t>(stream.seed >> 32));
}

// Uniform in (0, 1): one of 2^23 values, symmetric around 1/2, never 0 or 1.
INDEXTTS2_HOST_DEVICE inline float uniform_of(uint32_t word) {
  return exact::mul(exact::add(static_cast<float>(word >> 9), 0.5f), 1.0f / 8388608.0f);
}

INDEXTTS2_HOST_DEVICE inline float exponential_of(uint32_t word) {
  return -exact::log(uniform_of(word));
}

// Box-Muller: two words, two independent standard normals.
INDEXTTS2_HOST_DEVICE inline void normals_of(uint32_t word0, uint32_t word1, float* first,
                                             float* second) {
  const float radius = exact::root(exact::mul(-2.0f, exact::log(uniform_of(word0))));
  float sine, cosine;
  exact::sin_cos_turns(uniform_of(word1), &sine, &cosine);
  *first = exact::mul(radius, cosine);
  *second = exact::mul(radius, sine);
}

// Element `i` of a stream.
INDEXTTS2_HOST_DEVICE inline float uniform_at(const RandomStream& stream, uint64_t i) {
  return uniform_of(random_block(stream, i >> 2).word[i & 3]);
}
INDEXTTS2_HOST_DEVICE inline float exponential_at(const RandomStream& stream, uint64_t i) {
  return exponential_of(random_block(stream, i >> 2).word[i & 3]);
}
INDEXTTS2_HOST_DEVICE inline float normal_at(const RandomStream& stream, uint64_t i) {
  const RandomBlock block = random_block(stream, i >> 2);
  float pair[2];
  normals_of(block.word[i & 2], block.word[(i & 2) + 1], &pair[0], &pair[1]);
  return pair[i & 1];
}

// Elements first .. first + count - 1 of a stream.
inline void fill_uniform(const RandomStream& stream, uint64_t first, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = uniform_at(stream, first + i);
}
inline void fill_exponential(const RandomStream& stream, uint64_t first, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = exponential_at(stream, first + i);
}
inline void fill_normal(const RandomStream& stream, uint64_t first, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = normal_at(stream, first + i);
}

// A whole number in [0, n), n > 0: element `i` of a stream.
INDEXTTS2_HOST_DEVICE inline uint32_t integer_at(const RandomStream& stream, uint64_t i,
                                                 uint32_t n) {
  const uint64_t word = random_block(stream, i >> 2).word[i & 3];
  return static_cast<uint32_t>((word * n) >> 32);
}

}  // namespace indextts2
