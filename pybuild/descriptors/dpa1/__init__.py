# SPDX-License-Identifier: MIT
"""DPA-1 without attention (se_atten, se_atten_v2): se_e2_a with a function per pair of types and slots that all types share."""
