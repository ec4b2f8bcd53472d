// SPDX-License-Identifier: MIT
// The evaluator in any Kokkos execution space: energies, forces and virials from positions, types and a full neighbour list that are
// already there. The same steps as the host evaluator (docs/kokkos.md), chunk by chunk; once more, with all columns and products, for
// the close centres of a step that has any.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dpc/kokkos/centres.hpp"
#include "dpc/kokkos/device_statistics.hpp"
#include "dpc/kokkos/fitting_net.hpp"
#include "dpc/kokkos/gather_pairs.hpp"
#include "dpc/kokkos/plan.hpp"
#include "dpc/kokkos/step_graph.hpp"
#include "dpc/kokkos/sums.hpp"
#include "dpc/kokkos/switches.hpp"

namespace dpc::kokkos {

/// Real double: everything in double. float: mixed precision as on the host. One evaluator, one caller at a time.
template <class ExecSpace, class Real>
class Evaluator {
public:
    using Memory = typename ExecSpace::memory_space;
    using TypesView = Kokkos::View<const int*, Memory>;

    /// scratch_bytes bounds the scratch arrays as far as that is possible, 0: a default (plan.hpp).
    explicit Evaluator(std::shared_ptr<const Model> model, ExecSpace space = {}, std::size_t scratch_bytes = 0,
                       Neighbours neighbours = Neighbours::trained)
        : space_(space),
          rule_(rule_for(*model, neighbours)),
          packed_(std::move(model), Evaluated::by_kokkos),
          model_(*packed_.model, packed_.ordinary, space_),
          product_(space_),
          scratch_bytes_(scratch_bytes) {
        if (&packed_.close() != &packed_.ordinary) {
            close_model_ = std::make_unique<DeviceModel<ExecSpace, Real>>(*packed_.model, packed_.close(), space_, &model_);
        }
    }

    /// Take a new neighbour list: once per rebuild, not per step. List: a small copyable struct with int n_centres and, on the device,
    /// int centre(int c), int count(int i), int neighbour(int i, int k), long long tag(int i): i and the neighbours are atom indices, the
    /// tag as in NeighbourRows. types: (n_all) model types, < 0: not part of the model; this and what the list points to must stay until
    /// the next call.
    /// Throws InputError where an index or a type is out of range.
    template <class List>
    void set_neighbours(int n_all, const TypesView& types, const List& list) {
        n_all_ = -1;
        graphs_.forget();
        forget_refused_launches<ExecSpace>();
        centres_.build(space_, model_, packed_.model->has_energy, n_all, types, list, kSlotPadding);
        types_ = types;
        plan_ = make_plan(space_, model_, centres_, scratch_bytes_, scratch_.bytes());
        scratch_.reserve(space_, model_, plan_.together, plan_.most_lanes, plan_.most_slots, scratch_bytes_ > 0);
        grow(energies_, space_, "dpc::energies", static_cast<std::size_t>(centres_.n_centres()));
        grow(chunk_sums_, space_, "dpc::chunk_sums", plan_.chunks.size());
        if (close_model_) {
            grow(is_close_, space_, "dpc::is_close", static_cast<std::size_t>(centres_.n_centres()));
            Kokkos::deep_copy(space_, is_close_, char(0));  // of types that take all it stays so
        }
        check_launches<ExecSpace>();
        n_all_ = n_all;
    }

    /// For the next compute, of models that take parameters: as in dpc::Inputs, on the host.
    void set_parameters(const Span& fparam, const Span& aparam) {
        if (packed_.model->n_parameters() == 0) {
            return;
        }
        packed_.set_parameters(fparam, aparam);
        model_.update_biases(packed_.ordinary);
        if (close_model_) {
            close_model_->update_biases(packed_.close());
        }
        grow(aparam_, space_, "dpc::aparam", aparam.n);
        const Kokkos::View<const double*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged> from(aparam.values, aparam.n);
        Kokkos::deep_copy(space_, Kokkos::subview(aparam_, std::make_pair(std::size_t(0), aparam.n)), from);
        space_.fence("dpc: the caller's parameters may go");
    }

