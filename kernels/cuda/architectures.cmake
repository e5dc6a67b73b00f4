# cuda_architectures(NVCC WANTED KNOWN UNKNOWN): of the wanted architectures ("80;90a;100") those that this nvcc compiles for, and the others. One
# that does not say what it knows is left to refuse by itself.
function(cuda_architectures nvcc wanted known unknown)
  execute_process(COMMAND ${nvcc} --list-gpu-arch OUTPUT_VARIABLE list RESULT_VARIABLE failed ERROR_QUIET)
  set(good "")
  set(bad "")
  foreach(arch ${wanted})
    string(REGEX REPLACE "[a-z]+$" "" plain ${arch}) # 90a and 100f are listed by some as 90 and 100
    if(failed OR list MATCHES "compute_${plain}[a-z]*(\n|$)")
      list(APPEND good ${arch})
    else()
      list(APPEND bad ${arch})
    endif()
  endforeach()
  set(${known} "${good}" PARENT_SCOPE)
  set(${unknown} "${bad}" PARENT_SCOPE)
endfunction()
