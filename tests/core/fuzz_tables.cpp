// SPDX-License-Identifier: MIT
// Mutation driver: load damaged table files by the hundred thousand, and evaluate a small cluster with those that are accepted.
// Build with -DDPC_SANITIZE=address,undefined,float-cast-overflow; then a clean exit means that no file made the loader or the
// evaluator step outside its memory or into undefined behaviour. Also checked: a file whose checksums were not repaired is
// accepted only if no byte changed.
//
//     fuzz_tables COUNT [SEED [FILE ...]]       FILEs: tables.bin of pybuild, mutated besides the small models made here
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "dpc/errors.hpp"
#include "dpc/evaluator.hpp"
#include "dpc/model.hpp"
#include "table_builder.hpp"

namespace {

using namespace dpc::test;

constexpr std::uint64_t kDefaultSeed = 20240229;
constexpr int kMostMutations = 4;
constexpr std::size_t kMostEvaluatedBytes = 1 << 22;  // a larger file is evaluated too slowly for a hundred thousand mutants

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

    /// Change the bytes at 1 to kMostMutations places.
    void mutate(Bytes& bytes) {
        for (std::size_t k = 0, n = 1 + below(kMostMutations); k < n && !bytes.empty(); ++k) {
            mutate_once(bytes);
        }
    }

private:
    void mutate_once(Bytes& bytes) {
        const std::size_t n_sections =
            bytes.size() < kHeaderSize
                ? 0
                : std::min<std::size_t>(get<std::uint32_t>(bytes, kSectionCount), (bytes.size() - kHeaderSize) / kEntrySize);
        const std::size_t choice = below(100);
        if (choice < 15) {
            bytes[below(bytes.size())] ^= static_cast<unsigned char>(1U << below(8));
        } else if (choice < 20) {
            bytes.resize(below(bytes.size() + 1));
        } else if (choice < 23) {
            bytes.resize(bytes.size() + 1 + below(200), static_cast<unsigned char>(below(2) * 0xA5));
        } else if (choice < 33) {
            write_integer(bytes, 8 + 2 * below((kHeaderSize - 8) / 2));
        } else if (n_sections > 0) {
            mutate_section(bytes, below(n_sections), n_sections, choice);
        }
    }

    void mutate_section(Bytes& bytes, std::size_t k, std::size_t n_sections, std::size_t choice) {
        if (choice < 50) {
            write_integer(bytes, entry(k) + kDType + 4 * below((kEntrySize - kDType) / 4));
        } else if (choice < 53) {
            bytes[entry(k) + below(kDType)] = "abz09_.\0AZ-"[below(11)];
        } else if (choice < 56) {  // two sections change names, or one has the other's
            const std::size_t other = entry(below(n_sections));
            if (below(2) == 0) {
                std::swap_ranges(bytes.begin() + at(entry(k)), bytes.begin() + at(entry(k) + kDType), bytes.begin() + at(other));
            } else if (other != entry(k)) {
                std::copy_n(bytes.begin() + at(other), kDType, bytes.begin() + at(entry(k)));
            }
        } else {
            mutate_array(bytes, k);
        }
    }

    void mutate_array(Bytes& bytes, std::size_t k) {
        const auto offset = get<std::uint64_t>(bytes, entry(k) + kOffset), size = get<std::uint64_t>(bytes, entry(k) + kSize);
        if (offset > bytes.size() || size > bytes.size() - offset || size == 0) {
            return;
        }
        const auto dtype = get<std::uint32_t>(bytes, entry(k) + kDType);
        if (dtype == 1 && size >= 8) {
            put(bytes, offset + 8 * below(size / 8), real());
        } else if (dtype == 4 && size >= 4) {
            const std::size_t where = offset + 4 * below(size / 4);
            put(bytes, where, static_cast<std::int32_t>(integer(get<std::uint32_t>(bytes, where))));
        } else {
            bytes[offset + below(size)] = static_cast<unsigned char>(below(256));
        }
    }

    static std::ptrdiff_t at(std::size_t offset) { return static_cast<std::ptrdiff_t>(offset); }

    /// A value near a boundary, or near the one that was there.
    std::uint64_t integer(std::uint64_t before) {
        const std::uint64_t boundary[] = {0,
                                          1,
                                          2,
                                          3,
                                          7,
                                          8,
                                          63,
                                          64,
                                          65,
                                          127,
                                          128,
                                          255,
                                          65535,
                                          65536,
                                          65537,
                                          INT32_MAX,
                                          1ULL << 31,
                                          UINT32_MAX,
                                          1ULL << 32,
                                          1ULL << 61,
                                          INT64_MAX,
                                          1ULL << 63,
                                          UINT64_MAX - 63,
                                          UINT64_MAX};
        switch (below(4)) {
            case 0: return before + 1;
            case 1: return before - 1;
            case 2: return before ^ (1ULL << below(64));
            default: return boundary[below(std::size(boundary))];
        }
    }

    double real() {
        using Limits = std::numeric_limits<double>;
        const double special[] = {0.0,
                                  -0.0,
                                  1.0,
                                  -1.0,
                                  0.5,
                                  1e-6,
                                  -1e-6,
                                  1e6,
                                  -1e6,
                                  1e100,
                                  -1e100,
                                  1e-100,
                                  Limits::max(),
                                  Limits::lowest(),
                                  Limits::min(),
                                  Limits::denorm_min(),
                                  Limits::infinity(),
                                  -Limits::infinity(),
                                  Limits::quiet_NaN()};
        return special[below(std::size(special))];
    }