    /// Evaluate all centres of the list of the last set_neighbours. x: (n_all, 3), x(i, c) on the device. Throws InputError for positions
    /// that are not finite and for two atoms in the same place, naming the atom indices; output is then void. fparam_gradient: as in
    /// dpc::Output, on the host. factors: (n_all), on the device, of the energies of centres; those of factor 0 are left out, null: all are 1;
    /// not together with a gradient.
    template <class List, class Positions, class Output>
    Totals compute(const Positions& x, const List& list, const Units& units, const Output& output,
                   double* fparam_gradient = nullptr, const double* factors = nullptr, const Measures& measures = {}) {
        if (n_all_ < 0) {
            throw InputError("compute was called before set_neighbours");
        }
        forget_refused_launches<ExecSpace>();
        watch_ = StageWatch(measures.times);
        measures_neighbours_ = measures.statistics != nullptr;
        if (measures_neighbours_) {
            statistics_.start(space_, model_.n_types);
        }
        if (fparam_gradient != nullptr) {
            grow(first_layer_, space_, "dpc::first_layer", static_cast<std::size_t>(model_.n_types) * first_layer_stride());
            Kokkos::deep_copy(space_, first_layer_, 0.0);
        }
        factors_ = factors;
        const Pass pass{model_, centres_, plan_, is_close_.data(), fparam_gradient != nullptr ? first_layer_.data() : nullptr};
        graphs_.start(can_be_kept(pass) ? std::make_optional(arguments_of(x, units, output)) : std::nullopt, count_groups(pass));
        evaluate(pass, x, list, units, output);
        const StepSums sums = collect(pass, x, units, output);
        graphs_.end();
        check(sums);
        overflow_ = sums.chunks.overflow;
        Totals totals;
        add(sums, totals);
        if (measures_neighbours_) {
            statistics_.add_to(space_, *measures.statistics);
            measures_neighbours_ = false;  // close centres were counted
        }
        if (sums.chunks.n_close > 0) {
            evaluate_close(pass, x, list, units, output, totals);
        }
        if (fparam_gradient != nullptr) {
            add_fparam_gradient(units, fparam_gradient);
        }
        return totals;
    }

    const Overflow& overflow() const { return overflow_; }

    std::string describe() const {
        return std::string(std::is_same_v<Real, double> ? "double" : "mixed") + " precision, Kokkos " + ExecSpace::name() + ", " +
               (is_gpu<ExecSpace>
                    ? std::string(MatrixProduct<ExecSpace, Real>::name()) + (model_.has_fused_net() ? ", fused net" : "") +
                          (keeps_graphs_ ? ", graphs" : "")
                    : std::to_string(count_workers(space_)) + (count_workers(space_) == 1 ? " thread" : " threads"));
    }

    /// Memory of the model, on the host and on the device, of centres and scratch.
    std::size_t memory_bytes() const {
        return packed_.bytes() + model_.bytes() + (close_model_ ? sizeof(*close_model_) + close_model_->bytes() : 0) +
               centres_.bytes() + close_centres_.bytes() + is_close_.size() + scratch_.bytes() + 2 * sizeof(StepSums) +
               (aparam_.size() + first_layer_.size() + energies_.size() + worker_forces_.size() + worker_virials_.size()) *
                   sizeof(double) +
               chunk_sums_.size() * sizeof(ChunkSums) + statistics_.bytes() + product_.bytes();
    }

    const ExecSpace& space() const { return space_; }

private:
    using Range = Kokkos::RangePolicy<ExecSpace>;

    /// What is evaluated at a time.
    struct Pass {
        const DeviceModel<ExecSpace, Real>& model;
        const Centres<ExecSpace>& centres;
        const Plan& plan;
        char* is_close;                 // (n_centres) set, and left out; null: all contribute
        double* first_layer = nullptr;  // first_layer_, null: not wanted
    };

    std::size_t first_layer_stride() const { return static_cast<std::size_t>(std::max(1, packed_.close().most_neurons)); }
    void add_fparam_gradient(const Units& units, double* gradient) const;

