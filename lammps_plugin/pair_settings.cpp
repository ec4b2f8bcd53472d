// SPDX-License-Identifier: GPL-2.0-only
// Words of the input script into settings and type maps; see pair_settings.hpp. No LAMMPS here, so
// every rule is one function.
#include "pair_settings.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>

#include "dpc/errors.hpp"
#include "text.hpp"

namespace dpcompressed {
namespace {

constexpr char kUsage[] =
    "pair_style dpcompressed FILE [check N] [overflow warn|stop] [precision double|mixed] "
    "[device cpu|gpu|auto] [memory MB] [neighbors trained|all]";

struct DeviceWord {
    const char* word;
    DeviceChoice device;
};
constexpr DeviceWord kDevices[] = {{"cpu", DeviceChoice::cpu},
                                   {"gpu", DeviceChoice::gpu},
                                   {"auto", DeviceChoice::automatic},
                                   {"kokkos_serial", DeviceChoice::kokkos_serial},
                                   {"kokkos_openmp", DeviceChoice::kokkos_openmp}};

int parse_positive(const char* keyword, const char* word, const char* what) {
    char* end = nullptr;
    errno = 0;
    const long value = std::strtol(word, &end, 10);
    if (end == word || *end != '\0' || errno != 0 || value < 1 || value > INT_MAX) {
        throw dpc::InputError(text(keyword, " must be a number of ", what, " of at least 1, not '",
                                   word, "': ", kUsage));
    }
    return static_cast<int>(value);
}

/// Whether word is the second of two choices.
bool parse_choice(const char* keyword, const char* word, const char* first, const char* second) {
    if (std::strcmp(word, first) != 0 && std::strcmp(word, second) != 0) {
        throw dpc::InputError(
            text(keyword, " must be ", first, " or ", second, ", not '", word, "': ", kUsage));
    }
    return std::strcmp(word, second) == 0;
}

DeviceChoice parse_device(const char* word) {
    for (const auto& known : kDevices) {
        if (std::strcmp(word, known.word) == 0) {
            return known.device;
        }
    }
    throw dpc::InputError(text("device must be cpu, gpu or auto, not '", word, "': ", kUsage));
}

void parse_keyword(const char* keyword, const char* value, StyleSettings& settings) {
    if (std::strcmp(keyword, "check") == 0) {
        settings.check_every = parse_positive(keyword, value, "steps");
    } else if (std::strcmp(keyword, "overflow") == 0) {
        settings.overflow_stops = parse_choice(keyword, value, "warn", "stop");
    } else if (std::strcmp(keyword, "device") == 0) {
        settings.device = parse_device(value);
    } else if (std::strcmp(keyword, "memory") == 0) {
        settings.memory = parse_positive(keyword, value, "MB");
    } else if (std::strcmp(keyword, "neighbors") == 0) {
        settings.neighbours = parse_choice(keyword, value, "trained", "all") ? dpc::Neighbours::all
                                                                             : dpc::Neighbours::trained;
    } else {
        settings.precision = parse_choice(keyword, value, "double", "mixed")
                                 ? dpc::Precision::mixed
                                 : dpc::Precision::float64;
    }
}

bool is_one_of(const char* word, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(),
                       [word](const char* known) { return std::strcmp(word, known) == 0; });
}

bool is_keyword(const char* word) {
    return is_one_of(word, {"check", "overflow", "precision", "device", "memory", "neighbors"});
}

/// What a word of pair_style deepmd means there, and what to do instead; "" for other words.
std::string deepmd_advice(const char* word) {
    if (is_one_of(word, {"out_freq", "out_file", "atomic", "relative", "relative_v"})) {
        return "the deviation of several models is not supported: run with one table file, and take the deviation "
               "from the stored trajectory with the models themselves (DeePMD-kit's dp model-devi, or LAMMPS' rerun "
               "with pair_style deepmd)";
    }
    if (is_one_of(word, {"fparam", "aparam", "fparam_from_compute", "fparam_from_fix",
                         "aparam_from_compute", "ttm", "charge_spin"})) {
        return "models with frame or atomic parameters are not supported, neither here nor by python -m pybuild: "
               "run them with pair_style deepmd";
    }
    if (is_one_of(word, {"virtual_len", "spin_norm"})) {
        return "models with spin are not supported, neither here nor by python -m pybuild: run them with "
               "pair_style deepspin";
    }
    return "";
}

[[noreturn]] void refuse_word(const char* word, bool follows_file) {
    if (const std::string advice = deepmd_advice(word); !advice.empty()) {
        throw dpc::InputError(text("keyword '", word, "' of pair_style deepmd: ", advice, "; ", kUsage));
    }
    if (follows_file && std::strpbrk(word, "./") != nullptr) {
        throw dpc::InputError(text("'", word, "' after the table file looks like a second one, but only one is taken: ",
                                   deepmd_advice("out_freq"), "; ", kUsage));
    }
    throw dpc::InputError(text("unknown keyword '", word, "': ", kUsage));
}

}  // namespace

