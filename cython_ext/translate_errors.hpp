// SPDX-License-Identifier: MIT
// The core's exceptions as those of pybuild.errors, the one place where they cross into Python.
#pragma once

#include <Python.h>

#include <new>
#include <stdexcept>

#include "dpc/errors.hpp"

inline void raise_python_error(const char* name, const char* what) {
    PyObject* module = PyImport_ImportModule("pybuild.errors");
    PyObject* type = module != nullptr ? PyObject_GetAttrString(module, name) : nullptr;
    if (type != nullptr) {
        PyErr_SetString(type, what);
    }
    Py_XDECREF(type);
    Py_XDECREF(module);
}

inline void translate_errors() {
    try {
        throw;
    } catch (const dpc::FormatError& e) {
        raise_python_error("FormatError", e.what());
    } catch (const dpc::ModelError& e) {
        raise_python_error("ModelError", e.what());
    } catch (const dpc::InputError& e) {
        raise_python_error("InputError", e.what());
    } catch (const std::bad_alloc& e) {
        PyErr_SetString(PyExc_MemoryError, e.what());
    } catch (const std::exception& e) {
        PyErr_SetString(PyExc_RuntimeError, e.what());
    }
}