    template <class Output>
    WorkerSums clear_worker_sums(const Output& output);
    Chunk chunk_of(const Pass& pass, std::size_t c, const ScratchArrays<Real>& arrays) const;
    std::size_t together(const Pass& pass) const;
    /// Of chunks that are evaluated at once.
    std::size_t count_groups(const Pass& pass) const { return (pass.plan.chunks.size() + together(pass) - 1) / together(pass); }
    bool is_measured(const Pass& pass) const { return watch_.is_on() || measures_neighbours_ || pass.first_layer != nullptr; }
    bool can_be_kept(const Pass& pass) const;
    template <class Positions, class Output>
    StepArguments arguments_of(const Positions& x, const Units& units, const Output& output) const;
    template <class List, class Positions, class Output>
    void evaluate(const Pass& pass, const Positions& x, const List& list, const Units& units, const Output& output);
    template <class List, class Positions, class Output>
    void evaluate_chunk(Launches<ExecSpace>& launches, const Pass& pass, const Chunk& chunk, const ScratchArrays<Real>& arrays,
                        const Positions& x, const List& list, const Units& units, const Output& output,
                        const WorkerSums& workers);
    /// call(kind, steps, features) for the descriptors of a type in their order; features: from the descriptor's first on.
    template <class Call>
    void for_each_descriptor(Launches<ExecSpace>& launches, const DeviceType<Real>& type, const Chunk& chunk,
                             const ScratchArrays<Real>& arrays, const Call& call);
    template <class List, class Positions, class Output>
    void evaluate_close(const Pass& ordinary, const Positions& x, const List& list, const Units& units, const Output& output,
                        Totals& totals);
    template <class Positions, class Output>
    StepSums collect(const Pass& pass, const Positions& x, const Units& units, const Output& output);
    void charge(double StageTimes::* stage);
    template <class List, class Positions>
    void gather_pairs(Launches<ExecSpace>& launches, const Chunk& chunk, const KeepRule& keep, const CutoffSlots& cutoffs,
                      const Positions& x, const List& list, const Units& units, bool keeps_nearest);
    static void check(const StepSums& sums);
    static void add(const StepSums& sums, Totals& totals);

