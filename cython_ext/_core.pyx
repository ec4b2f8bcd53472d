# SPDX-License-Identifier: MIT
# cython: language_level=3
"""The C++ core for Python: load a tables.bin, look inside, evaluate. pybuild.calculator has the friendly side."""

from cython.operator cimport dereference
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libcpp.memory cimport make_shared, shared_ptr, unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

import os

import numpy as np

from pybuild.errors import InputError
from pybuild.turns import Turn

from dpc cimport *

ctypedef const int* Row

_BACKENDS = {
    "host": CppBackend.host,
    "kokkos_serial": CppBackend.kokkos_serial,
    "kokkos_openmp": CppBackend.kokkos_openmp,
    "gpu": CppBackend.gpu,
}


def available_backends():
    """Names of the backends that this build has and this machine can run; "host" is always the first."""
    cdef vector[CppBackend] found = cpp_available_backends()
    return tuple(name for name, backend in _BACKENDS.items() if any(backend == found[k] for k in range(found.size())))


def team_size(int n_threads):
    """How many of so many threads the backend "host" can start in this process: one in a process that was forked from one with
    several."""
    return cpp_team_size(n_threads)


cdef class Model:
    """A validated, immutable compressed model. Made by from_file or from_bytes; raises FormatError or ModelError."""

    cdef shared_ptr[CppModel] cpp

    def __init__(self, *_, **__):
        raise TypeError("a model is made by Model.from_file or Model.from_bytes")

    @staticmethod
    def from_file(path):
        """Read a tables.bin."""
        cdef Model model = Model.__new__(Model)
        cdef string name = os.fsencode(path)
        model.cpp = model_from_file(name)
        return model

    @staticmethod
    def from_bytes(const unsigned char[::1] data not None):
        """Parse the bytes of a tables.bin; they are copied."""
        cdef Model model = Model.__new__(Model)
        model.cpp = model_from_bytes(&data[0] if data.shape[0] > 0 else NULL, data.shape[0])
        return model

    @property
    def type_map(self):
        """Element names, in the order of the model's types."""
        return tuple(name.decode() for name in dereference(self.cpp).type_map)

    @property
    def checksum(self):
        """Number of bytes of the file and the CRC32C of its header, which holds those of all arrays: the same for the same content."""
        return dereference(self.cpp).n_bytes, dereference(self.cpp).header_crc

    @property
    def rcut(self):
        """The largest cutoff radius of the descriptors, angstrom."""
        return dereference(self.cpp).rcut()

    @property
    def check_frequency(self):
        """Steps between overflow reports."""
        return dereference(self.cpp).check_frequency

    @property
    def n_fparam(self):
        """Frame parameters, the same for all atoms."""
        return dereference(self.cpp).n_fparam

    @property
    def n_aparam(self):
        """Parameters of each atom."""
        return dereference(self.cpp).n_aparam

    @property
    def default_fparam(self):
        """(n_fparam,) the frame parameters where none are given, or None."""
        values = np.array(list(dereference(self.cpp).default_fparam))
        return values if len(values) else None

    @property
    def descriptors(self):
        """Per descriptor: dict of kind ("se_e2_a"), rcut (angstrom) and sel, the slots for neighbours of each type."""
        return tuple({"kind": cpp_name_of(d.kind).decode(), "rcut": d.rcut, "sel": tuple(d.sel)} for d in dereference(self.cpp).descriptors)

    @property
    def tables(self):
        """Per table: dict of segments (S, 3) start, step, number of intervals; upper, max, rows, order, rank."""
        return tuple(
            {"segments": np.array([(s.start, s.step, s.n_intervals) for s in t.segments]), "upper": t.upper, "max": t.max(),
             "rows": t.n_intervals, "order": t.order, "rank": t.rank}
            for t in self._tables()
        )

    cdef vector[CppTable] _tables(self):
        return dereference(self.cpp).tables

    @property
    def provenance(self):
        """JSON text, may be empty."""
        return dereference(self.cpp).provenance.decode()


