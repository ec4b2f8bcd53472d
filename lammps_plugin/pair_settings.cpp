// SPDX-License-Identifier: GPL-2.0-only
// Words of the input script into settings and type maps; see pair_settings.hpp. No LAMMPS here, so
// every rule is one function.
#include "pair_settings.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <utility>

#include "dpc/errors.hpp"
#include "text.hpp"

namespace dpcompressed {
namespace {

constexpr char kUsage[] =
    "pair_style dpcompressed FILE [FILE2 ...] [check N] [overflow warn|stop] [precision double|mixed] "
    "[device cpu|gpu|auto] [memory MB] [neighbors trained|all] [out_freq N] [out_file F] [atomic] "
    "[relative L] [relative_v L] [summary yes|no] [fparam V ... | fparam_from_compute ID | fparam_from_fix ID [N]] "
    "[aparam V ... | aparam_from_compute ID]";

struct DeviceWord {
    const char* word;
    DeviceChoice device;
};
constexpr DeviceWord kDevices[] = {{"cpu", DeviceChoice::cpu},
                                   {"gpu", DeviceChoice::gpu},
                                   {"auto", DeviceChoice::automatic},
                                   {"kokkos_serial", DeviceChoice::kokkos_serial},
                                   {"kokkos_openmp", DeviceChoice::kokkos_openmp}};

int parse_number(const char* keyword, const char* word, const char* what, int least) {
    char* end = nullptr;
    errno = 0;
    const long value = std::strtol(word, &end, 10);
    if (end == word || *end != '\0' || errno != 0 || value < least || value > INT_MAX) {
        throw dpc::InputError(
            text(keyword, " must be a number of ", what, " of at least ", least, ", not '", word, "': ", kUsage));
    }
    return static_cast<int>(value);
}

/// Whether all of a word is a number, maybe one that is not finite.
bool reads_as_number(const char* word, double& value) {
    char* end = nullptr;
    value = std::strtod(word, &end);
    return end != word && *end == '\0';
}

bool is_number(const char* word, double& value) { return reads_as_number(word, value) && std::isfinite(value); }

double parse_parameter(const char* keyword, const char* word) {
    double value = 0;
    if (!is_number(word, value)) {
        throw dpc::InputError(text(keyword, " must be one or more numbers, not '", word, "': ", kUsage));
    }
    return value;
}

double parse_level(const char* keyword, const char* word) {
    double value = 0;
    if (!is_number(word, value) || value < 0) {
        throw dpc::InputError(text(keyword, " must be a number of at least 0, not '", word, "': ", kUsage));
    }
    return value;
}

/// Whether word is the second of two choices.
bool parse_choice(const char* keyword, const char* word, const char* first, const char* second) {
    if (std::strcmp(word, first) != 0 && std::strcmp(word, second) != 0) {
        throw dpc::InputError(text(keyword, " must be ", first, " or ", second, ", not '", word, "': ", kUsage));
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

constexpr int kNumbers = -1, kWordAndNumber = -2;

/// parse: of each value, or once where there is none.
struct Keyword {
    const char* word;
    int n_values;  // kNumbers: one and all numbers that follow; kWordAndNumber: one and a whole number, if one follows
    void (*parse)(const char* keyword, const char* value, StyleSettings& settings);
};
constexpr Keyword kKeywords[] = {
    {"check", 1, [](const char* k, const char* v, StyleSettings& s) { s.check_every = parse_number(k, v, "steps", 1); }},
    {"overflow", 1,
     [](const char* k, const char* v, StyleSettings& s) { s.overflow_stops = parse_choice(k, v, "warn", "stop"); }},
    {"precision", 1,
     [](const char* k, const char* v, StyleSettings& s) {
         s.precision = parse_choice(k, v, "double", "mixed") ? dpc::Precision::mixed : dpc::Precision::float64;
     }},
    {"device", 1, [](const char*, const char* v, StyleSettings& s) { s.device = parse_device(v); }},
    {"memory", 1, [](const char* k, const char* v, StyleSettings& s) { s.memory = parse_number(k, v, "MB", 1); }},
    {"neighbors", 1,
     [](const char* k, const char* v, StyleSettings& s) {
         s.neighbours = parse_choice(k, v, "trained", "all") ? dpc::Neighbours::all : dpc::Neighbours::trained;
     }},
    {"out_freq", 1, [](const char* k, const char* v, StyleSettings& s) { s.deviation.every = parse_number(k, v, "steps", 0); }},
    {"out_file", 1, [](const char*, const char* v, StyleSettings& s) { s.deviation.file = v; }},
    {"atomic", 0, [](const char*, const char*, StyleSettings& s) { s.deviation.each_atom = true; }},
    {"relative", 1, [](const char* k, const char* v, StyleSettings& s) { s.deviation.relative = parse_level(k, v); }},
    {"relative_v", 1, [](const char* k, const char* v, StyleSettings& s) { s.deviation.relative_v = parse_level(k, v); }},
    {"summary", 1, [](const char* k, const char* v, StyleSettings& s) { s.says_summary = parse_choice(k, v, "no", "yes"); }},
    {"fparam", kNumbers,
     [](const char* k, const char* v, StyleSettings& s) { s.parameters.fparam.push_back(parse_parameter(k, v)); }},
    {"aparam", kNumbers,
     [](const char* k, const char* v, StyleSettings& s) { s.parameters.aparam.push_back(parse_parameter(k, v)); }},
    {"fparam_from_compute", 1, [](const char*, const char* v, StyleSettings& s) { s.parameters.fparam_compute = v; }},
    {"fparam_from_fix", kWordAndNumber,
     [](const char* k, const char* v, StyleSettings& s) {
         if (s.parameters.fparam_fix.empty()) {
             s.parameters.fparam_fix = v;
         } else {
             s.parameters.fparam_index = parse_number(k, v, "an element of the fix's vector", 1);
         }
     }},
    {"aparam_from_compute", 1, [](const char*, const char* v, StyleSettings& s) { s.parameters.aparam_compute = v; }},
};

/// Null: no keyword.
const Keyword* find_keyword(const std::string& word) {
    const auto* found =
        std::find_if(std::begin(kKeywords), std::end(kKeywords), [&](const Keyword& known) { return word == known.word; });
    return found == std::end(kKeywords) ? nullptr : found;
}

bool is_one_of(const char* word, std::initializer_list<const char*> words) {
    return std::any_of(words.begin(), words.end(), [word](const char* known) { return std::strcmp(word, known) == 0; });
}

/// What a word of pair_style deepmd means there, and what to do instead; "" for other words.
std::string deepmd_advice(const char* word) {
    if (is_one_of(word, {"ttm"})) {
        return "LAMMPS shows other styles no electron temperature of a cell of fix ttm. The mean follows from the total "
               "electron energy f_ID[1]: variable Te equal f_ID[1]/(C_e*rho_e*vol), fix Te all ave/time 1 1 1 v_Te, and "
               "fparam_from_fix Te; atomic parameters from a per-atom compute: aparam_from_compute";
    }
    if (is_one_of(word, {"charge_spin"})) {
        return "models with charge and spin are not supported, neither here nor by python -m pybuild: run them with "
               "pair_style deepmd";
    }
    if (is_one_of(word, {"virtual_len", "spin_norm"})) {
        return "models with spin are not supported, neither here nor by python -m pybuild: run them with "
               "pair_style deepspin";
    }
    return "";
}

void refuse_words_of_deepmd(const char* word) {
    if (const std::string advice = deepmd_advice(word); !advice.empty()) {
        throw dpc::InputError(text("keyword '", word, "' of pair_style deepmd: ", advice, "; ", kUsage));
    }
}

/// Values of a keyword among the words after it.
int count_values(const Keyword& keyword, int n_words, char** words) {
    if (keyword.n_values >= 0) {
        return keyword.n_values;
    }
    const int most = keyword.n_values == kNumbers ? n_words : std::min(2, n_words);
    int n = 1;
    for (double value = 0; n < most && reads_as_number(words[n], value); n++) {
    }
    return n;
}

/// Values would be added to those of the first time.
void refuse_repeated(const Keyword& keyword, const std::vector<const Keyword*>& given) {
    if (std::find(given.begin(), given.end(), &keyword) != given.end()) {
        throw dpc::InputError(text("keyword ", keyword.word, " is given twice: give it once, with all its values; ", kUsage));
    }
}

/// The keywords that a StyleSettings has a value of.
void check_exclusive(std::initializer_list<std::pair<const char*, bool>> keywords) {
    std::vector<std::string> given;
    for (const auto& [keyword, is_given] : keywords) {
        if (is_given) {
            given.emplace_back(keyword);
        }
    }
    if (given.size() > 1) {
        throw dpc::InputError(text("keywords ", given[0], " and ", given[1], " exclude each other: give one of them; ", kUsage));
    }
}

void check_exclusive(const ParameterSettings& p) {
    check_exclusive({{"fparam", !p.fparam.empty()},
                     {"fparam_from_compute", !p.fparam_compute.empty()},
                     {"fparam_from_fix", !p.fparam_fix.empty()}});
    check_exclusive({{"aparam", !p.aparam.empty()}, {"aparam_from_compute", !p.aparam_compute.empty()}});
}

/// A source of parameters that the model does not take.
void check_taken(const std::string& id, const char* keyword, const char* kind, int taken) {
    if (!id.empty() && taken == 0) {
        throw dpc::InputError(
            text("the model takes no ", kind, " parameters, keyword ", keyword, " gives some: leave it out; ", kUsage));
    }
}

void check_number(const char* keyword, const char* kind, std::size_t given, int taken, bool has_default) {
    if (given == static_cast<std::size_t>(taken) || (given == 0 && has_default)) {
        return;
    }
    const std::string takes = taken == 0 ? "no" : std::to_string(taken);
    throw dpc::InputError(text(
        "the model takes ", takes, " ", kind, " parameters, keyword ", keyword, " has ", given, ": ",
        taken == 0 ? "leave it out" : text("give ", keyword, " and ", taken, taken == 1 ? " number" : " numbers"), "; ", kUsage));
}

}  // namespace

void check_parameters(const ParameterSettings& settings, const dpc::Model& model) {
    check_taken(settings.fparam_compute, "fparam_from_compute", "frame", model.n_fparam);
    check_taken(settings.fparam_fix, "fparam_from_fix", "frame", model.n_fparam);
    check_taken(settings.aparam_compute, "aparam_from_compute", "atomic", model.n_aparam);
    if (!settings.has_fparam_source()) {
        check_number("fparam", "frame", settings.fparam.size(), model.n_fparam, !model.default_fparam.empty());
    }
    if (settings.aparam_compute.empty()) {
        check_number("aparam", "atomic", settings.aparam.size(), model.n_aparam, false);
    }
}

StyleSettings parse_style(int narg, char** arg) {
    StyleSettings settings;
    int i = 0;
    for (; i < narg && find_keyword(arg[i]) == nullptr; i++) {
        refuse_words_of_deepmd(arg[i]);
        settings.files.emplace_back(arg[i]);
    }
    if (settings.files.empty()) {
        throw dpc::InputError(text("the table file is missing: ", kUsage));
    }
    std::vector<const Keyword*> of_any_number;
    while (i < narg) {
        const Keyword* keyword = find_keyword(arg[i]);
        if (keyword == nullptr) {
            refuse_words_of_deepmd(arg[i]);
            throw dpc::InputError(text("unknown keyword '", arg[i], "': ", kUsage));
        }
        if (keyword->n_values < 0) {
            refuse_repeated(*keyword, of_any_number);
            of_any_number.push_back(keyword);
        }
        const int n_values = count_values(*keyword, narg - i - 1, arg + i + 1);
        if (i + n_values >= narg) {
            throw dpc::InputError(text("keyword '", arg[i], "' has no value: ", kUsage));
        }
        for (int n = 1; n <= std::max(1, n_values); n++) {
            keyword->parse(keyword->word, n_values > 0 ? arg[i + n] : "", settings);
        }
        i += 1 + n_values;
    }
    check_exclusive(settings.parameters);
    return settings;
}

std::string advice_on_file(const std::string& file) {
    return file.find_first_of("./") != std::string::npos ? "" : text("; nor is it a keyword: ", kUsage);
}

std::vector<std::string> parse_coeff(int narg, char** arg, int n_types) {
    if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0) {
        throw dpc::InputError("all types must be set at once: pair_coeff * * [Element1 Element2 ...]");
    }
    std::vector<std::string> names(arg + 2, arg + narg);
    const int n_names = static_cast<int>(names.size());
    if (n_names != 0 && n_names != n_types) {
        throw dpc::InputError(text("pair_coeff has ", n_names, " element names (", listed(names), "), but there are ", n_types,
                                   " atom types: give one name or NULL per atom type, or none at all"));
    }
    return names;
}

std::vector<int> map_types(const std::vector<std::string>& names, int n_types, const dpc::Model& model) {
    const auto& type_map = model.type_map;
    std::vector<int> map(static_cast<std::size_t>(n_types) + 1, kNotInModel);
    if (names.empty() && n_types > model.n_types()) {
        throw dpc::InputError(text("there are ", n_types, " atom types, but the model has only ", model.n_types(), " (",
                                   listed(type_map),
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
                    text("element ", name, " of pair_coeff is not in the model, which has: ", listed(type_map)));
            }
            map[index] = static_cast<int>(found - type_map.begin());
        }
    }
    if (std::all_of(map.begin(), map.end(), [](int type) { return type == kNotInModel; })) {
        throw dpc::InputError("pair_coeff gives NULL for every atom type: nothing is left for the model");
    }
    return map;
}

std::vector<int> types_in_other(const dpc::Model& first, const dpc::Model& other, const std::vector<int>& used) {
    std::vector<int> map;
    for (const auto& name : first.type_map) {
        const auto found = std::find(other.type_map.begin(), other.type_map.end(), name);
        map.push_back(found == other.type_map.end() ? kNotInModel : static_cast<int>(found - other.type_map.begin()));
    }
    for (const int type : used) {
        if (type >= 0 && map[static_cast<std::size_t>(type)] == kNotInModel) {
            throw dpc::InputError(text("element ", first.type_map[static_cast<std::size_t>(type)],
                                       " is not in this model, which has: ", listed(other.type_map),
                                       ". All models of a pair_style must know the elements of its atoms"));
        }
    }
    return first.type_map == other.type_map ? std::vector<int>() : map;
}

/// The program that wrote the trained model, as the table file's provenance says it.
std::string source_format(const dpc::Model& model) {
    constexpr char kKey[] = "\"format\": \"";  // quotes inside of values are escaped: this is a key
    const std::size_t begin = model.provenance.find(kKey);
    if (begin == std::string::npos) {
        return {};
    }
    const std::size_t first = begin + std::strlen(kKey);
    return model.provenance.substr(first, model.provenance.find('"', first) - first);
}

std::string advice_on_elements(const dpc::Model& model, const std::vector<int>& used) {
    const std::string format = source_format(model);
    if (format.find("PWMLFF") == std::string::npos && format.find("MatPL") == std::string::npos) {
        return {};
    }
    std::vector<std::string> names;
    for (int type = 0; type < model.n_types(); type++) {
        if (std::find(used.begin(), used.end(), type) != used.end()) {
            names.push_back(model.type_map[static_cast<std::size_t>(type)]);
        }
    }
    if (names.size() == model.type_map.size()) {
        return {};
    }
    const dpc::Descriptor& descriptor = model.descriptors.front();
    return text("pair_coeff has ", names.size(), " (", listed(names), ") of the ", model.type_map.size(), " elements (",
                listed(model.type_map), ") that the tables were built for. PWMLFF and MatPL divide each sum over neighbours by ",
                descriptor.sel.front(), " times the number of elements that they are given: ", descriptor.n_sel,
                " in these tables, ", static_cast<std::size_t>(descriptor.sel.front()) * names.size(),
                " in their pair style after this pair_coeff, which is another model with other energies. For that one, build the "
                "tables with python -m pybuild ... --types ",
                listed(names));
}

constexpr char kContent[] = "content";

/// keyword=value, a line each, with the words of pair_style; the files come last, in their order.
std::string pack(const StyleSettings& settings) {
    const auto* device = std::find_if(std::begin(kDevices), std::end(kDevices),
                                      [&](const DeviceWord& known) { return known.device == settings.device; });
    const bool is_mixed = settings.precision == dpc::Precision::mixed;
    const bool keeps_all = settings.neighbours == dpc::Neighbours::all;
    const DeviationSettings& deviation = settings.deviation;
    std::ostringstream stream;
    stream.precision(std::numeric_limits<double>::max_digits10);
    const auto put_if = [&](bool is_set, const char* keyword, const auto& value) {
        if (is_set) {
            stream << keyword << '=' << value << '\n';
        }
    };
    put_if(settings.check_every > 0, "check", settings.check_every);
    put_if(settings.memory > 0, "memory", settings.memory);
    put_if(true, "overflow", settings.overflow_stops ? "stop" : "warn");
    put_if(true, "precision", is_mixed ? "mixed" : "double");
    put_if(true, "device", device->word);
    put_if(true, "neighbors", keeps_all ? "all" : "trained");
    put_if(true, "out_freq", deviation.every);
    put_if(true, "out_file", deviation.file);
    put_if(deviation.each_atom, "atomic", "");
    put_if(deviation.relative >= 0, "relative", deviation.relative);
    put_if(deviation.relative_v >= 0, "relative_v", deviation.relative_v);
    put_if(!settings.says_summary, "summary", "no");
    const ParameterSettings& parameters = settings.parameters;
    for (const double value : parameters.fparam) {
        put_if(true, "fparam", value);
    }
    for (const double value : parameters.aparam) {
        put_if(true, "aparam", value);
    }
    put_if(!parameters.fparam_compute.empty(), "fparam_from_compute", parameters.fparam_compute);
    put_if(!parameters.fparam_fix.empty(), "fparam_from_fix", parameters.fparam_fix);
    put_if(parameters.fparam_index > 0, "fparam_from_fix", parameters.fparam_index);
    put_if(!parameters.aparam_compute.empty(), "aparam_from_compute", parameters.aparam_compute);
    for (const std::string& content : settings.contents) {
        put_if(true, kContent, content);
    }
    for (const std::string& file : settings.files) {
        put_if(true, "file", file);
    }
    return stream.str();
}

StyleSettings unpack_settings(const std::string& bytes) {
    std::istringstream stream(bytes);
    StyleSettings settings;
    for (std::string line; std::getline(stream, line);) {
        const std::string word = line.substr(0, line.find('='));
        const std::string value = line.substr(std::min(line.size(), word.size() + 1));
        if (word == "file") {
            settings.files.push_back(value);
        } else if (word == kContent) {
            settings.contents.push_back(value);
        } else if (const Keyword* keyword = find_keyword(word); keyword != nullptr) {
            keyword->parse(keyword->word, value.c_str(), settings);
        } else {
            settings.files.clear();
            break;
        }
    }
    if (settings.files.empty()) {
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