    ExecSpace space_;
    NeighbourRule rule_;
    PackedModel<Real> packed_;
    DeviceModel<ExecSpace, Real> model_;
    std::unique_ptr<DeviceModel<ExecSpace, Real>> close_model_;  // null: ordinary centres take all
    MatrixProduct<ExecSpace, Real> product_;
    std::size_t scratch_bytes_;
    int n_all_ = -1;
    const double* factors_ = nullptr;  // of the present call
    TypesView types_;
    Centres<ExecSpace> centres_, close_centres_;
    Plan plan_;
    Kokkos::View<char*, Memory> is_close_;
    Scratch<ExecSpace, Real> scratch_;
    // With parameters the biases of first layers, which are arguments of kernels, are others in each step.
    bool keeps_graphs_ = wants_graphs() && StepGraphs<ExecSpace>::Graph::is_there && packed_.model->n_parameters() == 0;
    StepGraphs<ExecSpace> graphs_;
    Kokkos::View<double*, Memory> aparam_;       // (n_all, n_aparam)
    Kokkos::View<double*, Memory> first_layer_;  // (types, first_layer_stride) sums over atoms of dE/d(sum of a neuron)
    Kokkos::View<double*, Memory> energies_, worker_forces_, worker_virials_;  // energies of all centres, by type
    Kokkos::View<ChunkSums*, Memory> chunk_sums_;
    Kokkos::View<StepSums, Memory> step_sums_{"dpc::step_sums"};
    Kokkos::View<StepSums, PinnedSpace<ExecSpace>> host_sums_{"host: step_sums"};
    Overflow overflow_;
    StageWatch watch_;  // of the step
    bool measures_neighbours_ = false;
    DeviceStatistics<ExecSpace> statistics_;
};

/// Kernels run on while the host is ahead: only a stage that is timed is waited for.
template <class ExecSpace, class Real>
void Evaluator<ExecSpace, Real>::charge(double StageTimes::* stage) {
    if (watch_.is_on()) {
        space_.fence("dpc: the time of a stage");
        watch_.charge(stage);
    }
}

template <class ExecSpace, class Real>
template <class Output>
WorkerSums Evaluator<ExecSpace, Real>::clear_worker_sums(const Output& output) {
    WorkerSums workers;
    const auto others = static_cast<std::size_t>(count_workers(space_) - 1), n_all = static_cast<std::size_t>(n_all_);
    if (others == 0) {
        return workers;
    }
    grow(worker_forces_, space_, "dpc::worker_forces", others * 3 * n_all);
    Kokkos::deep_copy(space_, worker_forces_, 0.0);
    workers.forces = worker_forces_.data();
    workers.n_all = n_all_;
    if (output.atom_virial.data() != nullptr) {
        grow(worker_virials_, space_, "dpc::worker_virials", others * 9 * n_all);
        Kokkos::deep_copy(space_, worker_virials_, 0.0);
        workers.atom_virial = worker_virials_.data();
    }
    return workers;
}

template <class ExecSpace, class Real>
Chunk Evaluator<ExecSpace, Real>::chunk_of(const Pass& pass, std::size_t c, const ScratchArrays<Real>& arrays) const {
    const PlannedChunk& planned = pass.plan.chunks[c];
    const DeviceType<Real>& type = pass.model.types[static_cast<std::size_t>(planned.type)];
    Chunk chunk;
    arrays.attach(chunk);
    chunk.type = planned.type;
    chunk.tiles = planned.tiles;
    chunk.n_types = pass.model.n_types;
    chunk.rcut2 = type.rcut2;
    chunk.centres = pass.centres.centres() + planned.first_centre;
    chunk.slots = pass.centres.slots() + planned.first_centre;
    chunk.limits = type.limits;
    chunk.is_close = pass.is_close != nullptr && !type.takes_all ? pass.is_close + planned.first_centre : nullptr;
    chunk.energy = energies_.data() + planned.first_centre;
    chunk.factors = factors_;
    chunk.keeps_own = type.slots.n > 0 && rule_ != NeighbourRule::all;
    return chunk;
}

/// Chunks that are evaluated at once; what is measured is measured of one after the other.
template <class ExecSpace, class Real>
std::size_t Evaluator<ExecSpace, Real>::together(const Pass& pass) const {
    return is_measured(pass) ? 1 : static_cast<std::size_t>(pass.plan.together);
}

/// Whether the launches of the list's chunks are kept: of small systems, whose steps differ in what arguments_of says alone.
template <class ExecSpace, class Real>
bool Evaluator<ExecSpace, Real>::can_be_kept(const Pass& pass) const {
    return keeps_graphs_ && !is_measured(pass) && pass.centres.n_centres() <= kFewGpuAtoms &&
           StepGraphs<ExecSpace>::Graph::can_capture();
}

/// Atomic energies are written outside of what is kept.
template <class ExecSpace, class Real>
template <class Positions, class Output>
StepArguments Evaluator<ExecSpace, Real>::arguments_of(const Positions& x, const Units& units, const Output& output) const {
    StepArguments all;
    all.add(x).add(output.forces).add(output.atom_virial).add(factors_).add(scratch_.data()).add(units.length).add(units.energy);
    return all;
}

/// All chunks, and the forces of all workers.
template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
void Evaluator<ExecSpace, Real>::evaluate(const Pass& pass, const Positions& x, const List& list, const Units& units,
                                          const Output& output) {
    const WorkerSums workers = clear_worker_sums(output);
    const std::size_t n_chunks = pass.plan.chunks.size(), at_once = together(pass);
    for (std::size_t first = 0; first < n_chunks; first += at_once) {
        Launches<ExecSpace> launches(space_);
        std::optional<CollectSums> collect;
        for (std::size_t c = first; c < std::min(first + at_once, n_chunks); ++c) {
            const ScratchArrays<Real>& arrays = scratch_.of_chunk(c - first);
            const Chunk chunk = chunk_of(pass, c, arrays);
            if (at_once > 1 || graphs_.keeps_launches()) {
                launches.keep_chunk();
            }
            if (graphs_.wants_launches()) {
                evaluate_chunk(launches, pass, chunk, arrays, x, list, units, output, workers);
            }
            const CollectSums of_chunk(CollectChunk{chunk, pass.model.types[static_cast<std::size_t>(chunk.type)].slots});
            if (collect) {
                collect->join(of_chunk);
            } else {
                collect.emplace(of_chunk);
            }
        }
        graphs_.run(space_, launches);
        const Kokkos::View<ChunkSums, Memory, Kokkos::MemoryUnmanaged> sums(chunk_sums_.data() + first / at_once);
        Kokkos::parallel_reduce("dpc::collect_chunks", light<CollectSums>(Range(space_, 0, collect->n())), *collect, sums);
        charge(&StageTimes::forces);
    }
    if (workers.forces != nullptr) {
        Kokkos::parallel_for("dpc::add_worker_sums", Range(space_, 0, n_all_),
                             AddWorkerSums<Output>{output, workers, count_workers(space_)});
    }
}

template <class ExecSpace, class Real>
template <class List, class Positions>
void Evaluator<ExecSpace, Real>::gather_pairs(Launches<ExecSpace>& launches, const Chunk& chunk, const KeepRule& keep,
                                              const CutoffSlots& cutoffs, const Positions& x, const List& list,
                                              const Units& units, bool keeps_nearest) {
    if (!keeps_nearest) {
        const GatherPairs<false, List, Positions, TypesView> gather{chunk, list, x, types_, units.length, keep, cutoffs};
        for_each_segment("dpc::gather_pairs", launches, chunk.tiles, 1, gather);
    } else {
        const GatherPairs<true, List, Positions, TypesView> gather{chunk, list, x, types_, units.length, keep, cutoffs};
        for_each_segment<kFewestTeams / 2>("dpc::gather_pairs", launches, chunk.tiles, 1, gather);
    }
}

/// One chunk: the steps of docs/kokkos.md in order, forward then reverse.
template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
void Evaluator<ExecSpace, Real>::evaluate_chunk(Launches<ExecSpace>& launches, const Pass& pass, const Chunk& chunk,
                                                const ScratchArrays<Real>& arrays, const Positions& x, const List& list,
                                                const Units& units, const Output& output, const WorkerSums& workers) {
    const DeviceType<Real>& type = pass.model.types[static_cast<std::size_t>(chunk.type)];
    const KeepRule keep{counts_all_types(rule_), pass.model.n_slots};
    const CutoffSlots cutoffs = type.slots;
    watch_.start();
    const bool has_several = cutoffs.n > 0, keeps_nearest = rule_ != NeighbourRule::all;
    if (measures_neighbours_) {
        Chunk of_all_centres = chunk;  // also those that are left out
        of_all_centres.factors = nullptr;
        gather_pairs(launches, of_all_centres, keep, cutoffs, x, list, units, keeps_nearest && !has_several);
        statistics_.measure(space_, chunk, has_several);
    }
    if (!measures_neighbours_ || factors_ != nullptr || (keeps_nearest && has_several)) {
        gather_pairs(launches, chunk, keep, cutoffs, x, list, units, keeps_nearest);
    }
    charge(&StageTimes::pairs);
    for_each_descriptor(launches, type, chunk, arrays,
                        [](auto kind, const auto& steps, const auto& own) { kind.compute(steps, own); });
    const int n_aparam = packed_.model->n_aparam;
    if (n_aparam > 0) {
        const TiledRows<Real> features = arrays.features(type.n_features, chunk.tiles.lanes);
        for_each_row("dpc::place_parameters", launches, chunk.tiles, n_aparam,
                     PlaceParameters<Real>{features.from(type.n_features - n_aparam), chunk.centres, aparam_.data(), n_aparam,
                                           chunk.tiles.n_atoms});
    }
    charge(&StageTimes::descriptor);
    FittingNet<ExecSpace, Real> net(launches, type, arrays, chunk, product_);
    net.evaluate();
    if (pass.first_layer != nullptr) {
        net.add_first_layer_gradient(pass.first_layer + static_cast<std::size_t>(chunk.type) * first_layer_stride());
    }
    charge(&StageTimes::fitting_net);
    const ForceSums<Output> forces{output, workers, units.length, units.energy};
    for_each_descriptor(launches, type, chunk, arrays,
                        [&](auto kind, const auto& steps, const auto& own) { kind.reverse(steps, own, forces); });
}

template <class ExecSpace, class Real>
template <class Call>
void Evaluator<ExecSpace, Real>::for_each_descriptor(Launches<ExecSpace>& launches, const DeviceType<Real>& type,
                                                     const Chunk& chunk, const ScratchArrays<Real>& arrays, const Call& call) {
    const TiledRows<Real> features = arrays.features(type.n_features, chunk.tiles.lanes);
    int first = 0;
    for (const DeviceDescriptor<Real>& descriptor : type.descriptors) {
        const DescriptorSteps<ExecSpace, Real> steps(launches, chunk, descriptor, arrays.descriptor(descriptor.index), product_);
        with_kind<ExecSpace, Real>(descriptor, [&](auto kind) { call(kind, steps, features.from(first)); });
        first += descriptor.n_features;
    }
}

/// Frame parameters are added to the sums of the first layers' neurons.
template <class ExecSpace, class Real>
void Evaluator<ExecSpace, Real>::add_fparam_gradient(const Units& units, double* gradient) const {
    const Model& model = *packed_.model;
    const auto sums = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), first_layer_);
    for (int a = 0; a < model.n_types(); ++a) {
        if (!model.has_energy[static_cast<std::size_t>(a)]) {
            continue;
        }
        const double* weight = model.parameter_weights(a);
        const int n_out = model.fittings[static_cast<std::size_t>(a)].layers.front().n_out;
        for (int k = 0; k < model.n_fparam; ++k) {
            for (int neuron = 0; neuron < n_out; ++neuron, ++weight) {
                gradient[k] += units.energy * *weight *
                               sums(static_cast<std::size_t>(a) * first_layer_stride() + static_cast<std::size_t>(neuron));
            }
        }
    }
}

