# Included by CMake at each project(): .cargo/config.toml names it. whisper-rs-sys builds a copy of
# whisper.cpp, which gets our patches here.
set(patches memory abort gelu)
if(GGML_BLAS)
    list(APPEND patches convolution)
endif()
foreach(patch IN LISTS patches)
    set(applied "${CMAKE_SOURCE_DIR}/.oratype-${patch}")
    if(NOT EXISTS "${applied}")
        execute_process(
            COMMAND patch --batch --forward -p1 -i "${CMAKE_CURRENT_LIST_DIR}/${patch}.patch"
            WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
            RESULT_VARIABLE failed)
        if(failed)
            message(FATAL_ERROR "app/whisper/${patch}.patch does not fit: another version of whisper.cpp, one that was "
                "patched in another way (`cargo clean -p whisper-rs-sys`), or there is no patch(1)")
        endif()
        file(TOUCH "${applied}")
    endif()
endforeach()
