// SPDX-License-Identifier: MIT
// The hidden layers of a fitting net in mixed precision, forward and back, as one kernel on matrix units of half precision. Every number
// is the sum of two halves, a product three products of halves, summed in single precision: what is left out is 2^-22 of a product.
//
// A team of four warps has 32 atoms, and of a layer's result (atom, neuron) each of its threads has 64 sums in registers. The layer's
// input lies in shared memory as halves, scaled atom by atom to what halves hold well; it is followed by the layer's result.
// Weights are read by every team, in the order of registers. Slopes go through memory; the net's input is read, and its
// gradient written, up to 256 numbers at a time.
#pragma once

#include <memory>

#include "dpc/kokkos/launches.hpp"
#include "dpc/kokkos/loops.hpp"
#include "dpc/kokkos/scratch.hpp"
#include "dpc/kokkos/split_net.hpp"
#include "dpc/math/activation.hpp"

#if defined(__CUDACC__)
#define DPC_UNROLL _Pragma("unroll")  // what is in registers has no index at run time
#else
#define DPC_UNROLL
#endif

namespace dpc::kokkos {

constexpr int kAtomTiles = kNetAtoms / kUnitRows;  // chunks have whole multiples of kNetAtoms lanes (plan.hpp)
constexpr int kNetTeams = 2;                       // that fit a multiprocessor: 255 registers a thread

/// What the threads of a team share. A row of halves is 4 words longer than a multiple of 32 words: 8 rows of 4 words are in 32 banks.
struct NetShared {
    static constexpr int row = kNetColumns / 2 + 4;  // words of two halves
    std::uint32_t high[kNetAtoms][row], low[kNetAtoms][row];
    float largest[kNetWarps][kNetAtoms];
    double energy[kNetWarps][kNetAtoms];
};

/// One chunk.
struct NetPart {
    SplitNet net;
    TiledRows<float> input;                   // becomes its gradient
    TiledRows<float> slopes[kMostNetLayers];  // scratch; of the first layer it becomes dE/d(sum of a neuron)
    const float* energy_weight;               // of the last layer
    double energy_bias;
    double* energy;  // (n_atoms)
    int n_atoms;
    int n;  // teams
};

/// A thread of a team at its work. Team: int warp(), void barrier().
template <class Warp, class Team>
class NetThread {
public:
    KOKKOS_FUNCTION NetThread(const NetPart& part, int team_number, const Team& team, NetShared& shared)
        : part_(part),
          team_(team),
          shared_(shared),
          first_(team_number * kNetAtoms),
          group_(Warp::thread() / 4),
          quarter_(Warp::thread() % 4) {}

    KOKKOS_FUNCTION void evaluate() {
        const int last = part_.net.n_layers - 1;
        for (int l = 0; l <= last; ++l) {
            const SplitLayer& layer = part_.net.layers[l];
            clear();
            if (l == 0) {
                multiply_input(layer.weight);
            } else {
                multiply(layer.weight, 0, 0);
            }
            activate(layer, part_.slopes[l].data);
            if (l < last) {
                place_outputs(part_.net.layers[l + 1].weight);
            }
        }
        const int n_last = part_.net.layers[last].weight.n_out;
        sum_energy(n_last);
        set_to_weights(n_last);
        for (int l = last; l >= 0; --l) {
            const SplitMatrix& matrix = part_.net.layers[l].reverse_weight;
            place_gradients(matrix, part_.slopes[l].data);
            if (l == 0) {
                store_first_gradient(matrix.n_in, part_.slopes[0].data);
                multiply_to_features(matrix);
            } else {
                keep_skipped(part_.net.layers[l].has_skip, matrix);
                multiply(matrix, 0, 0);
                unscale(matrix, 0);
            }
        }
    }

private:
    // Of a tile a thread has the sums of the atoms group_ and group_ + 8 (half 0 and 1 of the tile) and of the neurons 2 quarter_ and
    // the next (side 0 and 1): 2 half + side is the number of the sum.
    static constexpr int kSums = 4;

    KOKKOS_FORCEINLINE_FUNCTION int atom_of(int m, int half) const { return kUnitRows * m + group_ + 8 * half; }