/// The close centres of a step, with all columns and products, in chunks that fit the scratch arrays that are there.
template <class ExecSpace, class Real>
template <class List, class Positions, class Output>
void Evaluator<ExecSpace, Real>::evaluate_close(const Pass& ordinary, const Positions& x, const List& list, const Units& units,
                                                const Output& output, Totals& totals) {
    const int n_all = std::exchange(n_all_, -1);  // should memory fail, the list is void
    close_centres_.build_marked(space_, centres_, is_close_.data(), list, kSlotPadding);
    const Plan plan = make_plan(space_, *close_model_, close_centres_, scratch_.bytes(), 0);
    scratch_.reserve(space_, *close_model_, plan.together, plan.most_lanes, plan.most_slots, scratch_bytes_ > 0);
    grow(chunk_sums_, space_, "dpc::chunk_sums", plan.chunks.size());
    n_all_ = n_all;
    const auto arrays_of_next_step = [&] {
        n_all_ = -1;
        scratch_.reserve(space_, model_, plan_.together, plan_.most_lanes, plan_.most_slots, scratch_bytes_ > 0);
        n_all_ = n_all;
    };
    const Pass pass{*close_model_, close_centres_, plan, nullptr, ordinary.first_layer};
    try {
        evaluate(pass, x, list, units, output);
        add(collect(pass, x, units, output), totals);
    } catch (...) {
        arrays_of_next_step();
        throw;
    }
    arrays_of_next_step();
}

