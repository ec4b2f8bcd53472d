# SPDX-License-Identifier: MIT
# -DDPC_SANITIZE=address,undefined: the sanitizers must cover every object file of a program, so they are set for all targets.
if(DPC_SANITIZE)
    add_compile_options(-fsanitize=${DPC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${DPC_SANITIZE})
endif()
