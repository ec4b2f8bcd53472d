// SPDX-License-Identifier: GPL-2.0-only
// What pair_style dpcompressed and its variant for LAMMPS' package KOKKOS share: words of the input
// script, units, restart files, the log, checks of the neighbour list, sums of energy and virial,
// overflow reports, the deviation of several models and errors. A derived class owns the engines, one
// a model, and knows where the atoms lie.
#ifndef LMP_PAIR_DPCOMPRESSED_BASE_H
#define LMP_PAIR_DPCOMPRESSED_BASE_H

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "agreement.hpp"
#include "box_guard.hpp"
#include "deviation_file.hpp"
#include "dpc/evaluator.hpp"
#include "list_guard.hpp"
#include "model_deviation.hpp"
#include "overflow_log.hpp"
#include "pair.h"
#include "pair_settings.hpp"
#include "parameter_sources.hpp"
#include "run_summary.hpp"

namespace dpcompressed {
constexpr char kStyle[] = "pair_style dpcompressed: ";  // begins every message
}

namespace LAMMPS_NS {

class PairDPCompressedBase : public Pair {
public:
    explicit PairDPCompressedBase(LAMMPS* lammps);
    ~PairDPCompressedBase() override;

    void compute(int eflag, int vflag) override;
    void settings(int narg, char** arg) override;
    void coeff(int narg, char** arg) override;
    void init_style() override;
    double init_one(int i, int j) override;
    void finish() override;
    void* extract(const char* name, int& dim) override;
    double memory_usage() override;
    int pack_forward_comm(int n, int* list, double* buf, int, int*) override;
    void unpack_forward_comm(int n, int first, double* buf) override;
    int pack_reverse_comm(int n, int first, double* buf) override;
    void unpack_reverse_comm(int n, int* list, double* buf) override;
    void write_restart(FILE* fp) override;
    void read_restart(FILE* fp) override;
    void write_restart_settings(FILE* fp) override;
    void read_restart_settings(FILE* fp) override;

    /// Frame parameters that the models take; -1: the models have not been read yet.
    int n_fparam() const { return models_.empty() ? -1 : first().n_fparam; }
    /// From the next evaluation on, until the next init_style: what fparam_gradient gives.
    void want_fparam_gradient() { wants_fparam_gradient_ = true; }
    /// Derivatives of the energy along the frame parameters in the last evaluation, of the first model; units of the run. Collective.
    std::vector<double> fparam_gradient();

    /// What this rank knows and has not been reported: for a run that LAMMPS ends with an error.
    void say_pending();

protected:
    /// One model of the style; its engine has the same index.
    struct ModelInUse {
        std::string file;
        std::shared_ptr<const dpc::Model> model;
        dpc::NeighbourRule rule = dpc::NeighbourRule::all;  // what is done with neighbours beyond sel
        std::vector<int> type_of;                           // by type of the first model; empty: the same types
        std::unique_ptr<dpcompressed::OverflowLog> overflow;
        bool has_list = false;  // the engine: LAMMPS' list and the types as they are
        bool has_run = false;   // since the last overflow report
    };

    /// What one evaluation is for.
    struct Task {
        bool drives;  // adds its forces to the atoms' and energies to eatom where eflag_atom says so
        dpc::Units units;
        double* forces;  // (n_all, 3) on the host, filled with the forces of this model alone; null: not wanted
        double* fparam_gradient = nullptr;  // (n_fparam) added to, of the atoms of this rank; null: not wanted
        dpc::Measures measures{};
    };

    struct Results {
        dpc::Totals totals;
        const double* atom_virial = nullptr;  // (n_all, 9) on the host; null: not asked for
    };

    /// Make the engines of all models_; what the first uses in one line for the log. Throws the core's
    /// exceptions, maybe on some ranks only. Collective.
    virtual std::string start_engines() = 0;
    /// Whether the engines are there and were made with what LAMMPS is set to now.
    virtual bool has_engines() const = 0;
    virtual void drop_engines() = 0;
    /// Ask LAMMPS for a full neighbour list.
    virtual void request_list() = 0;
    /// Model types of all atoms from LAMMPS' arrays (type_in_new_list), which are right for ghosts
    /// when a list is built.
    virtual void read_types() = 0;
    /// Take over new types of own atoms (update_type); the gravest change.
    virtual dpcompressed::TypeChange update_types() = 0;
    /// Bring them into types_.
    virtual void fetch_types() {}
    /// The types of own atoms to the ghosts that stand for them. Collective; LAMMPS' own ghosts may
    /// be out of date.
    virtual void forward_types() { comm_forward_types(); }
    /// Hand `list` and the types of the atoms to the engine of model k; those after the first use what
    /// that one has made of them where they can.
    virtual void take_list(std::size_t k) = 0;
    /// Evaluate model k. Throws the core's exceptions.
    virtual Results evaluate(std::size_t k, const Task& task) = 0;
    /// Of the last evaluation of model k.
    virtual const dpc::Overflow& overflow_found(std::size_t k) const = 0;
    /// Bring IDs, types, groups and bonds of the atoms into LAMMPS' host arrays.
    virtual void sync_host() {}
    /// Bring the atoms to where a compute of LAMMPS reads them.
    virtual void sync_for(Compute&) {}

