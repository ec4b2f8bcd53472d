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
#include "overflow_log.hpp"
#include "pair.h"
#include "pair_settings.hpp"

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
    void write_restart(FILE* fp) override;
    void read_restart(FILE* fp) override;
    void write_restart_settings(FILE* fp) override;
    void read_restart_settings(FILE* fp) override;

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
    [[noreturn]] void fail_all(const std::string& what);

    dpcompressed::StyleSettings settings_;
    std::shared_ptr<const dpc::Model> model_;
    dpc::Units units_;
    std::vector<int> model_type_;  // per LAMMPS type, [0] unused

private:
    [[noreturn]] void fail_one(const std::string& what);
    template <class Action>
    auto on_all_ranks(const Action& action);
    template <class Action>
    auto on_this_rank(const Action& action);

    void load_model();
    void map_types();
    void set_flags();
    void log_start(const std::string& evaluator);
    void update_list();
    bool list_was_rebuilt() const;
    void tally(const Results& results);
    void report_overflow();
    int check_every() const;
    void write_text(FILE* fp, const std::string& bytes);
    std::string read_text(FILE* fp);

    std::vector<std::string> names_;  // of pair_coeff
    std::unique_ptr<dpcompressed::OverflowLog> overflow_;

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
