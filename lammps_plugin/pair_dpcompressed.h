// SPDX-License-Identifier: GPL-2.0-only
// pair_style dpcompressed: Deep Potential models from compressed tables. An adapter without
// physics: words of the input script, units, index maps, the neighbour list, communication and
// errors are here; everything else is dpc::Evaluator.
#ifndef LMP_PAIR_DPCOMPRESSED_H
#define LMP_PAIR_DPCOMPRESSED_H

#include <memory>

#include "pair.h"

namespace LAMMPS_NS {

class PairDPCompressed : public Pair {
public:
    explicit PairDPCompressed(LAMMPS* lammps);
    ~PairDPCompressed() override;

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
    double memory_usage() override;

private:
    struct Impl;
    struct Results;

    [[noreturn]] void fail_all(const std::string& what);
    [[noreturn]] void fail_one(const std::string& what);
    template <class Action>
    auto on_all_ranks(const Action& action);
    template <class Action>
    auto on_this_rank(const Action& action);

    void set_flags();
    void load_model();
    void start_evaluator();
    bool list_was_rebuilt() const;
    void take_list();
    void tally(const Results& results);
    void report_overflow();
    void write_text(FILE* fp, const std::string& bytes);
    std::string read_text(FILE* fp);

    std::unique_ptr<Impl> impl_;
};

}  // namespace LAMMPS_NS

#endif