    int n_all() const;
    int n_own() const;  // the first atoms, which LAMMPS' lists have as centres
    bool wants_atom_virial() const { return vflag_atom || cvflag_atom; }
    void comm_forward_types();
    void comm_reverse_forces(double* forces);
    int absent_bits() const { return rules_.absent_bits(); }
    bool needs_tags() const;
    void add_parameters(const dpc::Model& model, dpc::Inputs& inputs) const;
    [[noreturn]] void fail_all(const std::string& what);
    /// Past LAMMPS' limit of 100 warnings in a run, and without using it up. On rank 0.
    void warn(const std::string& what);

    dpcompressed::StyleSettings settings_;
    std::vector<ModelInUse> models_;       // the first drives
    std::vector<int> model_type_;          // of the first model, per LAMMPS type, [0] unused
    std::vector<double> fparam_, aparam_;  // of this step: (n_fparam), empty: those of the model; (n_all, n_aparam)
    std::vector<int> types_;               // (n_all) of the first model, on the host, see atom_types.hpp

private:
    [[noreturn]] void fail_one(const std::string& what);
    [[noreturn]] void fail_with_exception();

    // Exceptions of the core become LAMMPS' errors in these two, nowhere else.

    /// Run what all ranks run together; exceptions, on whichever ranks, end the run with one message.
    template <class Action>
    auto on_all_ranks(const Action& action) {
        std::string problem;
        decltype(action()) result{};
        try {
            result = action();
        } catch (const std::exception& e) {
            problem = e.what();
        }
        if (const auto agreed = dpcompressed::agree(problem, world); !agreed.empty()) {
            fail_all(agreed);
        }
        return result;
    }

    /// Run what may fail on one rank alone, and say which atoms are to blame.
    template <class Action>
    auto on_this_rank(const Action& action) {
        try {
            return action();
        } catch (const std::exception&) {
            fail_with_exception();
        }
    }

    const dpc::Model& first() const { return *models_.front().model; }
    double largest_cutoff() const;
    void take_settings(dpcompressed::StyleSettings settings);
    void load_models();
    void load_model(ModelInUse& in_use, bool may_be_word);
    void check_parameters_of(const ModelInUse& in_use) const;
    void check_contents();
    void check_same_parameters();
    void map_types(const std::vector<std::string>& names);
    std::vector<int> types_in(const ModelInUse& other, const std::vector<int>& of_first) const;
    void set_flags();
    void drop();
    void reset_scale();
    void log_start(const std::string& engine);
    void start_deviation();
    void warn_of_settings();
    std::vector<int> used_types(const ModelInUse& in_use) const;
    dpcompressed::ParameterSources sources() const;
    void update_parameters();
    void update_list();
    void take_new_list();
    void follow_types();
    void give_list();
    void check_rules();
    [[noreturn]] void fail_type_change();
    bool list_was_rebuilt() const;
    bool list_may_be_new() const;
    void check_list_is_new();
    void check_borders(bool is_first);
    void check_box();
    void fail_with_box(const std::string& problem);
    [[noreturn]] void fail_old_list();
    double common_scale();
    void tally(const Results& results);
    void note_overflow(std::size_t k);
    void measure_deviation(const dpc::Totals* of_first);
    dpc::Totals evaluate_alone(std::size_t k);
    void report_overflow();
    bool is_check() const;
    void say_summary(const std::vector<dpcompressed::OverflowLog::Report>& of_models);
    void say(const std::string& file, const dpcompressed::OverflowLog::Report& report);
    std::string named(const std::string& file, const std::string& message) const;
    int check_every() const;
    void write_text(FILE* fp, const std::string& bytes);
    std::string read_text(FILE* fp);

    const int rank_;                                               // kept for an end without MPI
    std::vector<std::string> names_;                               // of pair_coeff
    dpcompressed::ListRules rules_;                                // of this run
    dpc::Units units_;                                             // of the run
    double** scale_ = nullptr;                                     // per pair of LAMMPS types, for fix adapt
    bool is_set_up_ = false;                                       // init_style has seen the settings
    bool is_advised_ = false;                                      // of the sources of parameters, in this run
    bool is_restarted_ = false;                                    // read_restart was here
    bool ghosts_changed_ = false;                                  // their types, in the last comm_forward_types
    std::unique_ptr<dpcompressed::ModelDeviation> deviation_;      // null: one model, or never
    std::unique_ptr<dpcompressed::DeviationFile> deviation_file_;  // on rank 0
    // pvector; 0 on other ranks than the first, as LAMMPS adds them up
    std::array<double, dpcompressed::ModelDeviation::kValues> values_{};
    dpcompressed::RunSummary summary_;
    double* reversed_ = nullptr;  // the forces of comm_reverse_forces
    bool wants_fparam_gradient_ = false;
    std::vector<double> fparam_gradient_;  // (n_fparam) of this rank's atoms; empty: not evaluated

    /// The list that the engines have: LAMMPS' build, of how many atoms it is, who brings ghosts up to date, and in which box.
    struct Taken {
        bool any = false;
        bigint step = -1, builds = -1;
        int n_local = -1, n_ghost = -1;
        const Comm* comm = nullptr;
        dpcompressed::BoxGuard box;
        int ago = -1;  // LAMMPS' steps since that build, at the last evaluation
    } taken_;
    dpcompressed::BoxGuard box_of_setup_;  // that LAMMPS' borders and bins were made for
};

}  // namespace LAMMPS_NS

#endif