    /// body(neuron, j, side) for the neurons of this thread's sums; and for the atoms of these body(m, half, sum).
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void for_each_neuron(const Body& body) {
        const int first = team_.warp() * kUnitColumns + 2 * quarter_;
        DPC_UNROLL
        for (int j = 0; j < kWarpTiles; ++j) {
            DPC_UNROLL
            for (int side = 0; side < 2; ++side) {
                body(first + j * kNetWarps * kUnitColumns + side, j, side);
            }
        }
    }
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION void for_each_atom(int j, int side, const Body& body) {
        DPC_UNROLL
        for (int m = 0; m < kAtomTiles; ++m) {
            DPC_UNROLL
            for (int half = 0; half < 2; ++half) {
                body(m, half, sums_[m][j][2 * half + side]);
            }
        }
    }
    /// The same for a number that each atom has.
    template <class Body>
    KOKKOS_FORCEINLINE_FUNCTION static void for_each_half(const Body& body) {
        DPC_UNROLL
        for (int m = 0; m < kAtomTiles; ++m) {
            DPC_UNROLL
            for (int half = 0; half < 2; ++half) {
                body(m, half);
            }
        }
    }
    KOKKOS_FORCEINLINE_FUNCTION void clear() {
        for_each_neuron([&](int, int j, int side) { for_each_atom(j, side, [](int, int, float& sum) { sum = 0; }); });
    }
    /// Where rows (neuron, lane) have this thread's first atom. Chunks have no more than 65,536 lanes.
    template <class Number>
    KOKKOS_FORCEINLINE_FUNCTION Number* row_of(Number* rows, int neuron) const {
        return rows + (neuron * part_.input.lanes + first_ + group_);
    }

    /// sums += the halves in shared memory times the steps of a matrix from first_step on, for its tiles from first_tile on.
    KOKKOS_FUNCTION void multiply(const SplitMatrix& matrix, int first_step, int first_tile) {
        constexpr int most_steps = kNetColumns / kUnitDepth, most_tiles = kWarpTiles, words = 4;
        const int n_steps = Kokkos::min(most_steps, matrix.n_steps - first_step);
        const int n_tiles = Kokkos::min(most_tiles, (matrix.n_tiles - first_tile) / kNetWarps);
        for (int step = 0; step < n_steps; ++step) {
            std::uint32_t high[kAtomTiles][4], low[kAtomTiles][4];
            const int word = step * (kUnitDepth / 2) + quarter_;
            DPC_UNROLL
            for (int m = 0; m < kAtomTiles; ++m) {
                DPC_UNROLL
                for (int k = 0; k < 4; ++k) {
                    const int atom = kUnitRows * m + group_ + 8 * (k % 2), at = word + 4 * (k / 2);
                    high[m][k] = shared_.high[atom][at];
                    low[m][k] = shared_.low[atom][at];
                }
            }
            const int row = (first_step + step) * matrix.n_tiles + first_tile + team_.warp();
            const std::uint32_t* from = matrix.fragments + (row * kUnitThreads + Warp::thread()) * words;
            DPC_UNROLL
            for (int j = 0; j < kWarpTiles; ++j) {
                if (j < n_tiles) {
                    const auto weights = Few<std::uint32_t, words>::load(from + j * (kNetWarps * kUnitThreads * words));
                    const std::uint32_t of_high[2] = {weights.v[0], weights.v[1]}, of_low[2] = {weights.v[2], weights.v[3]};
                    DPC_UNROLL
                    for (int m = 0; m < kAtomTiles; ++m) {
                        float products[kSums] = {};  // units cut what they add to: let that be small
                        Warp::multiply_add(products, low[m], of_high);
                        Warp::multiply_add(products, high[m], of_low);
                        Warp::multiply_add(products, high[m], of_high);
                        DPC_UNROLL
                        for (int i = 0; i < kSums; ++i) {
                            sums_[m][j][i] += products[i];
                        }
                    }
                }
            }
        }
    }

