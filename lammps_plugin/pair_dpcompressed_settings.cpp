// SPDX-License-Identifier: GPL-2.0-only
// What the input script or a restart file says: words, table files, elements of the atom types; and their way into a restart file.
#include <algorithm>
#include <limits>

#include "atom.h"
#include "comm.h"
#include "dpc/errors.hpp"
#include "error.h"
#include "pair_dpcompressed_base.h"
#include "shared_model.hpp"
#include "text.hpp"
#include "utils.h"

using namespace LAMMPS_NS;
using dpcompressed::text;

namespace {

constexpr int kLongestText = 1 << 20;  // bytes of settings or element names in a restart file

}  // namespace

void PairDPCompressedBase::settings(int narg, char** arg) {
    take_settings(on_all_ranks([&] { return dpcompressed::parse_style(narg, arg); }));
    load_models();
    if (models_.size() == 1 && !settings_.deviation.is_default()) {
        warn("out_freq, out_file, atomic, relative and relative_v have no effect: there is one model");
    }
}

void PairDPCompressedBase::take_settings(dpcompressed::StyleSettings settings) {
    drop();
    say_pending();
    models_.clear();
    model_type_.clear();
    reset_scale();
    deviation_.reset();
    deviation_file_.reset();
    settings_ = std::move(settings);
    const bool has_deviation = settings_.files.size() > 1 && settings_.deviation.every > 0;
    nextra = has_deviation ? static_cast<int>(values_.size()) : 0;
    values_.fill(rank_ == 0 ? std::numeric_limits<double>::quiet_NaN() : 0);
}

void PairDPCompressedBase::load_models() {
    std::vector<ModelInUse> models(settings_.files.size());
    for (std::size_t k = 0; k < models.size(); k++) {
        models[k].file = settings_.files[k];
        on_all_ranks([&] {
            load_model(models[k], k > 0);
            return true;
        });
    }
    on_all_ranks([&] {  // after all files: what is none of them may be a keyword that was not understood
        for (const ModelInUse& in_use : models) {
            check_parameters_of(in_use);
        }
        return true;
    });
    models_ = std::move(models);
    check_contents();
    check_same_parameters();
    summary_ = dpcompressed::RunSummary(first().n_types());
}

/// Whether the files are those that a restart file was written with.
void PairDPCompressedBase::check_contents() {
    std::vector<std::string> contents;
    for (const ModelInUse& in_use : models_) {
        contents.push_back(text(in_use.model->n_bytes, '-', in_use.model->header_crc));
        const std::size_t k = contents.size() - 1;
        if (k < settings_.contents.size() && settings_.contents[k] != contents[k]) {
            warn(text(in_use.file,
                      " is another table file than when the restart file was written, and the run goes on with it. To say that "
                      "this is meant, give pair_style after read_restart"));
        }
    }
    settings_.contents = std::move(contents);
}

/// One source gives all models the same.
void PairDPCompressedBase::check_same_parameters() {
    for (const ModelInUse& in_use : models_) {
        const dpc::Model& model = *in_use.model;
        const bool agrees = (!settings_.parameters.has_fparam_source() || model.n_fparam == first().n_fparam) &&
                            (settings_.parameters.aparam_compute.empty() || model.n_aparam == first().n_aparam);
        if (!agrees) {
            fail_all(named(in_use.file, text("the model takes ", model.n_fparam, " frame and ", model.n_aparam,
                                             " atomic parameters, the first one ", first().n_fparam, " and ", first().n_aparam,
                                             ": models that take them from a compute or fix must agree")));
        }
    }
}

/// may_be_word: the file may be a keyword that was not understood.
void PairDPCompressedBase::load_model(ModelInUse& in_use, bool may_be_word) {
    try {
        in_use.model = dpcompressed::read_model(in_use.file, world);
    } catch (const dpc::FormatError& e) {
        throw dpc::FormatError(e.what() + (may_be_word ? dpcompressed::advice_on_file(in_use.file) : ""));
    }
    in_use.rule = dpc::rule_for(*in_use.model, settings_.neighbours);
    in_use.overflow = std::make_unique<dpcompressed::OverflowLog>(in_use.model->type_map, in_use.rule);
}

