// Arrays in the vocoder's storage types for kernel tests.
#pragma once

#include <cuda_fp16.h>

#include <random>
#include <vector>

#include "cuda/kernels/wave_types.h"
#include "device_buffer.h"

namespace indextts2 {

template <class T>
constexpr WaveType kWaveTypeOf = sizeof(T) == 2 ? WaveType::kHalf : WaveType::kFloat;

inline std::vector<float> random_floats(size_t count, float size, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> draw(-size, size);
  std::vector<float> values(count);
  for (float& value : values) value = draw(generator);
  return values;
}

template <class T>
T stored(float value);
template <>
inline float stored<float>(float value) {
  return value;
}
template <>
inline __half stored<__half>(float value) {
  return __float2half(value);
}
inline float loaded(float value) { return value; }
inline float loaded(__half value) { return __half2float(value); }

template <class T>
std::vector<T> stored(const std::vector<float>& values) {
  std::vector<T> result;
  for (const float value : values) result.push_back(stored<T>(value));
  return result;
}

template <class T>
std::vector<float> loaded(const std::vector<T>& values) {
  std::vector<float> result;
  for (const T value : values) result.push_back(loaded(value));
  return result;
}

// What is left of values after they were stored.
template <class T>
std::vector<float> rounded(const std::vector<float>& values) {
  return loaded(stored<T>(values));
}

}  // namespace indextts2
