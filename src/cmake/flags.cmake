# Language, warnings, sanitizers: one interface target that every room links.
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# Asserts stay in every build: each guards against a mistake of ours, and stopping is safer than going on.
set(CMAKE_C_FLAGS_RELEASE "-O2")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

add_library(cowbox_flags INTERFACE)
target_include_directories(cowbox_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(cowbox_flags INTERFACE _GNU_SOURCE COWBOX_VERSION="${PROJECT_VERSION}")
target_compile_options(cowbox_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -fstack-protector-strong
	$<$<BOOL:${COWBOX_WERROR}>:-Werror>)
target_link_options(cowbox_flags INTERFACE -Wl,-z,relro)
target_link_libraries(cowbox_flags INTERFACE Threads::Threads)

if(COWBOX_SANITIZE)
	target_compile_options(cowbox_flags INTERFACE
		-fsanitize=${COWBOX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(cowbox_flags INTERFACE -fsanitize=${COWBOX_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
	target_compile_options(cowbox_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

if(COWBOX_FUZZ)
	if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
		message(FATAL_ERROR "COWBOX_FUZZ needs clang: cmake -DCMAKE_C_COMPILER=clang ...")
	endif()
	target_compile_options(cowbox_flags INTERFACE -fsanitize=fuzzer-no-link)
	target_link_options(cowbox_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
