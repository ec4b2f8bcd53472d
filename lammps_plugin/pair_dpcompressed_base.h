// SPDX-License-Identifier: GPL-2.0-only
// What pair_style dpcompressed and its variant for LAMMPS' package KOKKOS share: words of the input
// script, units, restart files, the log, checks of the neighbour list, sums of energy and virial,
// overflow reports and errors. A derived class owns the evaluator and knows where the atoms lie.
#ifndef LMP_PAIR_DPCOMPRESSED_BASE_H
#define LMP_PAIR_DPCOMPRESSED_BASE_H

#include <memory>
#include <string>
#include <vector>

#include "dpc/evaluator.hpp"
#include "list_guard.hpp"
#include "overflow_log.hpp"
#include "pair.h"
#include "pair_settings.hpp"

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
    int pack_forward_comm(int n, int* list, double* buf, int, int*) override;
    void unpack_forward_comm(int n, int first, double* buf) override;
    void write_restart(FILE* fp) override;
    void read_restart(FILE* fp) override;
    void write_restart_settings(FILE* fp) override;
    void read_restart_settings(FILE* fp) override;

    /// What this rank knows and has not been reported: for a run that LAMMPS ends with an error.
    void say_pending();

protected:
    struct Results {
        dpc::Totals totals;
        const double* atom_virial = nullptr;  // (n_all, 9) on the host; null: not asked for
    };

    /// Make the evaluator; what it uses in one line for the log. Throws the core's exceptions,
    /// maybe on some ranks only. Collective.
    virtual std::string start_evaluator() = 0;
    /// Whether the evaluator is there and was made with what LAMMPS is set to now.
    virtual bool has_evaluator() const = 0;
    virtual void drop_evaluator() = 0;
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
    /// Hand `list` and the types of the atoms to the evaluator.
    virtual void take_list() = 0;
    /// Add forces, and energies to eatom where eflag_atom says so. Throws the core's exceptions.
    virtual Results evaluate() = 0;
    /// Of the last evaluate().
    virtual const dpc::Overflow& overflow_found() const = 0;
    /// Bring IDs, types, groups and bonds of the atoms into LAMMPS' host arrays.
    virtual void sync_host() {}

    int n_all() const;
    bool wants_atom_virial() const { return vflag_atom || cvflag_atom; }
    void comm_forward_types();
    int absent_bits() const { return rules_.absent_bits(); }
    [[noreturn]] void fail_all(const std::string& what);
    /// Past LAMMPS' limit of 100 warnings in a run, and without using it up. On rank 0.
    void warn(const std::string& what);

    dpcompressed::StyleSettings settings_;
    std::shared_ptr<const dpc::Model> model_;
    dpc::NeighbourRule rule_ = dpc::NeighbourRule::all;  // what is done with neighbours beyond sel
    dpc::Units units_;
    std::vector<int> model_type_;  // per LAMMPS type, [0] unused
    std::vector<int> types_;       // (n_all) model types on the host, see atom_types.hpp

private:
    [[noreturn]] void fail_one(const std::string& what);
    template <class Action>
    auto on_all_ranks(const Action& action);
    template <class Action>
    auto on_this_rank(const Action& action);

    void load_model();
    void map_types();
    void set_flags();
    void drop();
    void log_start(const std::string& evaluator);
    void warn_of_settings();
    void update_list();
    void take_new_list();
    void follow_types();
    void check_rules();
    [[noreturn]] void fail_type_change();
    bool list_was_rebuilt() const;
    void remember_list();
    double common_scale();
    void tally(const Results& results);
    void report_overflow();
    void say(const dpcompressed::OverflowLog::Report& report);
    int check_every() const;
    void write_text(FILE* fp, const std::string& bytes);
    std::string read_text(FILE* fp);

    const int rank_;                  // kept for an end without MPI
    std::vector<std::string> names_;  // of pair_coeff
    std::unique_ptr<dpcompressed::OverflowLog> overflow_;
    dpcompressed::ListRules rules_;  // of this run
    double energy_unit_ = 1;         // one eV in the units of the run
    double** scale_ = nullptr;       // per pair of LAMMPS types, for fix adapt
    bool is_set_up_ = false;         // init_style has seen the settings
    bool ghosts_changed_ = false;    // their types, in the last comm_forward_types

    /// The list that the evaluator has: LAMMPS' build, and what else could change without one.
    struct Taken {
        bool any = false;
        bigint step = -1, builds = -1;
        const NeighList* list = nullptr;
        int n_local = -1, n_ghost = -1;
    } taken_;
};

}  // namespace LAMMPS_NS

#endif