def _check_word(name, value, known):
    if not (isinstance(value, str) and value in known):
        raise InputError(f'{name} is "{value}": expected ' + " or ".join(f'"{word}"' for word in known))


cdef class Evaluator:
    """Energies, forces and virials of a Model.

    n_threads: of the backends "host" and "kokkos_openmp"; precision: "double" or "mixed"; backend: "host", or one of
    "kokkos_serial", "kokkos_openmp", "gpu" in a build with Kokkos (available_backends says which); device: number of the GPU,
    -1: the one in use, or the first; scratch_bytes: bound of the scratch arrays of all backends but "host", 0: a default; neighbors: what is done with
    more than sel, as the "trained" model does or "all" are used.
    """

    cdef unique_ptr[CppEvaluator] cpp
    cdef readonly Model model
    cdef readonly str advice  # to a user whose atoms have more neighbours than sel
    cdef int n_all
    cdef object turn  # calls from several threads come one after the other

    def __cinit__(self, Model model not None, int n_threads=1, precision="double", backend="host", int device=-1,
                  size_t scratch_bytes=0, neighbors="trained"):
        _check_word("precision", precision, ("double", "mixed"))
        _check_word("backend", backend, _BACKENDS)
        _check_word("neighbors", neighbors, ("trained", "all"))
        cdef CppOptions options
        options.n_threads = n_threads
        options.precision = CppPrecision.mixed if precision == "mixed" else CppPrecision.float64
        options.backend = <CppBackend>_BACKENDS[backend]
        options.device = device
        options.scratch_bytes = scratch_bytes
        options.neighbours = CppNeighbours.all if neighbors == "all" else CppNeighbours.trained
        self.model = model
        self.cpp.reset(new CppEvaluator(model.cpp, options))
        self.advice = cpp_advice_on(cpp_rule_for(dereference(model.cpp), options.neighbours)).decode()
        self.n_all = -1
        self.turn = Turn()

    def set_neighbours(self, const int[::1] types not None, const int[::1] centres not None,
                       const long long[::1] first not None, const int[::1] neighbours not None, const int64_t[::1] tags=None):
        """Take a full neighbour list.

        types (n_all,) model types, < 0: not part of the model; centres (n_centres,) atom indices; the neighbours of centre k are
        neighbours[first[k]:first[k + 1]], atom indices; tags (n_all,): of equally near neighbours beyond sel that of the larger tag is
        dropped, None: the index. Raises InputError where an index or type is out of range.
        """
        cdef int n_all = types.shape[0]
        cdef Py_ssize_t n = centres.shape[0]
        cdef Py_ssize_t k
        if first.shape[0] != n + 1 or first[0] != 0 or first[n] != neighbours.shape[0]:
            raise InputError("first must hold n_centres + 1 offsets, from 0 to the number of neighbours")
        if tags is not None and tags.shape[0] != n_all:
            raise InputError(f"{tags.shape[0]} tags for {n_all} atoms")
        cdef vector[int] count = vector[int](n_all, 0)
        cdef vector[Row] rows = vector[Row](n_all, <Row>NULL)
        cdef const int* start = &neighbours[0] if neighbours.shape[0] > 0 else NULL
        for k in range(n):
            if not 0 <= centres[k] < n_all or first[k + 1] < first[k]:
                raise InputError(f"centre {k}: atom index {centres[k]} of {n_all} atoms, or offsets that decrease")
            count[centres[k]] = <int>(first[k + 1] - first[k])
            rows[centres[k]] = start + first[k]
        cdef CppRows cpp_rows
        cpp_rows.n_centres = <int>n
        cpp_rows.centre = &centres[0] if n > 0 else NULL
        cpp_rows.count = count.data()
        cpp_rows.rows = rows.data()
        cpp_rows.index_mask = ~0
        cpp_rows.tag = &tags[0] if tags is not None and n_all > 0 else NULL
        cdef const int* cpp_types = &types[0] if n_all > 0 else NULL
        with self.turn:
            with nogil:
                dereference(self.cpp).set_neighbours(n_all, cpp_types, cpp_rows)
            self.n_all = n_all

    def compute(self, const double[:, ::1] x not None, bint with_atom_virial=True, const double[::1] fparam=None,
                const double[:, ::1] aparam=None, double[::1] fparam_gradient=None):
        """Evaluate at positions x (n_all, 3), angstrom. fparam (n_fparam,), aparam (n_all, n_aparam): of models that take them.
        To fparam_gradient (n_fparam,) the derivatives of the energy along the frame parameters are added.

        Returns energy (eV), atom_energy (n_all,), forces (n_all, 3), virial (3, 3), atom_virial (n_all, 9), or None unless
        with_atom_virial: forces and atomic virials also on atoms that are no centres. Raises InputError for positions that are
        not finite and coincident atoms.
        """
        with self.turn as was_lost:
            if was_lost:  # another thread had it when this process was forked: its list may be half made
                self.n_all = -1
            return self._compute(x, with_atom_virial, fparam, aparam, fparam_gradient)

    cdef object _compute(self, const double[:, ::1] x, bint with_atom_virial, const double[::1] fparam, const double[:, ::1] aparam,
                         double[::1] fparam_gradient):
        if x.shape[0] != self.n_all or x.shape[1] != 3:
            raise InputError(f"positions of shape ({x.shape[0]}, {x.shape[1]}), but the neighbour list has {self.n_all} atoms")
        forces = np.zeros((self.n_all, 3))
        atom_energy = np.zeros(self.n_all)
        atom_virial = np.zeros((self.n_all if with_atom_virial else 0, 9))
        cdef double[:, ::1] forces_view = forces
        cdef double[::1] energy_view = atom_energy
        cdef double[:, ::1] virial_view = atom_virial
        cdef CppOutput output
        cdef CppInputs inputs
        cdef CppTotals totals
        if self.n_all > 0:
            inputs.x = &x[0, 0]
            output.forces = &forces_view[0, 0]
            output.atom_energy = &energy_view[0]
            if with_atom_virial:
                output.atom_virial = &virial_view[0, 0]
        if fparam_gradient is not None and fparam_gradient.shape[0] != self.model.n_fparam:
            raise InputError(f"fparam_gradient has {fparam_gradient.shape[0]} numbers, the model takes {self.model.n_fparam}")
        if fparam_gradient is not None and fparam_gradient.shape[0] > 0:
            output.fparam_gradient = &fparam_gradient[0]
        if fparam is not None and fparam.shape[0] > 0:
            inputs.fparam.values = &fparam[0]
            inputs.fparam.n = fparam.shape[0]
        if aparam is not None and aparam.shape[0] * aparam.shape[1] > 0:
            inputs.aparam.values = &aparam[0, 0]
            inputs.aparam.n = aparam.shape[0] * aparam.shape[1]
        with nogil:
            totals = dereference(self.cpp).compute(inputs, output)
        virial = np.array([totals.virial[k] for k in range(9)]).reshape(3, 3)
        return totals.energy, atom_energy, forces, virial, atom_virial if with_atom_virial else None

    @property
    def overflow(self):
        """Of the last compute: what left the range of the training data (docs/theory.md section 5)."""
        cdef CppOverflow o = dereference(self.cpp).overflow()
        return {
            "n_close": o.n_close,
            "n_beyond": o.n_beyond,
            "n_over_sel": o.n_over_sel,
            "worst": {"i": o.worst.i, "j": o.worst.j, "type_i": o.worst.type_i, "type_j": o.worst.type_j,
                      "distance": o.worst.distance, "limit": o.worst.limit, "table_limit": o.worst.table_limit},
            "crowd": {"i": o.crowd.i, "type_i": o.crowd.type_i, "type_j": o.crowd.type_j,
                      "count": o.crowd.count, "sel": o.crowd.sel},
        }

    def describe(self):
        """Precision, instruction set or execution space, and threads."""
        return dereference(self.cpp).describe().decode()

    @property
    def memory_bytes(self):
        """Bytes held by tables, lists and scratch."""
        return dereference(self.cpp).memory_bytes()
