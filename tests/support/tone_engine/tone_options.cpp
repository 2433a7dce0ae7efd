// Parsing of the tone engine's options and devices.
#include "tone_options.h"

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <new>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "core/clock.h"
#include "core/error.h"

namespace indextts2 {
namespace {

const std::map<std::string, ErrorCode>& error_codes() {
  static const std::map<std::string, ErrorCode> codes = {
      {"kSettings", ErrorCode::kSettings},           {"kNotFound", ErrorCode::kNotFound},
      {"kOpenRead", ErrorCode::kOpenRead},           {"kModel", ErrorCode::kModel},
      {"kUnknownDevice", ErrorCode::kUnknownDevice}, {"kLibraryInit", ErrorCode::kLibraryInit},
      {"kNoMemory", ErrorCode::kNoMemory},           {"kDeviceLost", ErrorCode::kDeviceLost},
      {"kTextDecode", ErrorCode::kTextDecode},       {"kTextTooLong", ErrorCode::kTextTooLong},
      {"kVoiceNotFound", ErrorCode::kVoiceNotFound}, {"kVoiceInvalid", ErrorCode::kVoiceInvalid},
      {"kSynthesis", ErrorCode::kSynthesis},         {"kCancelled", ErrorCode::kCancelled},
      {"kInternal", ErrorCode::kInternal},
  };
  return codes;
}

void set_option(ToneOptions* options, const std::string& key, const std::string& value) {
  const std::map<std::string, int*> numbers = {
      {"load_ms", &options->load_ms},
      {"voice_ms", &options->voice_ms},
      {"push_ms", &options->push_ms},
      {"read_ms", &options->read_ms},
      {"segment_ms", &options->segment_ms},
      {"jitter_ms", &options->jitter_ms},
      {"samples_per_byte", &options->samples_per_byte},
      {"fail_segment", &options->fail_segment},
      {"fail_text", &options->fail_text},
      {"capped_segment", &options->capped_segment},
      {"throw_after", &options->throw_after},
      {"die_replica", &options->die_replica},
      {"die_after", &options->die_after},
      {"stall_ms", &options->stall_ms},
  };
  const std::map<std::string, std::string*> strings = {
      {"fail_word", &options->fail_word}, {"fail", &options->fail},     {"throw", &options->thrown},
      {"throw_at", &options->throw_at},   {"inject", &options->inject},
  };
  if (numbers.count(key) != 0) {
    *numbers.at(key) = std::atoi(value.c_str());
  } else if (strings.count(key) != 0) {
    *strings.at(key) = value;
  } else if (key == "any_voice") {
    options->any_voice = value == "1";
  } else if (key == "no_default_voice") {
    options->no_default_voice = value == "1";
  } else {
    throw Error(ErrorCode::kSettings, "tone engine: unknown option '" + key + "'");
  }
}

void parse(ToneOptions* options, const std::string& list) {
  std::istringstream in(list);
  std::string item;
  while (std::getline(in, item, ',')) {
    while (!item.empty() && (item.back() == '\n' || item.back() == ' ')) item.pop_back();
    if (item.empty()) continue;
    const size_t at = item.find('=');
    set_option(options, item.substr(0, at), at == std::string::npos ? "" : item.substr(at + 1));
  }
}

}  // namespace

ToneOptions read_tone_options(const std::string& model_dir) {
  ToneOptions options;
  const std::string prefix = "tone:";
  if (model_dir.rfind(prefix, 0) == 0) {
    parse(&options, model_dir.substr(prefix.size()));
  } else if (!model_dir.empty()) {
    struct stat info {};
    if (stat(model_dir.c_str(), &info) != 0) {
      throw Error(ErrorCode::kNotFound, "model folder " + model_dir + " does not exist");
    }
    std::ifstream file(model_dir + "/tone.conf");
    std::ostringstream text;
    text << file.rdbuf();
    parse(&options, text.str());
  }
  if (const char* more = std::getenv("INDEXTTS2_TONE")) parse(&options, more);
  return options;
}

void throw_named(const std::string& name, const std::string& where) {
  if (name == "bad_alloc") throw std::bad_alloc();
  if (name == "int") throw 42;
  const auto code = error_codes().find(name);
  if (code != error_codes().end()) {
    throw Error(code->second, "tone engine: " + name + " in " + where, "asked for by the test");
  }
  throw std::runtime_error("tone engine: exception in " + where);
}

void ToneOptions::maybe_throw(const std::string& where) const {
  if (where == throw_at && calls->fetch_add(1) >= throw_after) throw_named(thrown, where);
}

std::vector<std::string> tone_devices(const std::vector<std::string>& devices,
                                      int replicas_per_device) {
  std::vector<std::string> replicas;
  int num_cpu = 0;
  for (const std::string& device : devices) {
    const bool tone =
        device.size() == 6 && device.rfind("tone:", 0) == 0 && device[5] >= '0' && device[5] <= '7';
    int count = device.rfind("cpu:", 0) == 0 ? std::atoi(device.c_str() + 4) : 1;
    if (!(tone || device == "auto" || device == "cpu" || (device.size() > 4 && count > 0))) {
      count = 0;
    }
    if (!tone && device != "auto" && device.rfind("cpu", 0) != 0) count = 0;
    if (count < 1 || count > 64) {
      throw Error(ErrorCode::kUnknownDevice,
                  "unknown device '" + device + "'; there are: auto, cpu, cpu:N, tone:0 to tone:7");
    }
    for (int i = 0; i < count * replicas_per_device; ++i) {
      if (device.rfind("cpu", 0) != 0) {
        replicas.push_back(device == "auto" ? "tone:0" : device);
      } else {
        replicas.push_back(num_cpu == 0 ? "cpu" : "cpu#" + std::to_string(num_cpu));
        ++num_cpu;
      }
    }
  }
  return replicas;
}

void tone_sleep(int ms, const StopToken& stop) {
  const double until = now_seconds() + ms * 1e-3;
  for (double left = ms * 1e-3; left > 0; left = until - now_seconds()) {
    stop.check();
    std::this_thread::sleep_for(std::chrono::duration<double>(left < 2e-3 ? left : 2e-3));
  }
  stop.check();
}

}  // namespace indextts2