void PairDPCompressedBase::check_parameters_of(const ModelInUse& in_use) const {
    try {
        dpcompressed::check_parameters(settings_.parameters, *in_use.model);
    } catch (const dpc::InputError& e) {
        throw dpc::InputError(named(in_use.file, e.what()));
    }
}

/// All or nothing: what was there before an error stays.
void PairDPCompressedBase::map_types(const std::vector<std::string>& names) {
    std::vector<std::vector<int>> of_others;
    model_type_ = on_all_ranks([&] {
        std::vector<int> of_first = dpcompressed::map_types(names, atom->ntypes, first());
        for (std::size_t k = 1; k < models_.size(); k++) {
            of_others.push_back(types_in(models_[k], of_first));
        }
        return of_first;
    });
    for (std::size_t k = 1; k < models_.size(); k++) {
        models_[k].type_of = of_others[k - 1];
    }
    names_ = names;
}

/// Types of a model by those of the first.
std::vector<int> PairDPCompressedBase::types_in(const ModelInUse& other, const std::vector<int>& of_first) const {
    try {
        return dpcompressed::types_in_other(first(), *other.model, of_first);
    } catch (const dpc::InputError& e) {
        throw dpc::InputError(named(other.file, e.what()));
    }
}

void PairDPCompressedBase::coeff(int narg, char** arg) {
    if (models_.empty()) {
        load_models();  // in pair_style hybrid, after read_restart
    }
    map_types(on_all_ranks([&] { return dpcompressed::parse_coeff(narg, arg, atom->ntypes); }));
    drop();
    set_flags();
}

/// The engines are made again when the next run is set up, which logs what it is made of.
void PairDPCompressedBase::drop() {
    fparam_gradient_.clear();  // of the models before
    drop_engines();
    is_set_up_ = false;
}

/// What fix adapt left is of the style before.
void PairDPCompressedBase::reset_scale() {
    for (int i = 1; allocated && i <= atom->ntypes; i++) {
        std::fill_n(&scale_[i][1], atom->ntypes, 1.0);
    }
}

void PairDPCompressedBase::write_restart(FILE* fp) {
    write_restart_settings(fp);
    write_text(fp, dpcompressed::pack(names_));
}

void PairDPCompressedBase::read_restart(FILE* fp) {
    read_restart_settings(fp);
    names_ = dpcompressed::unpack_names(read_text(fp));
    set_flags();
}

void PairDPCompressedBase::write_restart_settings(FILE* fp) { write_text(fp, dpcompressed::pack(settings_)); }

/// The table file is opened later, so that another pair_style command can still name another one.
void PairDPCompressedBase::read_restart_settings(FILE* fp) {
    const std::string bytes = read_text(fp);
    take_settings(on_all_ranks([&] { return dpcompressed::unpack_settings(bytes); }));
    is_restarted_ = true;
}

/// LAMMPS calls the writing side on rank 0 only, the reading side everywhere.
void PairDPCompressedBase::write_text(FILE* fp, const std::string& bytes) {
    const int length = static_cast<int>(bytes.size());
    fwrite(&length, sizeof length, 1, fp);
    fwrite(bytes.data(), 1, bytes.size(), fp);
}

std::string PairDPCompressedBase::read_text(FILE* fp) {
    int length = 0;
    if (comm->me == 0) {
        utils::sfread(FLERR, &length, sizeof length, 1, fp, nullptr, error);
    }
    MPI_Bcast(&length, 1, MPI_INT, 0, world);
    if (length < 0 || length > kLongestText) {
        fail_all("the restart file is damaged, or another version of this pair style wrote it");
    }
    std::string bytes(static_cast<std::size_t>(length), '\0');
    if (comm->me == 0) {
        utils::sfread(FLERR, bytes.data(), 1, bytes.size(), fp, nullptr, error);
    }
    MPI_Bcast(bytes.data(), length, MPI_CHAR, 0, world);
    return bytes;
}
