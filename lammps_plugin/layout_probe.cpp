// SPDX-License-Identifier: GPL-2.0-only
#include "layout_probe.hpp"

#include <link.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "fix.h"
#include "force.h"
#include "lammps.h"
#include "neigh_list.h"
#include "pair.h"
#include "timer.h"
#include "update.h"

#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // single inheritance throughout: well defined for these compilers

namespace {

using namespace LAMMPS_NS;

/// A member whose address the C interface gives away: object at `pointer` in LAMMPS, member at `offset` in the object.
struct KnownAddress {
    const char* class_name;
    const char* name;  // for lammps_extract_global
    size_t pointer, offset;
};

constexpr KnownAddress kAddresses[] = {
    {"Atom", "nlocal", offsetof(LAMMPS, atom), offsetof(Atom, nlocal)},
    {"Atom", "nghost", offsetof(LAMMPS, atom), offsetof(Atom, nghost)},
    {"Atom", "ntypes", offsetof(LAMMPS, atom), offsetof(Atom, ntypes)},
    {"Update", "ntimestep", offsetof(LAMMPS, update), offsetof(Update, ntimestep)},
    {"Update", "atimestep", offsetof(LAMMPS, update), offsetof(Update, atimestep)},
    {"Update", "dt", offsetof(LAMMPS, update), offsetof(Update, dt)},
    {"Force", "boltz", offsetof(LAMMPS, force), offsetof(Force, boltz)},
    {"Force", "angstrom", offsetof(LAMMPS, force), offsetof(Force, angstrom)},
    {"Comm", "procgrid", offsetof(LAMMPS, comm), offsetof(Comm, procgrid)},
    {"Domain", "periodicity", offsetof(LAMMPS, domain), offsetof(Domain, periodicity)},
    {"Domain", "triclinic", offsetof(LAMMPS, domain), offsetof(Domain, triclinic)},
    {"Domain", "boxhi", offsetof(LAMMPS, domain), offsetof(Domain, boxhi)},
    {"Domain", "subhi", offsetof(LAMMPS, domain), offsetof(Domain, subhi)},
    {"Domain", "yz", offsetof(LAMMPS, domain), offsetof(Domain, yz)},
};

const char* first_wrong_address(const RunningLammps& lammps) {
    for (const KnownAddress& known : kAddresses) {
        const void* said = lammps.extract_global(lammps.instance, known.name);
        const char* object;
        memcpy(&object, static_cast<const char*>(lammps.instance) + known.pointer, sizeof object);
        if (said != nullptr && said != object + known.offset) {
            return known.class_name;
        }
    }
    return nullptr;
}

/// Memory that a constructor of LAMMPS has worked on. It may be larger than the class of the headers.
class Constructed {
public:
    Constructed(const RunningLammps& lammps, const char* constructor) {
        construct<void (*)(void*, void*)>(constructor, lammps.instance);
    }
    /// Of a class that a command makes; its copies of the words stay in memory.
    Constructed(const RunningLammps& lammps, const char* constructor, int narg, char** arg) {
        construct<void (*)(void*, void*, int, char**)>(constructor, lammps.instance, narg, arg);
    }
    /// A constructor that is not exported proves nothing.
    template <class Value>
    bool holds(size_t offset, Value value) const {
        return !done_ || memcmp(memory_ + offset, &value, sizeof value) == 0;
    }
    /// The object itself; null: not constructed.
    template <class Class>
    const Class* as() const {
        static_assert(sizeof(Class) <= kSize);
        return done_ ? reinterpret_cast<const Class*>(memory_) : nullptr;
    }

private:
    template <class Function, class... Arguments>
    void construct(const char* constructor, Arguments... arguments) {
        memset(memory_, kUntouched, sizeof memory_);
        Function function;
        find_symbol(function, constructor);
        if (function != nullptr) {
            function(memory_, arguments...);
            done_ = true;
        }
    }

