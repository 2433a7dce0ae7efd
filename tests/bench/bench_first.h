// How long one waits for the first sound of a text.
#pragma once

#include <memory>
#include <vector>

#include "bench_arguments.h"
#include "bench_figures.h"

namespace indextts2 {

// arguments.repeat times, after arguments.warmup ones that do not count: a segment of
// arguments.first_codes codes, while arguments.beside others run that are not the first of their
// text, with `voice` or, if arguments.cold, one that is new each time.
std::vector<BenchRun> time_first_sounds(Engine& engine, const std::shared_ptr<const Voice>& voice,
                                        const BenchArguments& arguments);

}  // namespace indextts2
