// Eight elements at once, whatever their type, with arithmetic in float32.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace indextts2 {

struct Eight {
  float v[8];
};

__device__ inline Eight load_eight(const float* p) {
  const float4 a = reinterpret_cast<const float4*>(p)[0];
  const float4 b = reinterpret_cast<const float4*>(p)[1];
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

__device__ inline void store_eight(float* p, const Eight& e) {
  reinterpret_cast<float4*>(p)[0] = make_float4(e.v[0], e.v[1], e.v[2], e.v[3]);
  reinterpret_cast<float4*>(p)[1] = make_float4(e.v[4], e.v[5], e.v[6], e.v[7]);
}

__device__ inline uint32_t pack_two(float low, float high, __nv_bfloat16) {
  const __nv_bfloat162 two = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&two);
}

__device__ inline uint32_t pack_two(float low, float high, __half) {
  const __half2 two = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&two);
}

__device__ inline float2 unpack_two(uint32_t two, __nv_bfloat16) {
  return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&two));
}

__device__ inline float2 unpack_two(uint32_t two, __half) {
  return __half22float2(*reinterpret_cast<const __half2*>(&two));
}

template <typename T>
__device__ inline Eight load_eight(const T* p) {
  const uint4 raw = *reinterpret_cast<const uint4*>(p);
  const float2 a = unpack_two(raw.x, T()), b = unpack_two(raw.y, T());
  const float2 c = unpack_two(raw.z, T()), d = unpack_two(raw.w, T());
  return {{a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y}};
}

template <typename T>
__device__ inline void store_eight(T* p, const Eight& e) {
  uint4 raw;
  raw.x = pack_two(e.v[0], e.v[1], T());
  raw.y = pack_two(e.v[2], e.v[3], T());
  raw.z = pack_two(e.v[4], e.v[5], T());
  raw.w = pack_two(e.v[6], e.v[7], T());
  *reinterpret_cast<uint4*>(p) = raw;
}

__device__ inline void store_one(float* p, float value) { *p = value; }
__device__ inline void store_one(__nv_bfloat16* p, float value) { *p = __float2bfloat16_rn(value); }
__device__ inline void store_one(__half* p, float value) { *p = __float2half_rn(value); }

}  // namespace indextts2
