// Operators on the calling thread alone, where sharing the work costs more than it brings.
#pragma once

namespace indextts2 {

// Note [Serial decoding]: LibTorch splits even small operators over all threads and joins them with
// a spinning barrier after each. A decoding step of a small model is a hundred operators of some
// microseconds; one thread of the pool that is not on a core at that moment (another replica,
// another program) stops the step for a time slice, a hundred times. With both cores of a two-core
// machine busy a step took 25 ms on two threads and 3 ms on one.
//
// While one lives, CPU operators that its thread calls run on that thread. Other threads and other
// devices are not concerned. Does nothing when `serial` is false or LibTorch has another thread
// pool. Thread-safety: one thread.
class SerialScope {
 public:
  explicit SerialScope(bool serial);
  ~SerialScope();
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
  int threads_ = 0;      // of OpenMP before; 0: unchanged
  int mkl_threads_ = 0;  // of MKL in this thread before; 0: as OpenMP
};

}  // namespace indextts2
