# cowbox_room(NAME SOURCES file... [ROOMS room...] [LIBRARIES lib...]): one room as the static library cowbox_NAME.
# ROOMS are those below it, LIBRARIES the third-party code that this room alone includes.
function(cowbox_room name)
	cmake_parse_arguments(arg "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
	add_library(cowbox_${name} STATIC ${arg_SOURCES})
	list(TRANSFORM arg_ROOMS PREPEND cowbox_)
	target_link_libraries(cowbox_${name} PUBLIC cowbox_flags ${arg_ROOMS} PRIVATE ${arg_LIBRARIES})
endfunction()
