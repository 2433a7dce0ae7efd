// Figures of bench_speak's runs, as text and as JSON.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench_arguments.h"

namespace indextts2 {

struct BenchRun {
  double wall_seconds = 0, first_seconds = 0, audio_seconds = 0;
  double host_seconds = 0;                      // processor time of all threads of this process
  std::map<std::string, double> stage_seconds;  // of a first sound
};

struct BenchFigures {
  double load_seconds = 0, voice_seconds = 0, prompt_seconds = 0;
  bool gpu_memory_known = false;
  double gpu_peak_mib = 0;
  std::vector<BenchRun> runs;
  Stats before, after;  // around the runs
};

void print_figures(const BenchFigures& figures);
void print_first_sounds(const BenchFigures& figures);  // of time_first_sounds

// Seconds per stage that `after` has more than `before`; stages without any are left out.
std::map<std::string, double> stages_between(const Stats& before, const Stats& after);

// Appends one line. Throws Error if the file cannot be written.
void append_json(const BenchArguments& arguments, const BenchFigures& figures);

}  // namespace indextts2