    /// sums += the first layer's product with the net's input: here a thread has one atom, and every fourth pair of numbers.
    KOKKOS_FUNCTION void multiply_input(const SplitMatrix& matrix) {
        constexpr int most_columns = kNetColumns;
        const int atom = Warp::thread(), lanes = part_.input.lanes;
        const float* input = part_.input.data + first_ + atom;
        const auto scaled = [&](int k) {
            return k < matrix.n_in ? input[static_cast<std::int64_t>(k) * lanes] * matrix.in_scales[k] : 0.0F;
        };
        float largest = 0;
        for (int k = team_.warp(); k < matrix.n_in; k += kNetWarps) {
            largest = Kokkos::fmax(largest, Kokkos::fabs(scaled(k)));
        }
        shared_.largest[team_.warp()][atom] = largest;
        team_.barrier();
        const float scale = scale_in_shared(atom);
        take_scales();
        for (int first = 0; first < matrix.n_in; first += kNetColumns) {
            if (first > 0) {
                team_.barrier();  // all have read what was there
            }
            const int n = Kokkos::min(most_columns, matrix.n_steps * kUnitDepth - first);
            for (int pair = team_.warp(); pair < n / 2; pair += kNetWarps) {
                const SplitPair halves = split(scale * scaled(first + 2 * pair), scale * scaled(first + 2 * pair + 1));
                shared_.high[atom][pair] = halves.high;
                shared_.low[atom][pair] = halves.low;
            }
            team_.barrier();
            multiply(matrix, first / kUnitDepth, 0);
        }
    }

    KOKKOS_FORCEINLINE_FUNCTION float scale_in_shared(int atom) const {
        float largest = 0;
        DPC_UNROLL
        for (int warp = 0; warp < kNetWarps; ++warp) {
            largest = Kokkos::fmax(largest, shared_.largest[warp][atom]);
        }
        return scale_of(largest);
    }
    /// Of the atoms of this thread's sums.
    KOKKOS_FORCEINLINE_FUNCTION void take_scales() {
        for_each_half([&](int m, int half) { scales_[m][half] = scale_in_shared(atom_of(m, half)); });
    }
    /// Of the product with the tiles of a matrix from first_tile on.
    KOKKOS_FORCEINLINE_FUNCTION void unscale(const SplitMatrix& matrix, int first_tile) {
        const float* scales = matrix.out_scales + first_tile * kUnitColumns;
        const int n = matrix.n_tiles * kUnitColumns - first_tile * kUnitColumns;
        for_each_neuron([&](int neuron, int j, int side) {
            const float of_neuron = neuron < n ? scales[neuron] : 0.0F;
            for_each_atom(j, side, [&](int m, int half, float& sum) { sum *= inverse_of_power(scales_[m][half]) * of_neuron; });
        });
    }

    /// Sums become the layer's outputs. Its input is still in shared memory.
    KOKKOS_FUNCTION void activate(const SplitLayer& layer, float* slopes) {
        const SplitMatrix& matrix = layer.weight;
        unscale(matrix, 0);
        for_each_neuron([&](int neuron, int j, int side) {
            const bool is_there = neuron < matrix.n_out;
            const float bias = is_there ? layer.bias[neuron] : 0.0F;
            const float scale = is_there && layer.idt != nullptr ? layer.idt[neuron] : 1.0F;
            const float unscaled = is_there && layer.has_skip ? inverse_of_power(matrix.in_scales[neuron]) : 0.0F;
            float* slope = row_of(slopes, neuron);
            for_each_atom(j, side, [&](int m, int half, float& sum) {
                const auto f = math::activation<Activation::tanh>(One<float>(sum + bias), 0.0);
                sum = f.value.v * scale;
                if (layer.has_skip) {
                    const int atom = atom_of(m, half), word = neuron / 2;
                    const TwoNumbers skipped = SplitPair{shared_.high[atom][word], shared_.low[atom][word]}.values();
                    sum += (side == 0 ? skipped.first : skipped.second) * (inverse_of_power(scales_[m][half]) * unscaled);
                }
                if (is_there) {
                    slope[kUnitRows * m + 8 * half] = f.slope.v * scale;
                }
            });
        });
    }