    static constexpr int kUntouched = 0xA5;
    static constexpr size_t kSize = 32768;  // Pair has 1 kB
    alignas(64) char memory_[kSize];
    bool done_ = false;
};

using Null = void*;

bool neighbour_list_fits(const RunningLammps& lammps) {
    const Constructed list(lammps, "_ZN9LAMMPS_NS9NeighListC1EPNS_6LAMMPSE");
    return list.holds(offsetof(NeighList, copy), 0) && list.holds(offsetof(NeighList, inum), 0) &&
           list.holds(offsetof(NeighList, gnum), 0) && list.holds(offsetof(NeighList, ilist), Null()) &&
           list.holds(offsetof(NeighList, numneigh), Null()) && list.holds(offsetof(NeighList, firstneigh), Null()) &&
           list.holds(offsetof(NeighList, ijskip), Null()) && list.holds(offsetof(NeighList, listcopy), Null());
}

/// Whether LAMMPS' table of a class' virtual functions has `symbol` where a call of `function` would look for it. The Itanium ABI
/// keeps a pointer to a virtual function as 1 + its offset in bytes; the table's symbol begins two pointers earlier.
template <class Function>
bool is_at(const char* table_symbol, Function function, const char* symbol) {
#if defined(__x86_64__) && defined(__GLIBC__)
    ptrdiff_t place;
    memcpy(&place, &function, sizeof place);
    const size_t offset = static_cast<size_t>(place - 1) + 2 * sizeof(void*);
    const void* expected = dlsym(RTLD_DEFAULT, symbol);
    const char* table = static_cast<const char*>(dlsym(RTLD_DEFAULT, table_symbol));
    Dl_info object;
    void* entry = nullptr;
    if (expected == nullptr || table == nullptr || dladdr1(table, &object, &entry, RTLD_DL_SYMENT) == 0 || entry == nullptr) {
        return true;  // not exported: proves nothing
    }
    const void* found = nullptr;
    if (offset + sizeof found <= static_cast<const ElfW(Sym)*>(entry)->st_size) {
        memcpy(&found, table + offset, sizeof found);
    }
    return found == expected;
#else
    (void)table_symbol, (void)function, (void)symbol;
    return true;
#endif
}

/// A new timer is at its default, `timer normal`.
bool timer_fits(const RunningLammps& lammps) {
    const Constructed timer(lammps, "_ZN9LAMMPS_NS5TimerC1EPNS_6LAMMPSE");
    const auto* made = timer.as<Timer>();
    return made == nullptr || (made->has_normal() && !made->has_full());
}

/// Opens the protected members.
struct PairProbe : Pair {
    static bool members_fit(const RunningLammps& lammps) {
        const Constructed pair(lammps, "_ZN9LAMMPS_NS4PairC2EPNS_6LAMMPSE");
        return pair.holds(offsetof(PairProbe, eng_vdwl), 0.0) && pair.holds(offsetof(PairProbe, eatom), Null()) &&
               pair.holds(offsetof(PairProbe, cutsq), Null()) && pair.holds(offsetof(PairProbe, setflag), Null()) &&
               pair.holds(offsetof(PairProbe, comm_forward), 0) && pair.holds(offsetof(PairProbe, comm_reverse), 0) &&
               pair.holds(offsetof(PairProbe, nextra), 0) && pair.holds(offsetof(PairProbe, pvector), Null()) &&
               pair.holds(offsetof(PairProbe, single_enable), 1) && pair.holds(offsetof(PairProbe, restartinfo), 1) &&
               pair.holds(offsetof(PairProbe, ghostneigh), 0) && pair.holds(offsetof(PairProbe, reinitflag), 1) &&
               pair.holds(offsetof(PairProbe, ncoultablebits), 12) && pair.holds(offsetof(PairProbe, ndisptablebits), 12) &&
               pair.holds(offsetof(PairProbe, allocated), 0) && pair.holds(offsetof(PairProbe, compute_flag), 1) &&
               pair.holds(offsetof(PairProbe, mixed_flag), 1) && pair.holds(offsetof(PairProbe, suffix_flag), 0) &&
               pair.holds(offsetof(PairProbe, tabinner), sqrt(2.0)) &&
               pair.holds(offsetof(PairProbe, tabinner_disp), sqrt(2.0)) && pair.holds(offsetof(PairProbe, maxeatom), 0) &&
               pair.holds(offsetof(PairProbe, maxcvatom), 0) && pair.holds(offsetof(PairProbe, copymode), 0);
    }

