# libcowbox: the rooms in one archive, with their headers, and what is installed.
set(library_rooms base overlay trace commit)
list(TRANSFORM library_rooms REPLACE "(.+)" "$<TARGET_OBJECTS:cowbox_\\1>" OUTPUT_VARIABLE library_objects)
add_library(libcowbox STATIC ${library_objects})
set_target_properties(libcowbox PROPERTIES OUTPUT_NAME cowbox LINKER_LANGUAGE C)

configure_file(src/cmake/cowbox.pc.in cowbox.pc @ONLY)

install(TARGETS cowbox RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libcowbox ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(room base overlay trace commit cowbox)
	if(EXISTS ${PROJECT_SOURCE_DIR}/include/${room})
		install(DIRECTORY include/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cowbox FILES_MATCHING PATTERN "*.h")
	endif()
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/cowbox.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
