# libcowbox: the rooms in one archive, with their headers, and what is installed.
set(library_rooms base overlay trace commit)
list(TRANSFORM library_rooms REPLACE "(.+)" "$<TARGET_OBJECTS:cowbox_\\1>" OUTPUT_VARIABLE library_objects)
add_library(libcowbox STATIC ${library_objects})
set_target_properties(libcowbox PROPERTIES OUTPUT_NAME cowbox LINKER_LANGUAGE C)
# So that all that is installed is there after `--target cowbox`, the build without the tests.
add_dependencies(cowbox libcowbox)

# From the .pc file up to the prefix: --prefix of `cmake --install` is not known here.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
	set(COWBOX_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
	set(COWBOX_PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
else()
	file(RELATIVE_PATH up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
	string(REGEX REPLACE "/$" "" up "${up}")
	set(COWBOX_PC_PREFIX "\${pcfiledir}/${up}")
	set(COWBOX_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
configure_file(src/cmake/cowbox.pc.in cowbox.pc @ONLY)

install(TARGETS cowbox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libcowbox ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(room base overlay trace commit cowbox)
	if(EXISTS ${PROJECT_SOURCE_DIR}/include/${room})
		install(DIRECTORY include/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cowbox FILES_MATCHING PATTERN "*.h")
	endif()
endforeach()
install(FILES docs/cowbox.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
# What the manual page refers to.
install(FILES docs/MERGE-CASES.md docs/DIFFERENCES.md docs/SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_BINARY_DIR}/cowbox.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
