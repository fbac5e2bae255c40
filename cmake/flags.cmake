# Warnings and hardening, on targets rather than in global variables.
add_library(tether_flags INTERFACE)
target_compile_definitions(tether_flags INTERFACE _GNU_SOURCE TETHER_VERSION="${PROJECT_VERSION}")
target_compile_options(tether_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wpointer-arith -Wwrite-strings
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>)
if(TETHER_WERROR)
  target_compile_options(tether_flags INTERFACE -Werror)
endif()
if(TETHER_SANITIZE)
  target_compile_options(tether_flags INTERFACE -fsanitize=${TETHER_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(tether_flags INTERFACE -fsanitize=${TETHER_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  target_compile_options(tether_flags INTERFACE -fstack-protector-strong)
  target_compile_definitions(tether_flags INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>)
  target_link_options(tether_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

# The pure layers do arithmetic on wire formats: no silent narrowing there.
add_library(tether_pure_flags INTERFACE)
target_compile_options(tether_pure_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wconversion -Wno-sign-conversion>)
