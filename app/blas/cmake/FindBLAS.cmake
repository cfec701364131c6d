# In place of CMake's own, when ggml's BLAS back end is built: the BLAS is a crate, linked with the program.
set(BLAS_FOUND TRUE)
set(BLAS_LIBRARIES "")
set(BLAS_LINKER_FLAGS "")

# whisper-rs-sys builds a copy of whisper.cpp; have it use the back end for more.
if(NOT EXISTS "${CMAKE_SOURCE_DIR}/.oratype-patched")
    execute_process(
        COMMAND patch -p1 -i "${CMAKE_CURRENT_LIST_DIR}/whisper.patch"
        WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
        RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "whisper.patch does not fit this version of whisper.cpp, or there is no patch(1)")
    endif()
    file(TOUCH "${CMAKE_SOURCE_DIR}/.oratype-patched")
endif()