    void write_integer(Bytes& bytes, std::size_t offset) {
        const std::size_t size = below(2) == 0 ? 4 : 8;
        if (offset + size > bytes.size()) {
            return;
        }
        if (size == 4) {
            put(bytes, offset, static_cast<std::uint32_t>(integer(get<std::uint32_t>(bytes, offset))));
        } else {
            put(bytes, offset, integer(get<std::uint64_t>(bytes, offset)));
        }
    }

    std::mt19937_64 random_;
};

/// Seven atoms of all types: ordinary distances, one pair far inside the table's end, one atom alone. Everybody is listed.
void evaluate_cluster(const std::shared_ptr<const dpc::Model>& model, dpc::Precision precision) {
    constexpr int n = 7;
    const double x[3 * n] = {0, 0, 0, 1.1, 0.2, 0, 0, 0, 1.4, 2.0, -1.0, 0.7, 2.0, -1.0, 0.71, -1.2, 0.9, 3.0, 90, 90, 90};
    int types[n], centre[n], count[n], neighbours[n][n - 1];
    const int* rows[n];
    for (int i = 0; i < n; ++i) {
        types[i] = i % (model->n_types() + 1) - 1;  // -1: an atom that is not part of the model
        centre[i] = i;
        count[i] = n - 1;
        rows[i] = neighbours[i];
        for (int k = 0; k < n - 1; ++k) {
            neighbours[i][k] = k < i ? k : k + 1;
        }
    }
    dpc::NeighbourRows list;
    list.n_centres = n;
    list.centre = centre;
    list.count = count;
    list.rows = rows;
    double forces[3 * n] = {}, atom_energy[n] = {}, atom_virial[9 * n] = {};
    dpc::Output output;
    output.forces = forces;
    output.atom_energy = atom_energy;
    output.atom_virial = atom_virial;
    dpc::Evaluator evaluator(model, 1, precision);
    evaluator.set_neighbours(n, types, list);
    evaluator.compute({x}, output);
}

/// A message without names and words with digits in them: one for each rule.
std::string rule_of(const std::string& message) {
    std::string rule, word;
    bool quoted = false;
    for (const char c : message + ' ') {
        quoted = c == '\'' ? !quoted : quoted;
        if (c != ' ') {
            if (!quoted) {
                word += c;
            }
            continue;
        }
        rule += std::any_of(word.begin(), word.end(), [](char w) { return w >= '0' && w <= '9'; }) ? "# " : word + ' ';
        word.clear();
    }
    return rule;
}

struct Tally {
    long n_accepted = 0, n_evaluated = 0;
    std::map<std::string, long> refusals;  // by rule
};

void try_mutant(const Bytes& bytes, bool must_be_refused, Tally& tally) {
    std::shared_ptr<const dpc::Model> model;
    try {
        model = dpc::Model::from_bytes(bytes.data(), bytes.size());
    } catch (const dpc::FormatError& error) {
        ++tally.refusals[rule_of(error.what())];
        return;
    } catch (const dpc::ModelError& error) {
        ++tally.refusals[rule_of(error.what())];
        return;
    }
    if (must_be_refused) {
        std::ofstream("accepted_mutant.bin", std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        std::fprintf(stderr, "a changed file was accepted without new checksums; see accepted_mutant.bin\n");
        std::exit(1);
    }
    ++tally.n_accepted;
    if (bytes.size() > kMostEvaluatedBytes) {
        return;
    }
    try {
        evaluate_cluster(model, dpc::Precision::float64);
        evaluate_cluster(model, dpc::Precision::mixed);
        ++tally.n_evaluated;
    } catch (const dpc::ModelError& error) {  // what the format has and this version does not evaluate
        ++tally.refusals[rule_of(error.what())];
    }
}

/// The small models with each of their sections last in turn: a step beyond that array is a step beyond the memory of the Model,
/// which the sanitizer sees.
std::vector<Bytes> small_models() {
    std::vector<Bytes> files;
    for (const TableBuilder& model : {small_model(), small_radial_model(), small_combined_model(), two_descriptors()}) {
        for (std::size_t k = 0; k < model.size(); ++k) {
            TableBuilder file = model;
            file.move_to_end(k);
            files.push_back(file.bytes());
        }
    }
    return files;
}

Bytes contents(const char* path) {
    const std::vector<unsigned char> bytes = dpc::read_file(path);
    evaluate_cluster(dpc::Model::from_bytes(bytes.data(), bytes.size()), dpc::Precision::float64);
    return bytes;
}

void run(long count, std::uint64_t seed, const std::vector<Bytes>& files) {
    Mutator mutator(seed);
    Tally tally;
    for (long k = 0; k < count; ++k) {
        const Bytes& original = files[mutator.below(files.size())];
        Bytes mutant = original;
        mutator.mutate(mutant);
        const bool repaired = mutator.below(3) > 0;
        if (repaired) {
            repair(mutant);
        }
        try_mutant(mutant, !repaired && mutant != original, tally);
    }
    for (const auto& [rule, n] : tally.refusals) {
        std::printf("%9ld  %s\n", n, rule.c_str());
    }
    std::printf("%ld mutants of %zu files, seed %llu: %zu different refusals, %ld accepted, %ld of them evaluated\n", count,
                files.size(), static_cast<unsigned long long>(seed), tally.refusals.size(), tally.n_accepted, tally.n_evaluated);
}

}  // namespace

int main(int argc, char** argv) {
    const long count = argc > 1 ? std::atol(argv[1]) : 0;
    if (count <= 0) {
        std::fprintf(stderr, "usage: fuzz_tables COUNT [SEED [FILE ...]]\n");
        return 2;
    }
    const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : kDefaultSeed;
    try {
        std::vector<Bytes> files = small_models();
        for (int k = 3; k < argc; ++k) {
            files.push_back(contents(argv[k]));
        }
        run(count, seed, files);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
