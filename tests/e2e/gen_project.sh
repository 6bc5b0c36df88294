#!/bin/bash
# gen_project.sh DIR [FILES]: writes a C project of the size of a small Debian source package: FILES .c files (150) with headers that
# include one another, a static library, a program that uses all of it, a Makefile with dependencies.
set -eu
dir=$1
files=${2:-150}
mkdir -p "$dir/include" "$dir/lib" "$dir/src"
awk -v dir="$dir" -v n="$files" '
function header(i,	f, k) {
	f = sprintf("%s/include/mod%d.h", dir, i)
	printf "#ifndef MOD%d_H\n#define MOD%d_H\n#include <stddef.h>\n#include <stdint.h>\n", i, i > f
	if (i >= 3)
		printf "#include \"mod%d.h\"\n#include \"mod%d.h\"\n", int(i / 2), int(i / 3) > f
	printf "struct mod%d {\n\tuint64_t state;\n\tuint32_t table[%d];\n\tconst char *name;\n};\n", i, 16 + i % 48 > f
	for (k = 0; k < 12; k++)
		printf "uint64_t mod%d_step%d(struct mod%d *m, uint64_t x);\n", i, k, i > f
	printf "uint64_t mod%d_run(uint64_t seed);\n#endif\n", i > f
	close(f)
}
function source(i,	f, k, size) {
	size = 16 + i % 48
	f = sprintf("%s/lib/mod%d.c", dir, i)
	printf "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include \"mod%d.h\"\n\n", i > f
	for (k = 0; k < 12; k++) {
		printf "uint64_t mod%d_step%d(struct mod%d *m, uint64_t x)\n{\n\tuint64_t sum = x ^ %d;\n\n", i, k, i, i * 131 + k > f
		printf "\tfor (size_t j = 0; j < %d; j++) {\n\t\tm->table[j] += (uint32_t)(sum >> (j %% 7));\n", size > f
		printf "\t\tswitch ((sum + j) %% 5) {\n\t\tcase 0: sum = sum * 31 + m->table[j]; break;\n" > f
		printf "\t\tcase 1: sum ^= sum << 13; break;\n\t\tcase 2: sum ^= sum >> 7; break;\n" > f
		printf "\t\tcase 3: sum += m->state; break;\n\t\tdefault: m->state ^= sum; break;\n\t\t}\n\t}\n" > f
		printf "\treturn sum + strlen(m->name);\n}\n\n" > f
	}
	printf "uint64_t mod%d_run(uint64_t seed)\n{\n\tstruct mod%d m = { .state = seed, .name = \"module %d\" };\n\tuint64_t x = seed;\n\n", i, i, i > f
	for (k = 0; k < 12; k++)
		printf "\tx = mod%d_step%d(&m, x);\n", i, k > f
	printf "\treturn x;\n}\n" > f
	close(f)
}
BEGIN {
	for (i = 1; i <= n; i++) {
		header(i)
		source(i)
	}
	f = dir "/src/main.c"
	printf "#include <inttypes.h>\n#include <stdio.h>\n" > f
	for (i = 1; i <= n; i++)
		printf "#include \"mod%d.h\"\n", i > f
	printf "\nint main(void)\n{\n\tuint64_t x = 1;\n\n" > f
	for (i = 1; i <= n; i++)
		printf "\tx = mod%d_run(x);\n", i > f
	printf "\tprintf(\"%%016\" PRIx64 \"\\n\", x);\n\treturn 0;\n}\n" > f
}' </dev/null
cat >"$dir/Makefile" <<'END'
CC = gcc
CFLAGS = -O1 -g -Iinclude -Wall
OBJ = $(patsubst lib/%.c,build/%.o,$(sort $(wildcard lib/*.c)))

all: build/program
build/program: build/main.o build/libmod.a
	$(CC) -o $@ build/main.o build/libmod.a
build/libmod.a: $(OBJ)
	rm -f $@
	ar rcsD $@ $(OBJ)
build/main.o: src/main.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<
build/%.o: lib/%.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<
build:
	mkdir -p $@
install: all
	install -D -m 755 build/program $(DESTDIR)/bin/program
	install -d $(DESTDIR)/include
	install -m 644 include/*.h $(DESTDIR)/include
clean:
	rm -rf build
-include $(wildcard build/*.d)
.PHONY: all install clean
END