    KOKKOS_FORCEINLINE_FUNCTION void place_outputs(const SplitMatrix& matrix) {
        place(matrix, [&](int, int, int, float value) { return value; });
    }
    /// dE/d(sums of the neurons) of what the sums are, dE/d(output).
    KOKKOS_FORCEINLINE_FUNCTION void place_gradients(const SplitMatrix& matrix, const float* slopes) {
        place(matrix,
              [&](int neuron, int m, int half, float value) { return value * row_of(slopes, neuron)[kUnitRows * m + 8 * half]; });
    }

    /// value(neuron, m, half, sum) of all sums to shared memory, as the input of a matrix.
    template <class Value>
    KOKKOS_FORCEINLINE_FUNCTION void place(const SplitMatrix& matrix, const Value& value) {
        float largest[kAtomTiles][2] = {};
        for_each_neuron([&](int neuron, int j, int side) {
            if (neuron < matrix.n_in) {
                const float scale = matrix.in_scales[neuron];
                for_each_atom(j, side, [&](int m, int half, float& sum) {
                    largest[m][half] = Kokkos::fmax(largest[m][half], Kokkos::fabs(scale * value(neuron, m, half, sum)));
                });
            }
        });
        for_each_half([&](int m, int half) {
            float most = largest[m][half];
            most = Kokkos::fmax(most, Warp::exchange(most, 1));
            most = Kokkos::fmax(most, Warp::exchange(most, 2));
            if (quarter_ == 0) {
                shared_.largest[team_.warp()][atom_of(m, half)] = most;
            }
        });
        team_.barrier();  // all have read what was there
        take_scales();
        float firsts[kAtomTiles][2];
        for_each_neuron([&](int neuron, int j, int side) {
            const bool is_there = neuron < matrix.n_in;
            const float scale = is_there ? matrix.in_scales[neuron] : 0.0F;
            for_each_atom(j, side, [&](int m, int half, float& sum) {
                const float scaled = is_there ? scale * scales_[m][half] * value(neuron, m, half, sum) : 0.0F;
                if (side == 0) {
                    firsts[m][half] = scaled;
                } else {
                    const SplitPair halves = split(firsts[m][half], scaled);
                    shared_.high[atom_of(m, half)][neuron / 2] = halves.high;
                    shared_.low[atom_of(m, half)][neuron / 2] = halves.low;
                }
            });
        });
        team_.barrier();
    }

    KOKKOS_FUNCTION void sum_energy(int n_neurons) {
        double partial[kAtomTiles][2] = {};
        for_each_neuron([&](int neuron, int j, int side) {
            const double weight = neuron < n_neurons ? static_cast<double>(part_.energy_weight[neuron]) : 0.0;
            for_each_atom(j, side, [&](int m, int half, float& sum) { partial[m][half] += weight * static_cast<double>(sum); });
        });
        for_each_half([&](int m, int half) {
            double sum = partial[m][half];
            sum += Warp::exchange(sum, 1);
            sum += Warp::exchange(sum, 2);
            if (quarter_ == 0) {
                shared_.energy[team_.warp()][atom_of(m, half)] = sum;
            }
        });
        team_.barrier();
        const int atom = Warp::thread();
        if (team_.warp() == 0 && first_ + atom < part_.n_atoms) {
            double energy = part_.energy_bias;
            for (int warp = 0; warp < kNetWarps; ++warp) {
                energy += shared_.energy[warp][atom];
            }
            part_.energy[first_ + atom] = energy;
        }
    }

    /// Sums become dE/d(output of the last hidden layer).
    KOKKOS_FORCEINLINE_FUNCTION void set_to_weights(int n_neurons) {
        for_each_neuron([&](int neuron, int j, int side) {
            const float weight = neuron < n_neurons ? part_.energy_weight[neuron] : 0.0F;
            for_each_atom(j, side, [&](int, int, float& sum) { sum = weight; });
        });
    }