StyleSettings parse_style(int narg, char** arg) {
    if (narg < 1) {
        throw dpc::InputError(text("the table file is missing: ", kUsage));
    }
    StyleSettings settings;
    settings.file = arg[0];
    for (int i = 1; i < narg; i += 2) {
        if (!is_keyword(arg[i])) {
            refuse_word(arg[i], i == 1);
        }
        if (i + 1 == narg) {
            throw dpc::InputError(text("keyword '", arg[i], "' has no value: ", kUsage));
        }
        parse_keyword(arg[i], arg[i + 1], settings);
    }
    return settings;
}

std::vector<std::string> parse_coeff(int narg, char** arg, int n_types) {
    if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0) {
        throw dpc::InputError(
            "all types must be set at once: pair_coeff * * [Element1 Element2 ...]");
    }
    std::vector<std::string> names(arg + 2, arg + narg);
    const int n_names = static_cast<int>(names.size());
    if (n_names != 0 && n_names != n_types) {
        throw dpc::InputError(
            text("pair_coeff has ", n_names, " element names (", listed(names), "), but there are ",
                 n_types, " atom types: give one name or NULL per atom type, or none at all"));
    }
    return names;
}

std::vector<int> map_types(const std::vector<std::string>& names, int n_types,
                           const dpc::Model& model) {
    const auto& type_map = model.type_map;
    std::vector<int> map(static_cast<std::size_t>(n_types) + 1, kNotInModel);
    if (names.empty() && n_types > model.n_types()) {
        throw dpc::InputError(
            text("there are ", n_types, " atom types, but the model has only ", model.n_types(),
                 " (", listed(type_map),
                 "): say in pair_coeff which is which, with NULL for atoms outside the model"));
    }
    for (int type = 1; type <= n_types; type++) {
        const auto index = static_cast<std::size_t>(type);
        if (names.empty()) {
            map[index] = type - 1;
        } else if (const auto& name = names[index - 1]; name != "NULL") {
            const auto found = std::find(type_map.begin(), type_map.end(), name);
            if (found == type_map.end()) {
                throw dpc::InputError(
                    text("element ", name,
                         " of pair_coeff is not in the model, which has: ", listed(type_map)));
            }
            map[index] = static_cast<int>(found - type_map.begin());
        }
    }
    if (std::all_of(map.begin(), map.end(), [](int type) { return type == kNotInModel; })) {
        throw dpc::InputError(
            "pair_coeff gives NULL for every atom type: nothing is left for the model");
    }
    return map;
}

/// keyword=value, a line each, with the words of pair_style; the file comes last.
std::string pack(const StyleSettings& settings) {
    const auto* device = std::find_if(std::begin(kDevices), std::end(kDevices), [&](const DeviceWord& known) {
        return known.device == settings.device;
    });
    const bool is_mixed = settings.precision == dpc::Precision::mixed;
    const bool keeps_all = settings.neighbours == dpc::Neighbours::all;
    return text(settings.check_every > 0 ? text("check=", settings.check_every, '\n') : "",
                settings.memory > 0 ? text("memory=", settings.memory, '\n') : "",
                "overflow=", settings.overflow_stops ? "stop" : "warn",
                "\nprecision=", is_mixed ? "mixed" : "double", "\ndevice=", device->word,
                "\nneighbors=", keeps_all ? "all" : "trained", "\nfile=", settings.file);
}

StyleSettings unpack_settings(const std::string& bytes) {
    std::istringstream stream(bytes);
    StyleSettings settings;
    for (std::string line; std::getline(stream, line);) {
        const std::string keyword = line.substr(0, line.find('='));
        const std::string value = line.substr(std::min(line.size(), keyword.size() + 1));
        if (keyword == "file") {
            settings.file = value;
        } else if (is_keyword(keyword.c_str())) {
            parse_keyword(keyword.c_str(), value.c_str(), settings);
        } else {
            settings.file.clear();
            break;
        }
    }
    if (settings.file.empty()) {
        throw dpc::InputError(
            "the restart file was written by another version of this pair style; read it with that "
            "version and write a data file (write_data)");
    }
    return settings;
}

std::string pack(const std::vector<std::string>& names) { return listed(names); }

std::vector<std::string> unpack_names(const std::string& bytes) {
    std::istringstream stream(bytes);
    std::vector<std::string> names;
    for (std::string name; stream >> name;) {
        names.push_back(name);
    }
    return names;
}

}  // namespace dpcompressed
