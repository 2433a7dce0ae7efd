// The table of writable properties: one row holds its GParamSpec and how it goes in and out of
// Settings.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "settings.h"

namespace indextts2 {

struct Property {
  GParamSpec* spec = nullptr;  // floating until it is installed
  std::function<void(Settings&, const GValue*)> set;
  std::function<void(const Settings&, GValue*)> get;
};

// When a change takes effect.
enum class Change {
  kReady,    // when the element next goes from READY to PAUSED
  kPlaying,  // at any time; per-text values from the next accepted text on
};

GParamFlags param_flags(Change change);

// Model, devices, text and buffers.
void add_stream_properties(std::vector<Property>* rows);
// Live mode, queue and messages.
void add_live_properties(std::vector<Property>* rows);
// Voice, emotion, sampling and timing of a text.
void add_speech_properties(std::vector<Property>* rows);

// Default values of all rows.
extern const Settings kDefaults;

template <typename E>
Property enum_property(const char* name, const char* blurb, Change change, GType type,
                       E Settings::*member) {
  Property row;
  row.spec = g_param_spec_enum(name, nullptr, blurb, type, static_cast<gint>(kDefaults.*member),
                               param_flags(change));
  row.set = [member](Settings& s, const GValue* v) {
    s.*member = static_cast<E>(g_value_get_enum(v));
  };
  row.get = [member](const Settings& s, GValue* v) {
    g_value_set_enum(v, static_cast<gint>(s.*member));
  };
  return row;
}

// For a static table of values.
GType register_enum(const char* name, const GEnumValue* values);

// Those that are not part of Settings.
GParamSpec* uri_spec();
GParamSpec* stats_spec();
GParamSpec* available_devices_spec();

// Row builders; `member` points into Settings, `def` is the default shown.
Property string_property(const char* name, const char* blurb, Change change,
                         std::string Settings::*member, const char* def = nullptr);
Property bool_property(const char* name, const char* blurb, Change change,
                       gboolean Settings::*member);
Property uint_property(const char* name, const char* blurb, Change change, guint Settings::*member,
                       guint min, guint max);
Property uint64_property(const char* name, const char* blurb, Change change,
                         guint64 Settings::*member, guint64 min, guint64 max);

// The only text-carrying rows; nullopt: NULL.
Property text_property(const char* name, const char* blurb, Change change,
                       std::optional<std::string> Settings::*member);

}  // namespace indextts2
