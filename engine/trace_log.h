// A log of what the replicas did, in the trace format of Chrome and Perfetto.
#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "pool/replica_info.h"

namespace indextts2 {

// Writes one JSON array with an event a line: for each segment a span on its replica's track with
// how long it waited and what it made, and for its replica the counters that
// pipelines/pool_monitor.sh shows. The array is left open, as the format allows, so that a process
// that dies leaves a readable log. Thread-safety: safe.
class TraceLog {
 public:
  using MemoryUsed = std::function<uint64_t(const std::string& device)>;

  // Replaces the file. Throws Error{kSettings} when it cannot be written.
  TraceLog(const std::string& path, MemoryUsed memory_used);
  ~TraceLog();
  TraceLog(const TraceLog&) = delete;
  TraceLog& operator=(const TraceLog&) = delete;

  void write(const JobRecord& record);
  void write_lost(const std::string& replica, const std::string& reason);

 private:
  // Segments of one replica overlap; each is drawn on the first track that is free.
  struct Tracks {
    int number = 0;  // of the replica
    std::vector<double> free_from;
    double memory_read_at = -1;
    uint64_t memory_bytes = 0;
  };
  Tracks& tracks_of(const std::string& replica);
  int free_track(Tracks* tracks, const std::string& replica, const JobRecord& record);
  void write_counters(Tracks* tracks, const std::string& replica, const JobRecord& record);

  const MemoryUsed memory_used_;
  std::mutex mutex_;  // guards all below
  std::FILE* file_;
  std::map<std::string, Tracks> tracks_;
};

}  // namespace indextts2
