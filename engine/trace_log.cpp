// Events of the trace.
#include "trace_log.h"

#include <cinttypes>

#include "core/clock.h"
#include "core/error.h"

namespace indextts2 {
namespace {

constexpr int kMostTracks = 100;  // of one replica
constexpr double kMemoryEverySeconds = 1;

// In quotation marks.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

TraceLog::TraceLog(const std::string& path, MemoryUsed memory_used)
    : memory_used_(std::move(memory_used)), file_(std::fopen(path.c_str(), "w")) {
  if (!file_) throw Error(ErrorCode::kSettings, "trace: the file " + path + " cannot be written");
  std::fputs("[\n", file_);
  std::fflush(file_);
}

TraceLog::~TraceLog() { std::fclose(file_); }

TraceLog::Tracks& TraceLog::tracks_of(const std::string& replica) {
  const auto known = tracks_.find(replica);
  if (known != tracks_.end()) return known->second;
  Tracks tracks;
  tracks.number = static_cast<int>(tracks_.size()) + 1;
  return tracks_[replica] = tracks;
}

int TraceLog::free_track(Tracks* tracks, const std::string& replica, const JobRecord& record) {
  size_t track = 0;
  while (track < tracks->free_from.size() && tracks->free_from[track] > record.drawn_at) ++track;
  if (track >= kMostTracks) track = kMostTracks - 1;
  const int id = tracks->number * kMostTracks + static_cast<int>(track);
  if (track == tracks->free_from.size()) {
    tracks->free_from.push_back(0);
    std::fprintf(file_,
                 "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{"
                 "\"name\":%s}},\n",
                 id, quoted(replica + " slot " + std::to_string(track + 1)).c_str());
  }
  tracks->free_from[track] = record.ended_at;
  return id;
}

void TraceLog::write(const JobRecord& record) {
  std::lock_guard<std::mutex> lock(mutex_);
  Tracks& tracks = tracks_of(record.replica);
  const int track = free_track(&tracks, record.replica, record);
  std::fprintf(file_,
               "{\"name\":\"segment\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.0f,\"dur\":%.0f,"
               "\"args\":{\"queue\":%" PRIu64
               ",\"first\":%s,\"priority\":%d,\"waited_ms\":%.3f,\"ok\":%s,\"codes\":%.0f,"
               "\"audio_s\":%.3f}},\n",
               track, record.drawn_at * 1e6, (record.ended_at - record.drawn_at) * 1e6,
               record.order.queue, record.order.first ? "true" : "false", record.order.priority,
               (record.drawn_at - record.submitted_at) * 1e3, record.ok ? "true" : "false",
               record.yield.codes, record.yield.units);
  write_counters(&tracks, record.replica, record);
  std::fflush(file_);
}

void TraceLog::write_counters(Tracks* tracks, const std::string& replica, const JobRecord& record) {
  if (record.ended_at - tracks->memory_read_at > kMemoryEverySeconds) {
    tracks->memory_read_at = record.ended_at;
    if (memory_used_) tracks->memory_bytes = memory_used_(replica);
  }
  const ReplicaCounters& now = record.counters;
  const double share = now.open_seconds > 0 ? now.busy_seconds / now.open_seconds : 0;
  const double speed = now.busy_seconds > 0 ? now.codes / now.busy_seconds : 0;
  std::fprintf(
      file_,
      "{\"name\":%s,\"ph\":\"C\",\"pid\":1,\"ts\":%.0f,\"args\":{\"queued\":%d,\"segments\":"
      "%" PRIu64
      ",\"busy_percent\":%.1f,\"codes_per_s\":%.1f,\"audio_s\":%.2f,\"memory_mib\":%" PRIu64
      "}},\n",
      quoted(replica).c_str(), record.ended_at * 1e6, now.queued, now.done, share * 100, speed,
      now.units, tracks->memory_bytes >> 20);
}

void TraceLog::write_lost(const std::string& replica, const std::string& reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::fprintf(
      file_,
      "{\"name\":%s,\"ph\":\"i\",\"s\":\"g\",\"pid\":1,\"ts\":%.0f,\"args\":{\"reason\":%s}},\n",
      quoted("lost " + replica).c_str(), now_seconds() * 1e6, quoted(reason).c_str());
  std::fflush(file_);
}

}  // namespace indextts2
