// What bench_speak is asked for.
#pragma once

#include <string>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

struct BenchArguments {
  EngineOptions engine;
  VoiceOptions voice;
  SpeakOptions speak;
  std::string text;
  std::string precision = "fp32";  // the name of engine.precision
  std::string kernels = "auto";
  std::string json;                // file to append to; empty: none
  int repeat = 5, warmup = 1;
  int flight = 1;                  // texts spoken at once
  int segments = 0;                // texts of a run, at most `flight` of them at once; 0: flight
  int first_codes = 0;             // > 0: times the first sound of such a segment instead of runs
  int beside = 0;                  // segments that run meanwhile
  bool cold = false;               // with a voice that is new each time
  bool shorter = false;            // and of a length that is new, too
  std::vector<int> codes;          // lengths of the segments, in turn; empty: as the model ends them
};

extern const char kBenchUsage[];

// False, with a line on stderr, if the command line is not understood.
bool parse_bench_arguments(int argc, char** argv, BenchArguments* arguments);

}  // namespace indextts2