    /// What goes past a layer is what the sums of its product begin with, scaled like these.
    KOKKOS_FORCEINLINE_FUNCTION void keep_skipped(bool has_skip, const SplitMatrix& matrix) {
        for_each_neuron([&](int neuron, int j, int side) {
            const float of_neuron = has_skip && neuron < matrix.n_out ? inverse_of_power(matrix.out_scales[neuron]) : 0.0F;
            for_each_atom(j, side, [&](int m, int half, float& sum) { sum *= scales_[m][half] * of_neuron; });
        });
    }

    KOKKOS_FORCEINLINE_FUNCTION void store_first_gradient(int n_neurons, float* slopes) {
        for_each_neuron([&](int neuron, int j, int side) {
            if (neuron < n_neurons) {
                for_each_atom(j, side,
                              [&](int m, int half, float& sum) { row_of(slopes, neuron)[kUnitRows * m + 8 * half] *= sum; });
            }
        });
    }

    KOKKOS_FUNCTION void multiply_to_features(const SplitMatrix& matrix) {
        for (int first = 0; first < matrix.n_out; first += kNetColumns) {
            clear();
            multiply(matrix, 0, first / kUnitColumns);
            unscale(matrix, first / kUnitColumns);
            float* input = part_.input.data + static_cast<std::int64_t>(first) * part_.input.lanes;
            for_each_neuron([&](int neuron, int j, int side) {
                if (first + neuron < matrix.n_out) {
                    float* row = row_of(input, neuron);
                    for_each_atom(j, side, [&](int m, int half, float& sum) { row[kUnitRows * m + 8 * half] = sum; });
                }
            });
        }
    }

    const NetPart& part_;
    const Team& team_;
    NetShared& shared_;
    int first_, group_, quarter_;
    float sums_[kAtomTiles][kWarpTiles][kSums];
    float scales_[kAtomTiles][2];  // of the atoms of the sums: what is in shared memory has been multiplied by these
};

/// A team of Kokkos whose rows of threads are warps.
template <class Member>
struct TeamOfWarps {
    const Member& member;
    KOKKOS_FORCEINLINE_FUNCTION int warp() const { return member.team_rank(); }
    KOKKOS_FORCEINLINE_FUNCTION void barrier() const { member.team_barrier(); }
};

template <class Warp>
struct FusedNet {
    Together<NetPart> chunks;

    template <class Member, class = std::enable_if_t<!std::is_integral_v<Member>>>
    KOKKOS_FUNCTION void operator()(const Member& member) const {
        auto* shared = static_cast<NetShared*>(member.team_scratch(0).get_shmem_aligned(sizeof(NetShared), alignof(double)));
        evaluate(member.league_rank(), TeamOfWarps<Member>{member}, *shared);
    }
#if defined(DPC_KOKKOS_LIKE_GPU)
    void operator()(int k) const {
        const auto shared = std::make_unique<NetShared>();
        Warp::run_team(kNetWarps, [&] { evaluate(k, typename Warp::Team{}, *shared); });
    }
#endif
    template <class Team>
    KOKKOS_FORCEINLINE_FUNCTION void evaluate(int k, const Team& team, NetShared& shared) const {
        const NetPart& part = chunks.part_of(k);
        NetThread<Warp, Team>(part, k, team, shared).evaluate();
    }
};

template <class ExecSpace>
struct FusedNetLaunch {
    Together<NetPart> chunks;

    bool join(const FusedNetLaunch& other) { return chunks.join(other.chunks); }
    void run(const ExecSpace& space) const {
        using Net = FusedNet<Warp<ExecSpace>>;
        const Net net{chunks};
#if defined(DPC_KOKKOS_LIKE_GPU)
        Kokkos::parallel_for("dpc::fused_net", Kokkos::RangePolicy<ExecSpace>(space, 0, chunks.n()), net);
#else
        using Policy = Kokkos::TeamPolicy<ExecSpace, Kokkos::LaunchBounds<kNetWarps * kUnitThreads, kNetTeams>>;
        Policy policy(space, chunks.n(), kNetWarps, kUnitThreads);
        policy.set_scratch_size(0, Kokkos::PerTeam(sizeof(NetShared) + alignof(double)));
        Kokkos::parallel_for("dpc::fused_net", light<Net>(policy), net);
#endif
    }
};

}  // namespace dpc::kokkos
