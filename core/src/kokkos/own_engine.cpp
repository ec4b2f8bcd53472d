// SPDX-License-Identifier: MIT
// The engine on a Kokkos of our own: takes the caller's arrays, which are in host memory, to the execution space and the results
// back. On a processor nothing but the list is copied.
#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "dpc/kokkos/combined.hpp"
#include "engine.hpp"
#include "own_runtime.hpp"

namespace dpc::kokkos {
namespace {

/// A neighbour list of our own, one row after the other.
template <class Memory>
struct PackedList {
    int n_centres = 0;
    Kokkos::View<const int*, Memory> centres, counts, neighbours;  // counts by atom index
    Kokkos::View<const std::int64_t*, Memory> begins;              // by atom index
    Kokkos::View<const std::int64_t*, Memory> tags;                // by atom index, null: the index
    KOKKOS_FUNCTION int centre(int c) const { return centres(c); }
    KOKKOS_FUNCTION int count(int i) const { return counts(i); }
    KOKKOS_FUNCTION int neighbour(int i, int k) const { return neighbours(begins(i) + k); }
    KOKKOS_FUNCTION long long tag(int i) const { return tags.data() == nullptr ? i : tags(i); }
};

/// An array in the memory of an execution space and, where that is not the host's, its counterpart there.
template <class ExecSpace, class T>
class DeviceArray {
public:
    using View = Kokkos::View<T*, typename ExecSpace::memory_space>;
    using HostView = Kokkos::View<const T*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;

    View copy(const ExecSpace& space, const T* from, std::size_t n) {
        const View to = room(space, n);
        Kokkos::deep_copy(space, to, HostView(from, n));
        return to;
    }
    View zeros(const ExecSpace& space, std::size_t n) {
        const View to = room(space, n);
        Kokkos::deep_copy(space, to, T{});
        return to;
    }
    /// Add what is there to an array of the host.
    void add_to(const ExecSpace& space, T* to, std::size_t n) {
        grow(host_, space, "host: caller", n);
        Kokkos::deep_copy(space, Kokkos::subview(host_, std::make_pair(std::size_t(0), n)), room(space, n));
        space.fence("dpc: results on the host");
        for (std::size_t k = 0; k < n; ++k) {
            to[k] += host_(k);
        }
    }

    std::size_t bytes() const { return (view_.size() + host_.size()) * sizeof(T); }

private:
    View room(const ExecSpace& space, std::size_t n) {
        grow(view_, space, "dpc::caller", n);
        return View(view_, std::make_pair(std::size_t(0), n));
    }
    View view_;
    Kokkos::View<T*, PinnedSpace<ExecSpace>> host_;
};

/// The caller's list and types where an execution space finds them.
template <class ExecSpace>
class OwnNeighbours {
public:
    using Memory = typename ExecSpace::memory_space;

    void take(const ExecSpace& space, int n_atoms, const int* atom_types, const NeighbourRows& rows);
    const PackedList<Memory>& list() const { return list_; }
    const Kokkos::View<const int*, Memory>& types() const { return types_of_atoms_; }
    int n_all() const { return n_all_; }
    std::size_t bytes() const {
        return types_.bytes() + centres_.bytes() + counts_.bytes() + neighbours_.bytes() + begins_.bytes() + tags_.bytes();
    }

private:
    int n_all_ = -1;  // none
    PackedList<Memory> list_;
    Kokkos::View<const int*, Memory> types_of_atoms_;
    DeviceArray<ExecSpace, int> types_, centres_, counts_, neighbours_;
    DeviceArray<ExecSpace, std::int64_t> begins_, tags_;
};

/// Of: kokkos::Evaluator, or CombinedEvaluator for a model of several parts.
template <class ExecSpace, class Of>
class OwnEngine final : public Engine, private DeviceOwner {
public:
    using Memory = typename ExecSpace::memory_space;
    struct Nothing {};
    using Turn = std::conditional_t<is_gpu<ExecSpace>, TurnOnGpu, Nothing>;

    OwnEngine(std::shared_ptr<const Model> model, const ExecSpace& space, const EvaluatorOptions& options) {
        [[maybe_unused]] const Turn turn{};
        state_.emplace(std::move(model), space, options);
    }
    ~OwnEngine() override { drop(); }
    void drop() override {
        [[maybe_unused]] const Turn turn{};
        state_.reset();
    }

    void set_neighbours(int n_all, const int* types, const NeighbourRows& rows) override {
        [[maybe_unused]] const Turn turn{};
        State& s = state();
        s.n_all = -1;
        if (s.neighbours.use_count() > 1) {
            s.neighbours = std::make_shared<OwnNeighbours<ExecSpace>>();
        }
        s.neighbours->take(s.space, n_all, types, rows);
        s.take_neighbours();
    }

