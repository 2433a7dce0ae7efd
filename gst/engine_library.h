// Finds and opens the engine library; the plugin itself is not linked with it, so that the registry
// scan stays cheap.
#pragma once

#include <string>
#include <vector>

#include "indextts2/engine.h"

namespace indextts2 {

// The environment variable that names the engine library to open, before all other places.
inline constexpr char kEngineVariable[] = "INDEXTTS2_ENGINE";

// The engine of this process, opened at the first call and kept for its life. Thread-safety: safe.
// Throws Error{kLibraryInit}: no library (names every place tried), another interface version,
// another LibTorch already loaded, or a process forked from one that had opened it.
const EngineFactory& open_engine_library();

// True when INDEXTTS2_ENGINE names the library.
bool engine_is_overridden();

// Folder of the plugin file, without a slash at the end; empty when it cannot be told.
std::string plugin_folder();

// Places searched for the bundled voice, in order: source tree, installed tree, configured data
// folder.
std::vector<std::string> bundled_model_places();

// The folder to load: `model_path`, else the bundled voice. Throws Error{kNotFound, kOpenRead,
// kSettings}.
std::string find_model(const std::string& model_path);

}  // namespace indextts2