/// The sums of all chunks, one copy to the host.
template <class ExecSpace, class Real>
template <class Positions, class Output>
StepSums Evaluator<ExecSpace, Real>::collect(const Pass& pass, const Positions& x, const Units& units, const Output& output) {
    StepSums* device = step_sums_.data();
    const auto at = [](auto* member) {
        return Kokkos::View<std::remove_pointer_t<decltype(member)>, Memory, Kokkos::MemoryUnmanaged>(member);
    };
    Kokkos::parallel_reduce(
        "dpc::sum_energies", Range(space_, 0, pass.centres.n_centres()),
        SumCentreEnergies<Output>{energies_.data(), pass.centres.centres(), pass.is_close, output, units.energy, factors_},
        at(&device->energy));
    Kokkos::parallel_reduce("dpc::add_chunks", Range(space_, 0, static_cast<int>(count_groups(pass))),
                            CollectChunks{chunk_sums_.data()}, at(&device->chunks));
    Kokkos::parallel_reduce("dpc::find_not_finite", Range(space_, 0, n_all_), FindNotFinite<Positions>{x},
                            Kokkos::Min<int, Memory>(at(&device->not_finite)));
    Kokkos::deep_copy(space_, host_sums_, step_sums_);
    space_.fence("dpc: sums of a step");
    check_launches<ExecSpace>();
    return host_sums_();
}

/// What is wrong with the input.
template <class ExecSpace, class Real>
void Evaluator<ExecSpace, Real>::check(const StepSums& sums) {
    if (sums.not_finite != kNone) {
        throw InputError("the position of the atom with index " + std::to_string(sums.not_finite) + " is not a finite number",
                         sums.not_finite);
    }
    const int* pair = sums.chunks.coincident;
    if (pair[0] >= 0) {
        throw InputError(
            "the atoms with indices " + std::to_string(pair[0]) + " and " + std::to_string(pair[1]) + " are in the same place",
            pair[0], pair[1]);
    }
}

template <class ExecSpace, class Real>
void Evaluator<ExecSpace, Real>::add(const StepSums& sums, Totals& totals) {
    totals.energy += sums.energy;
    for (int c = 0; c < 9; ++c) {
        totals.virial[c] += sums.chunks.virial[c];
    }
}

}  // namespace dpc::kokkos