    static bool virtual_functions_fit() {
        const char* table = "_ZTVN9LAMMPS_NS4PairE";
        return is_at(table, &PairProbe::init_style, "_ZN9LAMMPS_NS4Pair10init_styleEv") &&
               is_at(table, &PairProbe::write_restart, "_ZN9LAMMPS_NS4Pair13write_restartEP8_IO_FILE") &&
               is_at(table, &PairProbe::memory_usage, "_ZN9LAMMPS_NS4Pair12memory_usageEv") &&
               is_at(table, &PairProbe::ev_setup, "_ZN9LAMMPS_NS4Pair8ev_setupEiii");
    }
};

/// Words of a command that makes a compute or a fix of all atoms.
struct Command {
    char id[4] = "dpc", group[4] = "all", style[4] = "dpc";
    char* words[3] = {id, group, style};
};

constexpr unsigned int kAllAtomData = 0xffffffff;  // what a compute or fix reads that does not say it

struct ComputeProbe : Compute {
    static bool fits(const RunningLammps& lammps) {
        Command command;
        const Constructed compute(lammps, "_ZN9LAMMPS_NS7ComputeC2EPNS_6LAMMPSEiPPc", 3, command.words);
        const char* table = "_ZTVN9LAMMPS_NS7ComputeE";
        return compute.holds(offsetof(ComputeProbe, scalar_flag), 0) && compute.holds(offsetof(ComputeProbe, vector_flag), 0) &&
               compute.holds(offsetof(ComputeProbe, peratom_flag), 0) && compute.holds(offsetof(ComputeProbe, peflag), 0) &&
               compute.holds(offsetof(ComputeProbe, invoked_scalar), bigint(-1)) &&
               compute.holds(offsetof(ComputeProbe, invoked_local), bigint(-1)) &&
               compute.holds(offsetof(ComputeProbe, datamask_read), kAllAtomData) &&
               compute.holds(offsetof(ComputeProbe, vbiasall), Null()) &&
               is_at(table, &ComputeProbe::setup, "_ZN9LAMMPS_NS7Compute5setupEv") &&
               is_at(table, &ComputeProbe::compute_scalar, "_ZN9LAMMPS_NS7Compute14compute_scalarEv") &&
               is_at(table, &ComputeProbe::compute_peratom, "_ZN9LAMMPS_NS7Compute15compute_peratomEv");
    }
};

struct FixProbe : Fix {
    static bool fits(const RunningLammps& lammps) {
        Command command;
        const Constructed fix(lammps, "_ZN9LAMMPS_NS3FixC2EPNS_6LAMMPSEiPPc", 3, command.words);
        const char* table = "_ZTVN9LAMMPS_NS3FixE";
        return fix.holds(offsetof(FixProbe, scalar_flag), 0) && fix.holds(offsetof(FixProbe, vector_flag), 0) &&
               fix.holds(offsetof(FixProbe, datamask_read), kAllAtomData) &&
               is_at(table, &FixProbe::end_of_step, "_ZN9LAMMPS_NS3Fix11end_of_stepEv") &&
               is_at(table, &FixProbe::compute_scalar, "_ZN9LAMMPS_NS3Fix14compute_scalarEv") &&
               is_at(table, &FixProbe::compute_vector, "_ZN9LAMMPS_NS3Fix14compute_vectorEi");
    }
};

}  // namespace

const char* class_laid_out_differently(const RunningLammps& lammps) {
    const char* name = lammps.extract_global != nullptr ? first_wrong_address(lammps) : nullptr;
    if (name == nullptr && !neighbour_list_fits(lammps)) {
        name = "NeighList";
    }
    if (name == nullptr && !timer_fits(lammps)) {
        name = "Timer";
    }
    if (name == nullptr && !(PairProbe::members_fit(lammps) && PairProbe::virtual_functions_fit())) {
        name = "Pair";
    }
    if (name == nullptr && !ComputeProbe::fits(lammps)) {
        name = "Compute";
    }
    if (name == nullptr && !FixProbe::fits(lammps)) {
        name = "Fix";
    }
    return name;
}
