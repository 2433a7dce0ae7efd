// URIs of the element: indextts2:TEXT (percent-encoded) for a text, file://PATH for a location.
#pragma once

#include <string>

#include "settings.h"

namespace indextts2 {

inline constexpr char kUriProtocol[] = "indextts2";

// Sets `text` or `location` and clears the other. False: not such a URI.
bool set_uri(Settings* settings, const std::string& uri);

// The URI of what is set; empty: nothing is.
std::string get_uri(const Settings& settings);

}  // namespace indextts2