    bool share_neighbours(const Engine& other) override {
        [[maybe_unused]] const Turn turn{};
        const auto* own = dynamic_cast<const OwnEngine*>(&other);
        if (own == nullptr || !own->state_ || own->state_->n_all < 0) {
            return false;
        }
        State& s = state();
        s.n_all = -1;
        s.neighbours = own->state_->neighbours;
        s.take_neighbours();
        return true;
    }

    Totals compute(const Inputs& inputs, const double*, const Output& output) override {
        [[maybe_unused]] const Turn turn{};
        State& s = state();
        if (s.n_all < 0) {
            throw InputError("compute was called before set_neighbours");
        }
        s.evaluator.set_parameters(inputs.fparam, inputs.aparam);
        Totals totals;
        if constexpr (is_gpu<ExecSpace>) {
            totals = s.compute_on_device(inputs, output);
        } else {
            totals = s.compute_in_place(inputs, output);
        }
        overflow = s.evaluator.overflow();
        return totals;
    }

    std::string describe() const override { return state_ ? state_->evaluator.describe() : "Kokkos has ended"; }
    std::size_t memory_bytes() const override { return state_ ? state_->evaluator.memory_bytes() + state_->array_bytes() : 0; }

private:
    using Positions = Kokkos::View<const double* [3], Kokkos::LayoutRight, Memory, Kokkos::MemoryUnmanaged>;
    using DeviceOut = DeviceOutput<Memory>;

    struct State {
        State(std::shared_ptr<const Model> model, const ExecSpace& exec, const EvaluatorOptions& options)
            : space(exec), evaluator(std::move(model), exec, options.scratch_bytes, options.neighbours) {}

        void take_neighbours() {
            evaluator.set_neighbours(neighbours->n_all(), neighbours->types(), neighbours->list());
            n_all = neighbours->n_all();
        }
        DeviceOut wrap(double* forces, double* atom_energy, double* atom_virial) const;
        Totals compute_in_place(const Inputs& inputs, const Output& output);
        Totals compute_on_device(const Inputs& inputs, const Output& output);
        std::size_t array_bytes() const {
            return neighbours->bytes() / static_cast<std::size_t>(neighbours.use_count()) + positions.bytes() + forces.bytes() +
                   atom_energy.bytes() + atom_virial.bytes();
        }

        ExecSpace space;
        Of evaluator;
        int n_all = -1;  // the evaluator has no list
        // Maybe other engines', too.
        std::shared_ptr<OwnNeighbours<ExecSpace>> neighbours = std::make_shared<OwnNeighbours<ExecSpace>>();
        DeviceArray<ExecSpace, double> positions, forces, atom_energy, atom_virial;
    };

    State& state() {
        if (!state_) {
            throw InputError("Kokkos has ended in this program: this evaluator is void");
        }
        return *state_;
    }

