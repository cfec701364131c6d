# In place of CMake's own, when ggml's BLAS back end is built: the BLAS is a crate, linked with the program.
set(BLAS_FOUND TRUE)
set(BLAS_LIBRARIES "")
set(BLAS_LINKER_FLAGS "")
