/* cases_doc.c - prints docs/MERGE-CASES.md from the table. The test lint.cases_doc compares; `cmake --build . --target merge-cases-doc` writes.
 *
 * cases_doc --tests prints "number test" lines for cases.sh.
 */
#include <stdio.h>
#include <string.h>
#include "../../src/commit/cases.h"

static const char intro[] =
	"# What becomes of a change when the host has changed too\n"
	"\n"
	"This page is made from `src/commit/cases.def`: do not edit it, run the target `merge-cases-doc`.\n"
	"\n"
	"A commit compares three states of each change: what the host had when the box first changed it (the *origin*), what the "
	"box did with it, and what the "
	"host did since. Each combination is a row below; `struct commit_item` carries its number. What no row is for is row 4, a "
	"conflict. "
	"What was only touched, and what both changed alike, is no conflict and is not talked about.\n"
	"\n"
	"## How the states are found\n"
	"\n"
	"1. **The origin** is the last record of the name in `origins`: type, device, inode, size, times, mode, owner, a symlink's "
	"text. Of a regular "
	"file of at most 8 MiB that was copied up or replaced, content and extended attributes are kept in `base/`. Of what was "
	"only deleted they are "
	"not. Directories above may have been renamed: then all names that it had are tried.\n"
	"2. **The host did nothing** when device, inode, size, modification and change time are the recorded ones; of a directory, "
	"when device, inode, mode and "
	"owner are: names in it come and go. Nothing is read. Two exceptions: mode and owner are compared even so, and where the "
	"box copied the file within "
	"50 ms of the host's writing the content is.\n"
	"3. Else **the host's content** is compared with the kept original. Without one, it is the same if inode, size and "
	"modification time are, and "
	"else unknown. A device is known by its inode only. **Its mode and owner** are compared with the record, **its "
	"attributes** with the kept original; "
	"without one, an attribute that the host's has and the box's has not alike counts as changed by both, unless nothing but "
	"the "
	"count of names has changed. The modification time alone is no change: *touched*.\n"
	"4. **The box's part** follows: what differs from the record and, for the content, from the host's or from the kept "
	"original. No pair of "
	"contents is read twice, and what the list of changes found different is not read again.\n"
	"5. Metadata **clash** where both changed mode, owner or attributes to different values, where attributes are in doubt, "
	"and "
	"whenever one of the files is set-user-ID or set-group-ID or has capabilities: no program that lends rights is put "
	"together from two halves.\n"
	"6. A file with **several names** is taken over as a whole or not at all.\n"
	"7. A directory in which the box replaced all (*opaque*) is a directory with perhaps other metadata, and a removal for "
	"each "
	"name that is gone; one that it *merged* is its metadata, if those changed. Either way what is in it has rows of its own. "
	"A *renamed* one "
	"is found at its old name. Where the host removed a directory, its row says so, and what is new in it waits.\n"
	"8. A file that both renamed to the same name stands in the list as new there: rows 11 to 15. One that the host has no "
	"more under "
	"its old name, removed or renamed to something else, is row 96. Renames of symlinks and "
	"special files are a removal and "
	"something new.\n"
	"\n"
	"**apply**: done. **already there**: only leaves the box. **merge**: a conflict whose contents can be merged, from the "
	"kept original or (row 12) without; "
	"until somebody does, it is left. **conflict**, **refuse**: left in the box. What stays the host's in an applied change "
	"(`keep`: content, mode, "
	"owner, attributes, time) is what the host alone changed; until the code that applies can leave a part alone, such a "
	"change is left too, but for the time.\n"
	"\n"
	"In the table a *special file* is a FIFO, a socket or a device.\n"
	"\n"
	"## The rows\n"
	"\n"
	"| row | origin | box | host since | verdict | what happens | test |\n"
	"|---:|---|---|---|---|---|---|\n";

struct whole {
	unsigned bits;
	const char *text;
};

/* whole: what sets of bits are called, up to an entry without bits. */
static void put_bits(unsigned bits, const struct whole *whole, const char *(*name)(unsigned))
{
	const char *sep = "";

	while (whole->bits && whole->bits != bits)
		whole++;
	if (whole->bits)
		printf("%s", whole->text);
	for (unsigned bit = 1; !whole->bits && bit && name(bit); bit <<= 1)
		if (bits & bit) {
			printf("%s%s", sep, name(bit));
			sep = "; ";
		}
	printf(" | ");
}

static void put_row(const struct case_row *r)
{
	static const struct whole was[] = {
		{ WAS_ANY, "any" },
		{ WAS_LEAF, "no directory" },
		{ WAS_LEAF | WAS_DIR, "anything" },
		{ WAS_LINK | WAS_SPECIAL, "symlink or special file" },
		{ 0, NULL },
	};
	static const struct whole box[] = {
		{ BOX_ANY, "any" },
		{ BOX_ALL, "any" },
		{ BOX_ALL & ~(unsigned)BOX_DELETED, "any but deleted" },
		{ BOX_CHANGED, "any change of it" },
		{ BOX_TIMES | BOX_META, "metadata, or the time alone" },
		{ BOX_CONTENT | BOX_BOTH, "content, with or without metadata" },
		{ BOX_RENAMED, "renamed, with or without new content" },
		{ 0, NULL },
	};
	static const struct whole host[] = { { HOST_ANY, "any" }, { 0, NULL } };

	printf("| %u | ", r->number);
	put_bits(r->was, was, case_was_name);
	put_bits(r->box, box, case_box_name);
	put_bits(r->host, host, case_host_name);
	printf("%s | %s | `test_%s` |\n", case_verdict_name(r->verdict), r->does, r->test);
}

int main(int argc, char **argv)
{
	size_t n;
	const struct case_row *rows = case_rows(&n);

	if (argc > 1 && strcmp(argv[1], "--tests") == 0) {
		for (size_t i = 0; i < n; i++)
			printf("%u test_%s\n", rows[i].number, rows[i].test);
	} else {
		printf("%s", intro);
		for (size_t i = 0; i < n; i++)
			put_row(&rows[i]);
	}
	return ferror(stdout) || fclose(stdout) ? 1 : 0;
}