    std::optional<State> state_;
};

template <class ExecSpace>
void OwnNeighbours<ExecSpace>::take(const ExecSpace& space, int n_atoms, const int* atom_types, const NeighbourRows& rows) {
    const auto n = static_cast<std::size_t>(n_atoms), n_centres = static_cast<std::size_t>(rows.n_centres);
    std::vector<int> count(n, 0), packed;
    std::vector<std::int64_t> begin(n, 0);
    std::size_t n_listed = 0;
    for (std::size_t c = 0; c < n_centres; ++c) {
        const int i = rows.centre[c];
        n_listed += i >= 0 && i < n_atoms ? static_cast<std::size_t>(rows.count[i]) : 0;
    }
    packed.reserve(n_listed);
    for (std::size_t c = 0; c < n_centres; ++c) {
        const int i = rows.centre[c];
        if (i < 0 || i >= n_atoms) {
            continue;  // the evaluator's check of the list reports it
        }
        begin[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(packed.size());
        count[static_cast<std::size_t>(i)] = rows.count[i];
        for (int k = 0; k < rows.count[i]; ++k) {
            packed.push_back(rows.rows[i][k] & rows.index_mask);
        }
    }
    n_all_ = n_atoms;
    types_of_atoms_ = types_.copy(space, atom_types, n);
    list_.n_centres = rows.n_centres;
    list_.centres = centres_.copy(space, rows.centre, n_centres);
    list_.counts = counts_.copy(space, count.data(), n);
    list_.begins = begins_.copy(space, begin.data(), n);
    list_.tags = {};
    if (rows.tag != nullptr) {
        list_.tags = tags_.copy(space, rows.tag, n);
    }
    list_.neighbours = neighbours_.copy(space, packed.data(), packed.size());
    space.fence("dpc: the list is on the device");
}

template <class ExecSpace, class Of>
DeviceOutput<typename ExecSpace::memory_space> OwnEngine<ExecSpace, Of>::State::wrap(double* f, double* e, double* w) const {
    const auto n = static_cast<std::size_t>(n_all);
    DeviceOut out;
    out.forces = decltype(out.forces)(f, n);
    out.atom_energy = e != nullptr ? decltype(out.atom_energy)(e, n) : decltype(out.atom_energy)();
    out.atom_virial = w != nullptr ? decltype(out.atom_virial)(w, n) : decltype(out.atom_virial)();
    return out;
}

template <class ExecSpace, class Of>
Totals OwnEngine<ExecSpace, Of>::State::compute_in_place(const Inputs& inputs, const Output& output) {
    return evaluator.compute(Positions(inputs.x, static_cast<std::size_t>(n_all)), neighbours->list(), inputs.units,
                             wrap(output.forces, output.atom_energy, output.atom_virial), output.fparam_gradient, nullptr,
                             output.measures);
}

template <class ExecSpace, class Of>
Totals OwnEngine<ExecSpace, Of>::State::compute_on_device(const Inputs& inputs, const Output& output) {
    const auto n = static_cast<std::size_t>(n_all);
    forget_refused_launches<ExecSpace>();
    const auto device_x = positions.copy(space, inputs.x, 3 * n);
    double* f = forces.zeros(space, 3 * n).data();
    double* e = output.atom_energy != nullptr ? atom_energy.zeros(space, n).data() : nullptr;
    double* w = output.atom_virial != nullptr ? atom_virial.zeros(space, 9 * n).data() : nullptr;
    check_launches<ExecSpace>();  // of these, before the evaluator's
    const Totals totals = evaluator.compute(Positions(device_x.data(), n), neighbours->list(), inputs.units, wrap(f, e, w),
                                            output.fparam_gradient, nullptr, output.measures);
    forces.add_to(space, output.forces, 3 * n);
    if (e != nullptr) {
        atom_energy.add_to(space, output.atom_energy, n);
    }
    if (w != nullptr) {
        atom_virial.add_to(space, output.atom_virial, 9 * n);
    }
    return totals;
}

template <class ExecSpace>
std::unique_ptr<Engine> make_engine(std::shared_ptr<const Model> model, const ExecSpace& space, const EvaluatorOptions& options) {
    const bool is_mixed = options.precision == Precision::mixed;
    if (!model->parts.empty()) {
        if (is_mixed) {
            return std::make_unique<OwnEngine<ExecSpace, CombinedEvaluator<ExecSpace, float>>>(std::move(model), space, options);
        }
        return std::make_unique<OwnEngine<ExecSpace, CombinedEvaluator<ExecSpace, double>>>(std::move(model), space, options);
    }
    if (is_mixed) {
        return std::make_unique<OwnEngine<ExecSpace, Evaluator<ExecSpace, float>>>(std::move(model), space, options);
    }
    return std::make_unique<OwnEngine<ExecSpace, Evaluator<ExecSpace, double>>>(std::move(model), space, options);
}

}  // namespace

int own_gpu_count() { return count_gpus(); }

/// A Kokkos with a GPU starts that, too, whatever the backend: without one there is none.
std::vector<Backend> own_backends() {
    std::vector<Backend> all;
#if defined(KOKKOS_ENABLE_CUDA) || defined(KOKKOS_ENABLE_HIP)
    if (count_gpus() == 0) {
        return all;
    }
    all.push_back(Backend::gpu);
#endif
#if defined(KOKKOS_ENABLE_SERIAL)
    all.push_back(Backend::kokkos_serial);
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
    all.push_back(Backend::kokkos_openmp);
#endif
    return all;
}

std::unique_ptr<Engine> make_own_engine(std::shared_ptr<const Model> model, const EvaluatorOptions& options) {
    const std::vector<Backend> backends = own_backends();
    if (std::find(backends.begin(), backends.end(), options.backend) != backends.end()) {
        start_kokkos(options.n_threads, options.backend == Backend::gpu ? options.device : -1);
        switch (options.backend) {
#if defined(KOKKOS_ENABLE_SERIAL)
            case Backend::kokkos_serial: return make_engine(std::move(model), Kokkos::Serial(), options);
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
            case Backend::kokkos_openmp: return make_engine(std::move(model), Kokkos::OpenMP(options.n_threads), options);
#endif
#if defined(KOKKOS_ENABLE_CUDA)
            case Backend::gpu: return make_engine(std::move(model), Kokkos::Cuda(), options);
#elif defined(KOKKOS_ENABLE_HIP)
            case Backend::gpu: return make_engine(std::move(model), Kokkos::HIP(), options);
#endif
            default: break;
        }
    }
    throw InputError(
        options.backend == Backend::gpu
            ? "there is no GPU here that this build can use: it needs a Kokkos with CUDA or HIP for such a GPU, and a driver"
            : "the Kokkos of this build, or this machine, lacks the execution space that was asked for");
}

}  // namespace dpc::kokkos
